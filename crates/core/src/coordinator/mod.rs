//! How a step runs: decide, apply, react.
//!
//! Read `view` (what a decision sees), `decide` (which room decides what), `install` (a whole set of definitions),
//! then `step` (how facts are applied and lanes follow), `dispatch` (who is served) and `lease` (what it gets).

mod decide;
mod dispatch;
mod install;
mod lease;
mod step;
mod view;

pub use dispatch::{Offer, Offers};
pub use step::{Coordinator, Stepped};
pub use view::{Limits, Stop, View};
