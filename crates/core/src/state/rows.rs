//! How state is kept in a checkpoint: rows under keys, taken in small steps.
//!
//! A checkpoint freezes the set of touched rows at one position. Each turn encodes some of them; a row that is about
//! to change before its turn came is encoded first. So the rows are those of one position, and no turn stalls.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};

use super::State;
use super::model::{Kept, Timer};
use crate::agent::AgentName;
use crate::ids::{DeliveryId, Position};
use crate::row::Key;
use crate::subscription::Stage;
use crate::text::Text;
use crate::time::Timestamp;
use crate::topic::TopicName;

/// The checkpoint being taken.
#[derive(Debug)]
pub(crate) struct Freeze {
    pending: BTreeSet<Key>,
    pending_open: BTreeMap<DeliveryId, Kept>,
    rows: BTreeMap<Key, Option<Vec<u8>>>,
    reached: Position,
    at: Timestamp,
}

/// A row that can not be read.
#[derive(Debug, thiserror::Error)]
#[error("the checkpoint's row {key:?} does not follow its layout: {reason}")]
pub struct RowError {
    /// Which.
    pub key: Option<Key>,
    /// What the decoder says.
    pub reason: String,
}

/// The rows of a checkpoint: None removes a row.
pub type Rows = Vec<(Key, Option<Vec<u8>>)>;

fn encoded<T: Encode<()>>(row: &T) -> Vec<u8> {
    minicbor::to_vec(row).expect("writing to memory can not fail")
}

/// The places of the kinds of rows that are touched again and again.
const TOPIC: usize = 0;
const AGENT: usize = 1;
const DEDUPE: usize = 2;
const SUBSCRIPTION: usize = 3;

impl State {
    /// Says that a row is about to change: called before the change.
    pub(crate) fn touch(&mut self, key: Key) {
        // One event after the other touches the same rows: their topic's, their agent's. Those were seen to just before.
        let recent = match &key {
            Key::Topic(_) => Some(TOPIC),
            Key::Agent(_) => Some(AGENT),
            Key::Dedupe(..) => Some(DEDUPE),
            Key::Subscription(_) => Some(SUBSCRIPTION),
            _ => None,
        };
        if let Some(place) = recent {
            if self.touched_last[place].as_ref() == Some(&key) {
                return;
            }
            self.touched_last[place] = Some(key.clone());
        }
        if let Some(freeze) = &mut self.freeze
            && freeze.pending.remove(&key)
        {
            let row = self.row(&key);
            if let Some(freeze) = &mut self.freeze {
                freeze.rows.insert(key.clone(), row);
            }
        }
        self.touched.insert(key);
    }

    /// [`State::touch`] of an open delivery, or of one that is about to be opened. Most are opened and closed between two
    /// checkpoints, which never hear of them.
    pub(crate) fn touch_open(&mut self, id: DeliveryId) {
        self.freeze_open(id);
        let is_new = self.open(id).is_none();
        self.touched_open.entry(id).or_insert(if is_new { Kept::Never } else { Kept::Perhaps });
    }

    /// [`State::touch`] of an open delivery that is about to go.
    pub(crate) fn touch_closing(&mut self, id: DeliveryId) {
        self.freeze_open(id);
        match self.touched_open.entry(id) {
            Entry::Occupied(known) if *known.get() == Kept::Never => {
                known.remove();
            }
            known => {
                known.or_insert(Kept::Perhaps);
            }
        }
    }

    fn freeze_open(&mut self, id: DeliveryId) {
        if let Some(freeze) = &mut self.freeze
            && freeze.pending_open.remove(&id).is_some()
        {
            let key = Key::Open(id.subscription, id.position, id.generation);
            let row = self.row(&key);
            if let Some(freeze) = &mut self.freeze {
                freeze.rows.insert(key, row);
            }
        }
    }

    /// [`State::touch`] of a topic's row.
    pub(crate) fn touch_topic(&mut self, name: &TopicName) {
        if !matches!(&self.touched_last[TOPIC], Some(Key::Topic(known)) if known == name) {
            self.touch(Key::Topic(name.clone()));
        }
    }

    /// [`State::touch`] of an agent's row.
    pub(crate) fn touch_agent(&mut self, name: &AgentName) {
        if !matches!(&self.touched_last[AGENT], Some(Key::Agent(known)) if known == name) {
            self.touch(Key::Agent(name.clone()));
        }
    }

    /// [`State::touch`] of a chunk of a dedupe window.
    pub(crate) fn touch_dedupe(&mut self, topic: &Text, chunk: u64) {
        let is = |key: &Key| matches!(key, Key::Dedupe(known, last) if *last == chunk && known == topic);
        if !self.touched_last[DEDUPE].as_ref().is_some_and(is) {
            self.touch(Key::Dedupe(topic.clone(), chunk));
        }
    }

    /// Returns how many rows changed since the last checkpoint began.
    pub fn touched_rows(&self) -> usize {
        self.touched.len() + self.touched_open.len()
    }

