//! From what was declared of a program's confinement to what its sandbox is told.

use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use cantus_core::subscription::{
    Action, Confinement as Declared, ExecAction, Network as DeclaredNetwork, Sandbox as Asked,
};

use super::exec::find::find;
use super::exec::sandbox::{Confinement, Limits, Network, Pins, Place};
use super::exec::{Sandbox, Spec, environment};
use crate::start::ExecSettings;

/// What all sandboxes of a server have in common. Cheap to clone; all clones share what was seen.
#[derive(Clone, Debug)]
pub(crate) struct Confine {
    cwd: PathBuf,
    hidden: Vec<PathBuf>,
    /// The files with secrets that the definitions in force name, as they were when somebody looked last.
    secrets: Arc<RwLock<Vec<PathBuf>>>,
    pins: Pins,
}

impl Confine {
    pub(crate) fn new(settings: &ExecSettings) -> Self {
        let hidden =
            [&settings.data_dir].into_iter().chain(&settings.hidden).map(|path| absolute(path)).collect();
        Self { cwd: settings.cwd.clone(), hidden, secrets: Arc::default(), pins: Pins::default() }
    }

    /// Looks at the scripts and paths that these actions name: only as they are now will they be accepted. Files with secrets
    /// are hidden from now on.
    pub(crate) fn look(&self, actions: &[Action]) -> bool {
        let files = actions.iter().flat_map(|action| match action {
            Action::Webhook(webhook) => webhook.secrets.as_slice(),
            _ => &[],
        });
        let files = files.filter_map(|secret| secret.strip_prefix("file:"));
        let files = files.map(|file| absolute(Path::new(file))).collect();
        *self.secrets.write().unwrap_or_else(PoisonError::into_inner) = files;
        let programs = actions.iter().filter_map(|action| match action {
            Action::Exec(exec) => Some(&**exec),
            _ => None,
        });
        let strict = programs.filter(|action| action.sandbox == Asked::Strict);
        let (mut programs, mut places) = (Vec::new(), Vec::new());
        for action in strict {
            programs.extend(self.program(action));
            let declared = action
                .confinement
                .iter()
                .flat_map(|declared| declared.readable.iter().chain(&declared.writable));
            places.extend(declared.map(|path| plain(path)));
        }
        self.pins.take(&programs, &places)
    }

    /// Puts the sandbox of an action into the spec of an attempt.
    pub(super) fn apply(&self, action: &ExecAction, spec: &mut Spec) {
        let unsaid = Declared::default();
        let declared = action.confinement.as_ref().unwrap_or(&unsaid);
        if action.sandbox == Asked::None {
            return;
        }
        if let Some(output) = declared.limits.output {
            spec.output_cap = output;
        }
        let place = |path: &cantus_core::Text| {
            let path = plain(path);
            Place { led_to: self.pins.place(&path), path }
        };
        let usual = Limits::default();
        let limits = &declared.limits;
        spec.sandbox = Sandbox::Strict(Box::new(Confinement {
            network: match declared.network {
                DeclaredNetwork::None => Network::None,
                DeclaredNetwork::Host => Network::Host,
            },
            readable: declared.readable.iter().map(place).collect(),
            writable: declared.writable.iter().map(place).collect(),
            hidden: self.hidden(),
            limits: Limits {
                memory_bytes: limits.memory.unwrap_or(usual.memory_bytes),
                cpu_seconds: limits.cpu.map(|cpu| cpu.0.div_ceil(1000)),
                processes: limits.processes.map_or(usual.processes, u64::from),
                files: limits.files.map_or(usual.files, u64::from),
                file_bytes: limits.file_size.unwrap_or(usual.file_bytes),
            },
            script: self.program(action).and_then(|program| self.pins.script(&program)),
        }));
    }

    fn hidden(&self) -> Vec<PathBuf> {
        let secrets = self.secrets.read().unwrap_or_else(PoisonError::into_inner);
        self.hidden.iter().chain(secrets.iter()).cloned().collect()
    }

    /// Finds an action's program as its guardian will.
    fn program(&self, action: &ExecAction) -> Option<PathBuf> {
        let cwd = action.cwd.as_deref().map_or_else(|| self.cwd.clone(), PathBuf::from);
        let declared =
            action.env.iter().find(|(name, _)| name.as_str() == "PATH").map(|(_, path)| path.to_string());
        let path = environment::search_path(declared.or_else(|| std::env::var("PATH").ok()).as_deref());
        find(action.argv.first()?, &cwd, &[("PATH".to_owned(), path)]).ok()
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// A path without `.`; one with `..` is resolved, as nobody else can say where it leads.
fn plain(path: &str) -> PathBuf {
    let path = Path::new(path);
    if path.components().any(|part| part == Component::ParentDir)
        && let Ok(real) = path.canonicalize()
    {
        return real;
    }
    path.components().collect()
}
