//! Changes of definitions in words.

use cantus_api::installed::{Applied, ChangeKind};

use crate::output::{Screen, Tone};

/// Returns what was changed, or would be: a line per definition, what it means below it.
pub(super) fn changes(applied: &Applied, screen: &Screen) -> String {
    let mut text = String::new();
    for change in &applied.changes {
        let (sign, tone) = match change.change {
            ChangeKind::Added => ('+', Tone::Good),
            ChangeKind::Changed => ('~', Tone::Held),
            ChangeKind::Removed => ('-', Tone::Bad),
        };
        text.push_str(&screen.paint(tone, &format!("{sign} {} {}", change.kind, change.id)));
        text.push('\n');
        for effect in &change.effects {
            text.push_str(&format!("    {effect}\n"));
        }
    }
    let total = applied.added + applied.changed + applied.removed;
    if total > applied.changes.len() as u64 {
        text.push_str(&format!("  and {} more\n", total - applied.changes.len() as u64));
    }
    if total == 0 {
        return "nothing changes\n".to_owned();
    }
    let (will, done) = ("to be ", "");
    let words = if applied.dry_run { will } else { done };
    text + &format!(
        "{words}added {}, {words}changed {}, {words}removed {}\n",
        applied.added, applied.changed, applied.removed
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::TimeStyle;

    #[test]
    fn a_plan_says_what_each_change_means() {
        let applied: Applied = serde_json::from_value(serde_json::json!({
            "dry_run": true, "hash": "00", "added": 1, "changed": 1, "removed": 0, "changes": [
                {"kind": "topic", "id": "tasks", "change": "added", "effects": []},
                {"kind": "subscription", "id": "coder/tasks", "change": "changed", "effects": ["keeps its place"]}
            ]
        }))
        .unwrap();
        let text = changes(&applied, &Screen::fixed(TimeStyle::Relative, "2026-01-01T00:00:00Z"));
        assert_eq!(
            text,
            "+ topic tasks\n~ subscription coder/tasks\n    keeps its place\nto be added 1, to be changed 1, to be removed 0\n"
        );
    }
}
