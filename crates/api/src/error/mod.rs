//! How a refusal looks from outside: few codes, each with one HTTP status, one exit code and one page of help.
//!
//! `code` is the table, `problem` the RFC 9457 body that carries a code over the wire. The pages are `docs/errors/<CODE>.md`;
//! a test holds table and folder together.

mod code;
mod problem;

pub use code::{Advice, Code, ExitCode};
pub use problem::{Fault, Problem};
