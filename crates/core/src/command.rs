//! Commands: what is asked of the core.

use std::sync::Arc;

use crate::agent::{Agent, AgentName, AgentPattern};
use crate::bulk_operation;
use crate::event::{Data, Event};
use crate::fact::{ErasedEvent, ErasureStage, Receipt};
use crate::ids::{BulkId, DeadLetterId, DeliveryId, Position, Token};
use crate::refusal::Refusal;
use crate::subscription::retry::Failure;
use crate::subscription::{Subscription, SubscriptionId, Until};
use crate::text::Text;
use crate::time::Timestamp;
use crate::topic::{Pattern, Topic, TopicName};

/// What a step knows of the world: both are arguments, nothing in the core fetches them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The log time of the turn.
    pub at: Timestamp,
    /// A number drawn for this command.
    pub chance: u64,
}

/// What is asked of the core.
#[derive(Clone, Debug)]
pub enum Command {
    /// The server starts.
    Start(Start),
    /// The wall clock jumped.
    NoteClockJump {
        /// By how many milliseconds.
        by_ms: i64,
        /// What it says now.
        wall: Timestamp,
    },
    /// A whole set of definitions is put in force.
    Install(Box<Install>),
    /// A set of definitions is put in force by a call.
    Apply(Box<Apply>),
    /// A command that somebody gave by a call that operates or defines: it leaves an entry in the audit.
    Audited(Box<Audited>),
    /// Somebody takes a copy of everything. It changes nothing, and who took it is told.
    TakeBackup,
    /// Somebody accepts programs that were edited. No definition changes, and who accepted them is told.
    AcceptPrograms,
    /// Events are published, all or none.
    Publish(Box<Publish>),
    /// An agent registers itself.
    RegisterAgent {
        /// Which.
        name: AgentName,
        /// What it says of itself.
        definition: Agent,
        /// Who asks.
        actor: Text,
    },
    /// An agent leaves.
    RemoveAgent {
        /// Which.
        name: AgentName,
        /// Who asks.
        actor: Text,
    },
    /// An agent shows itself.
    Heartbeat {
        /// Which.
        name: AgentName,
    },
    /// A subscription is declared.
    DeclareSubscription {
        /// Its id.
        id: SubscriptionId,
        /// What is declared.
        definition: Box<Subscription>,
        /// Where `from: <time>` lies, looked up by the caller.
        start: Option<Position>,
        /// Who asks.
        actor: Text,
    },
    /// A subscription is taken away.
    RemoveSubscription {
        /// Which.
        id: SubscriptionId,
        /// Who asks.
        actor: Text,
    },
    /// A subscription is held back.
    PauseSubscription {
        /// Which.
        id: SubscriptionId,
        /// Why.
        reason: Option<Text>,
        /// When it ends by itself.
        until: Option<Timestamp>,
        /// Who asks.
        actor: Text,
    },
    /// A subscription goes on.
    ResumeSubscription {
        /// Which.
        id: SubscriptionId,
        /// Who asks.
        actor: Text,
    },
    /// A subscription is set to another place.
    Seek {
        /// Which.
        id: SubscriptionId,
        /// It goes on behind this position.
        after: Position,
        /// Only say what it would do.
        dry_run: bool,
        /// Who asks.
        actor: Text,
    },
    /// Agents are parked.
    PauseAgents {
        /// Which.
        agents: Vec<AgentPattern>,
        /// Until what; None means until they are resumed.
        until: Option<Until>,
        /// Where an ending event is awaited.
        topics: Vec<Pattern>,
        /// Why.
        reason: Option<Text>,
        /// Who asks.
        actor: Text,
    },
    /// Parked agents go on: every pause that a person made over this pattern.
    ResumeAgents {
        /// Which.
        agents: AgentPattern,
        /// Who asks.
        actor: Text,
    },
    /// A pause ends: its event came.
    EndPause {
        /// Which: where its fact lies.
        pause: Position,
        /// Which event ended it.
        actor: Text,
    },
    /// A worker asks for deliveries of an inbox.
    Pull(Pull),
    /// A worker does not wait any longer.
    StopWaiting {
        /// Which subscription.
        subscription: SubscriptionId,
        /// Which worker.
        waiter: u64,
    },
    /// A worker answers.
    Settle(Box<Settle>),
    /// A worker asks for more time.
    Extend {
        /// Which delivery.
        delivery: DeliveryId,
        /// What it shows.
        token: Token,
    },
    /// A dead letter's event is changed.
    EditDeadLetter(Box<EditDeadLetter>),
    /// A dead letter is sent on its way again.
    ReplayDeadLetter(Box<ReplayDeadLetter>),
    /// A dead letter is put away.
    ArchiveDeadLetter {
        /// Which.
        id: DeadLetterId,
        /// Why.
        note: Text,
        /// Who asks.
        actor: Text,
    },
    /// Events of a topic go: their retention is over, or later events of their keys took their place.
    Trim(Trim),
    /// Events are erased.
    EraseEvents(Box<EraseEvents>),
    /// An erasure has got further.
    AdvanceErasure {
        /// Which: where its fact lies.
        erasure: Position,
        /// How far.
        stage: ErasureStage,
    },
    /// The loss of a part of the log is accepted.
    DeclareGap(DeclareGap),
    /// A bulk operation begins.
    StartBulk(Box<StartBulk>),
    /// A bulk operation is ended before all its items had their turn.
    AbortBulk {
        /// Which.
        id: BulkId,
        /// Why.
        reason: Option<Text>,
        /// Who asks.
        actor: Text,
    },
    /// A dead letter is taken back.
    RestoreDeadLetter {
        /// Which.
        id: DeadLetterId,
        /// Why.
        note: Option<Text>,
        /// Who asks.
        actor: Text,
    },
    /// The order key that a dead letter holds goes on without it.
    ReleaseKey {
        /// The dead letter.
        id: DeadLetterId,
        /// Why.
        note: Option<Text>,
        /// Who asks.
        actor: Text,
    },
    /// A subscription's breaker is closed by a person.
    ResetBreaker {
        /// Which subscription.
        id: SubscriptionId,
        /// Who asks.
        actor: Text,
    },
}

