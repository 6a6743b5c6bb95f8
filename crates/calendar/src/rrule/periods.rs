//! Rules of `DAILY`, `WEEKLY`, `MONTHLY` and `YEARLY`: periods of days, each with its occurrences.

use jiff::Span;
use jiff::civil::{Date, DateTime, Time};

use super::by::{ByDays, Frequency};
use crate::search::{Days as _, GaveUp, Looks, Times, members};

/// A rule whose periods are days or longer, in local time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Periods {
    pub(super) frequency: Frequency,
    pub(super) interval: i64,
    pub(super) start: DateTime,
    pub(super) days: ByDays,
    pub(super) times: Times,
    /// Which occurrences of a period are kept; all unless given.
    pub(super) positions: Vec<i16>,
}

/// The occurrences of one period: days, each with the same times of day.
pub(super) struct Period<'a> {
    rule: &'a Periods,
    days: Vec<Date>,
    /// What the positions keep, as numbers of occurrences, rising. None keeps all.
    kept: Option<Vec<usize>>,
}

impl Periods {
    /// Returns after how many periods without an occurrence there is none any more: the calendar repeats after 400 years.
    fn periods_in_cycle(&self) -> i64 {
        match self.frequency {
            Frequency::Yearly => 400,
            Frequency::Monthly => 4_800,
            Frequency::Weekly => 20_871,
            _ => 146_097,
        }
    }

    /// Returns the number of the period that a local time is in, or of the one before it in the rule.
    fn number_at(&self, at: DateTime) -> i64 {
        let (from, to) = (self.start.date(), at.date());
        let days = |from: Date, to: Date| to.duration_since(from).as_hours() / 24;
        let units = match self.frequency {
            Frequency::Yearly => i64::from(to.year()) - i64::from(from.year()),
            Frequency::Monthly => {
                (i64::from(to.year()) - i64::from(from.year())) * 12 + i64::from(to.month())
                    - i64::from(from.month())
            }
            Frequency::Weekly => self.week_of(from).map_or(0, |from| days(from, to).div_euclid(7)),
            _ => days(from, to),
        };
        units.div_euclid(self.interval).max(0)
    }

    fn week_of(&self, date: Date) -> Option<Date> {
        date.checked_sub(Span::new().days(date.weekday().since(self.days.week_start))).ok()
    }

