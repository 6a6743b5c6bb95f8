//! Why: verdicts as words and sentences.

use cantus_api::delivery::WaitingFor;
use cantus_api::why::{Kind, Verdict};
use cantus_core::filter::Explanation;
use cantus_core::ids::DeliveryId;
use cantus_core::subscription::why::{self, Cause};
use cantus_core::{State, Timestamp};
use serde_json::Value;

use super::time;

/// How a delivery that is over ended; the log knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// When.
    pub at: Timestamp,
    /// True when it expired, false when it was acknowledged.
    pub expired: bool,
    /// Which attempt it was, counting from one; 0 when there was none.
    pub attempt: u32,
}

/// Returns a verdict for the wire. `settled` is what the log tells of a delivery that state calls settled.
pub fn out(state: &State, why: &why::Why, recorded_at: Timestamp, settled: Option<Settled>) -> Verdict {
    let mut verdict = Verdict {
        subscription: why.subscription.to_string(),
        verdict: Kind::Matched,
        text: String::new(),
        clause: None,
        value: None,
        evaluation_error: None,
        waiting_for: None,
        waiting_on: None,
        until: None,
        delivery: why.delivery.map(|id: DeliveryId| id.display(recorded_at)),
        dead_letter: None,
    };
    let opened = |id| state.dead_letters.get(id).map(|it| (it, it.id.display(it.opened_at)));
    let newest = why.dead_letters.iter().max().and_then(opened);
    verdict.dead_letter = newest.as_ref().map(|(_, id)| id.clone());
    match &why.verdict {
        why::Verdict::NotInTopic => {
            verdict.verdict = Kind::NotInTopic;
            verdict.text = "the subscription does not listen to the topic of the event".to_owned();
        }
        why::Verdict::BeforeStart => {
            verdict.verdict = Kind::BeforeStart;
            verdict.text = "the event is older than the place where the subscription began".to_owned();
        }
        why::Verdict::NotAddressed { to } => {
            verdict.verdict = Kind::NotAddressed;
            verdict.text = format!("the event is addressed to {to}");
        }
        why::Verdict::FilteredOut(explanation) => filtered(&mut verdict, explanation),
        why::Verdict::Waiting(causes) => waiting(&mut verdict, causes),
        why::Verdict::Leased { since, deadline, attempt } => {
            verdict.verdict = Kind::Leased;
            verdict.until = Some(time::text(*deadline));
            verdict.waiting_for = Some(WaitingFor::Lease);
            verdict.text = format!("attempt {attempt} has been running since {}", time::text(*since));
        }
        why::Verdict::Settled => settled_as(&mut verdict, settled),
        why::Verdict::Dead => {
            verdict.verdict = Kind::Dead;
            verdict.text = newest.map_or_else(
                || "it is a dead letter".to_owned(),
                |(it, id)| {
                    format!(
                        "dead letter {id} ({}): {}: {}",
                        it.status.as_str(),
                        it.reason.as_str(),
                        it.message
                    )
                },
            );
        }
    }
    verdict
}

fn filtered(verdict: &mut Verdict, explanation: &Explanation) {
    verdict.verdict = Kind::FilteredOut;
    verdict.text = format!("the filter says no: {explanation}");
    if let Explanation::Unmatched(unmatched) = explanation {
        let json = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
        verdict.clause = Some(json(&unmatched.clause));
        // What the event has is said as `path = value`.
        let value = unmatched.found.as_deref();
        verdict.value =
            value.map(|found| found.split_once(" = ").map_or(Value::Null, |(_, value)| json(value)));
        verdict.evaluation_error = unmatched.error.clone();
    }
}

fn waiting(verdict: &mut Verdict, causes: &[Cause]) {
    verdict.verdict = Kind::Waiting;
    let mut sentences = Vec::new();
    for (index, cause) in causes.iter().enumerate() {
        let (waiting_for, on, until, sentence) = cause_out(cause);
        if index == 0 {
            (verdict.waiting_for, verdict.waiting_on, verdict.until) = (waiting_for, on, until);
        }
        sentences.push(sentence);
    }
    verdict.text = format!("it waits: {}", sentences.join("; "));
    if matches!(causes, [Cause::NotReadYet]) {
        verdict.verdict = Kind::Matched;
        verdict.text = "it matches and was not looked at yet".to_owned();
    }
}

