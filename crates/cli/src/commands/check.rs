//! `cantus check`

use std::path::PathBuf;

use anyhow::Result;
use cantus_api::error::ExitCode;
use cantus_file::{Diagnostic, Loader, Severity};
use clap::Args;
use serde_json::json;

use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Format, Screen};

/// Check a file: what is wrong or doubtful, where, and what to do
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The file
    #[arg(value_name = "FILE", default_value = "cantus.yaml")]
    file: PathBuf,
    /// Fail on warnings too
    #[arg(long)]
    strict: bool,
}

impl Check {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let (diagnostics, declared) = match Loader::new().load(&self.file) {
            Ok(loaded) => (loaded.warnings, Some(loaded.definitions)),
            Err(rejected) => (rejected.diagnostics, None),
        };
        let errors = diagnostics.iter().filter(|one| one.severity == Severity::Error).count();
        let failed = errors > 0 || (self.strict && !diagnostics.is_empty());
        self.print(&diagnostics, declared.is_some(), &context.screen)?;
        match failed {
            true => Err(Failure::said(ExitCode::Failed).into()),
            false => Ok(()),
        }
    }

    fn print(&self, diagnostics: &[Diagnostic], ok: bool, screen: &Screen) -> Result<()> {
        if screen.format == Format::Jsonl {
            for diagnostic in diagnostics {
                screen.show(diagnostic, String::new)?;
            }
            return Ok(());
        }
        let answer = json!({"ok": ok, "file": self.file.display().to_string(), "diagnostics": diagnostics});
        screen.show(&answer, || text(&self.file.display().to_string(), diagnostics, screen))
    }
}

fn text(file: &str, diagnostics: &[Diagnostic], screen: &Screen) -> String {
    let mut text = String::new();
    for diagnostic in diagnostics {
        text.push_str(&diagnostic.render(screen.colors()));
        text.push_str("\n\n");
    }
    let count = |severity| diagnostics.iter().filter(|one| one.severity == severity).count();
    let plural =
        |count: usize, word: &str| if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") };
    let summary = match (count(Severity::Error), count(Severity::Warning)) {
        (0, 0) => "good".to_owned(),
        (0, warnings) => format!("good, with {}", plural(warnings, "warning")),
        (errors, 0) => plural(errors, "error"),
        (errors, warnings) => format!("{} and {}", plural(errors, "error"), plural(warnings, "warning")),
    };
    text + &format!("{file}: {summary}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::TimeStyle;

    #[test]
    fn faults_are_shown_with_their_place_and_counted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cantus.yaml");
        std::fs::write(&file, "version: 1\ntopcis: {}\n").unwrap();
        let rejected = Loader::new().load(&file).unwrap_err();
        let screen = Screen::fixed(TimeStyle::Iso, "2026-01-01T00:00:00Z");
        let text = text("cantus.yaml", &rejected.diagnostics, &screen);
        assert!(text.contains(":2:1") && text.contains("topics"), "{text}");
        assert!(text.ends_with("cantus.yaml: 1 error\n"), "{text}");
    }
}
