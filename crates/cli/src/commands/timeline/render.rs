//! A story as text: time, who, what; below each event what became of it, and the events it caused.

use cantus_api::correlation::Correlation;
use cantus_api::delivery::{Attempt, Delivery, Outcome, State};

use super::story::{Counts, Node, Story, ms};
use crate::commands::deliveries::{attempt_line, state_word, waiting_word};
use crate::output::{Screen, Tone, duration_ms};

/// The column the tree begins in.
const CLOCK: usize = 10;

/// Returns a story as text.
pub(super) fn text(correlation: &Correlation, screen: &Screen) -> String {
    let story = Story::of(correlation);
    let counts = story.counts();
    let mut text = format!("{}\n", screen.paint(Tone::Strong, &correlation.correlation_id));
    text.push_str(&headline(&story, &counts));
    text.push('\n');
    for node in &story.nodes {
        event(&mut text, node, &story, screen);
        for delivery in &node.deliveries {
            deliver(&mut text, node, delivery, &story, screen);
        }
    }
    for (reason, count) in gone(&correlation.gaps) {
        text.push_str(&format!("{} {} {reason}\n", screen.paint(Tone::Held, "gap:"), plural(count, "event")));
    }
    if correlation.next_cursor.is_some() {
        text.push_str("\nthere is more: raise --limit\n");
    }
    text.push_str(&hints(&story));
    text
}

/// Counts what has gone, by why.
fn gone(gaps: &[cantus_api::stream::Gap]) -> std::collections::BTreeMap<&str, usize> {
    let mut counts = std::collections::BTreeMap::new();
    for gap in gaps {
        *counts.entry(gap.reason.as_str()).or_default() += 1;
    }
    counts
}

fn headline(story: &Story<'_>, counts: &Counts) -> String {
    let length = u64::try_from(story.end_ms - story.start_ms).unwrap_or(0);
    let mut parts = vec![
        plural(story.nodes.len(), "event"),
        format!("from {}", plural(story.sources(), "source")),
        format!("{} delivered", counts.delivered),
    ];
    let mut add = |count: usize, word: &str| {
        if count > 0 {
            parts.push(format!("{count} {word}"));
        }
    };
    add(counts.retried, "retried");
    add(counts.pending, "pending");
    add(counts.dead, "dead");
    format!("{}, {}\n", parts.join(", "), duration_ms(length))
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}

fn event(text: &mut String, node: &Node<'_>, story: &Story<'_>, screen: &Screen) {
    let event = &node.recorded.event;
    let clock = offset(&node.recorded.recorded_at, story);
    text.push_str(&screen.paint(Tone::Dim, &format!("{clock:<CLOCK$}")));
    text.push_str(&branches(node, true));
    text.push_str(&screen.paint(Tone::Strong, &plain(&event.event_type)));
    text.push_str(&format!("  {}", plain(&event.source)));
    if let Some(topic) = &event.topic {
        text.push_str(&format!("  {topic}"));
    }
    let id = event.id.as_deref().unwrap_or("-");
    text.push_str(&format!("  {}", screen.paint(Tone::Dim, &plain(id))));
    if let Some(cause) = event.causation_id.as_ref().filter(|_| node.foreign_cause) {
        text.push_str(&format!("  caused by {}", plain(cause)));
    }
    text.push('\n');
}

fn deliver(text: &mut String, node: &Node<'_>, delivery: &Delivery, story: &Story<'_>, screen: &Screen) {
    let margin = format!("{:CLOCK$}{}", "", branches(node, false));
    let (word, tone) = state_word(delivery);
    let mut line = format!("{margin}· {}  {}", screen.paint(tone, word), delivery.subscription);
    if delivery.replay_of.is_some() {
        line.push_str("  (replay)");
    }
    if let [one] = delivery.attempts.as_slice()
        && one.outcome == Some(Outcome::Acked)
        && let Some(ms) = one.duration_ms
    {
        line.push_str(&format!("  {}", duration_ms(ms)));
    } else if delivery.acquired > 0 {
        line.push_str(&format!("  {}", plural(delivery.acquired as usize, "attempt")));
    }
    match delivery.state {
        State::Waiting => {
            let what = delivery.waiting_for.map(waiting_word).unwrap_or("for its turn");
            line.push_str(&format!("  waits {what}"));
            if let Some(next) = &delivery.next_at {
                line.push_str(&format!(" ({})", screen.time(next)));
            }
        }
        State::Dead => {
            if let Some(dead_letter) = &delivery.dead_letter {
                line.push_str(&format!("  {dead_letter}"));
            }
        }
        State::Leased | State::Delivered | State::Expired => {}
    }
    text.push_str(&line);
    text.push('\n');
    for attempt in shown_attempts(delivery, screen) {
        let begun = offset(&attempt.at, story);
        text.push_str(&format!("{margin}    {begun:<8} {}  {}", attempt.n, attempt_line(attempt, screen)));
        if let Some(said) = said(attempt) {
            text.push_str(&screen.paint(Tone::Dim, &format!("  {said}")));
        }
        text.push('\n');
    }
}

