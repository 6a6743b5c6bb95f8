//! What makes facts durable.
//!
//! [`local`] is the commit log on this machine's disk.

pub mod local;
