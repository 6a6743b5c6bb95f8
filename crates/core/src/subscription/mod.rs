//! Subscriptions: who wants which events, how far they have got, and what happens when a delivery fails.
//!
//! Read `definition` and `retry` (what is declared), `state` (what is true), `lanes` (who is next), then `decide`
//! (leases and their outcomes), `operate` (pause, resume, seek) and `why`. Nothing here waits or talks to anyone.

mod confinement;
pub mod decide;
mod definition;
mod id;
pub mod lanes;
pub mod operate;
pub mod retry;
mod state;
pub mod why;

pub use confinement::{Confinement, ExecLimits, Network};
pub use definition::{
    Action, AfterDeadLetter, ExecAction, Feed, Mode, OnSuccess, Order, PauseAction, Place, Produced,
    PublishAction, Sandbox, Subscription, Until, WebhookAction,
};
pub use id::SubscriptionId;
pub use state::{
    Attempt, AttemptOutcome, Cursor, Lease, Open, PauseState, PositionSet, Stage, State, Version,
};
