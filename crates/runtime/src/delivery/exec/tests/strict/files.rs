//! What a confined program sees of the files: the system, its own file, what was declared.

use super::*;

#[tokio::test]
async fn the_data_directory_and_the_rest_of_the_machine_are_not_there() {
    let stage = Stage::new();
    std::fs::write(stage.path("secret"), "hunter2").unwrap();
    let data = stage.data.path().display();
    let look = format!(
        "cat {data}/secret ../../../../../..{data}/secret /etc/shadow /root/.ssh/* 2>/dev/null; ls -A {data} ../; \
         ls / | tr '\\n' ' '"
    );
    let Some(outcome) = stage.confined(&look, Confinement::default()).await else { return };
    let said = text(&outcome.stdout);
    assert!(!said.contains("hunter2") && !said.contains("secret") && !said.contains("root:"), "{said}");
    assert!(!said.contains("home") && said.contains("usr"), "{said}");
}

#[tokio::test]
async fn other_processes_and_their_environments_are_not_there() {
    let stage = Stage::new();
    let look = "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'; for p in /proc/[0-9]*; do echo pid ${p#/proc/}; done; ls -l /proc/1/fd 2>&1; :";
    let mut spec = stage.script(look);
    spec.env.push(("CANARY".into(), "its own".into()));
    let Some(outcome) = stage.run_confined(spec, Confinement::default()).await else { return };
    let said = text(&outcome.stdout);
    assert!(said.contains("CANARY=its own"), "{said}");
    assert!(!said.contains("CARGO") && !said.contains("HOME=/root\n"), "{said}");
    let pids = said.lines().filter(|line| line.starts_with("pid ")).count();
    assert!(pids <= 4, "{said}");
    assert!(!said.contains("->"), "the first process shows its files: {said}");
}

#[tokio::test]
async fn only_declared_places_can_be_changed() {
    let stage = Stage::new();
    let (work, shown) = (stage.path("work"), stage.path("shown"));
    std::fs::create_dir(&work).unwrap();
    std::fs::create_dir(&shown).unwrap();
    std::fs::write(shown.join("note"), "read me").unwrap();
    let mut confinement = writable(&work);
    confinement.readable = vec![Place::new(&shown)];
    let script = format!(
        "cat {0}/note; for f in {0}/new {0}/note /usr/new /etc/new /new /proc/sys/kernel/core_pattern /dev/new; do \
         (echo x > $f) 2>/dev/null && echo wrote $f; done; echo kept > {1}/kept; echo t > $TMPDIR/t && cat /tmp/t; echo $HOME",
        shown.display(),
        work.display()
    );
    let mut spec = stage.script(&script);
    spec.env.push(("HOME".into(), "/root".into()));
    let Some(outcome) = stage.run_confined(spec, confinement).await else { return };
    assert_eq!(lines(&outcome), ["read met", "/tmp"]);
    assert_eq!(std::fs::read_to_string(work.join("kept")).unwrap(), "kept\n");
}

#[tokio::test]
async fn the_servers_state_inside_a_readable_folder_is_covered() {
    let stage = Stage::new();
    std::fs::write(stage.path("token.txt"), "hunter2").unwrap();
    std::fs::write(stage.path("code.txt"), "fine").unwrap();
    let mut confinement = readable(stage.data.path());
    confinement.hidden = vec![stage.path("token.txt")];
    let data = stage.data.path().display();
    let script = format!("cat {data}/code.txt {data}/token.txt; ls -A {data}/attempts 2>/dev/null; :");
    let Some(outcome) = stage.confined(&script, confinement).await else { return };
    assert_eq!(lines(&outcome), ["fine"]);
}

#[tokio::test]
async fn a_writable_folder_around_the_servers_state_is_refused() {
    let stage = Stage::new();
    let Some(outcome) = stage.confined("true", writable(stage.data.path())).await else { return };
    let (kind, message) = refusal(&outcome);
    assert_eq!(kind, SpawnFailure::Sandbox);
    assert!(message.contains("declare a folder inside"), "{message}");
    let inside = writable(stage.path("attempts/dlv_01"));
    let outcome = stage.run_as(2, stage.script("true"), inside).await.unwrap();
    assert_eq!(refusal(&outcome).0, SpawnFailure::Sandbox);
}

#[tokio::test]
async fn a_link_swapped_into_a_workspace_leads_nowhere() {
    let stage = Stage::new();
    let work = stage.path("work");
    std::fs::create_dir_all(work.join("out")).unwrap();
    std::fs::write(stage.path("attempts/secret"), "hunter2").unwrap();
    let attempts = stage.path("attempts");
    let swap = format!(
        "cd {0} && rmdir out && ln -s {1} out && cat out/secret; ln -s / root; cat root/etc/shadow root{1}/secret; :",
        work.display(),
        attempts.display()
    );
    let Some(outcome) = stage.confined(&swap, writable(&work)).await else { return };
    assert!(lines(&outcome).is_empty(), "{}", text(&outcome.stdout));
    // The next attempt declares what is a link now.
    for (number, led_to) in [(2, Some(work.join("out"))), (3, None)] {
        let confinement = Confinement {
            writable: vec![Place { path: work.join("out"), led_to }],
            ..Confinement::default()
        };
        let outcome = stage.run_as(number, stage.script("ls"), confinement).await.unwrap();
        let (kind, message) = refusal(&outcome);
        assert_eq!(kind, SpawnFailure::Changed);
        assert!(message.contains("leads to"), "{message}");
    }
}

#[tokio::test]
async fn the_input_can_be_read_again_by_name() {
    let stage = Stage::new();
    let mut spec = stage.script("cat /dev/stdin | wc -c; echo said > /dev/stderr");
    spec.stdin = vec![b'x'; 3 << 20];
    let Some(outcome) = stage.run_confined(spec, Confinement::default()).await else { return };
    assert_eq!(lines(&outcome)[0].trim(), (3 << 20).to_string());
    assert_eq!(text(&outcome.stderr), "said\n");
}

#[tokio::test]
async fn a_declared_place_that_is_missing_is_named() {
    let stage = Stage::new();
    let Some(outcome) = stage.confined("true", writable(stage.path("gone"))).await else { return };
    let (kind, message) = refusal(&outcome);
    assert_eq!(kind, SpawnFailure::Sandbox);
    assert!(message.contains("gone") && message.contains("make it"), "{message}");
}