/// The server starts.
#[derive(Clone, Debug)]
pub struct Start {
    /// Which version.
    pub version: Text,
    /// What the wall clock says.
    pub wall: Timestamp,
}

/// A whole set of definitions is put in force. What the same source declared before and is missing now goes.
#[derive(Clone, Debug)]
pub struct Install {
    /// The hash of the whole set.
    pub hash: Text,
    /// Where it came from.
    pub source: Text,
    /// Who asks.
    pub actor: Text,
    /// Topics.
    pub topics: Vec<(TopicName, Topic)>,
    /// Agents.
    pub agents: Vec<(AgentName, Agent)>,
    /// Subscriptions, with where `from: <time>` lies.
    pub subscriptions: Vec<(SubscriptionId, Subscription, Option<Position>)>,
}

/// A set of definitions is put in force by a call.
#[derive(Clone, Debug)]
pub struct Apply {
    /// The set. Who brings a definition is decided here: what is known keeps its origin.
    pub install: Install,
    /// Whether what a file or an apply declared and is not in the set goes.
    pub prune: bool,
    /// The version of the definitions the caller looked at.
    pub expected: Option<u64>,
    /// Only say what would change.
    pub dry_run: bool,
}

/// A command that somebody gave by a call that operates or defines.
#[derive(Clone, Debug)]
pub struct Audited {
    /// Who.
    pub actor: Text,
    /// From where.
    pub from: Text,
    /// What, such as `subscriptions.pause`.
    pub action: Text,
    /// To what: the ids in the path of the call.
    pub target: Text,
    /// The command.
    pub command: Command,
}

/// What becomes of one definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Of which kind it is.
    pub kind: Kind,
    /// Its id.
    pub id: Text,
    /// What becomes of it.
    pub what: What,
    /// What that means for what runs and waits, in words.
    pub effects: Vec<Text>,
}

/// The kinds of definitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A topic.
    Topic,
    /// An agent.
    Agent,
    /// A subscription.
    Subscription,
}

/// What becomes of a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It is new.
    Added,
    /// It says something else.
    Changed,
    /// It goes.
    Removed,
}

