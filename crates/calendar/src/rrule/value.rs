//! Dates and times as RFC 5545 writes them.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;

use crate::error::quoted;
use crate::zone::{Local, Zone};

/// A date or a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    /// `19970902`
    Date(Date),
    /// `19970902T090000`: on the clocks of a zone that is said elsewhere.
    Local(DateTime),
    /// `19970902T090000Z`
    Utc(DateTime),
}

impl Value {
    /// Reads a date or a time.
    pub(super) fn parse(text: &str) -> Result<Value, String> {
        let wrong = || {
            format!(
                "{} is no time: write 20261129T143000 for the clocks of the zone, 20261129T143000Z for UTC, or 20261129",
                quoted(text)
            )
        };
        let (date, time) = match text.split_once(['T', 't']) {
            Some((date, time)) => (date, Some(time)),
            None => (text, None),
        };
        let date = read_date(date).ok_or_else(wrong)?;
        let Some(time) = time else { return Ok(Value::Date(date)) };
        match time.strip_suffix(['Z', 'z']) {
            Some(time) => Ok(Value::Utc(date.to_datetime(read_time(time).ok_or_else(wrong)?))),
            None => Ok(Value::Local(date.to_datetime(read_time(time).ok_or_else(wrong)?))),
        }
    }

    /// Returns the instant that it is, on the clocks of a zone unless it says UTC; a date is its first local time.
    pub(super) fn instant(self, zone: &Zone) -> Option<Timestamp> {
        match self {
            Value::Utc(at) => Offset::UTC.to_timestamp(at).ok(),
            Value::Date(date) => instant(date.to_datetime(Time::midnight()), zone),
            Value::Local(at) => instant(at, zone),
        }
    }
}

/// Returns the instant that a local time is: by the offset before the jump if it is skipped, the first one if it happens twice.
pub(super) fn instant(local: DateTime, zone: &Zone) -> Option<Timestamp> {
    Some(match zone.resolve(local)? {
        Local::Once(at) | Local::Skipped { by_offset_before: at, .. } | Local::Twice { first: at, .. } => at,
    })
}

fn read_date(text: &str) -> Option<Date> {
    let digits = digits(text, 8)?;
    Date::new(
        i16::try_from(digits / 10_000).ok()?,
        i8::try_from(digits / 100 % 100).ok()?,
        i8::try_from(digits % 100).ok()?,
    )
    .ok()
}

fn read_time(text: &str) -> Option<Time> {
    let digits = digits(text, 6)?;
    // A leap second is the second before it, as the standard says for clocks that have none.
    let second = i8::try_from(digits % 100).ok()?;
    let second = if second == 60 { 59 } else { second };
    Time::new(i8::try_from(digits / 10_000).ok()?, i8::try_from(digits / 100 % 100).ok()?, second, 0).ok()
}

fn digits(text: &str, count: usize) -> Option<u32> {
    (text.len() == count && text.bytes().all(|one| one.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}
