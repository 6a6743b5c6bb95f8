//! The other processes a test needs, played by this test binary.

use std::path::Path;

use super::{Exec, attempt, guardian, script_in};

/// A launcher that starts this test binary as its guardians.
pub(super) fn exec(data_dir: &Path) -> Exec {
    let this = std::env::current_exe().unwrap();
    Exec::open(data_dir).unwrap().with_guardian(this, arguments("guardian_role"))
}

/// What makes this binary run one role; the role reads the last argument.
pub(super) fn arguments(role: &str) -> Vec<String> {
    let module = module_path!().split_once("::").unwrap().1;
    [&format!("{module}::{role}"), "--exact", "--ignored", "--nocapture", "--test-threads=1"]
        .map(str::to_owned)
        .to_vec()
}

fn folder() -> Option<std::path::PathBuf> {
    std::env::args().next_back().map(Into::into).filter(|path: &std::path::PathBuf| path.is_dir())
}

#[test]
#[ignore = "is the guardian the other tests start"]
fn guardian_role() {
    if let Some(folder) = folder() {
        assert_eq!(guardian::main(&folder), std::process::ExitCode::SUCCESS);
    }
}

#[test]
#[ignore = "is the server the other tests kill"]
fn server_role() {
    let Some(data) = folder() else { return };
    let script = std::fs::read_to_string(data.join("script")).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async { exec(&data).run(&attempt(1), script_in(&data, &script), || {}).await });
}
