//! What goes over the wire: the event in its two JSON shapes, the requests and answers of every noun, and the error codes.
//!
//! Read `event` first (what publishers send and agents get), then `error` (how a refusal looks), then the nouns: one file each,
//! named as in the URLs. Nothing here decides anything and nothing here knows the other crates: servers and clients translate.

pub mod agent;
pub mod archive;
pub mod audit;
pub mod bulk_operation;
pub mod correlation;
pub mod dead_letter;
pub mod definition;
pub mod delivery;
pub mod erasure;
pub mod error;
pub mod event;
pub mod github;
pub mod ids;
pub mod installed;
pub mod json;
pub mod list;
pub mod pull;
pub mod receipt;
pub mod signature;
pub mod status;
pub mod stream;
pub mod subscription;
pub mod time;
pub mod topic;
pub mod why;

pub use error::{Code, Problem};
pub use event::Event;
pub use list::List;
