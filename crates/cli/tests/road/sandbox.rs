//! Programs under `sandbox: strict`, through the real binary: confined, or not run at all.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::server::{Server, file};

const TOKEN: (&str, &str) = ("Authorization", "Bearer operator-operator-operator-12345");

/// Says whether this machine lets programs be confined, as `cantus doctor` sees it.
pub(crate) fn is_possible() -> bool {
    let output = Command::new(env!("CARGO_BIN_EXE_cantus"))
        .args(["doctor", "-o", "jsonl", "--server", "http://127.0.0.1:9"])
        .output()
        .expect("the binary runs");
    let said = String::from_utf8(output.stdout).expect("output is UTF-8");
    let line = said.lines().find(|line| line.contains("\"sandbox\"")).expect("doctor looks at the sandbox");
    !line.contains("does not let programs be confined")
}

/// A file for `serve` whose agent is this script, with what is said of its confinement.
fn project(dir: &Path, script: &str, confinement: &str) -> PathBuf {
    std::fs::write(dir.join("operator.token"), "operator-operator-operator-12345\n").expect("written");
    std::fs::create_dir_all(dir.join("workspace")).expect("made");
    let agent = dir.join("agent.sh");
    std::fs::write(&agent, format!("#!/bin/sh\n{script}\n")).expect("written");
    std::fs::set_permissions(&agent, std::fs::Permissions::from_mode(0o755)).expect("changed");
    file(
        dir,
        &format!(
            "version: 1\nserver: {{ tokens: [{{ name: op, token_file: operator.token, may: [publish, consume, operate] }}] }}\n\
             topics: {{ tasks: {{}}, answers: {{}} }}\nagents:\n  /coder:\n    subscriptions:\n      - topic: tasks\n        action: {{ exec: [./agent.sh], \
             {confinement} on_success: {{ type: Answered, topic: answers }} }}\n        retry: {{ max_retries: 0 }}\n"
        ),
    )
}

fn serve_once(file: &Path, prefix: &[&str]) -> Output {
    let mut words = prefix.to_vec();
    let cantus = env!("CARGO_BIN_EXE_cantus");
    words.push(cantus);
    Command::new(words[0])
        .args(&words[1..])
        .args(["serve", "--port", "0", "-f"])
        .arg(file)
        .current_dir(file.parent().expect("a file in a folder"))
        .output()
        .expect("the binary runs")
}

fn publish(server: &Server) {
    let event = br#"{"specversion":"1.0","id":"1","source":"/t","type":"T"}"#;
    let json = ("Content-Type", "application/cloudevents+json");
    let (status, body) =
        server.http("POST", "/v1/topics/tasks/events", &[json, TOKEN], event).expect("answered");
    assert_eq!(status, 202, "{body}");
}

fn read(server: &Server, path: &str) -> serde_json::Value {
    let (_, body) = server.http("GET", path, &[TOKEN], b"").expect("answered");
    serde_json::from_str(&body).expect("JSON")
}

#[test]
pub(crate) fn serve_confines_programs_unless_told_otherwise() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let script = "echo \"tokens: $(cat operator.token 2>/dev/null)\"; echo kept > workspace/kept; echo no > escaped; \
                  grep Seccomp: /proc/self/status";
    let file = project(dir.path(), script, "readable: [.], writable: [workspace],");
    if !is_possible() {
        let output = serve_once(&file, &[]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("coder/tasks must be confined"), "{said}");
        return;
    }
    let server = Server::start_production(&file);
    publish(&server);
    let answer = server.wait("the agent has answered", |server| {
        let answers = read(server, "/v1/topics/answers/events?since=start");
        answers["items"].get(0).map(|item| item.to_string())
    });
    assert!(answer.contains("tokens: ") && !answer.contains("operator-operator"), "{answer}");
    assert!(answer.contains("Seccomp:\\t2"), "{answer}");
    assert_eq!(std::fs::read_to_string(dir.path().join("workspace/kept")).expect("written"), "kept\n");
    assert!(!dir.path().join("escaped").exists());
}

#[test]
fn a_script_that_was_edited_is_not_run_until_the_file_is_installed_again() {
    if !is_possible() {
        return serve_confines_programs_unless_told_otherwise();
    }
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = project(dir.path(), "echo first", "");
    let mut server = Server::start_production(&file);
    project(dir.path(), "echo second", "");
    publish(&server);
    let letter = server.wait("the attempt has failed", |server| {
        let letters = read(server, "/v1/dead-letters");
        letters["items"].get(0).map(|item| item.to_string())
    });
    assert!(letter.contains("agent.sh is not what it was"), "{letter}");
    server.kill();
    server.begin();
    let id = read(&server, "/v1/dead-letters")["items"][0]["id"].as_str().expect("an id").to_owned();
    let (status, body) = server
        .http(
            "POST",
            &format!("/v1/dead-letters/{id}/replay"),
            &[("Content-Type", "application/json"), TOKEN],
            b"{}",
        )
        .expect("answered");
    assert!(status < 300, "{body}");
    server.wait("the agent has answered", |server| {
        read(server, "/v1/topics/answers/events?since=start").to_string().contains("second").then_some(())
    });
}