    /// Returns a period; none beyond the calendar.
    pub(super) fn period(&self, number: i64, looks: &mut Looks) -> Result<Option<Period<'_>>, GaveUp> {
        let Some((first, last)) = self.bounds(number) else { return Ok(None) };
        let mut days = Vec::new();
        let mut date = first;
        while date <= last {
            looks.look()?;
            let possible = self.days.month(date.month());
            if possible && self.days.day(date) {
                days.push(date);
            }
            let next = if possible { date.tomorrow() } else { date.last_of_month().tomorrow() };
            let Ok(next) = next else { break };
            date = next;
        }
        let kept = self.kept(days.len());
        Ok(Some(Period { rule: self, days, kept }))
    }

    fn bounds(&self, number: i64) -> Option<(Date, Date)> {
        let units = number.checked_mul(self.interval)?;
        let start = self.start.date();
        Some(match self.frequency {
            Frequency::Yearly => {
                let year = i16::try_from(i64::from(start.year()).checked_add(units)?).ok()?;
                (Date::new(year, 1, 1).ok()?, Date::new(year, 12, 31).ok()?)
            }
            Frequency::Monthly => {
                let months =
                    (i64::from(start.year()) * 12 + i64::from(start.month()) - 1).checked_add(units)?;
                let year = i16::try_from(months.div_euclid(12)).ok()?;
                let first = Date::new(year, i8::try_from(months.rem_euclid(12)).ok()? + 1, 1).ok()?;
                (first, first.last_of_month())
            }
            Frequency::Weekly => {
                let first = later(self.week_of(start)?, units.checked_mul(7)?)?;
                (first, later(first, 6).unwrap_or(Date::MAX))
            }
            _ => {
                let day = later(start, units)?;
                (day, day)
            }
        })
    }

    fn kept(&self, days: usize) -> Option<Vec<usize>> {
        if self.positions.is_empty() {
            return None;
        }
        let count = days * times_count(&self.times);
        Some(kept(&self.positions, count))
    }

    /// Returns the first occurrence that is not before a local time of whole seconds; none if there is none, ever.
    pub(super) fn next(&self, from: DateTime, looks: &mut Looks) -> Result<Option<DateTime>, GaveUp> {
        let from = from.max(self.start);
        let first = self.number_at(from);
        for number in first..=first.saturating_add(self.periods_in_cycle()) {
            let Some(period) = self.period(number, looks)? else { return Ok(None) };
            if let Some(found) = period.at_or_after(from) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Returns the `count`-th occurrence, from one; none if there are fewer.
    pub(super) fn nth(&self, count: u32, looks: &mut Looks) -> Result<Option<DateTime>, GaveUp> {
        let mut left = usize::try_from(count).unwrap_or(usize::MAX);
        let mut empty = 0;
        let mut number = 0;
        while empty <= self.periods_in_cycle() {
            let Some(period) = self.period(number, looks)? else { return Ok(None) };
            let before = if number == 0 { period.before(self.start) } else { 0 };
            let here = period.count() - before;
            if here >= left {
                return Ok(period.occurrence(before + left - 1));
            }
            left -= here;
            empty = if here == 0 { empty + 1 } else { 0 };
            number += 1;
        }
        Ok(None)
    }
}

fn later(date: Date, days: i64) -> Option<Date> {
    let span = Span::new().try_days(days).ok()?;
    date.checked_add(span).ok()
}

fn times_count(times: &Times) -> usize {
    let count = times.hours.count_ones() * times.minutes.count_ones() * times.seconds.count_ones();
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// Returns which of `count` occurrences the positions keep, as numbers from zero, rising, each once.
pub(super) fn kept(positions: &[i16], count: usize) -> Vec<usize> {
    if count == 0 {
        return Vec::new();
    }
    let mut kept: Vec<usize> = positions
        .iter()
        .filter_map(|position| match usize::from(position.unsigned_abs()) {
            from_end if *position < 0 => count.checked_sub(from_end),
            from_start => from_start.checked_sub(1).filter(|at| *at < count),
        })
        .collect();
    kept.sort_unstable();
    kept.dedup();
    kept
}

impl Period<'_> {
    /// How many occurrences it has.
    fn count(&self) -> usize {
        self.kept.as_ref().map_or(self.days.len() * times_count(&self.rule.times), Vec::len)
    }

    /// How many of them lie before a local time.
    fn before(&self, at: DateTime) -> usize {
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = low.midpoint(high);
            match self.occurrence(middle) {
                Some(one) if one < at => low = middle + 1,
                _ => high = middle,
            }
        }
        low
    }

    /// Returns the first occurrence that is not before a local time.
    fn at_or_after(&self, from: DateTime) -> Option<DateTime> {
        self.occurrence(self.before(from))
    }

    /// Returns the occurrence of a number from zero.
    fn occurrence(&self, number: usize) -> Option<DateTime> {
        let at = match &self.kept {
            Some(kept) => *kept.get(number)?,
            None => number,
        };
        let per_day = times_count(&self.rule.times);
        let day = self.days.get(at / per_day)?;
        Some(day.to_datetime(time_at(&self.rule.times, at % per_day)?))
    }
}

fn time_at(times: &Times, at: usize) -> Option<Time> {
    let (minutes, seconds) = (times.minutes.count_ones() as usize, times.seconds.count_ones() as usize);
    let hour = members(times.hours).nth(at / (minutes * seconds))?;
    let minute = members(times.minutes).nth(at / seconds % minutes)?;
    let second = members(times.seconds).nth(at % seconds)?;
    Time::new(hour, minute, second, 0).ok()
}
