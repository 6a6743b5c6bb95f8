//! How the value of an `RRULE` becomes a rule.

use jiff::Timestamp;
use jiff::civil::{DateTime, Weekday};

use super::COUNT_MAX;
use super::by::{ByDays, Frequency};
use super::lines::Line;
use super::periods::Periods;
use super::rule::{End, Rule, Shape};
use super::steps::Steps;
use super::value::Value;
use crate::error::{InvalidExpression, quoted};
use crate::search::{ALL_24, ALL_60, Times};
use crate::zone::Zone;

/// All months, from 1.
pub(super) const ALL_MONTHS: u64 = 0b1_1111_1111_1110;

/// Where a rule starts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    pub(super) local: DateTime,
    pub(super) instant: Timestamp,
    /// Whether it is a date, without a time.
    pub(super) date_only: bool,
}

/// What the parts of a rule say, as they are read.
#[derive(Debug, Default)]
struct Parts {
    frequency: Option<Frequency>,
    interval: Option<u32>,
    count: Option<u32>,
    until: Option<Timestamp>,
    week_start: Option<Weekday>,
    seconds: Option<u64>,
    minutes: Option<u64>,
    hours: Option<u64>,
    weekdays: Option<u64>,
    nth_weekdays: Vec<(i16, Weekday)>,
    month_days: Vec<i16>,
    year_days: Vec<i16>,
    weeks: Vec<i16>,
    months: Option<u64>,
    positions: Vec<i16>,
}

impl Rule {
    /// Reads an `RRULE` that starts there, on the clocks of a zone.
    pub(super) fn read(
        text: &str,
        line: &Line,
        start: &Start,
        zone: &Zone,
    ) -> Result<Rule, InvalidExpression> {
        let mut parts = Parts::default();
        let mut seen: Vec<String> = Vec::new();
        let mut byte = line.value_byte;
        for part in line.value.split(';') {
            let wrong = |what: String| InvalidExpression::new(text, byte, what);
            let (name, value) = part.split_once('=').ok_or_else(|| {
                wrong(format!(
                    "{} is no part of a rule: write NAME=VALUE, as in FREQ=DAILY;INTERVAL=2",
                    quoted(part)
                ))
            })?;
            let name = name.trim().to_ascii_uppercase();
            if seen.contains(&name) {
                return Err(wrong(format!("{name} is there twice: write it once")));
            }
            parts.read(&name, value.trim(), zone).map_err(wrong)?;
            seen.push(name);
            byte += part.len() + 1;
        }
        let wrong = |what: String| InvalidExpression::new(text, line.value_byte, what);
        parts.check().map_err(wrong)?;
        let frequency =
            parts.frequency.ok_or_else(|| wrong(format!("there is no FREQ: {FREQUENCY_HINT}")))?;
        let (count, until) = (parts.count, parts.until);
        let shape = parts.shape(frequency, start);
        let end = match (count, until) {
            (Some(count), _) => Rule::counted(&shape, zone, count).map_err(|_| {
                wrong("COUNT reaches further than can be worked out: write UNTIL=… instead".to_owned())
            })?,
            (None, Some(until)) => End::Until(until),
            (None, None) => End::Never,
        };
        Ok(Rule { shape, end })
    }
}

const FREQUENCY_HINT: &str = "write FREQ=YEARLY, MONTHLY, WEEKLY, DAILY, HOURLY, MINUTELY or SECONDLY";

