//! Gaps: ranges of the log that are gone.

use cantus_api::stream::Gap;
use cantus_core::Position;
use cantus_engine::GapCause;

/// Returns a gap for the wire. `to` is the last position that is gone; on the wire stands the first that is there again.
pub fn gap(from: Position, to: Position, cause: GapCause) -> Gap {
    Gap { from: from.to_string(), to: to.next().to_string(), reason: cause.to_string() }
}
