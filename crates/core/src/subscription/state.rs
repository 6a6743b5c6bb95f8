//! What is true of a subscription: its versions, how far it has got, what is leased or waits for a retry.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use minicbor::{Decode, Encode};

use super::breaker::Breaker;
use super::{Order, Subscription, SubscriptionId, retry};
use crate::event::Priority;
use crate::ids::{DeadLetterId, Position, Token};
use crate::retention::Expired;
use crate::text::Text;
use crate::time::Timestamp;

/// How many attempts a delivery remembers by itself; older ones are in the log.
pub(crate) const ATTEMPTS_KEPT: usize = 16;
/// How many settled deliveries a subscription remembers, so that an answer sent twice is answered alike.
pub(crate) const SETTLED_KEPT: usize = 1024;
/// How many of these its row keeps. A worker that asks again after a restart asks for one of its last.
const SETTLED_STORED: usize = 64;

/// A subscription as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct State {
    /// Its number; facts name it by that.
    #[n(0)]
    pub number: u32,
    /// Its id.
    #[n(1)]
    pub id: SubscriptionId,
    /// What was declared and since when; the last one is in force.
    #[n(2)]
    pub versions: Vec<Version>,
    /// How far it has got, per priority.
    #[n(3)]
    pub cursors: [Cursor; 4],
    /// Set while somebody holds it back.
    #[n(4)]
    pub pause: Option<PauseState>,
    /// Where it began: events up to here were never its business.
    #[n(5)]
    pub began: Position,
    /// How many deliveries were acknowledged.
    #[n(6)]
    pub acked: u64,
    /// How many became dead letters, ever.
    #[n(7)]
    pub died: u64,
    /// Set when it was removed.
    #[n(8)]
    pub removed: bool,
    /// What it lost because it did not take it in time, until it has acknowledged something behind that.
    #[n(30)]
    pub expired: Option<Expired>,
    /// What has failed in a row, and whether the breaker is open; None when nothing has.
    #[n(9)]
    pub breaker: Option<Breaker>,
    /// Up to when, in microseconds of log time, its rate is taken up.
    #[n(10)]
    pub drawn: Option<u64>,
    /// Deliveries that are leased, wait for a retry, are parked, or are replayed. A row of state each.
    #[cbor(skip)]
    pub open: BTreeMap<(Position, u16), Box<Open>>,
    /// The last deliveries that were settled, with the token that did it.
    #[n(11)]
    pub settled: Settled,
    /// Keys that wait for a person, with the dead letters that hold them. Derived from the dead letters.
    #[cbor(skip)]
    pub held: BTreeMap<u64, BTreeSet<DeadLetterId>>,
}

/// A definition and since when it holds.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Version {
    /// Events behind this position are matched by it.
    #[n(0)]
    pub since: Position,
    /// What was declared.
    #[n(1)]
    pub definition: Subscription,
}

/// How far a subscription has got in one lane.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Cursor {
    /// Everything up to here was taken, or was never wanted.
    #[n(0)]
    pub floor: Position,
    /// What was taken beyond the floor.
    #[n(1)]
    pub taken: PositionSet,
}

/// A set of positions that is stored as differences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PositionSet(pub BTreeSet<Position>);

impl<C> Encode<C> for PositionSet {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(self.0.len() as u64)?;
        let mut before = 0;
        for position in &self.0 {
            e.u64(position.0 - before)?;
            before = position.0;
        }
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for PositionSet {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let count = d.array()?.ok_or_else(|| minicbor::decode::Error::message("a set states its length"))?;
        let mut set = BTreeSet::new();
        let mut before = 0u64;
        for _ in 0..count {
            before = before
                .checked_add(d.u64()?)
                .ok_or_else(|| minicbor::decode::Error::message("a position beyond all positions"))?;
            set.insert(Position(before));
        }
        Ok(Self(set))
    }
}

