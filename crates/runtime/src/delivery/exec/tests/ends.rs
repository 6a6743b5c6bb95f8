//! Every way an attempt can end is told apart, and nothing it started is left.

use super::*;
use std::os::unix::fs::PermissionsExt;

fn failure(outcome: &Outcome) -> (SpawnFailure, &str) {
    match &outcome.end {
        End::SpawnFailed { kind, message } => (*kind, message),
        end => panic!("started, and ended with {end:?}"),
    }
}

#[tokio::test]
async fn exit_codes_come_back_as_they_are() {
    let stage = Stage::new();
    for (number, code) in [0, 1, 65, 75, 137, 255].into_iter().enumerate() {
        let spec = stage.script(&format!("exit {code}"));
        let outcome = stage.exec.run(&attempt(number as u32), spec, || {}).await;
        assert_eq!(outcome.end, End::Exited(code));
    }
}

#[tokio::test]
async fn a_signal_is_told_from_an_exit_code() {
    let stage = Stage::new();
    // SIGPIPE too, which our own processes ignore and their programs must not.
    for (number, (name, signal)) in (1..).zip([("SEGV", 11), ("KILL", 9), ("TERM", 15), ("PIPE", 13)]) {
        let spec = stage.script(&format!("kill -{name} $$"));
        assert_eq!(stage.exec.run(&attempt(number), spec, || {}).await.end, End::Signaled(signal));
    }
}

#[tokio::test]
async fn a_missing_program_is_named() {
    let stage = Stage::new();
    let mut spec = stage.script("");
    spec.argv = vec!["no-such-agent".into()];
    let outcome = stage.run(spec.clone()).await;
    assert_eq!(failure(&outcome).0, SpawnFailure::NotFound);
    assert!(failure(&outcome).1.contains("`no-such-agent` on the PATH"), "{:?}", outcome.end);
    spec.argv = vec!["./agents/none.sh".into()];
    let outcome = stage.exec.run(&attempt(2), spec, || {}).await;
    assert_eq!(failure(&outcome).0, SpawnFailure::NotFound);
}

#[tokio::test]
async fn a_file_that_is_no_program_is_refused_and_says_why() {
    let stage = Stage::new();
    let cases = [
        ("plain", "#!/bin/sh\n", 0o644, SpawnFailure::NotExecutable, "chmod +x"),
        ("shebangless", "touch ran\n", 0o755, SpawnFailure::NotExecutable, "#!/bin/sh"),
        ("empty", "", 0o755, SpawnFailure::NotExecutable, "#!/bin/sh"),
        ("orphan", "#!/no/such/interpreter -x\n", 0o755, SpawnFailure::NotFound, "/no/such/interpreter -x"),
    ];
    for (number, (name, body, mode, kind, hint)) in (1..).zip(cases) {
        let path = stage.path(name);
        std::fs::write(&path, body).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let outcome = stage
            .exec
            .run(&attempt(number), Spec::new([format!("./{name}")], stage.data.path()), || {})
            .await;
        assert_eq!(failure(&outcome).0, kind, "{name}");
        assert!(failure(&outcome).1.contains(hint), "{:?}", outcome.end);
    }
    assert!(!stage.path("ran").exists());
}

#[tokio::test]
async fn a_missing_working_folder_is_named_rather_than_the_program() {
    let stage = Stage::new();
    let mut spec = stage.script("true");
    spec.cwd = stage.path("gone");
    let outcome = stage.run(spec).await;
    assert_eq!(failure(&outcome).0, SpawnFailure::Folder);
    assert!(failure(&outcome).1.contains("gone"));
}