    /// Tells whether a checkpoint is being taken.
    pub fn is_freezing(&self) -> bool {
        self.freeze.is_some()
    }

    /// Begins a checkpoint at the position reached. Does nothing while one is being taken.
    pub fn begin_checkpoint(&mut self) {
        if self.freeze.is_none() {
            let pending = std::mem::take(&mut self.touched);
            let pending_open = std::mem::take(&mut self.touched_open);
            self.touched_last = Default::default();
            let (reached, at) = (self.position, self.at);
            self.freeze = Some(Freeze { pending, pending_open, rows: BTreeMap::new(), reached, at });
        }
    }

    /// Encodes up to `rows_max` rows of the checkpoint being taken. Returns the position reached, the log time there
    /// and all rows when it is complete.
    pub fn step_checkpoint(&mut self, rows_max: usize) -> Option<(Position, Timestamp, Rows)> {
        for _ in 0..rows_max {
            let freeze = self.freeze.as_mut()?;
            let open = |(id, _): (DeliveryId, Kept)| Key::Open(id.subscription, id.position, id.generation);
            let next = freeze.pending.pop_first().or_else(|| freeze.pending_open.pop_first().map(open));
            let Some(key) = next else { break };
            let row = self.row(&key);
            self.freeze.as_mut()?.rows.insert(key, row);
        }
        let freeze = self.freeze.as_ref()?;
        if !freeze.pending.is_empty() || !freeze.pending_open.is_empty() {
            return None;
        }
        let freeze = self.freeze.take()?;
        Some((freeze.reached, freeze.at, freeze.rows.into_iter().collect()))
    }

    /// Forgets stream revisions that the checkpoint has, beyond what memory may hold. Called when a checkpoint is
    /// written.
    pub fn evict(&mut self) {
        if self.streams.len() <= super::STREAMS_CACHED {
            return;
        }
        let (touched, freeze) = (&self.touched, &self.freeze);
        self.streams.retain(|hash, _| {
            let key = Key::Stream(*hash);
            touched.contains(&key) || freeze.as_ref().is_some_and(|freeze| freeze.pending.contains(&key))
        });
        self.streams_complete = false;
    }

    /// Encodes a row; None when there is none any more.
    pub fn row(&self, key: &Key) -> Option<Vec<u8>> {
        match key {
            Key::Meta => Some(encoded(&self.meta)),
            Key::Topic(name) => self.topics.get(name).map(encoded),
            Key::Agent(name) => self.agents.get(name).map(encoded),
            Key::Subscription(number) => self.subscriptions.get(number).map(encoded),
            Key::Open(number, position, generation) => {
                self.subscriptions.get(number)?.open.get(&(*position, *generation)).map(encoded)
            }
            Key::DeadLetter(id) => self.dead_letters.get(id).map(encoded),
            Key::Stream(hash) => self.streams.get(hash).map(encoded),
            Key::Dedupe(topic, chunk) => self.windows.get(topic)?.chunk(*chunk).map(encoded),
            Key::Deferred(position) => self.deferred.get(position).map(encoded),
            Key::Request(hash) => self.requests.get(hash).map(encoded),
            Key::Pause(position) => self.pauses.get(position).map(encoded),
            Key::Erasure(position) => self.erasures.get(position).map(encoded),
            Key::Gap(position) => self.gaps.get(position).map(encoded),
            Key::Bulk(id) => self.bulk_operations.get(id).map(encoded),
            Key::BulkItems(id) => self.bulk_items.get(id).map(encoded),
            Key::Audit => Some(encoded(&self.audit)),
            Key::Event(_) => None,
        }
    }

