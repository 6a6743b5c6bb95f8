//! Checks of what a server has to do, by its metrics and lists: what waits too long, what nobody hears, what runs unconfined.

use cantus_api::installed::Definitions;
use cantus_api::status::{Health, Status};
use cantus_api::topic::Topic;

use super::checks::{named, size};
use super::finding::Finding;
use crate::metrics::Metrics;

/// An event that waits longer than this has been forgotten by somebody.
const LAG_SECONDS_WANTED: f64 = 300.0;
/// A dead letter that is older waits for nobody any more.
const DEAD_LETTER_DAYS_WANTED: f64 = 7.0;

/// Looks at checks that passed with a word of warning.
pub(super) fn degraded(health: &Health) -> Option<Finding> {
    let doubts: Vec<&str> = health.text.lines().filter(|line| line.contains(" ok, but: ")).collect();
    let first = doubts.first()?;
    let remedy = match first {
        line if line.contains("lost") => {
            "cantus log verify says what; then restore a backup, or accept the loss"
        }
        line if line.contains("disk") => "make room on the disk: publishes go on by themselves",
        _ => "see the server's log",
    };
    let words: Vec<&str> = doubts.iter().filter_map(|line| Some(line.split_once(" ok, but: ")?.1)).collect();
    Some(Finding::warn("health", words.join("; "), remedy))
}

/// Looks at how much is free where the log lies, and how much has to be.
pub(super) fn space(metrics: &Metrics) -> Option<Finding> {
    let (free, reserve) = (metrics.free_bytes?, metrics.reserve_bytes?);
    let detail = format!(
        "{} free for the log, publishes are refused below {}",
        size(free as u64),
        size(reserve as u64)
    );
    let remedy = "make room, or set server.reserve lower: publishes go on by themselves";
    Some(match free {
        free if free < reserve => Finding::fail("space", detail, remedy),
        free if free < reserve * 2.0 => Finding::warn("space", detail, remedy),
        _ => Finding::ok("space", detail),
    })
}

/// Looks at how long events wait.
pub(super) fn lag(metrics: &Metrics) -> Finding {
    let mut late: Vec<(&str, f64)> = metrics
        .lag_seconds
        .iter()
        .filter(|(_, age)| **age > LAG_SECONDS_WANTED)
        .map(|(id, age)| (id.as_str(), *age))
        .collect();
    late.sort_by(|one, other| other.1.total_cmp(&one.1));
    let Some((first, age)) = late.first().copied() else {
        return Finding::ok("lag", "no event waits for long");
    };
    let names: Vec<&str> = late.iter().map(|(id, _)| *id).collect();
    Finding::warn(
        "lag",
        format!("{} wait: {}; the oldest for {}", names.len(), named(&names), age_of(age)),
        format!("cantus subs get {first} says what holds it"),
    )
}

/// Looks at how old dead letters are.
pub(super) fn oldest_dead_letter(metrics: &Metrics) -> Option<Finding> {
    let age = metrics.dead_letter_oldest_seconds.filter(|age| *age > DEAD_LETTER_DAYS_WANTED * 86_400.0)?;
    let detail = format!("the oldest dead letter is open for {}", age_of(age));
    Some(Finding::warn("old dead letters", detail, "cantus dlq ls; replay it, or archive it with a note"))
}

/// Looks for topics with events that no subscription listens to.
pub(super) fn unheard(topics: &[Topic]) -> Finding {
    let unheard: Vec<&str> = topics
        .iter()
        .filter(|topic| topic.events > 0 && topic.subscriptions.is_empty())
        .map(|topic| topic.name.as_str())
        .collect();
    if unheard.is_empty() {
        return Finding::ok("topics", format!("{}, each with events is heard", topics.len()));
    }
    let remedy = "subscribe somebody, or leave it so if only people read them";
    Finding::warn("topics", format!("nobody hears {}", named(&unheard)), remedy)
}

