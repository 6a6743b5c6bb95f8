//! Dead letters: their states, and the words of their lists.

use cantus_api::dead_letter::Status;
use cantus_core::dead_letter;

/// Returns a state for the wire.
pub fn status_out(status: dead_letter::Status) -> Status {
    match status {
        dead_letter::Status::Open => Status::Open,
        dead_letter::Status::Replaying => Status::Replaying,
        dead_letter::Status::Resolved => Status::Resolved,
        dead_letter::Status::Archived => Status::Archived,
    }
}

/// Reads a state from the wire.
pub fn status_in(status: Status) -> dead_letter::Status {
    match status {
        Status::Open => dead_letter::Status::Open,
        Status::Replaying => dead_letter::Status::Replaying,
        Status::Resolved => dead_letter::Status::Resolved,
        Status::Archived => dead_letter::Status::Archived,
    }
}
