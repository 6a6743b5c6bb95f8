//! `cantus init`: a file to begin with, agents that run, and what an editor needs. `templates` has the contents.

mod templates;

use std::fs::{OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::json;

use crate::context::Context;
use crate::exit::Failure;
use templates::{Template, Written};

/// Write a cantus.yaml to begin with: agents that run, and the schema editors complete with
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Where to
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
    /// What to begin with
    #[arg(long, value_enum, value_name = "TEMPLATE", default_value_t = Template::Hello)]
    template: Template,
    /// Also the catalogue of usual event types, with their schemas, in types/
    #[arg(long)]
    types: bool,
    /// Write over files that are there
    #[arg(long)]
    force: bool,
}

impl Init {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let files = templates::files(self.template, self.types);
        if !self.force {
            self.refuse_to_overwrite(&files)?;
        }
        let mut written = Vec::new();
        for file in &files {
            let path = self.path(file);
            write(&path, file)?;
            written.push(path.display().to_string());
        }
        context.screen.show(&json!({"files": written}), || {
            let next = match self.folder == Path::new(".") {
                true => "cantus dev".to_owned(),
                false => format!("cd {} && cantus dev", self.folder.display()),
            };
            format!("{}\nnext: {next}\n", written.join("\n"))
        })
    }

    fn path(&self, file: &Written) -> PathBuf {
        match self.folder == Path::new(".") {
            true => file.path.into(),
            false => self.folder.join(file.path),
        }
    }

    // Nothing is written if anything would be lost.
    fn refuse_to_overwrite(&self, files: &[Written]) -> Result<()> {
        let there: Vec<String> = files
            .iter()
            .map(|file| self.path(file))
            .filter(|path| std::fs::symlink_metadata(path).is_ok())
            .map(|path| path.display().to_string())
            .collect();
        if there.is_empty() {
            return Ok(());
        }
        let hint = "name another folder, or write over them with --force";
        Err(Failure::conflict(format!("already there: {}", there.join(", "))).hint(hint).into())
    }
}

fn write(path: &Path, file: &Written) -> Result<()> {
    let named = || format!("{} cannot be written", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(named)?;
    }
    let mut open =
        OpenOptions::new().write(true).create(true).truncate(true).open(path).with_context(named)?;
    open.write_all(file.text.as_bytes()).with_context(named)?;
    if file.runs {
        open.set_permissions(Permissions::from_mode(0o755)).with_context(named)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    fn written(template: Template, types: bool) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in templates::files(template, types) {
            write(&folder.path().join(file.path), &file).unwrap();
        }
        folder
    }

    #[test]
    fn every_template_loads_without_a_warning() {
        for template in Template::value_variants() {
            for types in [false, true] {
                let folder = written(*template, types);
                let loaded = cantus_file::Loader::new().load(&folder.path().join("cantus.yaml"));
                let loaded = loaded.unwrap_or_else(|rejected| panic!("{template:?}: {rejected}"));
                assert_eq!(loaded.warnings, [], "{template:?}");
                let schemas: usize =
                    loaded.definitions.topics.values().map(|topic| topic.schemas.len()).sum();
                assert_eq!(schemas, if types { 9 } else { 0 }, "{template:?}");
            }
        }
    }

    #[test]
    fn programs_are_executable() {
        let folder = written(Template::Hello, false);
        let mode = std::fs::metadata(folder.path().join("agents/greeter.sh")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
    }

    #[test]
    fn nothing_is_written_over_unless_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("cantus.yaml"), "mine").unwrap();
        let init =
            Init { folder: folder.path().into(), template: Template::Hello, types: false, force: false };
        let error = init.refuse_to_overwrite(&templates::files(Template::Hello, false)).unwrap_err();
        assert_eq!(crate::exit::code_of(&error), cantus_api::error::ExitCode::Conflict);
        assert!(crate::exit::describe(&error).contains("--force"));
    }
}
