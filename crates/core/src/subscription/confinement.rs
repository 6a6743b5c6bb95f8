//! What a confined program may reach and use.

use minicbor::{Decode, Encode};

use crate::text::Text;
use crate::time::Span;

/// What a program under a strict sandbox may reach and use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Confinement {
    /// Which network it has.
    #[n(0)]
    pub network: Network,
    /// Absolute paths it may read.
    #[n(1)]
    pub readable: Vec<Text>,
    /// Absolute paths it may change.
    #[n(2)]
    pub writable: Vec<Text>,
    /// How much it may use.
    #[n(3)]
    pub limits: ExecLimits,
}

/// Which network a program has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Network {
    /// None at all.
    #[default]
    #[n(0)]
    None,
    /// That of the server.
    #[n(1)]
    Host,
}

/// How much a program may use. What is absent is the default of the version that runs it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ExecLimits {
    /// Bytes of memory per process.
    #[n(0)]
    pub memory: Option<u64>,
    /// Processor time per process.
    #[n(1)]
    pub cpu: Option<Span>,
    /// Processes and threads together.
    #[n(2)]
    pub processes: Option<u32>,
    /// Open files per process.
    #[n(3)]
    pub files: Option<u32>,
    /// Bytes of one file.
    #[n(4)]
    pub file_size: Option<u64>,
    /// Bytes kept of each output.
    #[n(5)]
    pub output: Option<u64>,
}
