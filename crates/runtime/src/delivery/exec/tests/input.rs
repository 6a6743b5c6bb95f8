//! What goes in arrives as it is, and nothing else does.

use super::*;

#[tokio::test]
async fn arguments_and_input_reach_the_program_literally() {
    let stage = Stage::new();
    let hostile =
        ["; touch x", "$(touch x)", "`touch x`", "| touch x", "a\nb", "-rf", "--output=x", "@file", "*", ""];
    let mut spec = stage.script("printf '<%s>' \"$@\"; cat");
    spec.argv.push("sh".into());
    spec.argv.extend(hostile.map(str::to_owned));
    spec.stdin = b"$(touch x); {{data}}\n\xff".to_vec();
    let outcome = stage.run(spec).await;
    assert_eq!(outcome.end, End::Exited(0));
    let mut expected: Vec<u8> = hostile.iter().flat_map(|word| format!("<{word}>").into_bytes()).collect();
    expected.extend_from_slice(b"$(touch x); {{data}}\n\xff");
    assert_eq!(outcome.stdout.bytes, expected);
    assert!(!stage.path("x").exists());
}

#[tokio::test]
async fn the_environment_is_complete_and_nothing_is_inherited() {
    let stage = Stage::new();
    let mut spec = Spec::new(["/usr/bin/env", "-0"], stage.data.path());
    spec.env = vec![("ONLY".into(), "a\nb; $(x)".into())];
    let outcome = stage.run(spec).await;
    assert_eq!(text(&outcome.stdout), "ONLY=a\nb; $(x)\0");
}

#[tokio::test]
async fn the_program_has_three_open_files_and_no_more() {
    let stage = Stage::new();
    // Left open on purpose, as a careless library in the server would.
    let leaked = std::fs::File::open("/").unwrap();
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
    let outcome = stage.run(stage.script("ls /proc/$$/fd")).await;
    assert_eq!(text(&outcome.stdout), "0\n1\n2\n");
}

#[tokio::test]
async fn an_input_of_ten_mebibytes_need_not_be_read() {
    let stage = Stage::new();
    let mut spec = stage.script("echo done");
    spec.stdin = vec![b'x'; 10 << 20];
    let outcome = stage.run(spec).await;
    assert_eq!((outcome.end, outcome.stdout.bytes), (End::Exited(0), b"done\n".to_vec()));
}

#[tokio::test]
async fn an_input_of_ten_mebibytes_can_be_read() {
    let stage = Stage::new();
    let mut spec = stage.script("wc -c");
    spec.stdin = vec![b'x'; 10 << 20];
    assert_eq!(text(&stage.run(spec).await.stdout).trim(), "10485760");
}

#[tokio::test]
async fn what_can_not_be_passed_starts_nothing() {
    let stage = Stage::new();
    for argument in ["a\0b".to_owned(), "x".repeat(2 << 20)] {
        let mut spec = stage.script("touch started");
        spec.argv.push(argument);
        let outcome = stage.run(spec).await;
        assert!(matches!(outcome.end, End::SpawnFailed { .. }), "{:?}", outcome.end);
    }
    assert!(!stage.path("started").exists());
}

#[tokio::test]
async fn secrets_do_not_stay_on_disk() {
    let stage = Stage::new();
    let mut spec = stage.script("cat >/dev/null; ls \"$FOLDER\"");
    spec.env.push(("FOLDER".into(), stage.path("attempts/dlv_01/1").to_str().unwrap().to_owned()));
    spec.env.push(("API_KEY".into(), "hunter2".into()));
    let outcome = stage.run(spec).await;
    assert!(!text(&outcome.stdout).contains("spec"), "{}", text(&outcome.stdout));
    for entry in std::fs::read_dir(stage.path("attempts/dlv_01/1")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            assert!(!String::from_utf8_lossy(&std::fs::read(&path).unwrap()).contains("hunter2"), "{path:?}");
        }
    }
}
