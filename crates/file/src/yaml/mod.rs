//! YAML: text into a tree in which everything knows where it stands.
//!
//! Read `tree` (what comes out), `parse` (how, and its bounds), `scalar` (which plain words are numbers) and `origin`
//! (from a character of a value back to the character of the file). It is built on the events of a parser, not on
//! serde, because every key keeps its place, quoted and plain text stay apart, and all faults of a file are found in
//! one pass.

mod origin;
mod parse;
mod scalar;
mod tree;

pub(crate) use origin::origin;
pub(crate) use parse::parse;
pub(crate) use scalar::{Plain, resolve};
pub(crate) use tree::{Entry, Node, Scalar, Style, Value};
