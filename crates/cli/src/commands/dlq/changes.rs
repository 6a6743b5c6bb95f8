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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::TimeStyle;

    #[test]
    fn a_value_that_was_null_has_a_line_of_its_own() {
        let json = r#"[{"path": "/data/amount", "before": null, "after": "ten"}, {"path": "/data/new", "after": 1}]"#;
        let changes: Vec<Change> = serde_json::from_str(json).unwrap();
        let screen = Screen::fixed(TimeStyle::Relative, "2026-01-01T00:00:00Z");
        let lines = text(&changes, &screen);
        assert_eq!(lines, "  - /data/amount: null\n  + /data/amount: \"ten\"\n  + /data/new: 1\n");
    }
}