impl Parts {
    fn read(&mut self, name: &str, value: &str, zone: &Zone) -> Result<(), String> {
        match name {
            "FREQ" => self.frequency = Some(frequency(value)?),
            "INTERVAL" => self.interval = Some(positive(name, value, u32::MAX)?),
            "COUNT" => self.count = Some(positive(name, value, COUNT_MAX)?),
            "UNTIL" => {
                let until = Value::parse(value)?.instant(zone);
                self.until = Some(until.ok_or("UNTIL is beyond the years -9999 to 9999")?);
            }
            "WKST" => self.week_start = Some(weekday(value).ok_or_else(|| no_weekday(value))?),
            // A leap second is the second before it, as the standard says for clocks that have none.
            "BYSECOND" => {
                self.seconds = Some(set(name, value, 0, 60)?).map(|set| set & ALL_60 | (set >> 60 & 1) << 59)
            }
            "BYMINUTE" => self.minutes = Some(set(name, value, 0, 59)?),
            "BYHOUR" => self.hours = Some(set(name, value, 0, 23)?),
            "BYMONTH" => self.months = Some(set(name, value, 1, 12)?),
            "BYMONTHDAY" => self.month_days = list(name, value, 31)?,
            "BYYEARDAY" => self.year_days = list(name, value, 366)?,
            "BYWEEKNO" => self.weeks = list(name, value, 53)?,
            "BYSETPOS" => self.positions = list(name, value, 366)?,
            "BYDAY" => self.read_weekdays(value)?,
            _ => {
                return Err(format!(
                    "{} is no part of a rule: known are FREQ, INTERVAL, COUNT, UNTIL, WKST, BYSECOND, BYMINUTE, BYHOUR, BYDAY, BYMONTHDAY, BYYEARDAY, BYWEEKNO, BYMONTH and BYSETPOS",
                    quoted(name)
                ));
            }
        }
        Ok(())
    }

    fn read_weekdays(&mut self, value: &str) -> Result<(), String> {
        for item in value.split(',').map(str::trim) {
            let split = item.char_indices().rev().nth(1).map_or(0, |(at, _)| at);
            let (nth, day) = item.split_at(split);
            let day = weekday(day).ok_or_else(|| no_weekday(item))?;
            if nth.is_empty() {
                *self.weekdays.get_or_insert(0) |= 1 << day.to_monday_zero_offset();
                continue;
            }
            let nth = number("BYDAY", nth, 53)?;
            if !self.nth_weekdays.contains(&(nth, day)) {
                self.nth_weekdays.push((nth, day));
            }
        }
        Ok(())
    }

    /// Refuses parts that do not go together.
    fn check(&self) -> Result<(), String> {
        if self.count.is_some() && self.until.is_some() {
            return Err("COUNT and UNTIL both say where the rule ends: write one of them".to_owned());
        }
        let long = matches!(self.frequency, Some(Frequency::Monthly | Frequency::Yearly) | None);
        if !self.nth_weekdays.is_empty() && !long {
            return Err("a number before a weekday counts within a month or a year: write FREQ=MONTHLY or YEARLY, or the weekday alone".to_owned());
        }
        if !self.nth_weekdays.is_empty() && !self.weeks.is_empty() {
            return Err(
                "a number before a weekday does not go with BYWEEKNO: write the weekday alone".to_owned()
            );
        }
        Ok(())
    }

