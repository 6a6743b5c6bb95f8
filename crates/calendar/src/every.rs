//! `every`: a span, counted from an anchor.

use jiff::{SignedDuration, Timestamp};

use crate::error::{InvalidExpression, check_length, quoted};

/// A span that is counted in elapsed time, whatever the clocks do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Every {
    span_ms: i64,
    anchor: Timestamp,
}

/// The shortest and the longest span, in milliseconds: one second and a hundred years.
const SPAN_MS: std::ops::RangeInclusive<i64> = 1000..=100 * 365 * 86_400_000;

impl Every {
    /// Reads a span such as `90s`, `2h 30m`, `1d` or `PT15M`. A day is 24 hours.
    pub(crate) fn parse(text: &str, anchor: Timestamp) -> Result<Every, InvalidExpression> {
        check_length(text)?;
        let wrong = |what: String| InvalidExpression::new(text, 0, what);
        let hint = "write a span such as 90s, 2h 30m or 1d";
        let span: jiff::Span =
            text.trim().parse().map_err(|_| wrong(format!("{} is no span: {hint}", quoted(text))))?;
        if span.get_years() != 0 || span.get_months() != 0 {
            let what = "months and years have no fixed length: write a cron expression, or an rrule with FREQ=MONTHLY or YEARLY";
            return Err(wrong(what.to_owned()));
        }
        let length = jiff::SpanRelativeTo::days_are_24_hours();
        let exact =
            span.to_duration(length).map_err(|_| wrong(format!("{} is too long: {hint}", quoted(text))))?;
        let whole = exact.as_nanos() % 1_000_000 == 0;
        match i64::try_from(exact.as_millis()) {
            Ok(span_ms) if whole && SPAN_MS.contains(&span_ms) => Ok(Every { span_ms, anchor }),
            _ => Err(wrong(format!(
                "{} is no span between 1s and 36500d in whole milliseconds: {hint}",
                quoted(text)
            ))),
        }
    }

    /// Returns the first time after an instant that lies whole spans behind the anchor, or is the anchor.
    pub(crate) fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        if after < self.anchor {
            return Some(self.anchor);
        }
        let since = after.duration_since(self.anchor);
        let spans = i64::try_from(since.as_millis()).ok()? / self.span_ms + 1;
        let ahead = SignedDuration::from_millis(spans.checked_mul(self.span_ms)?);
        self.anchor.checked_add(ahead).ok()
    }
}
