//! The reference model: what is true, told a second time with maps and lists. It follows the durable facts and judges
//! nothing; invariants look at it before it follows the next fact.
//!
//! Read `state` (what there is and how it follows), `delivery` (where one delivery stands), `ledger` (what was asked for
//! and what became of it).

mod delivery;
mod ledger;
mod state;

pub(crate) use delivery::Stage;
pub(crate) use ledger::{Fate, Identity, Ledger, Request, What, identity_of};
pub(crate) use state::{Model, Published, Sub, settled_failed};