/// Returns the attempts that say more than their delivery does: all but a single success, or all with -v.
fn shown_attempts<'a>(delivery: &'a Delivery, screen: &Screen) -> &'a [Attempt] {
    match delivery.attempts.as_slice() {
        [one] if one.outcome == Some(Outcome::Acked) && !screen.verbose() => &[],
        all => all,
    }
}

/// Returns what an attempt said about its failure: the last line of stderr, or the reason.
fn said(attempt: &Attempt) -> Option<String> {
    if attempt.outcome == Some(Outcome::Acked) {
        return None;
    }
    let last_line = |text: &str| text.lines().rev().find(|line| !line.trim().is_empty()).map(plain);
    attempt
        .stderr_tail
        .as_deref()
        .and_then(last_line)
        .or_else(|| attempt.message.as_deref().and_then(last_line))
}

/// Returns the lines of the tree left of an event, or left of what belongs to it.
fn branches(node: &Node<'_>, own: bool) -> String {
    let mut text = String::new();
    for (level, more) in node.more.iter().enumerate() {
        let last = level + 1 == node.more.len();
        text.push_str(match (own && last, more) {
            (true, true) => "├─ ",
            (true, false) => "└─ ",
            (false, true) => "│  ",
            (false, false) => "   ",
        });
    }
    debug_assert!(node.more.len() <= node.depth, "a level has one line at most");
    text
}

/// Returns the time since the story began: `+0ms`, `+1.25s`.
fn offset(timestamp: &str, story: &Story<'_>) -> String {
    match ms(timestamp) {
        Some(at) => match u64::try_from(at - story.start_ms) {
            Ok(after) => format!("+{}", duration_ms(after)),
            Err(_) => format!("-{}", duration_ms((at - story.start_ms).unsigned_abs())),
        },
        None => "?".to_owned(),
    }
}

/// Returns text without what a terminal would act on, on one line, 160 characters at most.
fn plain(text: &str) -> String {
    text.chars().take(160).map(|one| if one.is_control() { '\u{fffd}' } else { one }).collect()
}

