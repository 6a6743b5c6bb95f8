//! Output is kept up to its cap, never blocks the program, and can be followed.

use super::*;

#[tokio::test]
async fn a_flood_on_stdout_is_cut_at_the_cap_and_does_not_block() {
    let stage = Stage::new();
    let mut spec = stage.script("yes | head -c 100000000; echo the end");
    spec.output_cap = 1000;
    let outcome = stage.run(spec).await;
    assert_eq!(outcome.end, End::Exited(0));
    assert_eq!((outcome.stdout.bytes.len(), outcome.stdout.dropped), (1000, 100_000_000 + 8 - 1000));
    assert!(outcome.stdout.bytes.starts_with(b"y\ny\n"));
    assert_eq!(outcome.stdout.end(8), b"the end\n");
    assert_eq!(std::fs::metadata(stage.path("attempts/dlv_01/1/stdout")).unwrap().len(), 1000);
}

#[tokio::test]
async fn a_flood_on_stderr_does_not_hold_up_an_idle_stdout() {
    let stage = Stage::new();
    let mut spec = stage.script("yes error | head -c 20000000 >&2; echo fine");
    spec.output_cap = 4096;
    let outcome = stage.run(spec).await;
    assert_eq!((outcome.end, text(&outcome.stdout).as_str()), (End::Exited(0), "fine\n"));
    assert_eq!((outcome.stdout.dropped, outcome.stderr.bytes.len()), (0, 4096));
    assert_eq!(outcome.stderr.dropped, 20_000_000 - 4096);
}

#[tokio::test]
async fn an_endless_flood_still_meets_its_timeout() {
    let stage = Stage::new();
    let mut spec = stage.script("exec yes");
    spec.timeout = Duration::from_millis(300);
    spec.output_cap = 10;
    let outcome = stage.run(spec).await;
    assert_eq!((outcome.end, outcome.stdout.bytes.len()), (End::TimedOut, 10));
}

#[tokio::test]
async fn bytes_that_are_no_text_are_kept() {
    let stage = Stage::new();
    let outcome = stage.run(stage.script(r"printf '\377\000\033[31mred no newline'")).await;
    assert_eq!(outcome.stdout.bytes, b"\xff\0\x1b[31mred no newline");
}

#[tokio::test]
async fn the_words_of_a_helper_that_outlives_the_program_a_moment_are_kept() {
    let stage = Stage::new();
    let gate = stage.fifo("gate");
    // The helper speaks only once the program is gone: its end of the gate closes with it.
    let script = "(cat gate >/dev/null; echo late) & exec 3> gate; echo early";
    let outcome = stage.run(stage.script(script)).await;
    assert!(gate.exists());
    assert_eq!(text(&outcome.stdout), "early\nlate\n");
}

#[tokio::test]
async fn output_can_be_followed_while_the_program_runs() {
    let stage = Stage::new();
    let (started, go) = (stage.fifo("started"), stage.fifo("go"));
    let exec = stage.exec.clone();
    let spec = stage.script("echo first; echo on > started; cat go >/dev/null; echo second");
    let running = tokio::spawn(async move { exec.run(&attempt(1), spec, || {}).await });
    heard(started).await;
    // The guardian writes what it has read; wait for it by asking again, as a follower does.
    let first = loop {
        let chunk = stage.exec.log(&attempt(1), Stream::Stdout, 0, 4).unwrap();
        if !chunk.bytes.is_empty() {
            break chunk;
        }
        tokio::task::yield_now().await;
    };
    assert!(b"first\n".starts_with(&first.bytes[..]) && !first.ended, "{first:?}");
    tokio::task::spawn_blocking(move || std::fs::write(go, "").unwrap()).await.unwrap();
    running.await.unwrap();
    let rest = stage.exec.log(&attempt(1), Stream::Stdout, first.next_offset, 1000).unwrap();
    assert_eq!([first.bytes, rest.bytes].concat(), b"first\nsecond\n");
    assert!(rest.ended);
    let parted = stage.exec.log(&attempt(1), Stream::Stdout, 0, 6).unwrap();
    assert_eq!((parted.bytes.as_slice(), parted.next_offset, parted.ended), (&b"first\n"[..], 6, false));
    let missing = stage.exec.log(&attempt(9), Stream::Stderr, 0, 10).unwrap_err();
    assert_eq!(missing.kind(), std::io::ErrorKind::NotFound);
}

#[tokio::test]
async fn progress_is_reported_while_the_guardian_lives() {
    let stage = Stage::new();
    let go = stage.fifo("go");
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let exec = stage.exec.clone().with_progress_every(Duration::from_millis(1));
    let spec = stage.script("cat go >/dev/null");
    let running = tokio::spawn(async move {
        exec.run(&attempt(1), spec, move || {
            let _ = tell.send(());
        })
        .await
    });
    for _ in 0..3 {
        told.recv().await.unwrap();
    }
    tokio::task::spawn_blocking(move || std::fs::write(go, "").unwrap()).await.unwrap();
    assert_eq!(running.await.unwrap().end, End::Exited(0));
}
