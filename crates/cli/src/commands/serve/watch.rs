//! Watching the file and what it includes, and reading it again when something changes.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cantus_api::definition::Server;
use cantus_file::{Loaded, Loader, Rejected};
use tokio::sync::watch;

use super::example::counts;
use super::load::say;
use super::options::StartOptions;
use crate::output::Screen;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What tells two versions of a file or folder apart: length, time of change, number.
type Stamp = Option<(u64, i64, i64, u64)>;

/// Begins to watch a file, and returns what it declares each time it is good.
pub(super) fn start(
    file: PathBuf,
    options: &StartOptions,
    screen: Screen,
) -> watch::Receiver<Option<Arc<Loaded>>> {
    let (sender, receiver) = watch::channel(None);
    let mut watcher = Watcher::new(file, options.files.clone(), options.server.clone());
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !sender.is_closed() {
            ticks.tick().await;
            if let Some(Ok(loaded)) = watcher.look(&screen) {
                sender.send_replace(Some(Arc::new(loaded)));
            }
        }
    });
    receiver
}

struct Watcher {
    file: PathBuf,
    server: Server,
    seen: BTreeMap<PathBuf, Stamp>,
    /// The change that was seen at the last look; it is acted on when the next look sees no further one.
    changing: Option<BTreeMap<PathBuf, Stamp>>,
}

impl Watcher {
    fn new(file: PathBuf, files: Vec<PathBuf>, server: Server) -> Watcher {
        Watcher { file, server, seen: stamps(files), changing: None }
    }

    /// Looks at the files once. Returns what reading them again gave, if something had changed and is still now.
    fn look(&mut self, screen: &Screen) -> Option<Result<Loaded, Rejected>> {
        let now = stamps(self.seen.keys().cloned());
        if now == self.seen {
            self.changing = None;
            return None;
        }
        // An editor writes in several steps.
        if self.changing.as_ref() != Some(&now) {
            self.changing = Some(now);
            return None;
        }
        self.changing = None;
        let read = Loader::new().load(&self.file);
        let files = match &read {
            Ok(loaded) => loaded.files.clone(),
            // Whatever was read before may be what is repaired next.
            Err(rejected) => rejected.files.iter().chain(self.seen.keys()).cloned().collect(),
        };
        self.seen = stamps(files);
        self.tell(&read, screen);
        Some(read)
    }

    fn tell(&mut self, read: &Result<Loaded, Rejected>, screen: &Screen) {
        let name = self.file.display();
        match read {
            Ok(loaded) => {
                say(&loaded.warnings, screen);
                screen.note(&format!("{name} was read again: {}", counts(&loaded.definitions)));
                if loaded.server != self.server {
                    screen.note("changes under `server` need a restart");
                    self.server = loaded.server.clone();
                }
            }
            Err(rejected) => {
                say(&rejected.diagnostics, screen);
                screen.warn(&format!("{name} is wrong now; what was declared before stays in force"));
            }
        }
    }
}

fn stamps(files: impl IntoIterator<Item = PathBuf>) -> BTreeMap<PathBuf, Stamp> {
    files.into_iter().map(|file| (file.clone(), stamp(&file))).collect()
}

fn stamp(file: &Path) -> Stamp {
    let metadata: Metadata = std::fs::metadata(file).ok()?;
    Some((metadata.len(), metadata.mtime(), metadata.mtime_nsec(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::TimeStyle;

    #[test]
    fn a_change_is_read_once_it_has_settled_and_a_wrong_one_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cantus.yaml");
        std::fs::write(&file, "version: 1\n").unwrap();
        let loaded = Loader::new().load(&file).unwrap();
        let screen = Screen::fixed(TimeStyle::Iso, "2026-01-01T00:00:00Z");
        let mut watcher = Watcher::new(file.clone(), loaded.files, loaded.server);
        assert!(watcher.look(&screen).is_none());

        std::fs::write(&file, "version: 1\ntopics: { tasks: {} }\n").unwrap();
        assert!(watcher.look(&screen).is_none(), "it may still be written to");
        let read = watcher.look(&screen).expect("it has settled").expect("it is good");
        assert_eq!(read.definitions.topics.len(), 1);

        std::fs::write(&file, "version: 1\ntopics: [").unwrap();
        assert!(watcher.look(&screen).is_none());
        assert!(watcher.look(&screen).expect("it has settled").is_err());
        assert!(watcher.look(&screen).is_none(), "it is told once");
    }
}
