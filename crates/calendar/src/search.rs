//! The next local time that fits: days by a rule, times of day by three sets.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};

use crate::zone::Zone;

/// The most days and steps one question looks at. All days of 400 years, after which the calendar repeats, are 146,097.
pub const LOOKS_MAX: u32 = 500_000;

/// Days after which the calendar repeats: 400 years.
const CYCLE_DAYS: u32 = 146_097;

/// The bound of a search was reached before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GaveUp;

/// What a search may still look at.
#[derive(Debug)]
pub(crate) struct Looks(u32);

impl Looks {
    /// Returns what one question may look at.
    pub(crate) fn of_one_question() -> Looks {
        Looks(LOOKS_MAX)
    }

    /// Returns what may be looked at this often.
    pub(crate) fn new(looks: u32) -> Looks {
        Looks(looks)
    }

    /// Takes one.
    pub(crate) fn look(&mut self) -> Result<(), GaveUp> {
        self.0 = self.0.checked_sub(1).ok_or(GaveUp)?;
        Ok(())
    }
}

/// Which days fit.
pub(crate) trait Days {
    /// Returns whether any day of this month can fit.
    fn month(&self, month: i8) -> bool;
    /// Returns whether this day fits.
    fn day(&self, date: Date) -> bool;
}

/// Times of day: every combination of an hour, a minute and a second. No set is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) hours: u64,
    pub(crate) minutes: u64,
    pub(crate) seconds: u64,
}

/// All hours of a day.
pub(crate) const ALL_24: u64 = (1 << 24) - 1;
/// All minutes of an hour, or seconds of a minute.
pub(crate) const ALL_60: u64 = (1 << 60) - 1;

/// Returns the lowest member of a set that is not below a number.
fn lowest(set: u64, from: i8) -> Option<i8> {
    let rest = if from >= 64 { 0 } else { set >> from << from };
    (rest != 0).then(|| i8::try_from(rest.trailing_zeros()).expect("below 64"))
}

/// Returns the members of a set, rising.
pub(crate) fn members(set: u64) -> impl Iterator<Item = i8> {
    (0..64i8).filter(move |one| set >> one & 1 == 1)
}

impl Times {
    /// Returns the first time of day that is not before this one.
    pub(crate) fn at_or_after(&self, from: Time) -> Option<Time> {
        let hour = lowest(self.hours, from.hour())?;
        if hour > from.hour() {
            return Some(self.first_of(hour));
        }
        let after_hour = || lowest(self.hours, hour + 1).map(|hour| self.first_of(hour));
        let Some(minute) = lowest(self.minutes, from.minute()) else { return after_hour() };
        if minute > from.minute() {
            return Some(clock(hour, minute, lowest(self.seconds, 0)?));
        }
        match lowest(self.seconds, from.second()) {
            Some(second) => Some(clock(hour, minute, second)),
            None => match lowest(self.minutes, minute + 1) {
                Some(minute) => Some(clock(hour, minute, lowest(self.seconds, 0)?)),
                None => after_hour(),
            },
        }
    }

    /// Returns the first time of day.
    pub(crate) fn first(&self) -> Time {
        self.first_of(lowest(self.hours, 0).unwrap_or(0))
    }

    fn first_of(&self, hour: i8) -> Time {
        clock(hour, lowest(self.minutes, 0).unwrap_or(0), lowest(self.seconds, 0).unwrap_or(0))
    }
}

fn clock(hour: i8, minute: i8, second: i8) -> Time {
    Time::new(hour, minute, second, 0).expect("the sets hold hours, minutes and seconds")
}

/// Returns the first local time that fits and is not before `from`, which has whole seconds; none if there is none, ever.
pub(crate) fn next_local(
    days: &impl Days,
    times: &Times,
    from: DateTime,
    looks: &mut Looks,
) -> Result<Option<DateTime>, GaveUp> {
    let mut date = from.date();
    looks.look()?;
    if days.month(date.month())
        && days.day(date)
        && let Some(time) = times.at_or_after(from.time())
    {
        return Ok(Some(date.to_datetime(time)));
    }
    let mut days_seen = 0;
    while days_seen <= CYCLE_DAYS {
        looks.look()?;
        let next = if days.month(date.month()) { date.tomorrow() } else { date.last_of_month().tomorrow() };
        let Ok(next) = next else { return Ok(None) };
        days_seen += if days.month(date.month()) {
            1
        } else {
            u32::from(date.last_of_month().day().unsigned_abs() - date.day().unsigned_abs()) + 1
        };
        date = next;
        if days.month(date.month()) && days.day(date) {
            return Ok(Some(date.to_datetime(times.first())));
        }
    }
    Ok(None)
}

/// Returns the first instant from `from` on, which has whole seconds, at which the local time fits. Nothing fits within a jump of the clocks, and
/// what happens twice fits twice.
pub(crate) fn next_instant(
    zone: &Zone,
    days: &impl Days,
    times: &Times,
    from: Timestamp,
    looks: &mut Looks,
) -> Result<Option<Timestamp>, GaveUp> {
    let mut at = from;
    loop {
        let stretch = zone.stretch(at);
        let found = next_local(days, times, stretch.offset.to_datetime(at), looks)?;
        let instant = found.and_then(|found| stretch.offset.to_timestamp(found).ok());
        match (instant, stretch.until) {
            (Some(instant), Some(until)) if instant >= until => at = until,
            (instant, _) => return Ok(instant),
        }
    }
}

/// Returns the first whole second after an instant.
pub(crate) fn second_after(after: Timestamp) -> Option<Timestamp> {
    // `as_second` rounds towards 1970; this rounds down.
    let floor = after.as_second() - i64::from(after.subsec_nanosecond() < 0);
    Timestamp::from_second(floor.checked_add(1)?).ok()
}