/// Looks for programs that run unconfined in production.
pub(super) fn unconfined(status: &Status, definitions: &Definitions) -> Option<Finding> {
    if status.mode != "serve" {
        return None;
    }
    let open: Vec<&str> = definitions
        .items
        .iter()
        .filter(|item| item.kind == "subscription" && item.definition["action"]["sandbox"] == "none")
        .map(|item| item.id.as_str())
        .collect();
    Some(match open.is_empty() {
        true => Finding::ok("sandbox", "no program runs unconfined"),
        false => Finding::warn(
            "sandbox",
            format!("programs of {} run unconfined", named(&open)),
            "say sandbox: strict, with network: host for agents that call an API",
        ),
    })
}

fn age_of(seconds: f64) -> String {
    crate::output::duration_ms((seconds * 1000.0) as u64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::finding::Level;
    use super::*;

    #[test]
    fn what_waits_too_long_is_named_with_where_to_look() {
        let mut metrics = Metrics::default();
        assert_eq!(lag(&metrics).level, Level::Ok);
        assert_eq!(oldest_dead_letter(&metrics), None);
        metrics.lag_seconds.insert("coder/tasks".to_owned(), 4_000.0);
        metrics.lag_seconds.insert("tester/tasks".to_owned(), 3.0);
        metrics.dead_letter_oldest_seconds = Some(9.0 * 86_400.0);
        let finding = lag(&metrics);
        assert_eq!(finding.level, Level::Warn);
        assert_eq!(finding.remedy.as_deref(), Some("cantus subs get coder/tasks says what holds it"));
        assert_eq!(oldest_dead_letter(&metrics).unwrap().level, Level::Warn);
    }

    #[test]
    fn less_space_than_has_to_be_free_is_a_fault_and_less_than_twice_that_a_warning() {
        let space = |free: f64| {
            let metrics =
                Metrics { free_bytes: Some(free), reserve_bytes: Some(1024.0), ..Metrics::default() };
            super::space(&metrics).unwrap()
        };
        let remedy = "make room, or set server.reserve lower: publishes go on by themselves";
        let detail = |free| format!("{free} KiB free for the log, publishes are refused below 1 KiB");
        assert_eq!(space(1000.0), Finding::fail("space", detail(0), remedy));
        assert_eq!(space(2000.0), Finding::warn("space", detail(1), remedy));
        assert_eq!(space(9000.0), Finding::ok("space", detail(8)));
    }

    #[test]
    fn a_check_that_passed_with_doubts_is_a_warning() {
        let health = |text: &str| Health { ok: true, text: text.to_owned() };
        assert_eq!(degraded(&health("[+]store ok\n[+]turn ok\n")), None);
        let finding = degraded(&health("[+]store ok, but: 2 places of the log are lost\n")).unwrap();
        assert_eq!(finding.detail, "2 places of the log are lost");
        assert!(finding.remedy.unwrap().starts_with("cantus log verify"));
    }

    #[test]
    fn events_nobody_hears_are_a_warning() {
        let topic = |name: &str, events: u64, subscriptions: &[&str]| -> Topic {
            let value =
                json!({"name": name, "declared": true, "events": events, "subscriptions": subscriptions});
            serde_json::from_value(value).unwrap()
        };
        assert_eq!(unheard(&[topic("a", 1, &["w/a"]), topic("b", 0, &[])]).level, Level::Ok);
        assert_eq!(unheard(&[topic("b", 1, &[])]).detail, "nobody hears b");
    }

    #[test]
    fn programs_without_a_sandbox_are_a_warning_in_production_only() {
        let status = |mode: &str| -> Status {
            serde_json::from_value(json!({
                "version": "1", "mode": mode, "node": "n", "engine": "local", "started_at": "2026-01-01T00:00:00Z",
                "durable": "0:1", "counts": {"topics": 0, "events": 0, "agents": 0, "subscriptions": 0, "in_flight": 0,
                "retrying": 0, "dead_letters": 0}
            }))
            .unwrap()
        };
        let definitions: Definitions = serde_json::from_value(json!({"items": [{"kind": "subscription",
            "id": "coder/tasks", "hash": "0", "source": "file",
            "definition": {"action": {"exec": ["x"], "sandbox": "none"}}}]}))
        .unwrap();
        assert_eq!(unconfined(&status("dev"), &definitions), None);
        let finding = unconfined(&status("serve"), &definitions).unwrap();
        assert!(finding.level == Level::Warn && finding.detail.contains("coder/tasks"));
    }
}
