//! What is declared, and what clients publish: drawn by chance from a seed.

use cantus_client::api::Event;
use cantus_client::api::event::{Data, Priority};
use rand::Rng;

/// Where events go.
pub(super) const TOPIC: &str = "campaign.events";
/// Where answers go: the worker's and the program's.
pub(super) const ANSWERS: &str = "campaign.answers";
/// Both.
pub(super) const TOPICS: &str = "campaign.*";
/// The subscription that is pulled from.
pub(super) const INBOX: &str = "worker/inbox";
/// The subscription that runs a program.
pub(super) const PROGRAM: &str = "program/run";
/// The file the program writes to.
pub(super) const RUNS: &str = "runs";

/// Events of this type run the program too.
pub(super) const RUN: &str = "Run";
/// The consumer says that it will never take events of this type.
pub(super) const POISON: &str = "Poison";
/// The consumer fails at its first attempt at events of this type.
pub(super) const FLAKY: &str = "Flaky";
/// The consumer publishes an answer with its ack of events of this type.
pub(super) const ASK: &str = "Ask";
/// Events of which the consumer takes several with one ack.
pub(super) const PLAIN: &str = "Plain";

/// The file the server is started with.
pub(super) const FILE: &str = r#"
version: 1
name: kill-campaign
topics:
  campaign.events: { description: What clients publish }
  campaign.answers: { description: What they are answered with }
agents:
  /worker:
    subscriptions:
      # Kills leave leases without a holder: they end soon, and are no reason to give up.
      - { topic: campaign.events, name: inbox, action: inbox, from: start, lease: 4s,
          retry: { max_retries: 50, initial_delay: 100ms, max_delay: 1s } }
  /program:
    subscriptions:
      - { topic: campaign.events, name: run, filter: { type: Run }, from: start,
          action: { exec: [sh, ./run.sh], timeout: 1m } }
"#;

/// The program: says that it begins, takes a moment in which the server may be killed, answers with an event, says that it ends.
pub(super) const SCRIPT: &str = r#"
echo "$CE_ID began" >> runs
sleep 0.3
printf '{"specversion":"1.0","id":"ran-%s","source":"/program","type":"Ran","topic":"campaign.answers"}\n' "$CE_ID"
echo "$CE_ID ended" >> runs
"#;

/// The id of the worker's answer to an event.
pub(super) fn answer_to(id: &str) -> String {
    format!("answer-{id}")
}

/// The id of the program's answer to an event.
pub(super) fn ran_for(id: &str) -> String {
    format!("ran-{id}")
}

/// One thing a client does.
#[derive(Debug)]
pub(super) enum Operation {
    /// Publishes one event.
    Single(Event),
    /// Publishes several, all or none.
    Batch(Vec<Event>),
    /// Publishes several of which one is wrong: none may be there.
    Spoilt(Vec<Event>),
    /// Publishes one that has too many causes before it.
    Looping(Event),
    /// Publishes an event that was accepted once more.
    Again(Event),
    /// Publishes something else under the id of an event that was accepted.
    Reused(Event),
}

/// Draws what client `client` does as its `number`-th thing. `known` are events of its own that were accepted.
pub(super) fn draw(rng: &mut impl Rng, client: usize, number: usize, known: &[Event]) -> Operation {
    let id = format!("c{client}-{number}");
    let batch = |rng: &mut _| -> Vec<Event> {
        let count = Rng::random_range(rng, 2..=20);
        (0..count).map(|part| event(rng, client, &format!("{id}.{part}"))).collect()
    };
    match rng.random_range(0..100) {
        0..12 => Operation::Batch(batch(rng)),
        12..17 => {
            let mut events = batch(rng);
            let at = rng.random_range(0..events.len());
            events[at].time = Some("yesterday".to_owned());
            Operation::Spoilt(events)
        }
        17..20 => Operation::Looping(Event { hops: Some(10_000), ..event(rng, client, &id) }),
        20..28 if !known.is_empty() => Operation::Again(known[rng.random_range(0..known.len())].clone()),
        28..31 if !known.is_empty() => {
            let known = known[rng.random_range(0..known.len())].clone();
            Operation::Reused(Event { data: Some(Data::json(r#"{"other":"content"}"#)), ..known })
        }
        _ => Operation::Single(event(rng, client, &id)),
    }
}

fn event(rng: &mut impl Rng, client: usize, id: &str) -> Event {
    let event_type = match rng.random_range(0..100) {
        0..3 => RUN,
        3..6 => POISON,
        6..9 => FLAKY,
        9..15 => ASK,
        _ => PLAIN,
    };
    let priority =
        [Priority::Critical, Priority::High, Priority::Normal, Priority::Low][rng.random_range(0..4)];
    let filling = "x".repeat(rng.random_range(0..1_500));
    // Spaces and digits that a parser would not keep.
    let data = format!("{{\"client\": {client},  \"cost\":1.50,\"filling\":\"{filling}\"}}");
    Event {
        id: Some(id.to_owned()),
        partition_key: rng.random_bool(0.8).then(|| format!("key-{}", rng.random_range(0..24))),
        priority: Some(priority),
        data: Some(Data::json(data)),
        ..Event::new(format!("https://campaign.example/client-{client}"), event_type)
    }
}
