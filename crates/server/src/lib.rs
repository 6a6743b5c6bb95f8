//! The surfaces of Cantus: HTTP, metrics, health. They turn requests into commands and answers into words, and decide nothing.
//!
//! Read `options` and `run` (how a server starts and stops), then `http` (one file per noun, and the table of routes), then
//! `convert` (between the wire and the core).

pub mod convert;