/// Deliveries that were settled, with the token that did it, oldest first. Rows hold the last 64 of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled(pub VecDeque<((Position, u16), Token)>);

impl<C> Encode<C> for Settled {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        let stored = self.0.range(self.0.len().saturating_sub(SETTLED_STORED)..);
        e.array(stored.len() as u64)?;
        for settled in stored {
            settled.encode(e, ctx)?;
        }
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Settled {
    fn decode(d: &mut minicbor::Decoder<'b>, ctx: &mut C) -> Result<Self, minicbor::decode::Error> {
        VecDeque::decode(d, ctx).map(Settled)
    }

    /// Rows of before do not have it.
    fn nil() -> Option<Self> {
        Some(Self::default())
    }
}

/// Who holds a subscription back.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PauseState {
    /// Why, in words.
    #[n(0)]
    pub reason: Option<Text>,
    /// When it ends by itself.
    #[n(1)]
    pub until: Option<Timestamp>,
    /// Since when.
    #[n(2)]
    pub since: Timestamp,
    /// Who did it.
    #[n(3)]
    pub actor: Text,
}

/// A delivery that state knows of by itself.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Open {
    /// Its lane.
    #[n(0)]
    pub priority: Priority,
    /// The hash of its order key.
    #[n(1)]
    pub key: Option<u64>,
    /// The hash of its correlation.
    #[n(2)]
    pub story: u64,
    /// How often it was leased.
    #[n(3)]
    pub acquired: u32,
    /// How often it failed.
    #[n(4)]
    pub failed: u32,
    /// Where it stands.
    #[n(5)]
    pub stage: Stage,
    /// Its last attempts.
    #[n(6)]
    pub attempts: VecDeque<Attempt>,
    /// When its event was recorded.
    #[n(7)]
    pub recorded_at: Timestamp,
    /// The dead letter whose replay it is.
    #[n(8)]
    pub replay_of: Option<DeadLetterId>,
    /// The hash of its event's own order key, whatever the order is.
    #[n(9)]
    pub own_key: Option<u64>,
    /// Not delivered from then on.
    #[n(10)]
    pub expires_at: Option<Timestamp>,
    /// When it was leased for the first time.
    #[n(11)]
    pub first_at: Option<Timestamp>,
}

/// Where an open delivery stands.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Stage {
    /// A worker has it.
    #[n(0)]
    Leased(#[n(0)] Lease),
    /// It waits for its next attempt.
    #[n(1)]
    Retrying(#[n(0)] Timestamp),
    /// It waits for its turn: parked or replayed.
    #[n(2)]
    Waiting,
}

/// A worker's hold on a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Lease {
    /// What its holder must show.
    #[n(0)]
    pub token: Token,
    /// Since when.
    #[n(1)]
    pub since: Timestamp,
    /// When it ends without a word.
    #[n(2)]
    pub deadline: Timestamp,
    /// Which attempt it is, counting from one.
    #[n(3)]
    pub attempt: u32,
    /// Whether its end is a timer's: a worker pulled it, or its subscription has been an inbox meanwhile. None in rows that
    /// do not say: then the action in force says it.
    #[n(4)]
    pub pulled: Option<bool>,
}

/// One try at a delivery, as it ended.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Attempt {
    /// Which one, counting from one.
    #[n(0)]
    pub number: u32,
    /// When it began.
    #[n(1)]
    pub at: Timestamp,
    /// When it ended.
    #[n(2)]
    pub ended: Timestamp,
    /// How it ended.
    #[n(3)]
    pub outcome: AttemptOutcome,
    /// Why it failed.
    #[n(4)]
    pub failure: Option<retry::Failure>,
    /// When the next one is due.
    #[n(5)]
    pub next_at: Option<Timestamp>,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum AttemptOutcome {
    /// The agent did it.
    #[n(0)]
    Acked,
    /// The agent, or we, said that it failed.
    #[n(1)]
    Failed,
    /// Nobody said anything in time.
    #[n(2)]
    LeaseEnded,
    /// It was answered after its lease was over.
    #[n(3)]
    Late,
}

