//! Bytes thrown at everything that reads bytes from outside: the log's files, both shapes of events, the file, filters, recurrences,
//! bodies of requests.
//!
//! Read `targets` (what is fed, and what must hold whatever comes), then `mutate` (how inputs are made without an instrumented
//! build) and `corpus` (where they start). `tests/short.rs` runs all seeds and a fixed number of mutations of each; the binary runs any
//! number, under libFuzzer when it is built with that feature.

pub mod corpus;
pub mod mutate;
pub mod targets;

pub use targets::{TARGETS, Target};