    fn shape(self, frequency: Frequency, start: &Start) -> Shape {
        let mut days = ByDays {
            months: self.months.unwrap_or(ALL_MONTHS),
            weeks: self.weeks,
            year_days: self.year_days,
            month_days: self.month_days,
            weekdays: self.weekdays,
            nth_weekdays: self.nth_weekdays,
            nth_in_month: frequency == Frequency::Monthly || self.months.is_some(),
            week_start: self.week_start.unwrap_or(Weekday::Monday),
        };
        let interval = i64::from(self.interval.unwrap_or(1));
        let step = match frequency {
            Frequency::Secondly => Some(1),
            Frequency::Minutely => Some(60),
            Frequency::Hourly => Some(3600),
            _ => None,
        };
        if let Some(seconds) = step {
            let (hourly, secondly) = (frequency == Frequency::Hourly, frequency == Frequency::Secondly);
            return Shape::Steps(Steps {
                frequency,
                step_s: interval * seconds,
                start: start.instant,
                days,
                kept: Times {
                    hours: self.hours.unwrap_or(ALL_24),
                    minutes: self.minutes.filter(|_| !hourly).unwrap_or(ALL_60),
                    seconds: self.seconds.filter(|_| secondly).unwrap_or(ALL_60),
                },
                minutes: self.minutes.filter(|_| hourly),
                seconds: self.seconds.filter(|_| !secondly),
                positions: self.positions,
            });
        }
        let said = !days.weeks.is_empty()
            || !days.year_days.is_empty()
            || !days.month_days.is_empty()
            || days.weekdays.is_some()
            || !days.nth_weekdays.is_empty();
        if !said {
            // What the rule leaves open, the start says.
            match frequency {
                Frequency::Yearly => {
                    if self.months.is_none() {
                        days.months = 1 << start.local.month();
                    }
                    days.month_days.push(start.local.day().into());
                }
                Frequency::Monthly => days.month_days.push(start.local.day().into()),
                Frequency::Weekly => days.weekdays = Some(1 << start.local.weekday().to_monday_zero_offset()),
                _ => {}
            }
        }
        Shape::Periods(Periods {
            frequency,
            interval,
            start: start.local,
            days,
            times: Times {
                hours: self.hours.unwrap_or(1 << start.local.hour()),
                minutes: self.minutes.unwrap_or(1 << start.local.minute()),
                seconds: self.seconds.unwrap_or(1 << start.local.second()),
            },
            positions: self.positions,
        })
    }
}

fn frequency(text: &str) -> Result<Frequency, String> {
    Ok(match text.to_ascii_uppercase().as_str() {
        "SECONDLY" => Frequency::Secondly,
        "MINUTELY" => Frequency::Minutely,
        "HOURLY" => Frequency::Hourly,
        "DAILY" => Frequency::Daily,
        "WEEKLY" => Frequency::Weekly,
        "MONTHLY" => Frequency::Monthly,
        "YEARLY" => Frequency::Yearly,
        _ => return Err(format!("{} is no frequency: {FREQUENCY_HINT}", quoted(text))),
    })
}

fn weekday(text: &str) -> Option<Weekday> {
    const DAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
    let at = DAYS.iter().position(|day| day.eq_ignore_ascii_case(text))?;
    Weekday::from_monday_zero_offset(i8::try_from(at).ok()?).ok()
}

fn no_weekday(text: &str) -> String {
    format!(
        "{} is no weekday: write MO, TU, WE, TH, FR, SA or SU, or 1MO and -1FR for the first Monday and the last Friday",
        quoted(text)
    )
}

fn positive(name: &str, text: &str, max: u32) -> Result<u32, String> {
    let number = text.bytes().all(|one| one.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    number
        .filter(|number| (1..=max).contains(number))
        .ok_or_else(|| format!("{} is not for {name}: write a number from 1 to {max}", quoted(text)))
}

/// Reads a number that counts from the start, or below zero from the end.
fn number(name: &str, text: &str, max: i16) -> Result<i16, String> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|one| one.is_ascii_digit());
    let number = plain.then(|| text.parse::<i16>().ok()).flatten();
    number.filter(|number| *number != 0 && number.unsigned_abs() <= max.unsigned_abs()).ok_or_else(|| {
        format!("{} is not for {name}: write 1 to {max}, or -1 to -{max} from the end", quoted(text))
    })
}

fn list(name: &str, text: &str, max: i16) -> Result<Vec<i16>, String> {
    let mut list: Vec<i16> =
        text.split(',').map(|item| number(name, item.trim(), max)).collect::<Result<_, _>>()?;
    list.sort_unstable();
    list.dedup();
    Ok(list)
}

fn set(name: &str, text: &str, min: u8, max: u8) -> Result<u64, String> {
    text.split(',').map(str::trim).try_fold(0, |set, item| {
        let plain = !item.is_empty() && item.bytes().all(|one| one.is_ascii_digit());
        let number = plain.then(|| item.parse::<u8>().ok()).flatten();
        let number = number.filter(|number| (min..=max).contains(number));
        let number =
            number.ok_or_else(|| format!("{} is not for {name}: write {min} to {max}", quoted(item)))?;
        Ok(set | 1u64 << number)
    })
}
