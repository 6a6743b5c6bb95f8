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

#[derive(Clone, Debug, Default)]
struct Seen {
    scripts: HashMap<PathBuf, Option<String>>,
    places: HashMap<PathBuf, Option<PathBuf>>,
}

impl Pins {
    /// Forgets everything and looks anew. Tells whether anything that was seen before is another now.
    pub(crate) fn take(&self, programs: &[PathBuf], places: &[PathBuf]) -> bool {
        let scripts = programs.iter().map(|path| (path.clone(), script_hash(path))).collect();
        let places = places.iter().map(|path| (path.clone(), path.canonicalize().ok())).collect();
        let now = Seen { scripts, places };
        let before =
            std::mem::replace(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner), now.clone());
        let differs = |(path, hash): (&PathBuf, &Option<String>)| {
            now.scripts.get(path).is_some_and(|anew| anew != hash)
        };
        let leads_elsewhere = |(path, place): (&PathBuf, &Option<PathBuf>)| {
            now.places.get(path).is_some_and(|anew| anew != place)
        };
        before.scripts.iter().any(differs) || before.places.iter().any(leads_elsewhere)
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
