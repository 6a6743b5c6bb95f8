//! Rules of `HOURLY`, `MINUTELY` and `SECONDLY`: steps of elapsed time, kept where the local time fits.

use jiff::{SignedDuration, Timestamp};

use super::by::{ByDays, Frequency};
use super::periods::kept;
use crate::search::{ALL_24, ALL_60, GaveUp, Looks, Times, members, next_instant, second_after};
use crate::zone::Zone;

/// A rule whose periods are hours or shorter, in elapsed time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Steps {
    pub(super) frequency: Frequency,
    /// Whole seconds from one step to the next.
    pub(super) step_s: i64,
    pub(super) start: Timestamp,
    pub(super) days: ByDays,
    /// Which local times keep a step; all of what is shorter than a period.
    pub(super) kept: Times,
    /// Which minutes and seconds of a period there are; those of the step itself unless given.
    pub(super) minutes: Option<u64>,
    pub(super) seconds: Option<u64>,
    pub(super) positions: Vec<i16>,
}

impl Steps {
    /// Whether every step is one occurrence.
    fn plain(&self) -> bool {
        let all = Times { hours: ALL_24, minutes: ALL_60, seconds: ALL_60 };
        self.kept == all
            && self.days.is_every_day()
            && self.minutes.is_none()
            && self.seconds.is_none()
            && self.positions.is_empty()
    }

    /// Whether the positions keep nothing of any period: each has as many occurrences as the others.
    fn keeps_nothing(&self) -> bool {
        let count = |set: Option<u64>| set.map_or(1, |set| set.count_ones() as usize);
        !self.positions.is_empty()
            && kept(&self.positions, count(self.minutes) * count(self.seconds)).is_empty()
    }

    /// Returns the first occurrence after an instant; none if there is none, ever.
    pub(super) fn next_after(
        &self,
        zone: &Zone,
        after: Timestamp,
        looks: &mut Looks,
    ) -> Result<Option<Timestamp>, GaveUp> {
        let Some(from) = second_after(after).filter(|_| !self.keeps_nothing()) else { return Ok(None) };
        // The occurrences of a period may lie behind its step.
        let mut step = self.step_at_or_after(from.as_second().saturating_sub(self.period_s()));
        loop {
            let Some((number, at)) = self.kept_step(zone, step, looks)? else { return Ok(None) };
            let mut found = None;
            self.occurrences(zone, at, |one| {
                if found.is_none() && one > after && one >= self.start {
                    found = Some(one);
                }
            });
            if found.is_some() {
                return Ok(found);
            }
            step = number + 1;
        }
    }

    /// Returns the `count`-th occurrence, from one; none if there are fewer.
    pub(super) fn nth(
        &self,
        zone: &Zone,
        count: u32,
        looks: &mut Looks,
    ) -> Result<Option<Timestamp>, GaveUp> {
        if self.plain() {
            return Ok(self.step(i64::from(count) - 1));
        }
        if self.keeps_nothing() {
            return Ok(None);
        }
        let (mut left, mut step) = (count, 0);
        loop {
            let Some((number, at)) = self.kept_step(zone, step, looks)? else { return Ok(None) };
            let mut found = None;
            self.occurrences(zone, at, |one| {
                if left > 0 && one >= self.start {
                    left -= 1;
                    if left == 0 {
                        found = Some(one);
                    }
                }
            });
            if found.is_some() {
                return Ok(found);
            }
            step = number + 1;
        }
    }

    /// How far behind a step its period may reach, in seconds.
    fn period_s(&self) -> i64 {
        match self.frequency {
            Frequency::Secondly => 0,
            Frequency::Minutely => 60,
            _ => 3600,
        }
    }

    fn step(&self, number: i64) -> Option<Timestamp> {
        let ahead = number.checked_mul(self.step_s)?;
        self.start.checked_add(SignedDuration::from_secs(ahead)).ok()
    }

    fn step_at_or_after(&self, second: i64) -> i64 {
        let since = second.saturating_sub(self.start.as_second()).max(0);
        since / self.step_s + i64::from(since % self.step_s != 0)
    }

    /// Returns the first step from a number on whose local time fits.
    fn kept_step(
        &self,
        zone: &Zone,
        mut number: i64,
        looks: &mut Looks,
    ) -> Result<Option<(i64, Timestamp)>, GaveUp> {
        loop {
            looks.look()?;
            let Some(at) = self.step(number) else { return Ok(None) };
            let Some(fits) = next_instant(zone, &self.days, &self.kept, at, looks)? else { return Ok(None) };
            if fits == at {
                return Ok(Some((number, at)));
            }
            // Later than `at`, so this is a later step.
            number = self.step_at_or_after(fits.as_second());
        }
    }

    /// Tells the occurrences of the period that a step is in, rising.
    fn occurrences(&self, zone: &Zone, at: Timestamp, mut tell: impl FnMut(Timestamp)) {
        let local = zone.local(at);
        let one = |number: i8| 1u64 << number;
        let minutes = match self.frequency {
            Frequency::Hourly => self.minutes.unwrap_or(one(local.minute())),
            _ => one(local.minute()),
        };
        let seconds = match self.frequency {
            Frequency::Secondly => one(local.second()),
            _ => self.seconds.unwrap_or(one(local.second())),
        };
        let count = (minutes.count_ones() * seconds.count_ones()) as usize;
        let positions = (!self.positions.is_empty()).then(|| kept(&self.positions, count));
        let into = i64::from(local.minute()) * 60 + i64::from(local.second());
        let all = members(minutes).flat_map(|minute| members(seconds).map(move |second| (minute, second)));
        for (number, (minute, second)) in all.enumerate() {
            if positions.as_ref().is_some_and(|positions| positions.binary_search(&number).is_err()) {
                continue;
            }
            let ahead = i64::from(minute) * 60 + i64::from(second) - into;
            let Ok(occurrence) = at.checked_add(SignedDuration::from_secs(ahead)) else { return };
            // The clocks may change within an hour: then this time of it is not there.
            let there = zone.local(occurrence);
            if (there.hour(), there.minute(), there.second()) == (local.hour(), minute, second) {
                tell(occurrence);
            }
        }
    }
}

impl ByDays {
    /// Whether every day fits.
    fn is_every_day(&self) -> bool {
        self.months == super::parse::ALL_MONTHS
            && self.weeks.is_empty()
            && self.year_days.is_empty()
            && self.month_days.is_empty()
            && self.weekdays.is_none()
            && self.nth_weekdays.is_empty()
    }
}
