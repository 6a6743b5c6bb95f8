//! Cron: five fields, or six with the seconds first.
//!
//! Read `field` (what a field may say), `parse` (how a text becomes sets), then this.
//!
//! An expression whose hours, minutes and seconds are all plain (`30 2 * * *`) names times of day: one that the clocks skip fires at the first
//! instant after the jump, and one that happens twice fires at its first time only. An expression with a `*` or a step among them
//! (`*/30 * * * *`) is an interval: it fires whenever the clocks show such a time, so what is skipped does not fire and what happens twice fires
//! twice.

mod field;
mod parse;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::search::{Days, GaveUp, Looks, Times, next_instant, next_local, second_after};
use crate::zone::{Local, Zone};

/// A cron expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cron {
    times: Times,
    /// Whether it fires whenever the clocks show such a time.
    interval: bool,
    days: CronDays,
}

/// Which days a cron expression means.
#[derive(Debug, Clone, PartialEq, Eq)]
struct CronDays {
    /// Months, from 1.
    months: u64,
    /// None when the field is `*` or `?`.
    of_month: Option<OfMonth>,
    of_week: Option<OfWeek>,
}

/// Days of the month. If they and the days of the week are both given, either may fit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct OfMonth {
    /// Days, from 1.
    days: u64,
    /// Days before the last one: bit 0 is the last day itself.
    from_end: u64,
    /// Working days nearest to these days.
    near: u64,
    /// The last working day.
    last_working_day: bool,
}

/// Days of the week; Sunday is 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct OfWeek {
    days: u64,
    /// For the first to the fifth of a weekday in the month.
    nth: [u64; 5],
    last: u64,
}

impl Days for CronDays {
    fn month(&self, month: i8) -> bool {
        self.months >> month & 1 == 1
    }

    fn day(&self, date: Date) -> bool {
        self.month(date.month())
            && match (&self.of_month, &self.of_week) {
                (None, None) => true,
                (Some(month), None) => month.has(date),
                (None, Some(week)) => week.has(date),
                (Some(month), Some(week)) => month.has(date) || week.has(date),
            }
    }
}

impl OfMonth {
    fn has(&self, date: Date) -> bool {
        let (day, last) = (date.day(), date.days_in_month());
        if self.days >> day & 1 == 1 || self.from_end >> (last - day) & 1 == 1 {
            return true;
        }
        let weekday = date.weekday().to_monday_one_offset();
        if weekday > 5 {
            return false;
        }
        if self.last_working_day && (day == last || weekday == 5 && last - day <= 2) {
            return true;
        }
        let near = |day: i8| (1..=last).contains(&day) && self.near >> day & 1 == 1;
        // Saturdays move to the Friday before and Sundays to the Monday after, but never out of the month.
        near(day)
            || weekday == 5 && (near(day + 1) || day + 2 == last && near(last))
            || weekday == 1 && (near(day - 1) || day == 3 && near(1))
    }
}

impl OfWeek {
    fn has(&self, date: Date) -> bool {
        let weekday = date.weekday().to_sunday_zero_offset();
        let nth = usize::from(date.day().unsigned_abs() - 1) / 7;
        self.days >> weekday & 1 == 1
            || self.nth[nth] >> weekday & 1 == 1
            || self.last >> weekday & 1 == 1 && date.days_in_month() - date.day() < 7
    }
}

impl Cron {
    /// Returns the first firing after an instant.
    pub(crate) fn next_after(
        &self,
        zone: &Zone,
        after: Timestamp,
        looks: &mut Looks,
    ) -> Result<Option<Timestamp>, GaveUp> {
        let Some(from) = second_after(after) else { return Ok(None) };
        if self.interval {
            return next_instant(zone, &self.days, &self.times, from, looks);
        }
        let mut local = zone.local(from);
        // The second before `from` may lie before a jump of the clocks, `from` behind it: what was skipped between them is due.
        if let Ok(before) = Timestamp::from_second(from.as_second() - 1) {
            let next = zone.local(before).checked_add(jiff::SignedDuration::from_secs(1));
            local = next.map_or(local, |next| next.min(local));
        }
        loop {
            let Some(found) = next_local(&self.days, &self.times, local, looks)? else { return Ok(None) };
            let (instant, go_on) = match zone.resolve(found) {
                Some(Local::Once(instant)) => (instant, None),
                Some(Local::Skipped { gap_end, .. }) => (gap_end, None),
                Some(Local::Twice { first, fold_end }) => (first, Some(fold_end)),
                None => return Ok(None),
            };
            if instant > after {
                return Ok(Some(instant));
            }
            // Only its first time was meant, and that is over.
            let next = go_on.or_else(|| found.checked_add(jiff::SignedDuration::from_secs(1)).ok());
            let Some(next) = next else { return Ok(None) };
            local = next;
        }
    }
}
