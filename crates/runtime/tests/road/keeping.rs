//! What housekeeping lets go, and what it must not.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use cantus_core::command::{Answer, Command, EraseEvents};
use cantus_core::event::{Data, Event, Form, Payload};
use cantus_core::fact::{ErasedEvent, ErasureStage, Fact};
use cantus_core::subscription::retry::Class;
use cantus_core::topic::Topic;
use cantus_core::{Position, Span, Text, hash};
use cantus_engine::{Budget, Entry, GapCause, Reader, Selection};
use cantus_runtime::{MachineTime, TimeSource};

use crate::given::{Disk, Given, event, ids, inbox, keyed};

const HOUR: i64 = 3_600_000;

/// The machine's time, set forward by hand.
#[derive(Debug, Default)]
struct Later(AtomicI64);

impl Later {
    fn pass_hours(&self, hours: i64) {
        self.0.fetch_add(hours * HOUR, Ordering::Relaxed);
    }
}

impl TimeSource for Later {
    fn boot_ms(&self) -> i64 {
        MachineTime.boot_ms() + self.0.load(Ordering::Relaxed)
    }

    fn wall_ms(&self) -> i64 {
        MachineTime.wall_ms() + self.0.load(Ordering::Relaxed)
    }
}

struct House {
    given: Given,
    time: Arc<Later>,
}

impl House {
    async fn with(disk: Disk, topic: Topic, subscribed: bool) -> Self {
        let time = Arc::new(Later::default());
        let given = Given::start_at(disk, time.clone()).await;
        let subscriptions = if subscribed { vec![("worker/tasks", inbox())] } else { Vec::new() };
        given.install_with(topic, subscriptions).await;
        Self { given, time }
    }

    /// Closes the segment that is being written.
    async fn seal(&self, with: &str) {
        self.given.handle.log().request_seal();
        self.given.publish(&[event(with)]).await;
    }

    async fn keep(&self) {
        let report = self.given.handle.keep_house().await;
        assert_eq!(report.trouble, None);
    }

    /// Keeps house until a reader is shown these events: quiet lanes are told now and then how far they were read.
    async fn keep_until_shown(&self, ids: &[&str]) {
        let until = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
        while self.shown().0 != ids && tokio::time::Instant::now() < until {
            self.keep().await;
        }
        assert_eq!(self.shown().0, ids);
    }

    /// The ids of the events that a reader is shown, and the causes of the gaps between them.
    fn shown(&self) -> (Vec<String>, Vec<GapCause>) {
        told(self.given.handle.reader().as_ref())
    }

    async fn events(&self) -> u64 {
        let events = self.given.handle.read(|it, _| it.state.topics.values().map(|topic| topic.events).sum());
        events.await.expect("the turn answers")
    }

    async fn erase(&self, position: u64, id: &str) -> Position {
        let item = ErasedEvent {
            position: Position(position),
            id: hash::of(id),
            story: hash::of(id),
            topic: event(id).topic.clone(),
            bytes: 7,
            deferred: false,
        };
        let (reason, actor) = (Text::from("asked for"), Text::from("test"));
        let erase = EraseEvents { items: vec![item], reason, actor };
        match self.given.handle.submit(Command::EraseEvents(Box::new(erase))).await {
            Ok(Answer::Erased { erasure: Some(erasure), .. }) => erasure,
            other => panic!("an erasure was answered with {other:?}"),
        }
    }

    fn position_of(&self, id: &str) -> u64 {
        let all = everything(self.given.handle.reader().as_ref());
        let found = all.iter().find_map(|entry| match entry {
            Entry::Fact(recorded) => match &recorded.fact {
                Fact::EventPublished(fact) if *fact.event.id == *id => Some(recorded.position.0),
                _ => None,
            },
            Entry::Gap { .. } => None,
        });
        found.unwrap_or_else(|| panic!("event {id} is there"))
    }
}

fn everything(reader: &dyn Reader) -> Vec<Entry> {
    let all = Budget { entries: usize::MAX, records: usize::MAX, bytes: usize::MAX };
    reader.read(Position(0), &Selection::default(), all).expect("the log is read").entries
}

fn told(reader: &dyn Reader) -> (Vec<String>, Vec<GapCause>) {
    let (mut ids, mut gaps) = (Vec::new(), Vec::new());
    for entry in everything(reader) {
        match entry {
            Entry::Fact(recorded) => {
                if let Fact::EventPublished(fact) = recorded.fact {
                    ids.push(fact.event.id.to_string());
                }
            }
            Entry::Gap { cause, .. } => gaps.push(cause),
        }
    }
    (ids, gaps)
}

