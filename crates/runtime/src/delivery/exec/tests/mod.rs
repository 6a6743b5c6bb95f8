//! Real programs under real guardians. The guardian is this very test binary, started to run one ignored "test".

mod adoption;
mod ends;
mod input;
mod output;
mod roles;
#[cfg(target_os = "linux")]
mod strict;
mod upkeep;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;

/// A data folder with a launcher whose guardians are this test binary.
struct Stage {
    data: tempfile::TempDir,
    exec: Exec,
}

impl Stage {
    fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let exec = roles::exec(data.path());
        Self { data, exec }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.data.path().join(name)
    }

    fn script(&self, script: &str) -> Spec {
        script_in(self.data.path(), script)
    }

    async fn run(&self, spec: Spec) -> Outcome {
        self.exec.run(&attempt(1), spec, || {}).await
    }

    /// A FIFO by which a script and its test wait for each other.
    fn fifo(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        path
    }
}

/// `sh -c script` in `folder`, with an ordinary PATH.
fn script_in(folder: &Path, script: &str) -> Spec {
    let mut spec = Spec::new(["sh", "-c", script], folder);
    spec.env.push(("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into()));
    // Long enough that only tests about the timeout ever meet it.
    spec.timeout = Duration::from_secs(300);
    spec
}

fn attempt(number: u32) -> AttemptId {
    AttemptId::parse("dlv_01", number).unwrap()
}

/// Waits until a script has written the FIFO and closed it. A script that never does fails the test.
async fn heard(fifo: PathBuf) -> String {
    use tokio::io::AsyncReadExt;
    let mut reader = tokio::net::unix::pipe::OpenOptions::new().open_receiver(fifo).unwrap();
    let mut text = String::new();
    let read = tokio::time::timeout(Duration::from_secs(120), reader.read_to_string(&mut text)).await;
    read.expect("the script has started").unwrap();
    text
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.bytes).into_owned()
}

/// Whether a process exists and has not ended.
fn lives(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, fields)| !fields.starts_with(" Z"))
}
