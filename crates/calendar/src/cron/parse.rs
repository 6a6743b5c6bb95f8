//! How a text becomes a cron expression.

use jiff::civil::date;

use super::field::{DAYS, Field, HOURS, MINUTES, MONTHS, SECONDS, WEEKDAYS};
use super::{Cron, CronDays, OfMonth, OfWeek};
use crate::error::{InvalidExpression, check_length, quoted};
use crate::search::{ALL_24, Looks, Times, next_local};

/// The longest cron expression, in bytes.
const CRON_BYTES_MAX: usize = 1024;

const MACROS: &[(&str, &str)] = &[
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// A field's text and where it starts.
#[derive(Clone, Copy)]
struct Part<'a> {
    text: &'a str,
    byte: usize,
}

impl Cron {
    /// Reads five fields (minutes, hours, days of the month, months, days of the week), six with the seconds first, or a macro.
    pub(crate) fn parse(text: &str) -> Result<Cron, InvalidExpression> {
        check_length(text)?;
        let wrong = |byte: usize, what: String| InvalidExpression::new(text, byte, what);
        if text.len() > CRON_BYTES_MAX {
            return Err(wrong(0, format!("a cron expression has at most {CRON_BYTES_MAX} bytes")));
        }
        let word = text.trim_matches([' ', '\t']);
        if word.starts_with('@') {
            let known = MACROS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
            let (_, fields) = known.ok_or_else(|| wrong(0, unknown_macro(word)))?;
            return Cron::parse(fields);
        }
        let parts = split(text);
        let (seconds, rest) = match parts.as_slice() {
            rest if rest.len() == 5 => (None, rest),
            [seconds, rest @ ..] if rest.len() == 5 => (Some(*seconds), rest),
            parts => {
                let byte = parts.get(6).map_or(text.len(), |part| part.byte);
                return Err(wrong(
                    byte,
                    format!(
                        "a cron expression has 5 fields (minutes hours days months weekdays) or 6 (seconds first), this one has {}",
                        parts.len()
                    ),
                ));
            }
        };
        let &[minutes, hours, days, months, weekdays] = rest else { unreachable!("there are five") };
        let set = |field: Field, part: Part<'_>| {
            items(part).try_fold(0, |set, item| {
                field
                    .set(item.text)
                    .map(|more| set | more)
                    .map_err(|what| wrong(item.byte, refine(item.text, field, what)))
            })
        };
        let times = Times {
            seconds: seconds.map_or(Ok(1), |part| set(SECONDS, part))?,
            minutes: set(MINUTES, minutes)?,
            hours: set(HOURS, hours)?,
        };
        let clock = [seconds, Some(minutes), Some(hours)];
        let interval =
            times.hours == ALL_24 || clock.iter().flatten().any(|part| part.text.contains(['*', '/']));
        let of_month = match days.text {
            "*" | "?" => None,
            _ => Some(items(days).try_fold(OfMonth::default(), |days, item| {
                days.with(item.text).map_err(|what| wrong(item.byte, refine(item.text, DAYS, what)))
            })?),
        };
        let of_week = match weekdays.text {
            "*" | "?" => None,
            _ => Some(items(weekdays).try_fold(OfWeek::default(), |days, item| {
                days.with(item.text).map_err(|what| wrong(item.byte, refine(item.text, WEEKDAYS, what)))
            })?),
        };
        if let Some(week) = &of_week
            && week.days != 0
            && (week.last != 0 || week.nth != [0; 5])
        {
            let what = "days of the week with # or L do not stand beside plain ones, which mean every week: make it two schedules";
            return Err(wrong(weekdays.byte, what.to_owned()));
        }
        let cron =
            Cron { times, interval, days: CronDays { months: set(MONTHS, months)?, of_month, of_week } };
        let start = date(2000, 1, 1).at(0, 0, 0, 0);
        match next_local(&cron.days, &cron.times, start, &mut Looks::of_one_question()) {
            Ok(Some(_)) => Ok(cron),
            _ => {
                let what = format!("it never fires: no such month has a day {}", quoted(days.text));
                Err(wrong(days.byte, what))
            }
        }
    }
}

fn unknown_macro(word: &str) -> String {
    let known: Vec<&str> = MACROS.iter().map(|(name, _)| *name).collect();
    let known = known.join(", ");
    if word.to_ascii_lowercase().starts_with("@every") {
        return format!("{} is no cron expression: write a span as `every`; known are {known}", quoted(word));
    }
    format!("{} is not known: write one of {known}", quoted(word))
}

/// Says more where a letter stands in the wrong field.
fn refine(item: &str, field: Field, what: String) -> String {
    match item {
        "" => format!("the {} have an empty place: write a number between the commas", field.name),
        "?" if field == DAYS || field == WEEKDAYS => {
            format!("`?` stands alone among the {}: write `?` or a list", field.name)
        }
        "?" => format!("`?` means no days, and stands for none of the {}: write `*`", field.name),
        _ => what,
    }
}

/// Splits at spaces and tabs.
fn split(text: &str) -> Vec<Part<'_>> {
    pieces(text, 0, [' ', '\t']).filter(|part| !part.text.is_empty()).collect()
}

fn items(part: Part<'_>) -> impl Iterator<Item = Part<'_>> {
    pieces(part.text, part.byte, [',', ','])
}

fn pieces(text: &str, byte: usize, at: [char; 2]) -> impl Iterator<Item = Part<'_>> {
    let mut start = byte;
    text.split(at).map(move |text| {
        let part = Part { text, byte: start };
        start += text.len() + 1;
        part
    })
}

impl OfMonth {
    fn with(mut self, item: &str) -> Result<OfMonth, String> {
        let upper = item.to_ascii_uppercase();
        if upper == "LW" || upper == "WL" {
            self.last_working_day = true;
        } else if upper == "L" {
            self.from_end |= 1;
        } else if let Some(before) = upper.strip_prefix("L-") {
            let days = DAYS.number(before).ok().filter(|days| days.value <= 30);
            let days =
                days.ok_or_else(|| format!("{} is no day before the last: write L-1 to L-30", quoted(item)))?;
            self.from_end |= 1 << days.value;
        } else if let Some(near) = upper.strip_suffix('W').or(upper.strip_prefix('W')) {
            let day = DAYS.number(near);
            let day = day.map_err(|_| {
                format!("{} is no working day near a day: write 1W to 31W, or LW", quoted(item))
            })?;
            self.near |= 1 << day.value;
        } else {
            self.days |= DAYS.set(item)?;
        }
        Ok(self)
    }
}

impl OfWeek {
    fn with(mut self, item: &str) -> Result<OfWeek, String> {
        let upper = item.to_ascii_uppercase();
        let weekday = |text: &str| WEEKDAYS.number(text).map(|day| day.value % 7);
        if let Some((day, nth)) = upper.split_once('#') {
            let day = weekday(day)?;
            match nth {
                "L" => self.last |= 1 << day,
                "1" | "2" | "3" | "4" | "5" => {
                    self.nth[usize::from(nth.as_bytes()[0] - b'1')] |= 1 << day;
                }
                _ => {
                    return Err(format!(
                        "{} names no week of the month: write #1 to #5, or #L for the last",
                        quoted(item)
                    ));
                }
            }
        } else if let Some(day) = upper.strip_suffix('L').or(upper.strip_prefix('L')) {
            let day = weekday(day);
            let day = day.map_err(|_| {
                format!("{} names no last day of a month: write 5L or FRIL for its last Friday", quoted(item))
            })?;
            self.last |= 1 << day;
        } else {
            self.days |= WEEKDAYS.set(item)?;
        }
        Ok(self)
    }
}
