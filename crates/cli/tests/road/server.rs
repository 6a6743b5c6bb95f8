//! A real server of one's own: the binary, on a free port, in a folder that outlives it.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take before a test gives up. Not a speed: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server and its folder.
pub(crate) struct Server {
    child: Option<Child>,
    pub(crate) dir: tempfile::TempDir,
    file: Option<PathBuf>,
    port: u16,
    path: Option<String>,
    mode: &'static str,
    variables: Vec<(String, String)>,
    flags: Vec<&'static str>,
}

impl Server {
    /// Starts `cantus dev` with a file, in a new folder.
    pub(crate) fn start(file: Option<&Path>) -> Self {
        Self::start_with_path(file, None)
    }

    /// Starts `cantus serve` with a file.
    pub(crate) fn start_production(file: &Path) -> Self {
        Self::start_as("serve", Some(file), None)
    }

    /// Starts `cantus dev` with a PATH of its own for the programs that agents are.
    pub(crate) fn start_with_path(file: Option<&Path>, path: Option<String>) -> Self {
        Self::start_as("dev", file, path)
    }

    /// Starts `cantus dev` with a file that is read again when it changes.
    pub(crate) fn start_watching(file: &Path) -> Self {
        let mut server = Self::not_yet("dev", Some(file), None);
        server.flags.push("--watch");
        server.begin();
        server
    }

    /// A server that is not started yet.
    pub(crate) fn not_started() -> Self {
        Self::not_yet("dev", None, None)
    }

    fn start_as(mode: &'static str, file: Option<&Path>, path: Option<String>) -> Self {
        let mut server = Self::not_yet(mode, file, path);
        server.begin();
        server
    }

    /// Starts `cantus dev` with a file and variables of its own.
    pub(crate) fn start_with_variables(file: &Path, variables: &[(&str, &str)]) -> Self {
        let mut server = Self::not_yet("dev", Some(file), None);
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        server.variables = variables.iter().map(owned).collect();
        server.begin();
        server
    }

    fn not_yet(mode: &'static str, file: Option<&Path>, path: Option<String>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let port = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound").port();
        Self {
            child: None,
            dir,
            file: file.map(Path::to_owned),
            port,
            path,
            mode,
            variables: Vec::new(),
            flags: Vec::new(),
        }
    }

    /// Starts the server's process and waits until it is ready.
    pub(crate) fn begin(&mut self) {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.dir.path().join("server.log"))
            .expect("a log file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_cantus"));
        command.arg(self.mode).arg("--port").arg(self.port.to_string());
        command.arg("--data-dir").arg(self.dir.path().join(".cantus"));
        if let Some(file) = &self.file {
            command.arg("-f").arg(file);
        }
        command.args(&self.flags);
        if let Some(path) = &self.path {
            command.env("PATH", path);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.dir.path()).env_remove("CANTUS_URL").env_remove("CANTUS_TOKEN");
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a second handle")).stderr(log);
        self.child = Some(command.spawn().expect("the binary starts"));
        self.wait("the server is ready", |server| {
            let answer = server.http("GET", "/readyz", &[], b"");
            answer.is_some_and(|(status, _)| status == 200).then_some(())
        });
    }

    /// Kills the server's process as the kernel would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it can be killed");
            child.wait().expect("it has ended");
        }
    }

    /// The most memory the server's process has held, in KiB.
    pub(crate) fn memory_kib_max(&self) -> u64 {
        let child = self.child.as_ref().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel counts");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("server.log")).unwrap_or_default()
    }

    /// Runs the command line against this server.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_cantus"))
            .args(arguments)
            .current_dir(self.dir.path())
            .env("CANTUS_URL", self.url())
            .env_remove("CANTUS_TOKEN")
            .stdin(Stdio::null())
            .output()
            .expect("the binary runs")
    }

    /// The same, and it must succeed; returns what it printed.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.cli(arguments);
        let stdout = String::from_utf8(output.stdout).expect("output is UTF-8");
        assert!(
            output.status.success(),
            "cantus {} failed with {}\nstdout: {stdout}\nstderr: {}\nserver: {}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr),
            self.log()
        );
        stdout
    }

    /// The same, read as JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let mut all = arguments.to_vec();
        all.extend(["-o", "json"]);
        let text = self.ok(&all);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("no JSON ({error}): {text}"))
    }

    /// One HTTP request, as plain as can be; None when the server is not there.
    pub(crate) fn http(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n", self.port);
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\nConnection: close\r\n\r\n", body.len()));
        use std::io::Write;
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(body).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let text = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body.to_owned()))
    }

    /// A GET that must succeed, as JSON.
    pub(crate) fn get(&self, path: &str) -> serde_json::Value {
        let (status, body) = self.http("GET", path, &[], b"").expect("the server answers");
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path} is no JSON ({error}): {body}"))
    }

    /// Waits for something to become true.
    pub(crate) fn wait<T>(&self, what: &str, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}\nserver: {}", self.log());
            std::thread::sleep(Duration::from_millis(25));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Returns a path in the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Writes a file of definitions and returns its place.
pub(crate) fn file(dir: &Path, yaml: &str) -> PathBuf {
    let path = dir.join("cantus.yaml");
    std::fs::write(&path, yaml).expect("a file is written");
    path
}
