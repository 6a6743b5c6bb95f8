//! Effects: what somebody must now do. Plain data, one executor.

use std::sync::Arc;

use crate::command::Pulled;
use crate::event::Event;
use crate::ids::{DeliveryId, Position, Token};
use crate::time::Timestamp;

/// What somebody must now do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Carry out an attempt: run the program, publish, park. Its lease is written.
    Deliver(Deliver),
    /// Answer a worker that waits for deliveries.
    AnswerPull {
        /// Which worker.
        waiter: u64,
        /// Its deliveries.
        deliveries: Vec<Pulled>,
    },
    /// End a running attempt: its lease was fenced.
    Cancel {
        /// Which delivery.
        delivery: DeliveryId,
        /// Which attempt.
        attempt: u32,
    },
    /// Read a subscription's lane from behind `after`: it is new, was sought, or has room again.
    Feed {
        /// The subscription's number.
        subscription: u32,
        /// Which lane.
        lane: usize,
        /// Offers must carry this.
        round: u32,
        /// From behind here; None stops the feeding.
        after: Option<Position>,
    },
}

/// An attempt to carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deliver {
    /// Which delivery.
    pub delivery: DeliveryId,
    /// What to show when answering.
    pub token: Token,
    /// Which attempt it is, counting from one.
    pub attempt: u32,
    /// When the lease ends.
    pub deadline: Timestamp,
    /// When its event was recorded.
    pub recorded_at: Timestamp,
    /// The event, when it was at hand; else it is read from the log.
    pub event: Option<Arc<Event>>,
    /// True when the attempt may have been started before this start of the server.
    pub survivor: bool,
    /// True when it is a replay: its effect must wait until the lease is durable, not only written.
    pub replay: bool,
    /// When it was handed out for the first time.
    pub first_at: Timestamp,
    /// True when its event may have been handled before: an earlier attempt was begun, or it is a replay.
    pub redelivered: bool,
}
