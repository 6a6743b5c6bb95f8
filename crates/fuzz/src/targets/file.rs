//! The file, alone in a folder.

use std::cell::OnceCell;

use cantus_file::{Environment, Loader, Severity};
use tempfile::TempDir;

thread_local! {
    static FOLDER: OnceCell<TempDir> = const { OnceCell::new() };
}

pub(super) fn run(input: &[u8]) {
    // An `include` would read further files: what they say is not what is tried here.
    if input.windows(7).any(|piece| piece == b"include") {
        return;
    }
    FOLDER.with(|folder| {
        let folder = folder.get_or_init(|| tempfile::tempdir().expect("a temporary folder can be made"));
        let path = folder.path().join("cantus.yaml");
        std::fs::write(&path, input).expect("the file can be written");
        let environment: Environment = [("A".to_owned(), "a".to_owned())].into_iter().collect();
        match Loader::with_environment(environment).load(&path) {
            Ok(loaded) => {
                assert!(loaded.warnings.iter().all(|warning| warning.severity == Severity::Warning));
                for warning in &loaded.warnings {
                    warning.render(false);
                }
            }
            Err(rejected) => {
                assert!(rejected.errors() > 0, "a file is rejected for a reason");
                let shown = rejected.to_string();
                assert!(!shown.is_empty(), "every error is said");
            }
        }
    });
}