/// A file for `dev` whose agent shows a secret that lies beside it, confined, and what else it declares.
fn curious(dir: &Path, more: &str) -> PathBuf {
    file(
        dir,
        &format!(
            "version: 1\ntopics: {{ tasks: {{}}, answers: {{}} }}\nagents:\n  /coder:\n    subscriptions:\n      - topic: tasks\n        \
             action: {{ exec: [./agent.sh], sandbox: strict, readable: [.], on_success: {{ type: Answered, topic: answers }} }}\n        \
             retry: {{ max_retries: 0 }}\n{more}"
        ),
    )
}

/// Publishes an event and returns what the agent answered to it.
fn answered(server: &Server, id: &str) -> String {
    server.json(&["pub", "tasks", "--type", "T", "--id", id, "--data", "{}"]);
    server.wait("the agent has answered", |server| {
        let story = server.get(&format!("/v1/correlations/{id}"));
        let answer = story["events"].get(1)?["event"]["data"].as_str()?.to_owned();
        Some(answer)
    })
}

#[test]
fn a_secret_that_the_file_names_later_is_hidden_from_programs_that_could_see_it_before() {
    if !is_possible() {
        return serve_confines_programs_unless_told_otherwise();
    }
    let dir = tempfile::tempdir().expect("a temporary folder");
    project(dir.path(), "echo \"seen: $(cat late.secret 2>/dev/null)\"", "");
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    std::fs::write(dir.path().join("late.secret"), secret).expect("written");
    let server = Server::start_watching(&curious(dir.path(), ""));
    assert_eq!(answered(&server, "before").trim_end(), format!("seen: {secret}"));
    curious(
        dir.path(),
        "  /front:\n    subscriptions:\n      - topic: answers\n        filter: { type: Never }\n        \
         action: { webhook: \"http://127.0.0.1:8099/\", secret_file: late.secret }\n",
    );
    let mut asked = 0;
    server.wait("the secret is hidden", |server| {
        asked += 1;
        (answered(server, &format!("after{asked}")).trim_end() == "seen:").then_some(())
    });
}

#[test]
fn a_script_that_was_edited_runs_again_once_the_definitions_are_applied() {
    if !is_possible() {
        return serve_confines_programs_unless_told_otherwise();
    }
    let dir = tempfile::tempdir().expect("a temporary folder");
    project(dir.path(), "echo first", "");
    let file = curious(dir.path(), "");
    let mut server = Server::start(Some(&file));
    assert_eq!(answered(&server, "one").trim_end(), "first");
    // The start that keeps what was applied looks at programs like any other.
    let apply = ["apply", "-f", file.to_str().expect("UTF-8"), "--yes"];
    server.ok(&apply);
    server.kill();
    server.begin();
    project(dir.path(), "echo second", "");
    curious(dir.path(), "");
    server.json(&["pub", "tasks", "--type", "T", "--id", "two", "--data", "{}"]);
    server.wait("the attempt has failed", |server| {
        server.get("/v1/dead-letters").to_string().contains("agent.sh is not what it was").then_some(())
    });
    let entries = |server: &Server| {
        let audit = server.json(&["audit", "ls", "--limit", "100"]);
        audit["items"].as_array().expect("a list").len()
    };
    let before = entries(&server);
    server.ok(&apply);
    assert_eq!(answered(&server, "three").trim_end(), "second");
    assert_eq!(
        entries(&server),
        before + 1,
        "who let another program run is told, though no definition changed"
    );
    server.ok(&apply);
    assert_eq!(entries(&server), before + 1, "and what changes nothing at all is not");
}

#[test]
fn serve_stops_where_the_kernel_refuses_namespaces_and_says_what_to_do() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = project(dir.path(), "true", "");
    // In a user namespace of one's own, the sysctl that forbids further ones can be set by anybody.
    let forbid = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"";
    let unshare = ["unshare", "--user", "--map-root-user", "sh", "-c", forbid, "sh"];
    let can_forbid =
        Command::new(unshare[0]).args(&unshare[1..]).arg("true").output().is_ok_and(|it| it.status.success());
    // Where even that is impossible, this machine refuses by itself.
    assert!(can_forbid || !is_possible());
    let output = serve_once(&file, if can_forbid { &unshare } else { &[] });
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(
        said.contains("coder/tasks must be confined") && said.contains("user.max_user_namespaces"),
        "{said}"
    );
    assert!(said.contains("sandbox: none"), "{said}");
}
