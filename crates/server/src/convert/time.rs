//! Times: numbers inside, RFC 3339 outside.

use std::time::{SystemTime, UNIX_EPOCH};

use cantus_api::time;
use cantus_core::{Span, Timestamp};

/// Returns a time as RFC 3339 text.
pub fn text(at: Timestamp) -> time::Timestamp {
    time::format_ms(at.0)
}

/// Reads RFC 3339 text.
pub fn parse(text: &str) -> Result<Timestamp, time::InvalidTime> {
    time::Instant::parse(text).map(|instant| Timestamp(instant.unix_ms()))
}

/// Returns what the wall clock says: for display only, durations are measured in log time.
pub fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Returns a span for the core.
pub fn span(span: time::Span) -> Span {
    Span(span.as_ms())
}

/// Returns a span for the wire.
pub fn span_text(span: Span) -> time::Span {
    time::Span::from_ms(span.0)
}
