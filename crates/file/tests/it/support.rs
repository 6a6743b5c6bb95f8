//! A folder with files, and what loading its `cantus.yaml` says.

use std::path::Path;

use cantus_file::{Diagnostic, Environment, Loaded, Loader, Rejected};

/// The real PATH alone, so that `sh` is found and nothing else of the machine is seen.
fn path() -> Vec<(String, String)> {
    std::env::var("PATH").map(|path| ("PATH".into(), path)).into_iter().collect()
}

/// A temporary folder with files in it.
pub(crate) struct Folder {
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Folder {
    /// Returns a folder with one `cantus.yaml`.
    pub(crate) fn with(text: impl AsRef<[u8]>) -> Self {
        let folder = Self { folder: tempfile::tempdir().expect("a temporary folder"), variables: path() };
        folder.and("cantus.yaml", text)
    }

    /// Adds a file.
    pub(crate) fn and(self, path: &str, text: impl AsRef<[u8]>) -> Self {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a file is in a folder"))
            .expect("the folder can be made");
        std::fs::write(path, text).expect("the file can be written");
        self
    }

    /// Sets a variable.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Returns the folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Loads `cantus.yaml`.
    pub(crate) fn load(&self) -> Result<Loaded, Rejected> {
        let environment: Environment = self.variables.iter().cloned().collect();
        Loader::with_environment(environment).load(&self.path().join("cantus.yaml"))
    }

    /// Loads it and gives what it declares; fails with the faults.
    pub(crate) fn loaded(&self) -> Loaded {
        self.load().unwrap_or_else(|rejected| panic!("{rejected}"))
    }

    /// Loads it and gives everything that is said, as people see it, with the folder taken out.
    pub(crate) fn said(&self) -> String {
        let diagnostics = match self.load() {
            Ok(loaded) => loaded.warnings,
            Err(rejected) => rejected.diagnostics,
        };
        self.rendered(&diagnostics)
    }

    fn rendered(&self, diagnostics: &[Diagnostic]) -> String {
        let all: Vec<String> = diagnostics.iter().map(|diagnostic| diagnostic.render(false)).collect();
        let folder = format!("{}/", self.path().display());
        all.join("\n\n").replace(&folder, "")
    }
}