    /// Puts a row back. Cold rows may be put back at any time, all others before the first fact is applied.
    ///
    /// # Errors
    /// When the row does not follow its layout.
    pub fn restore(&mut self, key: Key, bytes: &[u8]) -> Result<(), RowError> {
        fn read<T: for<'b> Decode<'b, ()>>(key: &Key, bytes: &[u8]) -> Result<T, RowError> {
            minicbor::decode(bytes)
                .map_err(|error| RowError { key: Some(key.clone()), reason: error.to_string() })
        }
        match &key {
            Key::Meta => self.meta = read(&key, bytes)?,
            Key::Topic(name) => {
                self.topics.insert(name.clone(), read(&key, bytes)?);
            }
            Key::Agent(name) => {
                self.agents.insert(name.clone(), read(&key, bytes)?);
            }
            Key::Subscription(number) => {
                self.subscriptions.insert(*number, read(&key, bytes)?);
            }
            Key::Open(number, position, generation) => {
                let open = read(&key, bytes)?;
                let subscription = self.subscriptions.get_mut(number).ok_or_else(|| RowError {
                    key: Some(key.clone()),
                    reason: "its subscription is missing".to_owned(),
                })?;
                subscription.open.insert((*position, *generation), open);
            }
            Key::DeadLetter(id) => {
                self.dead_letters.insert(*id, read(&key, bytes)?);
            }
            Key::Stream(hash) => {
                self.streams.insert(*hash, read(&key, bytes)?);
            }
            Key::Dedupe(topic, chunk) => {
                let seen = read(&key, bytes)?;
                self.windows.entry(topic.clone()).or_default().restore(*chunk, seen);
            }
            Key::Deferred(position) => {
                self.deferred.insert(*position, read(&key, bytes)?);
            }
            Key::Request(hash) => {
                let answered: super::Answered = read(&key, bytes)?;
                self.request_order.insert((answered.position, *hash));
                self.requests.insert(*hash, answered);
            }
            Key::Pause(position) => {
                self.pauses.insert(*position, read(&key, bytes)?);
            }
            Key::Erasure(position) => {
                let erasure = read(&key, bytes)?;
                self.index_erasure(*position, &erasure);
                self.erasures.insert(*position, erasure);
            }
            Key::Gap(position) => {
                self.gaps.insert(*position, read(&key, bytes)?);
            }
            Key::Bulk(id) => {
                self.bulk_operations.insert(*id, read(&key, bytes)?);
            }
            Key::Audit => self.audit = read(&key, bytes)?,
            Key::BulkItems(id) => {
                self.bulk_items.insert(*id, read(&key, bytes)?);
            }
            Key::Event(_) => {}
        }
        Ok(())
    }

    /// Rebuilds what is derived from the rows, once all of them are back.
    pub fn finish_restore(&mut self, position: Position, at: Timestamp) {
        self.position = position;
        self.at = at;
        self.subscription_numbers = self
            .subscriptions
            .iter()
            .filter(|(_, subscription)| !subscription.removed)
            .map(|(number, subscription)| (subscription.id.clone(), *number))
            .collect();
        self.replaying = self
            .dead_letters
            .values()
            .filter_map(|dead_letter| dead_letter.replaying().map(|delivery| (delivery, dead_letter.id)))
            .collect();
        for dead_letter in self.dead_letters.values() {
            let replays = dead_letter.replays.iter().filter_map(|replay| replay.delivery);
            for delivery in replays.chain([dead_letter.delivery]) {
                let newest = self.generations.entry((delivery.subscription, delivery.position)).or_default();
                *newest = (*newest).max(delivery.generation);
            }
        }
        for dead_letter in self.dead_letters.values() {
            let subscription = self.subscriptions.get_mut(&dead_letter.delivery.subscription);
            if let (Some(subscription), Some(key)) = (subscription, dead_letter.holds) {
                subscription.held.entry(key).or_default().insert(dead_letter.id);
            }
        }
        let mut timers = BTreeSet::new();
        for (number, subscription) in &self.subscriptions {
            for ((position, generation), open) in &subscription.open {
                let id = DeliveryId { subscription: *number, position: *position, generation: *generation };
                if let Some(timer) = subscription.timer_of(id, &open.stage) {
                    timers.insert(timer);
                }
            }
            if let Some(until) = subscription.pause.as_ref().and_then(|pause| pause.until) {
                timers.insert((until, Timer::SubscriptionResumes(*number)));
            }
            timers.extend(subscription.flow_timers());
        }
        timers.extend(self.deferred.iter().map(|(position, event)| (event.due, Timer::EventDue(*position))));
        timers.extend(
            self.pauses
                .iter()
                .filter_map(|(position, pause)| Some((pause.until?, Timer::AgentsResume(*position)))),
        );
        timers.extend(self.bulk_operations.values().filter_map(crate::bulk_operation::Operation::timer));
        self.timers = timers;
    }
}

impl crate::subscription::State {
    /// Returns the timer an open delivery needs. A program's lease has none: its guardian ends it.
    pub(crate) fn timer_of(&self, id: DeliveryId, stage: &Stage) -> Option<(Timestamp, Timer)> {
        match stage {
            // What was pulled, or taken over by an inbox, is ended by nobody but a timer, whatever the action is by now.
            Stage::Leased(lease) if lease.pulled == Some(true) || self.is_inbox() => {
                Some((lease.deadline, Timer::LeaseEnds(id)))
            }
            Stage::Retrying(due) => Some((*due, Timer::RetryDue(id))),
            Stage::Leased(_) | Stage::Waiting => None,
        }
    }

    /// Returns the timers of its breaker and its rate.
    pub(crate) fn flow_timers(&self) -> impl Iterator<Item = (Timestamp, Timer)> + use<> {
        let opened = self.breaker.as_ref().and_then(|breaker| breaker.opened.as_ref());
        let probe = opened.filter(|opened| opened.probe.is_none());
        let probe = probe.map(|opened| (opened.probe_at, Timer::ProbeDue(self.number)));
        let frees = self.drawn.zip(self.definition().rate);
        let frees = frees.map(|(drawn, rate)| (rate.free_at(drawn), Timer::RateFrees(self.number)));
        probe.into_iter().chain(frees)
    }
}
