//! JSON as it comes from strangers: checked once, quickly, and never rounded.
//!
//! `scan` walks over text and says precisely what is wrong (`escape` is the inside of strings); `locate` turns a place in the text into line, column and JSON pointer;
//! `request` reads the typed bodies of requests; `write` writes strings. Values are kept as text: numbers are not converted and
//! members are not reordered.

mod escape;
mod locate;
pub(crate) mod request;
pub(crate) mod scan;
pub(crate) mod write;

pub(crate) use locate::step;
pub use locate::{Place, locate};
pub use request::read;
pub use write::{compact, string};
