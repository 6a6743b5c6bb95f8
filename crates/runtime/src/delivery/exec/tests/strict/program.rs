//! Which program is run: the one that was checked, or none.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn put(path: &Path, body: &str, mode: u32) {
    std::fs::write(path, body).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn run_file(stage: &Stage, name: &str) -> Spec {
    let mut spec = stage.script("");
    spec.argv = vec![format!("./{name}"), "an argument".into()];
    spec
}

#[tokio::test]
async fn a_script_runs_from_its_own_path_and_sees_nothing_beside_it() {
    let stage = Stage::new();
    put(&stage.path("agent.sh"), "#!/bin/sh -e\necho \"$0 $1\"; ls -A .\n", 0o755);
    let Some(outcome) = stage.run_confined(run_file(&stage, "agent.sh"), Confinement::default()).await else {
        return;
    };
    let path = stage.path("./agent.sh");
    assert_eq!(lines(&outcome), [format!("{} an argument", path.display()), "agent.sh".into()]);
}

#[tokio::test]
async fn a_script_inside_a_readable_folder_can_use_its_neighbours() {
    let stage = Stage::new();
    put(&stage.path("agent.sh"), "#!/bin/sh\n. ./words.sh\necho $word\n", 0o755);
    put(&stage.path("words.sh"), "word=found\n", 0o644);
    let Some(outcome) = stage.run_confined(run_file(&stage, "agent.sh"), readable(stage.data.path())).await
    else {
        return;
    };
    assert_eq!(lines(&outcome), ["found"]);
}

#[tokio::test]
async fn a_script_that_is_not_the_one_that_was_installed_is_not_run() {
    let stage = Stage::new();
    let agent = stage.path("agent.sh");
    put(&agent, "#!/bin/sh\necho as installed\n", 0o755);
    let confinement =
        Confinement { script: crate::delivery::exec::sandbox::script_hash(&agent), ..Confinement::default() };
    assert!(confinement.script.is_some());
    let run = |number| stage.run_as(number, run_file(&stage, "agent.sh"), confinement.clone());
    let Some(outcome) = run(1).await else { return };
    assert_eq!(lines(&outcome), ["as installed"]);
    put(&agent, "#!/bin/sh\ntouch ran\n", 0o755);
    let outcome = run(2).await.unwrap();
    let (kind, message) = refusal(&outcome);
    assert_eq!(kind, SpawnFailure::Changed);
    assert!(message.contains("agent.sh") && message.contains("cantus apply"), "{message}");
    // Nor a binary in its place.
    std::fs::remove_file(&agent).unwrap();
    std::fs::copy("/bin/true", &agent).unwrap();
    assert_eq!(refusal(&run(3).await.unwrap()).0, SpawnFailure::Changed);
}

#[tokio::test]
async fn a_program_swapped_again_and_again_is_run_whole_or_not_at_all() {
    let stage = Stage::new();
    let agent = stage.path("agent.sh");
    let good = "#!/bin/sh\necho good\n";
    put(&agent, good, 0o755);
    let hash = crate::delivery::exec::sandbox::script_hash(&agent);
    let (swapped, good_path, bad_path) = (agent.clone(), stage.path("good"), stage.path("bad"));
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = stop.clone();
    let swapper = std::thread::spawn(move || {
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            put(&bad_path, "#!/bin/sh\necho bad\n", 0o755);
            std::fs::rename(&bad_path, &swapped).unwrap();
            put(&good_path, good, 0o755);
            std::fs::rename(&good_path, &swapped).unwrap();
        }
    });
    for number in 1..20 {
        let confinement = Confinement { script: hash.clone(), ..Confinement::default() };
        let Some(outcome) = stage.run_as(number, run_file(&stage, "agent.sh"), confinement).await else {
            break;
        };
        match &outcome.end {
            End::SpawnFailed { kind, .. } => assert_eq!(*kind, SpawnFailure::Changed),
            _ => assert_eq!(lines(&outcome), ["good"]),
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    swapper.join().unwrap();
}

#[tokio::test]
async fn what_is_no_program_is_refused_in_words() {
    let stage = Stage::new();
    let cases = [
        ("plain", "#!/bin/sh\n", 0o644, SpawnFailure::NotExecutable, "chmod +x"),
        ("shebangless", "touch ran\n", 0o755, SpawnFailure::NotExecutable, "#!/bin/sh"),
        ("orphan", "#!/no/such/interpreter\n", 0o755, SpawnFailure::NotFound, "/no/such/interpreter"),
        ("setuid", "#!/bin/sh\n", 0o4755, SpawnFailure::NotExecutable, "setuid"),
        ("nested", "#!./plain2\n", 0o755, SpawnFailure::NotFound, "interpreter"),
    ];
    for (number, (name, body, mode, kind, hint)) in (1..).zip(cases) {
        put(&stage.path(name), body, mode);
        let Some(outcome) = stage.run_as(number, run_file(&stage, name), Confinement::default()).await else {
            return;
        };
        let (is, message) = refusal(&outcome);
        assert_eq!(is, kind, "{name}: {message}");
        assert!(message.contains(hint), "{message}");
    }
    let outcome = stage.run_as(9, run_file(&stage, "missing"), Confinement::default()).await.unwrap();
    assert_eq!(refusal(&outcome).0, SpawnFailure::NotFound);
    assert!(!stage.path("ran").exists());
}

#[tokio::test]
async fn a_setuid_program_started_inside_gains_nothing() {
    let stage = Stage::new();
    let work = stage.path("work");
    std::fs::create_dir(&work).unwrap();
    std::fs::copy("/bin/grep", work.join("grep")).unwrap();
    std::fs::set_permissions(work.join("grep"), std::fs::Permissions::from_mode(0o4755)).unwrap();
    let look = format!("{}/grep -E '^CapEff' /proc/self/status", work.display());
    let Some(outcome) = stage.confined(&look, writable(&work)).await else { return };
    assert_eq!(lines(&outcome), ["CapEff:\t0000000000000000"]);
}

#[tokio::test]
async fn a_binary_that_is_no_system_program_runs_from_where_it_lies() {
    let stage = Stage::new();
    std::fs::copy("/bin/echo", stage.path("tool")).unwrap();
    let Some(outcome) = stage.run_confined(run_file(&stage, "tool"), Confinement::default()).await else {
        return;
    };
    assert_eq!(lines(&outcome), ["an argument"]);
}
