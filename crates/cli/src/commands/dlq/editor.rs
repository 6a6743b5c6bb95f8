//! The user's editor.

use std::io::{IsTerminal as _, Write as _};
use std::process::Command;

use anyhow::{Context as _, Result};
use tempfile::TempPath;

use crate::exit::Failure;

/// Opens a text in the user's editor and returns it as it was saved, with the file it is in.
///
/// # Errors
///
/// When there is no terminal, or the editor cannot be started or says that it failed.
pub(super) fn edit(text: &str, name: &str) -> Result<(String, TempPath)> {
    if !std::io::stdin().is_terminal() {
        let hint = "give --data, --set or --unset";
        return Err(Failure::usage("there is no terminal to edit in").hint(hint).into());
    }
    let mut file = tempfile::Builder::new()
        .prefix(&format!("cantus-{name}-"))
        .suffix(".json")
        .tempfile()
        .context("a file to edit cannot be made")?;
    file.write_all(text.as_bytes()).context("the file to edit cannot be written")?;
    let path = file.into_temp_path();
    let editor = ["VISUAL", "EDITOR"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.trim().is_empty()))
        .unwrap_or_else(|| "vi".to_owned());
    // The variable may carry arguments (`code --wait`), which only a shell takes apart as its user meant.
    let status = Command::new("sh")
        .arg("-c")
        .arg(format!("{editor} \"$1\""))
        .arg("sh")
        .arg(&path)
        .status()
        .with_context(|| format!("the editor `{editor}` cannot be started"))?;
    if !status.success() {
        return Err(Failure::failed(format!(
            "the editor `{editor}` ended with {status}; nothing was changed"
        ))
        .into());
    }
    let text = std::fs::read_to_string(&path).context("the edited file cannot be read")?;
    Ok((text, path))
}