/// Events are published, all or none.
#[derive(Clone, Debug)]
pub struct Publish {
    /// Which.
    pub events: Vec<Admitted>,
    /// The revision the stream of the only event must have.
    pub expected_revision: Option<u64>,
    /// Whether a topic that is not declared is made.
    pub auto_create: bool,
    /// Who asks.
    pub actor: Text,
    /// The agent that publishes, when it is one.
    pub agent: Option<AgentName>,
    /// Set when the request has an idempotency key.
    pub idempotency: Option<Idempotency>,
}

/// An event that passed the door: well formed, within limits, its schema checked.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// The event, all its blanks filled.
    pub event: Arc<Event>,
    /// The hash of what the client sent.
    pub content: u64,
    /// The hash of its identity.
    pub identity: u128,
    /// What is not as it should be, though accepted.
    pub warnings: Vec<Text>,
    /// For a command: the subscriptions of its agent that match, by the definitions' version below.
    pub takers: Vec<SubscriptionId>,
    /// The version of the definitions it was checked against.
    pub definitions: u64,
}

/// A request that may come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// The hash of who asks and the key.
    pub key: u128,
    /// The hash of method, path and body.
    pub fingerprint: u64,
}

/// A worker asks for deliveries.
#[derive(Clone, Debug)]
pub struct Pull {
    /// Of which subscription.
    pub subscription: SubscriptionId,
    /// How many at most.
    pub max: usize,
    /// The worker that waits when there are none; None does not wait.
    pub waiter: Option<u64>,
}

/// A worker answers.
#[derive(Clone, Debug)]
pub struct Settle {
    /// Which delivery.
    pub delivery: DeliveryId,
    /// What it shows.
    pub token: Token,
    /// What it says.
    pub outcome: Outcome,
    /// The delivery's event, when the caller has it: a dead letter needs its body.
    pub event: Option<Arc<Event>>,
    /// The event that announces the dead letter, should this make one; or what the door refused of it.
    pub on_failure: Option<Result<Box<Publish>, Refusal>>,
    /// Whether a refusal of the answer goes to the caller (a pulling agent) or counts as a failure (a program).
    pub refusal_fails: bool,
    /// Who.
    pub actor: Text,
}

/// What a worker says.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It did it; and publishes these, or what the door refused of them.
    Ack(Result<Box<Publish>, Refusal>),
    /// It parks agents, and did it.
    Park {
        /// Which agents.
        agents: Vec<AgentPattern>,
        /// Until what.
        until: Until,
    },
    /// It failed.
    Nack(Failure),
}

/// A dead letter's event is changed.
#[derive(Clone, Debug)]
pub struct EditDeadLetter {
    /// Which.
    pub id: DeadLetterId,
    /// The edit the caller looked at; None when there was none.
    pub seen_edit: Option<Position>,
    /// The new payload; None leaves it.
    pub data: Option<Data>,
    /// Attributes to set, or to take away, as JSON text.
    pub attributes: Vec<(Text, Option<Text>)>,
    /// The edited event, its schema checked.
    pub event: Arc<Event>,
    /// Who asks.
    pub actor: Text,
    /// Why.
    pub note: Option<Text>,
}

/// A dead letter is sent on its way again.
#[derive(Clone, Debug)]
pub struct ReplayDeadLetter {
    /// Which.
    pub id: DeadLetterId,
    /// The edit the caller looked at.
    pub seen_edit: Option<Position>,
    /// To which subscription; None means its own.
    pub to: Option<SubscriptionId>,
    /// The new event, when it was edited or goes to a topic.
    pub publish: Option<Box<Publish>>,
    /// True when the new event goes to a topic rather than to a subscription.
    pub to_topic: bool,
    /// The original event.
    pub event: Arc<Event>,
    /// When the original was recorded.
    pub recorded_at: Timestamp,
    /// Who asks.
    pub actor: Text,
    /// Why.
    pub note: Option<Text>,
}

