//! The ids and texts that several nouns share. All of them are opaque to clients: compare them, keep them, send them back.

/// An event's id, as its publisher chose it or `evt_` and a ULID. Unique only together with its source.
pub type EventId = String;
/// A delivery's id: `dlv_` and a ULID.
pub type DeliveryId = String;
/// A dead letter's id: `dl_` and a ULID.
pub type DeadLetterId = String;
/// A bulk operation's id: `bulk_` and a ULID.
pub type BulkId = String;
/// A subscription's id: `agent/name`, without the slash before the agent.
pub type SubscriptionId = String;
/// A place in the log, such as `0:1042`. Later places do not always compare greater as text.
pub type Position = String;
/// A place in a list to go on from.
pub type Cursor = String;

/// The prefix of ids of events that came without one.
pub const EVENT_PREFIX: &str = "evt_";
/// The prefix of ids of deliveries.
pub const DELIVERY_PREFIX: &str = "dlv_";
/// The prefix of ids of dead letters.
pub const DEAD_LETTER_PREFIX: &str = "dl_";