/// What a delivery waits for: the word, on whom, until when, and the sentence.
pub type Waits = (Option<WaitingFor>, Option<String>, Option<String>, String);

/// Returns what a delivery waits for, in the words of the wire.
pub fn cause_out(cause: &Cause) -> Waits {
    let until_text = |until: &Option<Timestamp>| {
        until.map(|until| format!(" until {}", time::text(until))).unwrap_or_default()
    };
    match cause {
        Cause::SubscriptionPaused(reason, until) => {
            let reason = reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            let sentence = format!("the subscription is paused{reason}{}", until_text(until));
            (Some(WaitingFor::Pause), None, until.map(time::text), sentence)
        }
        Cause::AgentParked(by, until) => {
            let sentence = format!("its agent is paused by {by}{}", until_text(until));
            (Some(WaitingFor::Pause), Some(by.to_string()), until.map(time::text), sentence)
        }
        Cause::Retry(due) => {
            let due = time::text(*due);
            (Some(WaitingFor::Retry), None, Some(due.clone()), format!("the next attempt is due at {due}"))
        }
        Cause::Breaker { message, probe_at } => {
            let next = match probe_at {
                Some(at) => format!("next probe at {}", time::text(*at)),
                None => "a probe is on its way".to_owned(),
            };
            let sentence = format!("the subscription waits for its breaker, {next}; last failure: {message}");
            (Some(WaitingFor::Breaker), None, probe_at.map(time::text), sentence)
        }
        Cause::KeyHeld { id, opened_at } => {
            let id = id.display(*opened_at);
            let sentence = format!(
                "dead letter {id} holds its order key: replay it, archive it, or run `cantus dlq release {id}`"
            );
            (Some(WaitingFor::Key), Some(id), None, sentence)
        }
        Cause::Rate(rate, at) => {
            let at = time::text(*at);
            let sentence = format!("no more than {rate} attempts begin; the next may at {at}");
            (Some(WaitingFor::Rate), None, Some(at), sentence)
        }
        Cause::Key => {
            let sentence = "an earlier event of its order key is not done".to_owned();
            (Some(WaitingFor::Key), None, None, sentence)
        }
        Cause::Concurrency(limit) => {
            let sentence = format!("{limit} attempts run at once, as many as may");
            (Some(WaitingFor::Concurrency), None, None, sentence)
        }
        Cause::MaxInFlight(limit) => {
            let sentence = format!("{limit} deliveries are in flight, as many as may");
            (Some(WaitingFor::Concurrency), None, None, sentence)
        }
        Cause::NoWorker => {
            let sentence = "no worker of the agent is asking for deliveries".to_owned();
            (Some(WaitingFor::Offline), None, None, sentence)
        }
        Cause::Crowded(held) => {
            let sentence = format!(
                "it is not read from the log: {held} deliveries of the subscription are open, as many as may while others \
                 wait for their order keys; see to its dead letters"
            );
            (Some(WaitingFor::Key), None, None, sentence)
        }
        Cause::NotReadYet => (None, None, None, "it was not read from the log yet".to_owned()),
        Cause::Turn => (None, None, None, "its turn comes next".to_owned()),
    }
}

fn settled_as(verdict: &mut Verdict, settled: Option<Settled>) {
    match settled {
        Some(Settled { at, expired: true, .. }) => {
            verdict.verdict = Kind::Expired;
            verdict.text = format!("it expired and was let go at {}", time::text(at));
        }
        Some(Settled { at, attempt, .. }) => {
            verdict.verdict = Kind::Delivered;
            verdict.text = format!("delivered by attempt {attempt} at {}", time::text(at));
        }
        None => {
            // Nothing was done with it, and nothing will be: the subscription was moved past it.
            verdict.verdict = Kind::BeforeStart;
            verdict.delivery = None;
            verdict.text = "the subscription was moved past it, or took another definition since".to_owned();
        }
    }
}
