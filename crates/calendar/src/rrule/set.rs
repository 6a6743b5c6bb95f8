//! A set of times: rules, added times, and times taken out.

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};

use super::RULES_MAX;
use super::lines::{self, Line, Name};
use super::parse::Start;
use super::rule::Rule;
use super::value::{self, Value};
use crate::error::{InvalidExpression, check_length};
use crate::search::{GaveUp, Looks};
use crate::zone::Zone;

/// A recurrence set of RFC 5545.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Set {
    rules: Vec<Rule>,
    /// Rising, each once.
    added: Vec<Timestamp>,
    taken_out: Vec<Timestamp>,
}

impl Set {
    /// Reads a set, and returns the zone it is in: that of its `DTSTART` if it says one.
    pub(crate) fn parse(text: &str, zone: &Zone, start: Timestamp) -> Result<(Set, Zone), InvalidExpression> {
        check_length(text)?;
        let lines = lines::read(text)?;
        let mut starts = lines.iter().filter(|line| line.name == Name::Start);
        let first = starts.next();
        if let Some(second) = starts.next() {
            return Err(InvalidExpression::new(text, second.byte, "there is a second DTSTART: write one"));
        }
        let (start, zone) = match first {
            Some(line) => Start::read(text, line, zone)?,
            None => (Start::at(zone.local(start), zone), zone.clone()),
        };
        let start = start.ok_or_else(|| out_of_range(text, first))?;
        let mut set = Set { rules: Vec::new(), added: Vec::new(), taken_out: Vec::new() };
        for line in &lines {
            match line.name {
                Name::Start => {}
                Name::Rule if set.rules.len() == RULES_MAX => {
                    let what = format!("there are more than {RULES_MAX} rules: make it several schedules");
                    return Err(InvalidExpression::new(text, line.byte, what));
                }
                Name::Rule => set.rules.push(Rule::read(text, line, &start, &zone)?),
                Name::Added => read_times(text, line, &start, &zone, &mut set.added)?,
                Name::TakenOut => read_times(text, line, &start, &zone, &mut set.taken_out)?,
            }
        }
        if set.rules.is_empty() {
            if first.is_none() && set.added.is_empty() {
                let what = "no line says when: write RRULE:FREQ=DAILY, or RDATE:20261129T143000";
                return Err(InvalidExpression::new(text, 0, what));
            }
            // Without a rule the start is the first time.
            if first.is_some() {
                set.added.push(start.instant);
            }
        }
        for times in [&mut set.added, &mut set.taken_out] {
            times.sort_unstable();
            times.dedup();
        }
        Ok((set, zone))
    }

    /// Returns the first time after an instant; none if there is none, ever.
    pub(crate) fn next_after(
        &self,
        zone: &Zone,
        mut after: Timestamp,
        looks: &mut Looks,
    ) -> Result<Option<Timestamp>, GaveUp> {
        loop {
            looks.look()?;
            let mut next = self.added.get(self.added.partition_point(|one| *one <= after)).copied();
            for rule in &self.rules {
                let of_rule = rule.next_after(zone, after, looks)?;
                next = next.into_iter().chain(of_rule).min();
            }
            match next {
                Some(at) if self.taken_out.binary_search(&at).is_ok() => after = at,
                next => return Ok(next),
            }
        }
    }
}

fn out_of_range(text: &str, line: Option<&Line>) -> InvalidExpression {
    let byte = line.map_or(0, |line| line.value_byte);
    InvalidExpression::new(text, byte, "the start is beyond the years -9999 to 9999")
}

impl Start {
    /// Reads a `DTSTART`, and returns the zone it is in.
    fn read(text: &str, line: &Line, zone: &Zone) -> Result<(Option<Start>, Zone), InvalidExpression> {
        let value =
            Value::parse(&line.value).map_err(|what| InvalidExpression::new(text, line.value_byte, what))?;
        let named = named_zone(text, line)?;
        Ok(match value {
            Value::Utc(at) => (Start::at(at, &Zone::utc()), Zone::utc()),
            Value::Local(at) => {
                let zone = named.unwrap_or_else(|| zone.clone());
                (Start::at(at, &zone), zone)
            }
            Value::Date(date) => {
                let zone = named.unwrap_or_else(|| zone.clone());
                let start = Start::at(date.to_datetime(Time::midnight()), &zone);
                (start.map(|start| Start { date_only: true, ..start }), zone)
            }
        })
    }

    /// Returns the start at a local time, cut to whole seconds.
    fn at(local: DateTime, zone: &Zone) -> Option<Start> {
        let local = local.with().subsec_nanosecond(0).build().ok()?;
        Some(Start { local, instant: value::instant(local, zone)?, date_only: false })
    }
}

fn named_zone(text: &str, line: &Line) -> Result<Option<Zone>, InvalidExpression> {
    let zone = line.zone.as_deref().map(Zone::parse).transpose();
    zone.map_err(|error| InvalidExpression::new(text, line.byte, error.to_string()))
}

/// Reads the times of an `RDATE` or `EXDATE`.
fn read_times(
    text: &str,
    line: &Line,
    start: &Start,
    zone: &Zone,
    into: &mut Vec<Timestamp>,
) -> Result<(), InvalidExpression> {
    let named = named_zone(text, line)?;
    let zone = named.as_ref().unwrap_or(zone);
    let mut byte = line.value_byte;
    for item in line.value.split(',') {
        let wrong = |what: String| InvalidExpression::new(text, byte, what);
        let value = Value::parse(item).map_err(wrong)?;
        if matches!(value, Value::Date(_)) && !start.date_only {
            let what = "a date alone does not say which time of that day: write 20261129T143000";
            return Err(wrong(what.to_owned()));
        }
        let at =
            value.instant(zone).ok_or_else(|| wrong("it is beyond the years -9999 to 9999".to_owned()))?;
        into.push(at);
        byte += item.len() + 1;
    }
    Ok(())
}
