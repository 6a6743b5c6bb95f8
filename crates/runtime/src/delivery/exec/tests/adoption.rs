//! The server may go at any moment: its programs go on, and the next server adopts them.

use super::*;
use std::process::{Command, Stdio};

/// Kills a server with a running attempt; the script has then said its line and waits for `go`.
async fn server_killed(stage: &Stage, script: &str) {
    let started = stage.fifo("started");
    std::fs::write(stage.path("script"), script).unwrap();
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(roles::arguments("server_role"))
        .arg(stage.data.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    heard(started).await;
    server.kill().unwrap();
    server.wait().unwrap();
}

#[tokio::test]
async fn an_attempt_survives_its_server_and_is_not_started_twice() {
    let stage = Stage::new();
    let go = stage.fifo("go");
    server_killed(&stage, "echo run >> runs; echo on > started; cat go; echo answer").await;

    let survivors = stage.exec.survivors().unwrap();
    assert_eq!(survivors, [Survivor { attempt: attempt(1), alive: true }]);
    let (exec, spec) = (stage.exec.clone(), stage.script("echo second start >> runs"));
    // Even a server that has forgotten all about it, and asks for a start, gets the running one.
    let forgetful = tokio::spawn(async move { exec.run(&attempt(1), spec, || {}).await });
    let exec = stage.exec.clone();
    let adopted = tokio::spawn(async move { exec.adopt(&attempt(1), || {}).await });
    tokio::task::spawn_blocking(move || std::fs::write(go, "went on\n").unwrap()).await.unwrap();

    let outcome = adopted.await.unwrap();
    assert_eq!((&outcome.end, text(&outcome.stdout).as_str()), (&End::Exited(0), "went on\nanswer\n"));
    assert_eq!(forgetful.await.unwrap(), outcome);
    assert_eq!(std::fs::read_to_string(stage.path("runs")).unwrap(), "run\n");
}

#[tokio::test]
async fn an_attempt_that_ended_while_no_server_ran_is_found_with_its_outcome() {
    let stage = Stage::new();
    let (go, last) = (stage.fifo("go"), stage.fifo("last"));
    server_killed(&stage, "echo on > started; cat go; echo answer; echo on > last; exit 65").await;
    tokio::task::spawn_blocking(move || std::fs::write(go, "").unwrap()).await.unwrap();
    heard(last).await;
    let outcome = stage.exec.adopt(&attempt(1), || {}).await;
    assert_eq!((outcome.end, text(&outcome.stdout).as_str()), (End::Exited(65), "answer\n"));
    assert_eq!(stage.exec.survivors().unwrap(), [Survivor { attempt: attempt(1), alive: false }]);
    stage.exec.collected(&attempt(1)).unwrap();
    assert_eq!(stage.exec.survivors().unwrap(), []);
}

#[tokio::test]
async fn an_attempt_of_the_server_before_can_be_cancelled() {
    let stage = Stage::new();
    server_killed(&stage, "echo on > started; sleep 1000").await;
    assert!(stage.exec.cancel(&attempt(1)).unwrap());
    assert_eq!(stage.exec.adopt(&attempt(1), || {}).await.end, End::Cancelled);
}

#[tokio::test]
async fn an_attempt_without_a_folder_is_unknown_rather_than_successful() {
    let stage = Stage::new();
    assert_eq!(stage.exec.adopt(&attempt(1), || {}).await.end, End::Unknown);
}

#[tokio::test]
async fn an_attempt_whose_output_is_missing_is_unknown_rather_than_successful() {
    let stage = Stage::new();
    assert_eq!(stage.run(stage.script("echo answer")).await.end, End::Exited(0));
    std::fs::write(stage.path("attempts/dlv_01/1/stdout"), "ans").unwrap();
    assert_eq!(stage.exec.adopt(&attempt(1), || {}).await.end, End::Unknown);
}

#[tokio::test]
async fn an_attempt_whose_last_state_was_lost_is_unknown_rather_than_successful() {
    let stage = Stage::new();
    assert_eq!(stage.run(stage.script("echo answer")).await.end, End::Exited(0));
    std::fs::write(stage.path("attempts/dlv_01/1/state"), "{\"version\":1,").unwrap();
    assert_eq!(stage.exec.adopt(&attempt(1), || {}).await.end, End::Unknown);
}

#[tokio::test]
async fn many_who_ask_for_the_same_attempt_at_once_get_one_start() {
    let stage = Stage::new();
    let asked: Vec<_> = (0..8)
        .map(|_| {
            let (exec, spec) = (stage.exec.clone(), stage.script("echo run >> runs; echo answer"));
            tokio::spawn(async move { exec.run(&attempt(1), spec, || {}).await })
        })
        .collect();
    for asked in asked {
        let outcome = asked.await.unwrap();
        assert_eq!((outcome.end, text(&outcome.stdout).as_str()), (End::Exited(0), "answer\n"));
    }
    assert_eq!(std::fs::read_to_string(stage.path("runs")).unwrap(), "run\n");
}

#[tokio::test]
async fn attempts_side_by_side_do_not_keep_each_other_alive() {
    let stage = Stage::new();
    let go = stage.fifo("go");
    let (exec, waits) = (stage.exec.clone(), stage.script("cat go"));
    let waiting = tokio::spawn(async move { exec.run(&attempt(100), waits, || {}).await });
    let quick: Vec<_> = (0..16)
        .map(|number| {
            let (exec, spec) = (stage.exec.clone(), stage.script("echo done"));
            tokio::spawn(async move { exec.run(&attempt(number), spec, || {}).await })
        })
        .collect();
    for quick in quick {
        assert_eq!(quick.await.unwrap().end, End::Exited(0));
    }
    assert!(!waiting.is_finished());
    tokio::task::spawn_blocking(move || std::fs::write(go, "").unwrap()).await.unwrap();
    assert_eq!(waiting.await.unwrap().end, End::Exited(0));
}
