//! Subscriptions: who wants which events, how far they have got, and what happens when a delivery fails.
//!
//! Read `definition`, `retry`, `breaker` and `rate` (what is declared), `state` (what is true), `lanes` (who is next),
//! then `decide` (leases and their outcomes), `operate` (pause, resume, seek) and `why`. Nothing here waits or talks to anyone.

pub mod breaker;
mod confinement;
pub mod decide;
mod definition;
mod id;
pub mod lanes;
pub mod operate;
pub mod rate;
mod ready;
pub mod retry;
mod state;
pub mod why;

pub use confinement::{Confinement, ExecLimits, Network};
pub use definition::{
    Action, AfterDeadLetter, Announce, ExecAction, Feed, Mode, OnSuccess, Order, PauseAction, Place,
    Produced, PublishAction, Sandbox, Subscription, Until, WebhookAction,
};
pub use id::SubscriptionId;
pub use rate::Rate;
pub use state::{
    Attempt, AttemptOutcome, Cursor, Lease, Open, PauseState, PositionSet, Settled, Stage, State, Version,
};
