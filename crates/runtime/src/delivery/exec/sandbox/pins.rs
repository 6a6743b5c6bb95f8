//! What lay where when the definitions were installed: the scripts' hashes and where declared paths led.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::checked::script_hash;

/// Remembers scripts and paths. Cheap to clone; all clones share one memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pins {
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    scripts: HashMap<PathBuf, Option<String>>,
    places: HashMap<PathBuf, Option<PathBuf>>,
}

impl Pins {
    /// Forgets everything and looks anew.
    pub(crate) fn take(&self, programs: &[PathBuf], places: &[PathBuf]) {
        let scripts = programs.iter().map(|path| (path.clone(), script_hash(path))).collect();
        let places = places.iter().map(|path| (path.clone(), path.canonicalize().ok())).collect();
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Seen { scripts, places };
    }

    /// Returns the hash a script must have. One nobody has looked at yet is looked at now.
    pub(crate) fn script(&self, program: &Path) -> Option<String> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.scripts.entry(program.to_owned()).or_insert_with(|| script_hash(program)).clone()
    }

    /// Returns where a declared path must lead. One nobody has looked at yet is looked at now.
    pub(crate) fn place(&self, path: &Path) -> Option<PathBuf> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.places.entry(path.to_owned()).or_insert_with(|| path.canonicalize().ok()).clone()
    }
}