fn kept_for_an_hour() -> Topic {
    Topic { retain_age: Some(Span::hours(1)), ..Topic::default() }
}

fn disks() -> [Disk; 2] {
    [Disk::default(), Disk::folder()]
}

#[tokio::test]
async fn events_go_when_their_time_is_over_and_readers_are_shown_a_gap() {
    for disk in disks() {
        let house = House::with(disk, kept_for_an_hour(), false).await;
        house.given.publish(&[event("a"), event("b")]).await;
        house.time.pass_hours(2);
        house.seal("c").await;
        house.keep().await;
        assert_eq!(house.shown(), (vec!["c".to_owned()], vec![GapCause::Expired]));
        assert_eq!(house.events().await, 1);
        assert_eq!(house.given.handle.housekeeping().events_trimmed, 2);
    }
}

#[tokio::test]
async fn the_oldest_go_when_there_are_too_many_bytes() {
    for disk in disks() {
        let topic = Topic { retain_bytes: Some(14), ..Topic::default() };
        let house = House::with(disk, topic, false).await;
        house.given.publish(&[event("a"), event("b"), event("c"), event("d")]).await;
        house.keep().await;
        assert_eq!(house.shown().0, ["c", "d"]);
    }
}

#[tokio::test]
async fn what_a_subscription_has_not_taken_is_held_a_day_longer_and_then_it_is_told_what_it_lost() {
    for disk in disks() {
        let house = House::with(disk, kept_for_an_hour(), true).await;
        house.given.publish(&[event("a"), event("b")]).await;
        house.time.pass_hours(2);
        house.seal("c").await;
        house.keep().await;
        assert_eq!(house.shown().0, ["a", "b", "c"], "it is held");
        house.time.pass_hours(24);
        house.given.publish(&[event("d")]).await;
        house.keep().await;
        assert_eq!(house.shown().0, ["c", "d"]);
        let lost = house.given.handle.read(|it, _| it.state.subscriptions.values().find_map(|it| it.expired));
        assert!(lost.await.expect("the turn answers").is_some());
        let pulled = house.given.pull(2).await;
        assert_eq!(ids(&pulled), ["c", "d"]);
    }
}

#[tokio::test]
async fn what_is_in_somebodys_hands_or_dead_outlives_its_retention_also_on_the_disk() {
    for disk in disks() {
        let house = House::with(disk, kept_for_an_hour(), true).await;
        house.given.publish(&[event("held"), event("dead"), event("done")]).await;
        let pulled = house.given.pull(3).await;
        house.given.nack(&pulled[1], Class::Rejected).await;
        house.given.ack(&pulled[2]).await;
        house.time.pass_hours(2);
        house.seal("later").await;
        // The lease of the first has ended meanwhile: it is given out again.
        let mut again = house.given.pull(2).await;
        again.sort_by_key(|pulled| pulled.pulled.delivery.position);
        assert_eq!(ids(&again), ["held", "later"]);
        house.keep_until_shown(&["later"]).await;
        let held = house.given.handle.event_at(pulled[0].pulled.delivery.position).await;
        assert_eq!(&*held.expect("it is read").expect("it is there").id, "held");
        let house = House { given: house.given.restarted().await, time: house.time };
        assert_eq!(house.shown().0, ["later"]);
        house.given.ack(&again[0]).await;
        house.given.ack(&again[1]).await;
        house.given.nothing_to_pull().await;
        let dead = house.given.handle.read(|it, _| it.state.dead_letters.values().next().map(|it| it.id.0));
        let dead = dead.await.expect("the turn answers").expect("it is there");
        let body = house.given.handle.event_at(dead).await.expect("it is read").expect("it is there");
        assert_eq!(&*body.id, "dead");
    }
}

#[tokio::test]
async fn of_a_compacted_topic_the_last_event_of_each_key_stays() {
    for disk in disks() {
        let house = House::with(disk, Topic { compact: true, ..Topic::default() }, false).await;
        house.given.publish(&[keyed("a1", "a"), keyed("b1", "b"), keyed("a2", "a"), event("none")]).await;
        house.seal("next").await;
        house.given.publish(&[keyed("b2", "b")]).await;
        house.keep().await;
        assert_eq!(
            house.shown(),
            (vec!["b1", "a2", "none", "next", "b2"].into_iter().map(str::to_owned).collect(), Vec::new())
        );
        assert_eq!(house.events().await, 5);
    }
}

