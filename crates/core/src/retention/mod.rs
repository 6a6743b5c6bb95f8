//! Retention: what is not kept any more, what was erased, and what is lost.
//!
//! Read `state` (what is remembered of it), `hidden` (what nobody may see although its bytes may still be there), then
//! `pinned` (what must stay although its time is over) and `decide`. Whoever removes bytes does so behind these
//! decisions: a fact first, the bytes later.

pub(crate) mod decide;
mod hidden;
mod pinned;
mod state;

pub use hidden::{Hidden, event_of};
pub use state::{ERASED_KEPT, Erasure, Expired, Gap, Keeping};
