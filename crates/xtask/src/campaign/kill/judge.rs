//! The judge: holds what everybody remembers against what is stored. Each rule is a promise, in words.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::plan::{ASK, INBOX, POISON, PROGRAM, RUN, TOPIC, answer_to, ran_for};
use super::record::{Evidence, Outcome, Sent, Settled, Stored};

/// What was counted.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Counts {
    pub(super) kills: u32,
    pub(super) unanswered_requests: u64,
    pub(super) events_accepted: u64,
    pub(super) events_refused: u64,
    pub(super) events_in_doubt: u64,
    pub(super) duplicates_marked: u64,
    pub(super) batches_accepted: u64,
    pub(super) events_stored: u64,
    pub(super) answers_stored: u64,
    pub(super) deliveries_first: u64,
    pub(super) deliveries_again: u64,
    pub(super) delivered: u64,
    pub(super) dead_lettered: u64,
    pub(super) first_deliveries_in_order: u64,
    pub(super) programs_run: u64,
    pub(super) events_followed: u64,
}

/// What the judge says.
#[derive(Debug, Default, Serialize)]
pub(super) struct Verdict {
    /// What was counted.
    pub(super) counts: Counts,
    /// What was promised and not kept, with the ids.
    pub(super) violations: Vec<String>,
}

/// What is stored, by id.
struct Log<'a> {
    /// Where each id stands in the log, oldest first.
    places: HashMap<&'a str, Vec<usize>>,
    stored: &'a [Stored],
}