#[tokio::test]
async fn a_relative_program_is_looked_up_in_the_working_folder() {
    let stage = Stage::new();
    std::fs::write(stage.path("agent.sh"), "#!/bin/sh\nprintf %s \"$0\"\n").unwrap();
    std::fs::set_permissions(stage.path("agent.sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut spec = stage.script("");
    spec.argv = vec!["./agent.sh".into()];
    assert_eq!(stage.run(spec).await.end, End::Exited(0));
}

#[tokio::test]
async fn a_program_that_ends_well_on_sigterm_has_timed_out_all_the_same() {
    let stage = Stage::new();
    let mut spec = stage.script("trap 'exit 0' TERM; while :; do sleep 0.01; done");
    spec.timeout = Duration::from_millis(200);
    assert_eq!(stage.run(spec).await.end, End::TimedOut);
}

#[tokio::test]
async fn a_program_that_ignores_sigterm_is_killed_at_its_timeout() {
    let stage = Stage::new();
    let mut spec = stage.script("trap '' TERM; echo $$ > pid; while :; do sleep 0.01; done");
    spec.timeout = Duration::from_secs(1);
    spec.kill_after = Duration::from_millis(50);
    assert_eq!(stage.run(spec).await.end, End::TimedOut);
    assert!(!lives(&std::fs::read_to_string(stage.path("pid")).unwrap()));
}

/// Cancels an attempt once its script has written to `started`, and returns what became of it.
async fn cancelled_once_started(stage: &Stage, script: &str, kill_after: Duration) -> Outcome {
    let started = stage.fifo("started");
    let exec = stage.exec.clone();
    let mut spec = stage.script(script);
    spec.kill_after = kill_after;
    let running = tokio::spawn(async move { exec.run(&attempt(1), spec, || {}).await });
    heard(started).await;
    assert!(stage.exec.cancel(&attempt(1)).unwrap());
    running.await.unwrap()
}

#[tokio::test]
async fn a_program_that_is_asked_to_end_can_clean_up() {
    let stage = Stage::new();
    let script = "trap 'echo cleaned up; exit 0' TERM; echo on > started; while :; do sleep 0.01; done";
    let outcome = cancelled_once_started(&stage, script, Duration::from_secs(300)).await;
    assert_eq!((outcome.end, text(&outcome.stdout).as_str()), (End::Cancelled, "cleaned up\n"));
}

#[tokio::test]
async fn a_helper_may_clean_up_though_the_program_goes_first() {
    let stage = Stage::new();
    let cleanup = "while kill -0 $PPID 2>/dev/null; do sleep 0.01; done; echo cleaned up; exit";
    let helper = format!("trap '{cleanup}' TERM; echo on > started; while :; do sleep 0.01; done");
    std::fs::write(stage.path("helper"), helper).unwrap();
    let outcome =
        cancelled_once_started(&stage, "sh helper & exec sleep 1000", Duration::from_secs(300)).await;
    assert_eq!((outcome.end, text(&outcome.stdout).as_str()), (End::Cancelled, "cleaned up\n"));
}

#[tokio::test]
async fn a_program_that_ignores_the_request_is_killed() {
    let stage = Stage::new();
    let script = "trap '' TERM; echo $$; echo on > started; while :; do sleep 0.01; done";
    let outcome = cancelled_once_started(&stage, script, Duration::from_millis(50)).await;
    assert_eq!(outcome.end, End::Cancelled);
    let pid = text(&outcome.stdout);
    assert!(!pid.is_empty() && !lives(&pid));
}

#[tokio::test]
async fn a_stopped_program_is_ended_too() {
    let stage = Stage::new();
    let script = "sh -c 'echo $$; echo on > started; kill -STOP $$'";
    let outcome = cancelled_once_started(&stage, script, Duration::from_secs(300)).await;
    assert_eq!(outcome.end, End::Cancelled);
    assert!(!lives(&text(&outcome.stdout)));
}

#[tokio::test]
async fn an_attempt_cancelled_before_its_guardian_looks_never_starts() {
    let stage = Stage::new();
    let folder = stage.path("attempts/dlv_01/1");
    // A guardian that is cancelled before it has read anything.
    let script = format!(
        "touch {0}/cancel; exec \"$0\" {1} {0}",
        folder.display(),
        roles::arguments("guardian_role").join(" ")
    );
    let this = std::env::current_exe().unwrap();
    let exec =
        stage.exec.clone().with_guardian("/bin/sh", ["-c".into(), script.into(), this.into_os_string()]);
    let outcome = exec.run(&attempt(1), stage.script("touch ran"), || {}).await;
    assert_eq!(outcome.end, End::Cancelled);
    assert!(!stage.path("ran").exists());
}

#[tokio::test]
async fn what_does_not_exist_can_not_be_cancelled() {
    assert!(!Stage::new().exec.cancel(&attempt(1)).unwrap());
}

#[tokio::test]
async fn what_has_left_the_group_and_the_session_is_killed_at_the_end() {
    let stage = Stage::new();
    let stray = stage.fifo("stray");
    // Two forks and a session of its own; it holds no output, and ignores what can be ignored.
    let script =
        "(setsid sh -c 'trap \"\" TERM HUP; echo $$ > stray; exec sleep 1000' >/dev/null 2>&1 &) & cat stray";
    let outcome = stage.run(stage.script(script)).await;
    assert_eq!(outcome.end, End::Exited(0));
    let pid = text(&outcome.stdout);
    assert!(!pid.trim().is_empty() && stray.exists());
    assert!(!lives(&pid), "{pid}");
}

#[tokio::test]
async fn what_holds_the_output_open_can_not_hold_the_attempt() {
    let stage = Stage::new();
    let outcome = stage.run(stage.script("sleep 1000 & echo $!")).await;
    assert_eq!(outcome.end, End::Exited(0));
    assert!(!lives(&text(&outcome.stdout)));
}

#[tokio::test]
async fn a_killed_guardian_takes_its_program_along_and_the_end_is_unknown() {
    let stage = Stage::new();
    let started = stage.fifo("started");
    let exec = stage.exec.clone();
    // The helper in the background is in the same session, and must go too.
    let spec = stage.script("sleep 1000 & echo said; echo $PPID $$ $! > started; sleep 1000");
    let running = tokio::spawn(async move { exec.run(&attempt(1), spec, || {}).await });
    let pids = heard(started).await;
    let pids: Vec<&str> = pids.split_whitespace().collect();
    let guardian = rustix::process::Pid::from_raw(pids[0].parse().unwrap()).unwrap();
    rustix::process::kill_process(guardian, rustix::process::Signal::KILL).unwrap();
    let outcome = running.await.unwrap();
    assert_eq!(outcome.end, End::Unknown);
    for pid in &pids[1..] {
        gone(pid);
    }
}

/// A process that was sent SIGKILL ends soon; its end can only be watched through a handle.
fn gone(pid: &str) {
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    let pid = Pid::from_raw(pid.parse().unwrap()).unwrap();
    if let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) {
        poll(&mut [PollFd::new(&handle, PollFlags::IN)], None).unwrap();
    }
}

#[tokio::test]
async fn a_guardian_that_can_not_be_started_starts_nothing_and_leaves_nothing() {
    let stage = Stage::new();
    let exec = stage.exec.clone().with_guardian("/no/such/guardian", ["guardian"]);
    let outcome = exec.run(&attempt(1), stage.script("touch ran"), || {}).await;
    assert_eq!(failure(&outcome).0, SpawnFailure::Guardian);
    assert!(!stage.path("ran").exists());
    assert_eq!(exec.survivors().unwrap(), []);
}

#[tokio::test]
async fn a_guardian_that_fails_before_the_start_is_a_spawn_failure() {
    let stage = Stage::new();
    let exec = stage.exec.clone().with_guardian("/bin/sh", ["-c", "echo broken >&2; exit 70"]);
    let outcome = exec.run(&attempt(1), stage.script("touch ran"), || {}).await;
    assert_eq!(failure(&outcome).0, SpawnFailure::Guardian);
    assert!(failure(&outcome).1.ends_with("broken"), "{:?}", outcome.end);
}