/// Events of a topic go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trim {
    /// Which topic.
    pub topic: TopicName,
    /// Every event up to here.
    pub through: Option<Position>,
    /// Up to here every event whose key has a later one.
    pub compacted: Option<Position>,
    /// How many go.
    pub events: u64,
    /// How many bytes of payload they have.
    pub bytes: u64,
    /// Where the first event lies that is left.
    pub first: Option<Position>,
    /// Also from those who did not take them yet: they were held as long as they may be.
    pub forced: bool,
}

/// Events are erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EraseEvents {
    /// Which.
    pub items: Vec<ErasedEvent>,
    /// Why.
    pub reason: Text,
    /// Who asks.
    pub actor: Text,
}

/// The loss of a part of the log is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclareGap {
    /// The first place lost.
    pub from: Position,
    /// The last one.
    pub to: Position,
    /// What happened to it.
    pub reason: Text,
    /// How many facts behind it could not be followed.
    pub orphans: u64,
    /// Who asks.
    pub actor: Text,
}

/// A bulk operation begins.
#[derive(Clone, Debug)]
pub struct StartBulk {
    /// What is done to every item.
    pub action: bulk_operation::Action,
    /// To which; they are put in order.
    pub items: bulk_operation::Items,
    /// How fast.
    pub pace: bulk_operation::Pace,
    /// What was asked for, as JSON text.
    pub filter: Text,
    /// Only what was there by then is meant.
    pub as_of: Timestamp,
    /// The hash of the ids that were shown.
    pub hash: Text,
    /// Who asks.
    pub actor: Text,
    /// Why.
    pub reason: Text,
}

/// What a command is answered with, once everything it rests on is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing more to say.
    Done,
    /// A publish.
    Published {
        /// One per event.
        receipts: Vec<Receipt>,
        /// True when this answers a request that came before.
        replayed: bool,
    },
    /// Deliveries for a worker; may be none.
    Pulled(Vec<Pulled>),
    /// The worker waits; the deliveries come by an effect.
    WillWait,
    /// An answer of a worker was taken.
    Settled(Settled),
    /// A lease was extended.
    Extended(Timestamp),
    /// What a seek does.
    Sought(SeekReport),
    /// A replay is on its way.
    Replayed {
        /// The new delivery.
        delivery: Option<DeliveryId>,
        /// The new event.
        receipt: Option<Receipt>,
    },
    /// Events were erased.
    Erased {
        /// The erasure: where its fact lies; None when there was nothing to erase.
        erasure: Option<Position>,
        /// How many.
        events: usize,
    },
    /// A bulk operation began.
    BulkStarted {
        /// Its id; None when nothing was left to do.
        id: Option<BulkId>,
        /// Items that another running operation has, and which.
        busy: Vec<(bulk_operation::Item, BulkId)>,
    },
    /// Definitions were installed: added, changed, removed.
    Installed(u32, u32, u32),
    /// Definitions were applied, or would be.
    Applied(Vec<Change>),
    /// Something was made (true) or was there and was changed or left (false).
    Declared(bool),
}

/// A delivery in a worker's hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// Which.
    pub delivery: DeliveryId,
    /// What to show when answering.
    pub token: Token,
    /// Which attempt it is.
    pub attempt: u32,
    /// When the lease ends without a word.
    pub deadline: Timestamp,
    /// When its event was recorded.
    pub recorded_at: Timestamp,
    /// When it was handed out for the first time.
    pub first_at: Timestamp,
    /// True when its event may have been handled before: an earlier attempt was begun, or it is a replay.
    pub redelivered: bool,
    /// The event, when it was at hand; else it is read from the log.
    pub event: Option<Arc<Event>>,
}

/// What became of a worker's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It was taken; with what it published.
    Acked(Vec<Receipt>),
    /// It failed and is tried again then.
    Retrying(Timestamp),
    /// It became a dead letter.
    Dead(DeadLetterId),
    /// Its lease was over: the answer is stored and changes nothing.
    Late,
}

/// What a seek does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeekReport {
    /// It goes on behind this position.
    pub after: Position,
    /// Leases that are fenced.
    pub open_leases: usize,
    /// Deliveries that wait for a retry and are dropped.
    pub retrying: usize,
    /// Parked deliveries that are dropped.
    pub parked: usize,
}
