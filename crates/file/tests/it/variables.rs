//! Variables: in texts, and over the server section.

use cantus_api::definition::Action;

use crate::support::Folder;

#[test]
fn texts_take_variables_and_expressions_do_not() {
    let text = "version: 1\nname: ${STAGE:-dev}-${REGION}\nserver: { auto_create: \"${AUTO}\" }\nagents:\n  /a:\n    description: costs 5$ and ${REGION}\n    prompt: say ${REGION}\n    subscriptions:\n      - topic: t-${REGION}\n        filter: data.x == '${REGION}'\n        action: { exec: [sh, -c, 'echo $$HOME ${REGION}'], env: { R: \"${REGION}\" } }\n";
    let loaded = Folder::with(text).set("REGION", "eu").set("AUTO", "true").loaded();
    assert_eq!(loaded.definitions.name.as_deref(), Some("dev-eu"));
    assert_eq!(loaded.server.auto_create, Some(true));
    let agent = loaded.definitions.agents.values().next().unwrap();
    assert_eq!(agent.description.as_deref(), Some("costs 5$ and ${REGION}"));
    assert_eq!(agent.prompt.as_deref(), Some("say ${REGION}"));
    let subscription = &agent.subscriptions[0];
    assert_eq!(subscription.topics[0].as_str(), "t-eu");
    assert_eq!(subscription.filter.as_ref().unwrap(), "data.x == '${REGION}'");
    let Action::Exec(exec) = &subscription.action else { panic!("exec") };
    assert_eq!(exec.argv[2], "echo $HOME eu");
    assert_eq!(exec.env["R"], "eu");
}

#[test]
fn a_variable_within_braces_wants_quotes_and_the_fault_says_so() {
    let said = Folder::with("version: 1\nserver: { auto_create: ${AUTO} }\n").set("AUTO", "true").said();
    assert!(said.contains("a variable within `{ }` or `[ ]` must be quoted"), "{said}");
    let block = Folder::with("version: 1\nserver:\n  auto_create: ${AUTO}\n").set("AUTO", "true").loaded();
    assert_eq!(block.server.auto_create, Some(true));
}

#[test]
fn variables_of_ours_win_over_the_server_section() {
    let text = "version: 1\nserver: { listen: 127.0.0.1:1, max_hops: 5 }\n";
    let loaded = Folder::with(text)
        .set("CANTUS_LISTEN", "127.0.0.1:2")
        .set("CANTUS_SERVER_MAX_HOPS", "7")
        .set("CANTUS_LIMITS_EVENT_BYTES", "2MiB")
        .set("CANTUS_ALLOWED_HOSTS", "a.example.com, b.example.com")
        .set("CANTUS_AUTO_CREATE", "")
        .loaded();
    assert_eq!(loaded.server.listen.as_deref(), Some("127.0.0.1:2"));
    assert_eq!(loaded.server.max_hops, Some(7));
    assert_eq!(loaded.server.limits.unwrap().event_bytes.unwrap().bytes(), 2 << 20);
    assert_eq!(loaded.server.allowed_hosts, ["a.example.com", "b.example.com"]);
    assert_eq!(loaded.server.auto_create, None, "an empty variable is no variable");
}

#[test]
fn a_variable_may_name_a_file_with_the_value() {
    let folder = Folder::with("version: 1\n").and("listen", "127.0.0.1:9\n");
    let path = folder.path().join("listen").display().to_string();
    assert_eq!(
        folder.set("CANTUS_LISTEN_FILE", &path).loaded().server.listen.as_deref(),
        Some("127.0.0.1:9")
    );
    let said = Folder::with("version: 1\n").set("CANTUS_LISTEN_FILE", "/nowhere/at/all").said();
    assert!(said.contains("`CANTUS_LISTEN_FILE` names can not be read: there is no such file"), "{said}");
}

#[test]
fn faults_in_variables_name_the_variable() {
    let said = Folder::with("version: 1\n").set("CANTUS_MAX_HOPS", "many").said();
    assert!(
        said.contains("$CANTUS_MAX_HOPS:1:1") && said.contains("a whole number from 1 to 10000"),
        "{said}"
    );
    let said = Folder::with("version: 1\n")
        .set("CANTUS_LISTEN", "127.0.0.1:1")
        .set("CANTUS_SERVER_LISTEN", "127.0.0.1:2")
        .said();
    assert!(said.contains("`server.listen` is given by several variables"), "{said}");
    let said = Folder::with("version: 1\n").set("CANTUS_SERVER_LISTN", "x").said();
    assert!(
        said.contains("overrides nothing") && said.contains("did you mean `CANTUS_SERVER_LISTEN`?"),
        "{said}"
    );
}

#[test]
fn the_value_of_a_variable_is_final() {
    let text = "version: 1\nname: ${A}\n";
    let loaded = Folder::with(text).set("A", "${B} $$").set("B", "no").loaded();
    assert_eq!(loaded.definitions.name.as_deref(), Some("${B} $$"));
}
