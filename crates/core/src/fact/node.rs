//! Facts from 60 on: the server itself.

use minicbor::{Decode, Encode};

use crate::text::Text;
use crate::time::Timestamp;

/// The server started.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct NodeStarted {
    /// Which start it is, counting from one.
    #[n(0)]
    pub epoch: u32,
    /// Which version.
    #[n(1)]
    pub version: Text,
    /// What the wall clock said.
    #[n(2)]
    pub wall: Timestamp,
}

/// The wall clock jumped by more than a second.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ClockJumped {
    /// By how many milliseconds.
    #[n(0)]
    pub by_ms: i64,
    /// What it says now.
    #[n(1)]
    pub wall: Timestamp,
}