impl AttemptOutcome {
    /// Returns the word users see.
    pub fn as_str(self) -> &'static str {
        match self {
            AttemptOutcome::Acked => "acked",
            AttemptOutcome::Failed => "failed",
            AttemptOutcome::LeaseEnded => "lease_ended",
            AttemptOutcome::Late => "late",
        }
    }
}

impl State {
    /// Returns the definition in force.
    pub fn definition(&self) -> &Subscription {
        &self.versions.last().expect("a subscription is created with its first version").definition
    }

    /// Returns the definition that matched events at `position`.
    pub fn version_at(&self, position: Position) -> &Version {
        self.versions.iter().rev().find(|version| version.since < position).unwrap_or_else(|| {
            self.versions.first().expect("a subscription is created with its first version")
        })
    }

    /// Tells whether the event at `position` was taken already; `lane` is its priority's, whatever the order is.
    pub fn is_taken(&self, lane: usize, position: Position) -> bool {
        let cursor = &self.cursors[lane];
        position <= cursor.floor || cursor.taken.0.contains(&position)
    }

    /// Marks a position as taken; `lane` is its priority's.
    pub(crate) fn take(&mut self, lane: usize, position: Position) {
        let cursor = &mut self.cursors[lane];
        if position > cursor.floor {
            cursor.taken.0.insert(position);
        }
    }

    /// Moves a lane's floor up. It never goes down but by a seek.
    pub(crate) fn move_floor(&mut self, lane: usize, floor: Position) {
        let cursor = &mut self.cursors[lane];
        if floor > cursor.floor {
            cursor.floor = floor;
            cursor.taken.0 = cursor.taken.0.split_off(&floor.next());
        }
    }

    /// Tells whether its deliveries are pulled.
    pub fn is_inbox(&self) -> bool {
        matches!(self.definition().action, super::Action::Inbox)
    }

    /// Tells whether the breaker holds deliveries back.
    pub fn is_broken(&self) -> bool {
        self.breaker.as_ref().is_some_and(|breaker| breaker.opened.is_some())
    }

    /// Tells whether the dead letter whose replay a delivery is holds its key: then it goes before all others of it.
    pub fn passes_hold(&self, open: &Open) -> bool {
        let holders = open.key.and_then(|key| self.held.get(&key));
        open.replay_of.is_some_and(|id| holders.is_some_and(|holders| holders.contains(&id)))
    }

    /// Returns how many deliveries a worker has.
    pub fn leased(&self) -> usize {
        self.open.values().filter(|open| matches!(open.stage, Stage::Leased(_))).count()
    }

    /// Remembers which token settled a delivery.
    pub(crate) fn remember_settled(&mut self, slot: (Position, u16), token: Token) {
        if self.settled.0.len() >= SETTLED_KEPT {
            self.settled.0.pop_front();
        }
        self.settled.0.push_back((slot, token));
    }
}

impl Open {
    /// Adds an attempt and forgets the oldest beyond [`ATTEMPTS_KEPT`].
    pub(crate) fn remember(&mut self, attempt: Attempt) {
        if self.attempts.len() >= ATTEMPTS_KEPT {
            self.attempts.pop_front();
        }
        self.attempts.push_back(attempt);
    }

    /// Computes its key anew for an order that was declared.
    pub(crate) fn rekey(&mut self, order: Order) {
        // Rows of before have no key of their own; under the order of the topic their key says nothing.
        let own = self.own_key.or(self.key.filter(|key| *key != 0));
        self.key = super::lanes::key_under(order, own);
    }

    /// Returns the lease, if a worker has it.
    pub fn lease(&self) -> Option<&Lease> {
        match &self.stage {
            Stage::Leased(lease) => Some(lease),
            Stage::Retrying(_) | Stage::Waiting => None,
        }
    }
}
