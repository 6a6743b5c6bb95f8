//! What every engine must do, as rules that are run against it.
//!
//! An engine is tried by giving [`suite`] a way to make [`Storage`]: something empty that can be opened again and again. Each
//! rule gets one of its own. `samples` has the facts that are appended.
//!
//! Read `append` (what becomes durable), `read` and `find` (what readers see), `restart`, `checkpoint`, `housekeeping`.

mod append;
mod checkpoint;
mod find;
pub mod flow_samples;
mod housekeeping;
mod read;
mod restart;
pub mod samples;
pub mod webhook_samples;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cantus_core::fact::{EventPublished, Fact, Recorded};
use cantus_core::{Position, Text, Timestamp};

use crate::engine::{Budget, Checkpoint, Chunk, Engine, Entry, Reader, Selection};

/// Where an engine keeps its facts, empty at first.
pub trait Storage {
    /// Opens it; never while what was opened before is still there. What was synced is there again.
    fn open(&self) -> (Box<dyn Engine>, Box<dyn Checkpoint>);
}

/// A rule: what it says, and what tries it.
type Rule = (&'static str, fn(&dyn Storage));

/// Every rule.
const RULES: &[Rule] = &[
    ("every fact is read back as it was appended", append::every_fact_is_read_back),
    ("nothing can be read before it is synced", append::nothing_is_read_before_sync),
    ("a sync makes durable all that was appended", append::sync_covers_all_appends),
    ("facts that are out of order are refused, and nothing of them is there", append::positions_must_rise),
    ("log time never goes back", append::log_time_never_goes_back),
    ("an append of nothing changes nothing", append::nothing_is_appended),
    ("positions may be left out", append::holes_are_legal),
    ("rest loses nothing", append::rest_loses_nothing),
    ("reading forward gives every fact once, in order", read::forward),
    ("reading back gives every fact once, newest first", read::back),
    ("a read stays within its budget and goes on where it stopped", read::budget),
    ("a selection gives exactly what is looked for", read::selection),
    ("a read at the edges ends at once", read::edges),
    ("a reader sees what becomes durable after it was made", read::live),
    ("a fact is got by its position", find::get),
    ("facts are found by event id, correlation and stream", find::terms),
    ("what was recorded before a time is told apart", find::before_time),
    ("a restart keeps everything that was synced", restart::keeps_synced),
    (
        "after a restart, an append that was not synced is there as a whole or not at all",
        restart::unsynced_is_whole,
    ),
    ("after a restart, positions and log time go on", restart::goes_on),
    ("rows are read as they were committed last", checkpoint::rows),
    ("rows of skipped kinds are left out, the others come in order", checkpoint::skipped),
    ("a checkpoint is never ahead of the log, and never goes back", checkpoint::never_ahead),
    ("a checkpoint that was closed is there after a restart", checkpoint::restart),
    ("a seal that is asked for begins a segment with the next append", housekeeping::a_seal_is_asked_for),
    ("no fact goes before two bases hold what it led to", housekeeping::nothing_goes_before_two_bases),
    ("whoever judges what stays may read the log", housekeeping::a_judge_may_read),
    ("dropped events leave a gap for those who look for them", housekeeping::dropped_facts_leave_a_gap),
    ("forgotten facts leave nothing, and rewrites add up", housekeeping::forgotten_facts_leave_nothing),
    ("replaced facts keep their place and their kind", housekeeping::replaced_facts_keep_their_place),
    ("the oldest segments go as a whole", housekeeping::the_oldest_go_as_a_whole),
    ("two bases are kept, and read as they were written", housekeeping::two_bases_are_kept),
    ("a scrub comes to an end and finds nothing in a healthy log", housekeeping::a_scrub_comes_to_an_end),
    ("wiping loses nothing", housekeeping::wiping_loses_nothing),
];

/// Runs every rule, each against storage of its own.
///
/// # Panics
/// When a rule does not hold: the message names every such rule.
pub fn suite(make: &dyn Fn() -> Box<dyn Storage>) {
    let broken: Vec<&str> = RULES
        .iter()
        .filter(|(_, rule)| catch_unwind(AssertUnwindSafe(|| rule(&*make()))).is_err())
        .map(|(name, _)| *name)
        .collect();
    assert!(broken.is_empty(), "these rules do not hold:\n  {}", broken.join("\n  "));
}

const START: Timestamp = Timestamp(1_795_000_000_000);

fn at(ms: i64) -> Timestamp {
    Timestamp(START.0 + ms)
}

/// Puts facts at positions from `first` on.
fn recorded(first: u64, at: Timestamp, facts: impl IntoIterator<Item = Fact>) -> Vec<Recorded> {
    (first..).zip(facts).map(|(position, fact)| Recorded { position: Position(position), at, fact }).collect()
}

/// Appends and syncs.
fn append(engine: &mut dyn Engine, facts: &[Recorded]) {
    engine.append(facts[0].at, facts).expect("the facts are appended");
    let end = facts.last().expect("there are facts").position;
    assert!(engine.sync().expect("the engine syncs") >= end, "a sync reaches what was appended");
}

fn event_fact(id: &str, topic: &str, event_type: &str) -> Fact {
    EventPublished {
        event: Arc::new(samples::plain_event(id, topic, event_type)),
        actor: Text::from("conformance"),
        content: 0,
        revision: None,
        only: None,
        answers: None,
        deferred_at: None,
    }
    .into()
}

/// A log of many appends, each of one to four facts: events of three topics and two types, and other facts between them.
/// Enough that a log with small segments has several.
fn long_log(engine: &mut dyn Engine) -> Vec<Recorded> {
    let others = samples::facts();
    let mut all: Vec<Recorded> = Vec::new();
    for round in 0..120u64 {
        let first = all.last().map_or(1, |last| last.position.0 + 1);
        let facts = (0..=round % 4).map(|of| {
            let number = first + of;
            match number % 5 {
                0 => others[(number as usize) % others.len()].clone(),
                rest => event_fact(
                    &format!("evt-{number}"),
                    ["tasks", "reviews", "alerts"][(number % 3) as usize],
                    if rest < 3 { "Opened" } else { "Closed" },
                ),
            }
        });
        let slice = recorded(first, at(round as i64 * 10), facts.collect::<Vec<_>>());
        append(engine, &slice);
        all.extend(slice);
    }
    all
}

fn facts_of(chunk: &Chunk) -> Vec<Recorded> {
    let fact = |entry: &Entry| match entry {
        Entry::Fact(recorded) => recorded.clone(),
        gap => panic!("nothing is lost, but a gap is told: {gap:?}"),
    };
    chunk.entries.iter().map(fact).collect()
}

fn read_all(reader: &dyn Reader) -> Vec<Recorded> {
    let everything = Budget { entries: usize::MAX, records: usize::MAX, bytes: usize::MAX };
    let chunk = reader.read(Position(0), &Selection::default(), everything).expect("the log is read");
    assert!(chunk.end, "there is nothing behind everything");
    facts_of(&chunk)
}