#[tokio::test]
async fn compaction_leaves_what_a_dead_letter_needs_and_counts_it_as_there() {
    for disk in disks() {
        let house = House::with(disk, Topic { compact: true, ..Topic::default() }, true).await;
        house.given.publish(&[keyed("first", "a"), keyed("second", "a"), keyed("third", "a")]).await;
        for id in ["first", "second", "third"] {
            let pulled = house.given.pull(1).await;
            assert_eq!(ids(&pulled), [id]);
            if id == "first" {
                house.given.nack(&pulled[0], Class::Rejected).await;
            } else {
                house.given.ack(&pulled[0]).await;
            }
        }
        house.seal("next").await;
        house.keep_until_shown(&["first", "third", "next"]).await;
        assert_eq!(house.events().await, 3);
    }
}

#[tokio::test]
async fn an_erased_event_is_seen_by_nobody_from_then_on_and_goes_from_the_log() {
    for disk in disks() {
        let house = House::with(disk, Topic::default(), true).await;
        let canary = Event {
            data: Some(Data { form: Form::Text, bytes: Payload(Bytes::from_static(b"canary-4711")) }),
            ..Event::clone(&event("secret"))
        };
        house.given.publish(&[event("a"), Arc::new(canary), event("b")]).await;
        let pulled = house.given.pull(2).await;
        house.given.nack(&pulled[1], Class::Rejected).await;
        let position = house.position_of("secret");
        let erasure = house.erase(position, "secret").await;
        assert_eq!(house.shown().0, ["a", "b"]);
        assert_eq!(house.given.handle.event_at(Position(position)).await, Ok(None));
        house.keep().await;
        let stage = house.given.handle.read(move |it, _| it.state.erasures.get(&erasure).map(|it| it.stage));
        assert_eq!(stage.await.expect("the turn answers"), Some(ErasureStage::Done));
        assert_eq!(house.shown(), (vec!["a".to_owned(), "b".to_owned()], vec![GapCause::Erased]));
        if let Disk::Folder(folder) = &house.given.disk {
            assert!(!holds(folder.path(), b"canary-4711"), "its bytes have gone from every file");
        }
        let house = House { given: house.given.restarted().await, time: house.time };
        assert_eq!(house.shown().0, ["a", "b"]);
        assert_eq!(house.events().await, 2);
    }
}

#[tokio::test]
async fn state_is_rebuilt_from_bases_once_the_facts_before_them_have_gone() {
    let disk = Disk::folder();
    let house = House::with(disk.clone(), kept_for_an_hour(), true).await;
    for round in 0..5 {
        let events: Vec<_> = (0..20).map(|n| event(&format!("{round}-{n}"))).collect();
        house.given.publish(&events).await;
        for pulled in house.given.pull(20).await {
            house.given.ack(&pulled).await;
        }
    }
    house.time.pass_hours(2);
    house.seal("last").await;
    house.keep_until_shown(&["last"]).await;
    let Disk::Folder(folder) = &disk else { unreachable!("it is a folder") };
    let folder = folder.path().join("checkpoint");
    let House { given, time } = house;
    given.runtime.stop(std::time::Duration::from_secs(5)).await;
    std::fs::remove_dir_all(folder).expect("the checkpoint is a cache");
    let house = House { given: Given::start_at(disk, time.clone()).await, time };
    assert_eq!((house.events().await, house.shown().0), (1, vec!["last".to_owned()]));
    let acked =
        house.given.handle.read(|it, _| it.state.subscriptions.values().map(|it| it.acked).sum::<u64>());
    assert_eq!(acked.await.expect("the turn answers"), 100);
    assert_eq!(ids(&house.given.pull(1).await), ["last"]);
}

/// Tells whether any file below a folder holds these bytes.
fn holds(folder: &std::path::Path, bytes: &[u8]) -> bool {
    let entries = std::fs::read_dir(folder).expect("the folder is read");
    entries.map(|entry| entry.expect("the folder is read").path()).any(|path| {
        if path.is_dir() {
            return holds(&path, bytes);
        }
        let content = std::fs::read(&path).unwrap_or_default();
        content.windows(bytes.len()).any(|window| window == bytes)
    })
}