impl<'a> Log<'a> {
    fn of(stored: &'a [Stored]) -> Log<'a> {
        let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
        for (place, event) in stored.iter().enumerate() {
            places.entry(&event.id).or_default().push(place);
        }
        Log { places, stored }
    }

    fn places(&self, id: &str) -> &[usize] {
        self.places.get(id).map_or(&[], Vec::as_slice)
    }

    fn first(&self, id: &str) -> Option<usize> {
        self.places(id).first().copied()
    }
}

/// Judges a campaign.
pub(super) fn judge(evidence: &Evidence) -> Verdict {
    let mut verdict = Verdict::default();
    let log = Log::of(&evidence.stored);
    verdict.violations.extend(evidence.faults.iter().cloned());
    verdict.violations.extend(evidence.consumed.faults.iter().cloned());
    for published in &evidence.published {
        verdict.violations.extend(published.faults.iter().cloned());
    }
    verdict.counts.kills = evidence.kills;
    verdict.counts.unanswered_requests = evidence.consumed.unanswered;
    accepted_events_are_there_once(evidence, &log, &mut verdict);
    batches_are_whole(evidence, &log, &mut verdict);
    clients_keep_their_order(evidence, &log, &mut verdict);
    nothing_else_is_there(evidence, &log, &mut verdict);
    what_was_read_is_there(evidence, &log, &mut verdict);
    first_deliveries_are_in_order(evidence, &log, &mut verdict);
    every_event_is_settled(evidence, &log, &mut verdict);
    programs_ran_once(evidence, &log, &mut verdict);
    verdict
}

fn accepted_events_are_there_once(evidence: &Evidence, log: &Log<'_>, verdict: &mut Verdict) {
    let counts = &mut verdict.counts;
    for published in &evidence.published {
        counts.unanswered_requests += published.unanswered;
        counts.duplicates_marked += published.duplicates;
        for sent in &published.sent {
            let places = log.places(&sent.id);
            match &sent.outcome {
                Outcome::Accepted { position } => {
                    counts.events_accepted += 1;
                    match places {
                        [] => verdict.violations.push(format!("{} was acknowledged and is lost", sent.id)),
                        [place] => {
                            let event = &log.stored[*place];
                            if event.position != *position {
                                verdict.violations.push(format!(
                                    "{} was acknowledged at {position} and is at {}",
                                    sent.id, event.position
                                ));
                            }
                            if event.data != sent.data || event.event_type != sent.event_type {
                                verdict.violations.push(format!("{} is stored with other content", sent.id));
                            }
                        }
                        several => {
                            verdict.violations.push(format!("{} is stored {} times", sent.id, several.len()));
                        }
                    }
                }
                Outcome::Refused { code } => {
                    counts.events_refused += 1;
                    if !places.is_empty() {
                        verdict.violations.push(format!("{} was refused with {code} and is there", sent.id));
                    }
                }
                Outcome::InDoubt => {
                    counts.events_in_doubt += 1;
                    if places.len() > 1 {
                        verdict.violations.push(format!("{} is stored {} times", sent.id, places.len()));
                    }
                }
            }
        }
    }
}

fn batches_are_whole(evidence: &Evidence, log: &Log<'_>, verdict: &mut Verdict) {
    let mut batches: BTreeMap<(usize, usize), Vec<&Sent>> = BTreeMap::new();
    for sent in evidence.published.iter().flat_map(|published| &published.sent) {
        if let Some(batch) = sent.batch {
            batches.entry((sent.client, batch)).or_default().push(sent);
        }
    }
    for batch in batches.values() {
        let there = batch.iter().filter(|sent| !log.places(&sent.id).is_empty()).count();
        if there != 0 && there != batch.len() {
            let id = &batch[0].id;
            verdict.violations.push(format!("of the batch of {id}, {there} of {} are there", batch.len()));
        }
        if matches!(batch[0].outcome, Outcome::Accepted { .. }) {
            verdict.counts.batches_accepted += 1;
        }
    }
}

fn clients_keep_their_order(evidence: &Evidence, log: &Log<'_>, verdict: &mut Verdict) {
    for published in &evidence.published {
        let accepted = published.sent.iter().filter(|sent| matches!(sent.outcome, Outcome::Accepted { .. }));
        let places: Vec<(usize, &str)> =
            accepted.filter_map(|sent| Some((log.first(&sent.id)?, sent.id.as_str()))).collect();
        for pair in places.windows(2) {
            if pair[0].0 >= pair[1].0 {
                let (earlier, later) = (pair[0].1, pair[1].1);
                verdict
                    .violations
                    .push(format!("{later} was sent after {earlier} was acknowledged and lies before it"));
            }
        }
    }
}

fn nothing_else_is_there(evidence: &Evidence, log: &Log<'_>, verdict: &mut Verdict) {
    let sent: BTreeSet<&str> = evidence
        .published
        .iter()
        .flat_map(|published| &published.sent)
        .map(|sent| sent.id.as_str())
        .collect();
    let answer = |event: &Stored| match event.event_type.as_str() {
        ASK => Some(answer_to(&event.id)),
        RUN => Some(ran_for(&event.id)),
        _ => None,
    };
    let answers: BTreeSet<String> = log.stored.iter().filter_map(answer).collect();
    let mut positions = BTreeMap::new();
    for event in log.stored {
        let is_known =
            if event.topic == TOPIC { sent.contains(event.id.as_str()) } else { answers.contains(&event.id) };
        if !is_known {
            verdict.violations.push(format!("{} at {} was sent by nobody", event.id, event.position));
        }
        if let Some(other) = positions.insert(&event.position, &event.id) {
            verdict.violations.push(format!("{other} and {} are both at {}", event.id, event.position));
        }
        if event.topic == TOPIC {
            verdict.counts.events_stored += 1;
        } else {
            verdict.counts.answers_stored += 1;
        }
    }
}

/// Whatever was once read survives, in its place, acknowledged or not.
fn what_was_read_is_there(evidence: &Evidence, log: &Log<'_>, verdict: &mut Verdict) {
    verdict.counts.events_followed = evidence.followed.len() as u64;
    let mut last = None;
    for event in &evidence.followed {
        let place = log.first(&event.id);
        if place.is_none_or(|place| log.stored[place] != *event) {
            verdict
                .violations
                .push(format!("{} was read at {} and is not there any more", event.id, event.position));
        } else if place <= last {
            verdict
                .violations
                .push(format!("{} was read out of order, or twice, by a reader that went on", event.id));
        }
        last = place.max(last);
    }
}

/// Within one key and priority, first attempts follow the log. Later attempts say nothing of order.
fn first_deliveries_are_in_order(evidence: &Evidence, log: &Log<'_>, verdict: &mut Verdict) {
    let mut last: HashMap<(&str, &str), (usize, &str)> = HashMap::new();
    let mut met: BTreeSet<&str> = BTreeSet::new();
    for seen in &evidence.consumed.seen {
        if met.insert(&seen.id) {
            verdict.counts.deliveries_first += 1;
        } else {
            verdict.counts.deliveries_again += 1;
        }
        let Some(place) = log.first(&seen.id) else {
            verdict.violations.push(format!("{} was delivered and is not stored", seen.id));
            continue;
        };
        if log.stored[place].data != seen.data {
            verdict.violations.push(format!("{} was delivered with other content than is stored", seen.id));
        }
        let (Some(key), 1) = (&seen.key, seen.attempt) else { continue };
        let lane = (key.as_str(), seen.priority.as_str());
        if let Some((before, id)) = last.insert(lane, (place, &seen.id)) {
            if before >= place {
                verdict.violations.push(format!(
                    "{} was delivered after {id}, which lies behind it in key {key}, priority {}",
                    seen.id, seen.priority
                ));
            } else {
                verdict.counts.first_deliveries_in_order += 1;
            }
        }
    }
}

fn every_event_is_settled(evidence: &Evidence, log: &Log<'_>, verdict: &mut Verdict) {
    let dead: BTreeSet<&str> = evidence
        .dead
        .iter()
        .filter(|(_, subscription)| subscription == INBOX)
        .map(|(id, _)| id.as_str())
        .collect();
    for event in log.stored.iter().filter(|event| event.topic == TOPIC) {
        let settled = evidence.consumed.settled.get(&event.id);
        let is_dead = dead.contains(event.id.as_str());
        let is_delivered = settled == Some(&Settled::Acked);
        match (is_delivered, is_dead) {
            (true, false) => verdict.counts.delivered += 1,
            (false, true) => verdict.counts.dead_lettered += 1,
            (true, true) => {
                verdict.violations.push(format!("{} was delivered and is a dead letter", event.id))
            }
            (false, false) => {
                verdict
                    .violations
                    .push(format!("{} is neither delivered nor a dead letter: {settled:?}", event.id));
            }
        }
        if is_delivered && event.event_type == POISON {
            verdict.violations.push(format!("{} is poison and was delivered", event.id));
        }
        if event.event_type == ASK {
            let answers = log.places(&answer_to(&event.id)).len();
            if answers != usize::from(is_delivered) {
                verdict.violations.push(format!(
                    "{} was {}delivered and has {answers} answers",
                    event.id,
                    if is_delivered { "" } else { "not " }
                ));
            }
        }
    }
    for id in dead {
        if log.first(id).is_none() {
            verdict.violations.push(format!("{id} is a dead letter and is not stored"));
        }
    }
}

/// A program that runs while the server dies is adopted by the next start: it is not started again, and its answer is taken once.
fn programs_ran_once(evidence: &Evidence, log: &Log<'_>, verdict: &mut Verdict) {
    let lines =
        |id: &str, began: bool| evidence.runs.iter().filter(|run| run.id == id && run.began == began).count();
    let dead: BTreeSet<&str> = evidence
        .dead
        .iter()
        .filter(|(_, subscription)| subscription == PROGRAM)
        .map(|(id, _)| id.as_str())
        .collect();
    for event in log.stored.iter().filter(|event| event.topic == TOPIC && event.event_type == RUN) {
        let (began, ended) = (lines(&event.id, true), lines(&event.id, false));
        let answers = log.places(&ran_for(&event.id)).len();
        if dead.contains(event.id.as_str()) {
            verdict
                .violations
                .push(format!("the program of {} never fails and left a dead letter", event.id));
        } else if (began, ended, answers) != (1, 1, 1) {
            verdict.violations.push(format!(
                "the program of {} began {began} times, ended {ended} times and has {answers} answers",
                event.id
            ));
        } else {
            verdict.counts.programs_run += 1;
        }
    }
    for run in &evidence.runs {
        if log.first(&run.id).is_none() {
            verdict.violations.push(format!("a program ran for {}, which is not stored", run.id));
        }
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
