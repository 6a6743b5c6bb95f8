//! Which days a rule keeps.

use jiff::civil::{Date, Weekday};

use crate::search::Days;

/// How often a rule's periods follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Frequency {
    Secondly,
    Minutely,
    Hourly,
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// What the `BY…` parts say about days. Each part that is given must fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ByDays {
    /// Months from 1; all of them unless given.
    pub(super) months: u64,
    /// From the start of the year, or below zero from its end.
    pub(super) weeks: Vec<i16>,
    pub(super) year_days: Vec<i16>,
    pub(super) month_days: Vec<i16>,
    /// Weekdays, Monday is 0. None unless given.
    pub(super) weekdays: Option<u64>,
    /// The nth of a weekday, or below zero the nth from the end.
    pub(super) nth_weekdays: Vec<(i16, Weekday)>,
    /// Whether the nth counts within the month rather than the year.
    pub(super) nth_in_month: bool,
    /// The first day of a week.
    pub(super) week_start: Weekday,
}

impl Days for ByDays {
    fn month(&self, month: i8) -> bool {
        self.months >> month & 1 == 1
    }

    fn day(&self, date: Date) -> bool {
        self.month(date.month())
            && fits(&self.month_days, date.day().into(), date.days_in_month().into())
            && fits(&self.year_days, date.day_of_year(), date.days_in_year())
            && self.weekday(date)
            && self.week(date)
    }
}

/// Returns whether a list is empty or has a number, counted from the start or from the end.
fn fits(list: &[i16], number: i16, last: i16) -> bool {
    list.is_empty() || list.iter().any(|one| *one == number || *one == number - last - 1)
}

impl ByDays {
    fn weekday(&self, date: Date) -> bool {
        if self.weekdays.is_none() && self.nth_weekdays.is_empty() {
            return true;
        }
        let weekday = date.weekday();
        if self.weekdays.unwrap_or(0) >> weekday.to_monday_zero_offset() & 1 == 1 {
            return true;
        }
        let (number, last) = match self.nth_in_month {
            true => (i16::from(date.day()), i16::from(date.days_in_month())),
            false => (date.day_of_year(), date.days_in_year()),
        };
        let (nth, from_end) = ((number - 1) / 7 + 1, -((last - number) / 7 + 1));
        self.nth_weekdays.iter().any(|(one, day)| *day == weekday && (*one == nth || *one == from_end))
    }

    fn week(&self, date: Date) -> bool {
        if self.weeks.is_empty() {
            return true;
        }
        // A week belongs to the year that has its fourth day.
        let into = i64::from(date.weekday().since(self.week_start));
        let Ok(fourth) = date.checked_add(jiff::Span::new().days(3 - into)) else { return false };
        let number = (fourth.day_of_year() - 1) / 7 + 1;
        let weeks = number + (fourth.days_in_year() - fourth.day_of_year()) / 7;
        fits(&self.weeks, number, weeks)
    }
}
