//! The surfaces of Cantus: HTTP, metrics, health. They turn requests into commands and answers into words, and decide nothing.
//!
//! Read `options` and `run` (how a server starts and stops), then `http` (one file per noun, and the table of routes), then
//! `convert` (between the wire and the core).

mod app;
mod attempts;
mod auth;
mod body;
mod census;
pub mod convert;
mod cursor;
mod erasing;
mod http;
mod idempotency;
pub mod install;
mod lookup;
mod metrics;
pub mod observe;
pub mod options;
mod patient;
mod problem;
mod reading;
mod run;
mod snapshot;
#[cfg(test)]
mod tests;
mod timeline;

pub use run::{RunError, in_process, run};
