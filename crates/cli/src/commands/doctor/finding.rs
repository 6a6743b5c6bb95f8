//! What a check sees, and the remedy.

use serde::Serialize;

use crate::output::{Screen, Tone};

/// What a check saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What was looked at.
    pub(super) check: &'static str,
    /// How bad it is.
    pub(super) level: Level,
    /// What was seen.
    pub(super) detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<String>,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Ok,
    Warn,
    Fail,
}

impl Finding {
    /// Nothing is wrong.
    pub(super) fn ok(check: &'static str, detail: impl Into<String>) -> Finding {
        Finding { check, level: Level::Ok, detail: detail.into(), remedy: None }
    }

    /// Something should be looked at.
    pub(super) fn warn(check: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { check, level: Level::Warn, detail: detail.into(), remedy: Some(remedy.into()) }
    }

    /// Something is wrong.
    pub(super) fn fail(check: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { level: Level::Fail, ..Finding::warn(check, detail, remedy) }
    }
}

/// Returns findings, a line each, the remedy below.
pub(super) fn text(findings: &[Finding], screen: &Screen) -> String {
    let mut text = String::new();
    let width = findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
    for finding in findings {
        let (word, tone) = match finding.level {
            Level::Ok => ("ok  ", Tone::Good),
            Level::Warn => ("warn", Tone::Held),
            Level::Fail => ("fail", Tone::Bad),
        };
        text.push_str(&format!(
            "{}  {:width$}  {}\n",
            screen.paint(tone, word),
            finding.check,
            finding.detail
        ));
        if let Some(remedy) = &finding.remedy {
            text.push_str(&format!("      {:width$}  → {remedy}\n", ""));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::TimeStyle;

    #[test]
    fn every_finding_that_is_not_good_says_what_to_do() {
        let findings = [
            Finding::ok("server", "http://127.0.0.1:4777 answers"),
            Finding::warn("dead letters", "3 are open", "cantus dlq groups"),
            Finding::fail("token", ".cantus/token can be read by others", "chmod 600 .cantus/token"),
        ];
        let screen = Screen::fixed(TimeStyle::Iso, "2026-01-01T00:00:00Z");
        insta::assert_snapshot!(text(&findings, &screen), @r"
        ok    server        http://127.0.0.1:4777 answers
        warn  dead letters  3 are open
                            → cantus dlq groups
        fail  token         .cantus/token can be read by others
                            → chmod 600 .cantus/token
        ");
    }
}
