//! Everything a confined program starts ends with it, and how it ended is known.

use super::*;

#[tokio::test]
async fn exit_codes_and_signals_are_told_apart() {
    let stage = Stage::new();
    for (number, (script, end)) in (1..).zip([
        ("exit 0", End::Exited(0)),
        ("exit 137", End::Exited(137)),
        ("exit 255", End::Exited(255)),
        ("kill -SEGV $$", End::Signaled(11)),
        ("kill -TERM $$", End::Signaled(15)),
        ("kill -KILL $$", End::Signaled(9)),
    ]) {
        let Some(outcome) = stage.run_as(number, stage.script(script), Confinement::default()).await else {
            return;
        };
        assert_eq!(outcome.end, end, "{script}");
    }
}

#[tokio::test]
async fn a_child_that_detached_itself_twice_ends_too() {
    let stage = Stage::new();
    let marker = format!("detached-{}", std::process::id());
    let script =
        format!("(setsid sh -c 'setsid sh -c \"sleep 301; : {marker}\" &' &) ; sleep 0.1; echo done");
    let Some(outcome) = stage.confined(&script, Confinement::default()).await else { return };
    assert_eq!(lines(&outcome), ["done"]);
    let left = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok());
    assert!(!left.into_iter().any(|line| String::from_utf8_lossy(&line).contains(&marker)));
}

#[tokio::test]
async fn a_program_that_ignores_everything_ends_at_its_time_limit() {
    let stage = Stage::new();
    let mut spec = stage.script("trap '' TERM INT HUP; while :; do sleep 0.01; done");
    spec.timeout = Duration::from_millis(300);
    spec.kill_after = Duration::from_millis(50);
    let Some(outcome) = stage.run_confined(spec, Confinement::default()).await else { return };
    assert_eq!(outcome.end, End::TimedOut);
}

#[tokio::test]
async fn a_program_that_is_asked_to_end_can_clean_up_in_its_sandbox() {
    let stage = Stage::new();
    let mut spec = stage.script("trap 'echo cleaned; exit 0' TERM; while :; do sleep 0.01; done");
    spec.timeout = Duration::from_millis(500);
    let Some(outcome) = stage.run_confined(spec, Confinement::default()).await else { return };
    assert_eq!((outcome.end.clone(), text(&outcome.stdout).as_str()), (End::TimedOut, "cleaned\n"));
}

#[tokio::test]
async fn a_guardian_that_is_killed_takes_the_sandbox_with_it() {
    let stage = Stage::new();
    let work = stage.path("work");
    std::fs::create_dir(&work).unwrap();
    let started = stage.path("work/started");
    rustix::fs::mknodat(rustix::fs::CWD, &started, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    // The open FIFO says that the program lives, wherever its process number is valid.
    let script = format!("exec 3>{}; echo up >&3; setsid sleep 300 & sleep 300", started.display());
    let mut spec = stage.script(&script);
    let mut confinement = writable(&work);
    confinement.hidden.push(stage.path("attempts"));
    spec.sandbox = Sandbox::Strict(Box::new(confinement));
    let exec = stage.exec.clone();
    let mut running = tokio::spawn(async move { exec.run(&attempt(1), spec, || {}).await });
    let reader = tokio::net::unix::pipe::OpenOptions::new().open_receiver(&started).unwrap();
    tokio::select! {
        outcome = &mut running => {
            let outcome = outcome.unwrap();
            assert!(refusal(&outcome).1.contains("does not let programs be confined"));
            return;
        }
        ready = reader.readable() => ready.unwrap(),
    }
    let state = std::fs::read_to_string(stage.path("attempts/dlv_01/1/state")).unwrap();
    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    let guardian = state["guardian"]["pid"].as_i64().unwrap() as i32;
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(guardian).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    assert_eq!(running.await.unwrap().end, End::Unknown);
    // The end of the FIFO comes once nobody holds it open any more.
    let mut bytes = [0; 64];
    loop {
        reader.readable().await.unwrap();
        if let Ok(0) = reader.try_read(&mut bytes) {
            break;
        }
    }
}
