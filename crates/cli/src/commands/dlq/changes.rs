//! What an edit changed: a line before, a line after.

use cantus_api::dead_letter::Change;
use serde_json::value::RawValue;

use crate::output::{Screen, Tone};

/// Returns changes as a diff.
pub(super) fn text(changes: &[Change], screen: &Screen) -> String {
    let mut text = String::new();
    let mut line = |sign: char, tone: Tone, path: &str, value: &Option<Box<RawValue>>| {
        if let Some(value) = value {
            text.push_str(&screen.paint(tone, &format!("  {sign} {path}: {}", value.get())));
            text.push('\n');
        }
    };
    for change in changes {
        line('-', Tone::Bad, &change.path, &change.before);
        line('+', Tone::Good, &change.path, &change.after);
    }
    text
}
