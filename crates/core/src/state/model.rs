//! What there is.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use minicbor::{Decode, Encode};

use crate::agent::{self, AgentName, AgentPattern};
use crate::bulk_operation;
use crate::dead_letter::DeadLetter;
use crate::fact::Receipt;
use crate::ids::{BulkId, DeadLetterId, DeliveryId, Position};
use crate::numbered::Numbered;
use crate::retention::{Erasure, Gap};
use crate::row::Key;
use crate::subscription::{self, SubscriptionId};
use crate::text::Text;
use crate::time::Timestamp;
use crate::topic::{Pattern, Topic, TopicName, dedupe};

/// How many answered requests are remembered.
pub const REQUESTS_KEPT: usize = 100_000;
/// How many stream revisions stay in memory once they are checkpointed.
pub const STREAMS_CACHED: usize = 262_144;

/// All that is true, as of `position`.
#[derive(Debug, Default)]
pub struct State {
    /// The last fact that was applied.
    pub position: Position,
    /// Its log time.
    pub at: Timestamp,
    /// Counters and the version of the definitions.
    pub meta: Meta,
    /// Topics by name.
    pub topics: BTreeMap<TopicName, TopicState>,
    /// Agents by address.
    pub agents: BTreeMap<AgentName, agent::State>,
    /// Subscriptions by number.
    pub subscriptions: BTreeMap<u32, subscription::State>,
    /// Numbers of the subscriptions that are not removed, by id.
    pub subscription_numbers: BTreeMap<SubscriptionId, u32>,
    /// Dead letters by id.
    pub dead_letters: BTreeMap<DeadLetterId, DeadLetter>,
    /// Dead letters whose replay is on its way, by its delivery.
    pub replaying: HashMap<DeliveryId, DeadLetterId>,
    /// Highest generation of each delivery that was replayed.
    pub generations: Numbered<(u32, Position), u16>,
    /// Dedupe windows by topic.
    pub windows: HashMap<Text, dedupe::Window>,
    /// Revisions of streams by the hash of their names; those not here may lie in the checkpoint.
    pub streams: HashMap<u64, u64>,
    /// Accepted events that are published later.
    pub deferred: BTreeMap<Position, Deferred>,
    /// Answered requests by the hash of their key.
    pub requests: HashMap<u128, Answered>,
    /// Their order.
    pub(crate) request_order: BTreeSet<(Position, u128)>,
    /// Parked agents, by the fact that parked them.
    pub pauses: BTreeMap<Position, AgentsPause>,
    /// Erasures, by their facts.
    pub erasures: BTreeMap<Position, Erasure>,
    /// The erasure of each event that was erased. Derived.
    pub erased: HashMap<Position, Position>,
    /// Erased events by the hashes of their ids. Derived.
    pub erased_ids: HashMap<u64, Position>,
    /// Parts of the log that are lost, by their first places.
    pub gaps: BTreeMap<Position, Gap>,
    /// Bulk operations, running and over.
    pub bulk_operations: BTreeMap<BulkId, bulk_operation::Operation>,
    /// How far the audit has got.
    pub audit: crate::audit::Head,
    /// The items of those that run.
    pub bulk_items: BTreeMap<BulkId, bulk_operation::Items>,
    /// What is due, and when. Derived from the rest.
    pub timers: BTreeSet<(Timestamp, Timer)>,
    /// True when every stream there ever was is in memory: nothing needs to be looked up.
    pub streams_complete: bool,
    /// Rows that changed since the last checkpoint began.
    pub(crate) touched: BTreeSet<Key>,
    /// Open deliveries that did, and what the checkpoint knows of them.
    pub(crate) touched_open: BTreeMap<DeliveryId, Kept>,
    /// The last of some kinds of them: they were seen to since the last checkpoint began.
    pub(crate) touched_last: [Option<Key>; 4],
    /// The checkpoint being taken.
    pub(crate) freeze: Option<super::rows::Freeze>,
}

/// What a checkpoint may know of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It may have it.
    Perhaps,
    /// It never heard of it: when it goes, nothing is to be said of it.
    Never,
}

/// Counters and the version of the definitions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Meta {
    /// Which start of the server it is.
    #[n(0)]
    pub epoch: u32,
    /// The next subscription's number.
    #[n(1)]
    pub subscription_next: u32,
    /// Goes up with every change of a definition.
    #[n(2)]
    pub definitions: u64,
    /// The hash of the last set installed.
    #[n(3)]
    pub definitions_hash: Text,
    /// Where that came from.
    #[n(4)]
    pub definitions_source: Text,
    /// When that was.
    #[n(5)]
    pub definitions_at: Timestamp,
    /// When the server last started.
    #[n(6)]
    pub started_at: Timestamp,
    /// The hash of the set that a file last installed.
    #[n(7)]
    pub file_hash: Option<Text>,
}