/// Returns what to look at next: dead letters, what is pending.
fn hints(story: &Story<'_>) -> String {
    const HINTS_MAX: usize = 5;
    let deliveries = || story.nodes.iter().flat_map(|node| &node.deliveries);
    let dead: Vec<&str> = deliveries()
        .filter(|delivery| delivery.state == State::Dead)
        .filter_map(|delivery| delivery.dead_letter.as_deref())
        .collect();
    let mut lines: Vec<String> =
        dead.iter().take(HINTS_MAX).map(|id| format!("cantus dlq get {id}")).collect();
    if dead.len() > HINTS_MAX {
        lines.push(format!("… and {} more dead letters: cantus dlq ls", dead.len() - HINTS_MAX));
    }
    let pending = story
        .nodes
        .iter()
        .find(|node| node.deliveries.iter().any(|delivery| delivery.state == State::Waiting))
        .and_then(|node| node.recorded.event.id.as_deref());
    lines.extend(pending.map(|id| format!("cantus events why {id}")));
    if lines.is_empty() {
        return String::new();
    }
    format!("\nnext: {}\n", lines.join("\n      "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::TimeStyle;

    fn event(id: &str, kind: &str, source: &str, cause: Option<&str>, at: &str) -> serde_json::Value {
        let mut event = serde_json::json!({"specversion": "1.0", "id": id, "type": kind, "source": source, "topic": "tasks",
            "correlationid": "e-1", "data": {}});
        if let Some(cause) = cause {
            event["causationid"] = cause.into();
        }
        serde_json::json!({"event": event, "position": "0:1", "recorded_at": at})
    }

    fn delivery(
        id: &str,
        subscription: &str,
        event: (&str, &str),
        rest: serde_json::Value,
    ) -> serde_json::Value {
        let mut delivery = serde_json::json!({"id": id, "subscription": subscription, "event_id": event.0,
            "event_source": event.1, "event_type": "X", "topic": "tasks", "position": "0:1", "correlation_id": "e-1",
            "acquired": 0, "failed": 0});
        let members = delivery.as_object_mut().unwrap();
        members.extend(rest.as_object().unwrap().clone());
        delivery
    }

    fn story() -> Correlation {
        serde_json::from_value(serde_json::json!({
            "correlation_id": "e-1",
            "events": [
                event("e-1", "StoryApproved", "/cli", None, "2026-01-01T00:00:00.000Z"),
                event("e-2", "DesignStarted", "/architect", Some("e-1"), "2026-01-01T00:00:00.020Z"),
                event("e-3", "WireframeCompleted", "/ux", Some("e-1"), "2026-01-01T00:00:00.900Z"),
                event("e-4", "DesignCompleted", "/architect", Some("e-2"), "2026-01-01T00:00:01.250Z"),
                event("x-9", "Imported", "/elsewhere", Some("gone"), "2026-01-01T00:00:02.000Z"),
            ],
            "deliveries": [
                delivery("dlv_1", "architect/tasks", ("e-1", "/cli"), serde_json::json!({"state": "delivered", "acquired": 1,
                    "attempts": [{"n": 1, "at": "2026-01-01T00:00:00.005Z", "duration_ms": 15, "outcome": "acked"}]})),
                delivery("dlv_2", "flaky/tasks", ("e-1", "/cli"), serde_json::json!({"state": "dead", "acquired": 2, "failed": 2,
                    "dead_letter": "dl_1", "attempts": [
                    {"n": 1, "at": "2026-01-01T00:00:00.010Z", "duration_ms": 40, "outcome": "failed",
                     "class": "temporary_failure", "exit_code": 1, "stderr_tail": "starting\nno such story\n",
                     "next_at": "2026-01-01T00:00:01.050Z"},
                    {"n": 2, "at": "2026-01-01T00:00:01.060Z", "duration_ms": 5000, "outcome": "failed", "class": "timeout"}]})),
                delivery("dlv_3", "coder/tasks", ("e-4", "/architect"), serde_json::json!({"state": "waiting", "acquired": 1,
                    "failed": 1, "waiting_for": "retry", "next_at": "2026-01-01T00:00:09Z", "attempts": [
                    {"n": 1, "at": "2026-01-01T00:00:01.300Z", "duration_ms": 10, "outcome": "failed", "class": "unavailable",
                     "message": "connection refused"}]})),
            ]
        }))
        .unwrap()
    }

    #[test]
    fn a_story_is_a_tree_of_causes_with_what_became_of_each_event() {
        insta::assert_snapshot!(text(&story(), &Screen::fixed(TimeStyle::Relative, "2026-01-01T00:00:05Z")));
    }

    #[test]
    fn events_that_claim_each_other_as_cause_are_still_drawn_once() {
        let correlation: Correlation = serde_json::from_value(serde_json::json!({
            "correlation_id": "c",
            "events": [
                event("a", "A", "/x", Some("b"), "2026-01-01T00:00:00Z"),
                event("b", "B", "/x", Some("a"), "2026-01-01T00:00:01Z"),
                event("c", "C", "/x", Some("c"), "2026-01-01T00:00:02Z"),
            ],
            "deliveries": []
        }))
        .unwrap();
        let ids: Vec<_> = Story::of(&correlation)
            .nodes
            .iter()
            .map(|node| node.recorded.event.id.clone().unwrap())
            .collect();
        assert_eq!(ids, ["a", "b", "c"]);
    }

    #[test]
    fn a_story_of_a_hundred_thousand_links_does_not_overflow() {
        let events = (0..100_000)
            .map(|n| {
                let cause = (n > 0).then(|| format!("e-{}", n - 1));
                let mut one = cantus_api::Event::new("/x", "T");
                one.id = Some(format!("e-{n}"));
                one.causation_id = cause;
                cantus_api::stream::Recorded {
                    event: one,
                    position: "0:1".into(),
                    recorded_at: "2026-01-01T00:00:00Z".into(),
                }
            })
            .collect();
        let correlation = Correlation {
            correlation_id: "c".into(),
            events,
            deliveries: Vec::new(),
            gaps: Vec::new(),
            aggregators: Vec::new(),
            sagas: Vec::new(),
            next_cursor: None,
        };
        assert_eq!(Story::of(&correlation).nodes.len(), 100_000);
    }
}
