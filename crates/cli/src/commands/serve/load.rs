//! Reading the file for a server that is about to start.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use cantus_api::definition::{Definitions, Server};
use cantus_api::error::ExitCode;
use cantus_file::{Diagnostic, Loader, Severity};

use crate::context::Context;
use crate::exit::Failure;
use crate::output::Screen;

/// What the file and the variables say.
#[derive(Debug)]
pub(super) struct Configured {
    pub(super) file: Option<PathBuf>,
    pub(super) files: Vec<PathBuf>,
    pub(super) definitions: Definitions,
    pub(super) server: Server,
}

/// Reads a file and says what is doubtful; without one, only the variables that override the `server` section.
///
/// # Errors
///
/// When something is wrong in the file; all of it has been said then.
pub(super) fn load(file: Option<&Path>, context: &Context) -> Result<Configured> {
    // The loader reads variables together with a file, so an empty one stands for none.
    let empty = match file {
        Some(_) => None,
        None => {
            let empty = tempfile::Builder::new().prefix("cantus-").suffix(".yaml").tempfile()?;
            std::fs::write(empty.path(), "version: 1\n").context("a temporary file cannot be written")?;
            Some(empty)
        }
    };
    let path = file.or(empty.as_ref().map(tempfile::NamedTempFile::path)).expect("one of the two is there");
    match Loader::new().load(path) {
        Ok(loaded) => {
            say(&loaded.warnings, &context.screen);
            Ok(Configured {
                file: file.map(Path::to_owned),
                files: if file.is_some() { loaded.files } else { Vec::new() },
                definitions: loaded.definitions,
                server: loaded.server,
            })
        }
        Err(rejected) => {
            say(&rejected.diagnostics, &context.screen);
            Err(Failure::said(ExitCode::Failed).into())
        }
    }
}

/// Says on stderr what is wrong or doubtful in the file.
pub(crate) fn say(diagnostics: &[Diagnostic], screen: &Screen) {
    for diagnostic in diagnostics {
        let text = diagnostic.render(screen.error_colors());
        match diagnostic.severity {
            Severity::Error => screen.say(&format!("{text}\n")),
            Severity::Warning => screen.note(&format!("{text}\n")),
        }
    }
}