/// A topic as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct TopicState {
    /// What is declared.
    #[n(0)]
    pub definition: Topic,
    /// How many events it holds.
    #[n(1)]
    pub events: u64,
    /// How many bytes of payload they have.
    #[n(2)]
    pub bytes: u64,
    /// Where its first event lies.
    #[n(3)]
    pub first: Option<Position>,
    /// Where its last event lies.
    #[n(4)]
    pub last: Option<Position>,
    /// True when its declaration was taken away.
    #[n(5)]
    pub removed: bool,
    /// Every event up to here has gone.
    #[n(6)]
    pub trimmed: Option<Position>,
    /// Up to here only the last event of each key is kept.
    #[n(7)]
    pub compacted: Option<Position>,
    /// How many bytes were left when it was last compacted.
    #[n(8)]
    pub compacted_bytes: Option<u64>,
    /// How many events it had that went.
    #[n(9)]
    pub gone: Option<u64>,
}

/// An accepted event that is published later.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Deferred {
    /// When.
    #[n(0)]
    pub due: Timestamp,
    /// Its id.
    #[n(1)]
    pub event_id: Text,
    /// Its topic.
    #[n(2)]
    pub topic: Text,
    /// Who published it.
    #[n(3)]
    pub actor: Text,
    /// The hash of what the client sent.
    #[n(4)]
    pub content: u64,
    /// The delivery it answers.
    #[n(5)]
    pub answers: Option<DeliveryId>,
}

/// An answered request.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Answered {
    /// The hash of method, path and body.
    #[n(0)]
    pub fingerprint: u64,
    /// The answer.
    #[n(1)]
    pub receipts: Vec<Receipt>,
    /// When.
    #[n(2)]
    pub at: Timestamp,
    /// The fact that says so.
    #[n(3)]
    pub position: Position,
}

/// Parked agents.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AgentsPause {
    /// Which.
    #[n(0)]
    pub agents: Vec<AgentPattern>,
    /// When it ends by itself.
    #[n(1)]
    pub until: Option<Timestamp>,
    /// The filter (JSON text) of the event that ends it.
    #[n(2)]
    pub until_event: Option<Text>,
    /// Where that is awaited.
    #[n(3)]
    pub topics: Vec<Pattern>,
    /// Who did it.
    #[n(4)]
    pub by: Text,
    /// Since when.
    #[n(5)]
    pub since: Timestamp,
    /// True when a subscription's action did it.
    #[n(6)]
    pub by_action: bool,
    /// Why.
    #[n(7)]
    pub reason: Option<Text>,
}

/// What can become due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// A pulled delivery's lease ends.
    LeaseEnds(DeliveryId),
    /// A failed delivery is tried again.
    RetryDue(DeliveryId),
    /// A deferred event is published.
    EventDue(Position),
    /// A subscription goes on.
    SubscriptionResumes(u32),
    /// Parked agents go on.
    AgentsResume(Position),
    /// The item at this place of a bulk operation has its turn.
    BulkDue(BulkId, u32),
    /// A subscription's breaker lets a probe through.
    ProbeDue(u32),
    /// A subscription's rate lets another attempt begin.
    RateFrees(u32),
}

impl State {
    /// Returns a subscription that is not removed.
    pub fn subscription(&self, id: &SubscriptionId) -> Option<&subscription::State> {
        self.subscriptions.get(self.subscription_numbers.get(id)?)
    }

    /// Returns an open delivery.
    pub fn open(&self, delivery: DeliveryId) -> Option<&subscription::Open> {
        let subscription = self.subscriptions.get(&delivery.subscription)?;
        subscription.open.get(&(delivery.position, delivery.generation)).map(AsRef::as_ref)
    }

    /// Returns the pause that parks an agent, if one does.
    pub fn parked_by(&self, agent: &AgentName) -> Option<(Position, &AgentsPause)> {
        self.pauses.iter().find_map(|(position, pause)| {
            let meant =
                *pause.by != *agent.as_str() && pause.agents.iter().any(|pattern| pattern.matches(agent));
            meant.then_some((*position, pause))
        })
    }

    /// Returns when something is due next.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.timers.first().map(|(due, _)| *due)
    }
}
