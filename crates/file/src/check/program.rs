//! Programs: whether what exec would run is there.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use cantus_api::definition::Action;

use crate::diagnostic::Fault;
use crate::environment::Environment;
use crate::read::{Draft, Reader};

pub(super) fn check(reader: &Reader<'_>, draft: &Draft, environment: &Environment) {
    for places in &draft.agents {
        let Some(agent) = draft.definitions.agents.get(&places.agent) else { continue };
        for (subscription, place) in agent.subscriptions.iter().zip(&places.subscriptions) {
            let (Action::Exec(exec), Some(span)) = (&subscription.action, place.program) else { continue };
            let Some(program) = exec.argv.first() else { continue };
            let folder = exec.cwd.as_deref().map(Path::new).unwrap_or(Path::new("."));
            if !folder.is_dir() {
                let message =
                    format!("the folder `{}` that this program would run in is not there", folder.display());
                reader.say(Fault::warning(span, message).hint("create it, or change `cwd`"));
                continue;
            }
            if let Some((message, hint)) = missing(program, folder, environment) {
                reader.say(Fault::warning(span, message).hint(hint));
            }
        }
    }
}

fn missing(program: &str, folder: &Path, environment: &Environment) -> Option<(String, String)> {
    if program.contains('/') {
        let path = folder.join(program);
        return match runnable(&path) {
            Some(true) => None,
            Some(false) => {
                Some((format!("`{program}` is not executable"), format!("run `chmod +x {}`", shown(&path))))
            }
            None => {
                Some((format!("`{program}` is not there"), format!("it is looked for at {}", shown(&path))))
            }
        };
    }
    // The folder of this program itself comes first in the PATH of agents, so that they find `cantus`.
    let own = std::env::current_exe().ok().and_then(|path| path.parent().map(PathBuf::from));
    let path = environment.get("PATH").unwrap_or_default();
    let found = own
        .into_iter()
        .chain(std::env::split_paths(path))
        .any(|folder| runnable(&folder.join(program)) == Some(true));
    (!found).then(|| {
        (
            format!("`{program}` is not in PATH"),
            format!("install it, or write the path to it; a program beside this file is `./{program}`"),
        )
    })
}

/// Tells whether a file is there and may be run.
fn runnable(path: &Path) -> Option<bool> {
    let metadata = std::fs::metadata(path).ok()?;
    metadata.is_file().then(|| metadata.permissions().mode() & 0o111 != 0)
}

fn shown(path: &Path) -> String {
    path.components().collect::<PathBuf>().display().to_string()
}
