//! What the core refuses, as plain data. One file of the surfaces maps these to codes, statuses and hints.

use crate::dead_letter::ImpossibleMove;
use crate::ids::Position;
use crate::text::Text;

/// Why a command can not be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The topic does not exist and is not made by publishing to it.
    #[error("topic `{topic}` is not declared")]
    TopicUnknown {
        /// Which.
        topic: Text,
    },
    /// The topic names who may publish or subscribe, and this agent is not among them.
    #[error("`{agent}` may not {verb} topic `{topic}`")]
    TopicNotAllowed {
        /// Which.
        topic: Text,
        /// Who asked.
        agent: Text,
        /// `publish to` or `subscribe to`.
        verb: &'static str,
    },
    /// The identity was used for another content.
    #[error("event `{id}` of source `{source_name}` was published before with other content")]
    EventIdReused {
        /// The id.
        id: Text,
        /// The source.
        source_name: Text,
        /// Where the first one lies.
        position: Position,
        /// Which event of the batch.
        index: usize,
    },
    /// The event was over before it came, and was not stored before.
    #[error("`expirytime` is over already: nobody would get the event")]
    EventExpired {
        /// Which event of the batch.
        index: usize,
    },
    /// Too many causes lie before the event.
    #[error("the event would have {hops} hops, {max} are allowed")]
    LoopDetected {
        /// How many it would have.
        hops: u32,
        /// How many are allowed.
        max: u32,
        /// Which event of the batch.
        index: usize,
    },
    /// The stream is at another revision.
    #[error("stream `{stream}` is at revision {actual}, not {expected}")]
    RevisionConflict {
        /// Which.
        stream: Text,
        /// What the publisher believed.
        expected: u64,
        /// What is true.
        actual: u64,
    },
    /// The parameters of the publish make no sense together.
    #[error("{what}")]
    PublishInvalid {
        /// In words.
        what: Text,
        /// Which event of the batch.
        index: usize,
    },
    /// No agent handles the command.
    #[error("no agent handles command `{event_type}`")]
    HandlerUnknown {
        /// The command's type.
        event_type: Text,
        /// Which event of the batch.
        index: usize,
    },
    /// Several agents or subscriptions would take the command.
    #[error("command `{event_type}` would be taken by several: {names}")]
    HandlerAmbiguous {
        /// The command's type.
        event_type: Text,
        /// Who.
        names: Text,
        /// Which event of the batch.
        index: usize,
    },
    /// What the caller looked at has changed meanwhile: look again, ask again.
    #[error("the definitions changed meanwhile")]
    Stale,
    /// The payload breaks its schema (found at the door).
    #[error("the payload breaks the schema of `{event_type}`: {message}")]
    SchemaViolation {
        /// The event's type.
        event_type: Text,
        /// In words.
        message: Text,
        /// JSON pointers to what is wrong, with words each.
        errors: Vec<(Text, Text)>,
        /// Which event of the batch.
        index: usize,
    },
    /// An event is not well formed (found at the door).
    #[error("{message}")]
    EventInvalid {
        /// In words.
        message: Text,
        /// The stable code the surfaces give it.
        code: Text,
        /// A JSON pointer to what is wrong.
        pointer: Option<Text>,
        /// Which event of the batch.
        index: usize,
    },
    /// There is no such agent.
    #[error("agent `{agent}` is not known")]
    AgentUnknown {
        /// Which.
        agent: Text,
    },
    /// The file owns the definition.
    #[error("`{name}` is declared by the file; change it there")]
    DeclaredByFile {
        /// What.
        name: Text,
    },
    /// There is no such subscription.
    #[error("subscription `{subscription}` is not known")]
    SubscriptionUnknown {
        /// Which.
        subscription: Text,
    },
    /// There is one with this id that says something else.
    #[error("subscription `{subscription}` exists and says something else")]
    SubscriptionExists {
        /// Which.
        subscription: Text,
    },
    /// Its action is not `inbox`.
    #[error("subscription `{subscription}` has the action `{action}`, only `inbox` is pulled")]
    SubscriptionNotInbox {
        /// Which.
        subscription: Text,
        /// Its action.
        action: &'static str,
    },
    /// The delivery is not known.
    #[error("delivery `{delivery}` is not known")]
    DeliveryUnknown {
        /// Which.
        delivery: Text,
    },
    /// The caller does not hold the delivery any more.
    #[error("the lease is over; another worker may have the delivery")]
    LeaseLost,
    /// There is no such dead letter.
    #[error("dead letter `{id}` is not known")]
    DeadLetterUnknown {
        /// Which.
        id: Text,
    },
    /// The event was erased: nothing is left to work with.
    #[error("event `{event}` was erased")]
    EventErased {
        /// Its id.
        event: Text,
    },
    /// The dead letter can not make this move.
    #[error("{0}")]
    DeadLetterState(ImpossibleMove),
    /// There is no such bulk operation.
    #[error("bulk operation `{id}` is not known")]
    BulkUnknown {
        /// Which.
        id: Text,
    },
    /// The bulk operation is over.
    #[error("bulk operation `{id}` is {status}; there is nothing to abort")]
    BulkOver {
        /// Which.
        id: Text,
        /// Where it stands.
        status: &'static str,
    },
    /// The dead letter holds no order key.
    #[error("dead letter `{id}` holds no order key")]
    KeyNotHeld {
        /// Which.
        id: Text,
    },
    /// A subscription takes over the name of another that is declared beside it.
    #[error("`{id}` is renamed from `{before}`, and that is declared too")]
    RenamedFromKept {
        /// The new id.
        id: Text,
        /// The id it takes over.
        before: Text,
    },
    /// A limit of the server is reached; it may go later.
    #[error("too many {what}: {limit} at most")]
    TooMany {
        /// What.
        what: &'static str,
        /// How many may be.
        limit: usize,
    },
    /// The idempotency key was used with another request.
    #[error("the idempotency key was used with another request")]
    IdempotencyKeyReused,
}
