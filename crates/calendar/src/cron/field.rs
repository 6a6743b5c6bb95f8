//! What a field of a cron expression may say.

use crate::error::quoted;

/// A field: its name, its numbers and its names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) min: u8,
    pub(super) max: u8,
    /// Names of the numbers, from `names_from`.
    names: &'static [&'static str],
}

pub(super) const SECONDS: Field = Field { name: "seconds", min: 0, max: 59, names: &[] };
pub(super) const MINUTES: Field = Field { name: "minutes", min: 0, max: 59, names: &[] };
pub(super) const HOURS: Field = Field { name: "hours", min: 0, max: 23, names: &[] };
pub(super) const DAYS: Field = Field { name: "days of the month", min: 1, max: 31, names: &[] };
pub(super) const MONTHS: Field = Field {
    name: "months",
    min: 1,
    max: 12,
    names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
};
pub(super) const WEEKDAYS: Field = Field {
    name: "days of the week",
    min: 0,
    max: 7,
    names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
};

/// One number, and whether it was a name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number {
    pub(super) value: u8,
    pub(super) named: bool,
}

impl Field {
    /// How many different numbers there are.
    pub(super) fn count(&self) -> u8 {
        if *self == WEEKDAYS { 7 } else { self.max - self.min + 1 }
    }

    /// Reads a number or a name.
    pub(super) fn number(&self, text: &str) -> Result<Number, String> {
        if let Some(at) = self.names.iter().position(|name| name.eq_ignore_ascii_case(text)) {
            let value = u8::try_from(at).expect("twelve names at most") + self.names_from();
            return Ok(Number { value, named: true });
        }
        let digits = !text.is_empty() && text.len() <= 3 && text.bytes().all(|one| one.is_ascii_digit());
        match text.parse::<u8>() {
            Ok(value) if digits && (self.min..=self.max).contains(&value) => {
                Ok(Number { value, named: false })
            }
            _ => Err(self.wrong(text)),
        }
    }

    fn names_from(&self) -> u8 {
        self.min
    }

    fn wrong(&self, text: &str) -> String {
        let names = match self.names {
            [first, .., last] => format!(", or {first} to {last}"),
            _ => String::new(),
        };
        let what = if text.is_empty() { "nothing".to_owned() } else { quoted(text) };
        format!("{what} is not among the {}: write {} to {}{names}", self.name, self.min, self.max)
    }

    /// Reads `*`, `n`, `n-m`, each with a step or not, into a set.
    pub(super) fn set(&self, item: &str) -> Result<u64, String> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(self.step(step)?)),
            None => (item, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (self.min, self.min + self.count() - 1),
            Some((from, to)) => self.range(range, self.number(from)?, self.number(to)?)?,
            None => {
                let from = self.wrapped(self.number(range)?.value);
                (from, if step.is_some() { self.min + self.count() - 1 } else { from })
            }
        };
        let steps = (from..=to).step_by(usize::from(step.unwrap_or(1)));
        Ok(steps.fold(0, |set, value| set | 1 << self.wrapped(value)))
    }

    /// Sunday is 0 and 7, and names run on behind the last one.
    fn wrapped(&self, value: u8) -> u8 {
        if value >= self.min + self.count() { value - self.count() } else { value }
    }

    fn range(&self, text: &str, from: Number, to: Number) -> Result<(u8, u8), String> {
        let first = self.wrapped(from.value);
        if first <= to.value {
            return Ok((first, to.value));
        }
        if from.named && to.named {
            return Ok((first, to.value + self.count()));
        }
        let last = self.min + self.count() - 1;
        let low =
            if to.value == self.min { format!("{}", to.value) } else { format!("{}-{}", self.min, to.value) };
        let what = quoted(text);
        Err(format!("the {} {what} run backwards: write {}-{last},{low}", self.name, from.value))
    }

    fn step(&self, text: &str) -> Result<u8, String> {
        let digits = !text.is_empty() && text.bytes().all(|one| one.is_ascii_digit());
        match text.parse::<u8>() {
            Ok(step) if digits && (1..=self.count()).contains(&step) => Ok(step),
            _ => {
                Err(format!("{} is no step of the {}: write 1 to {}", quoted(text), self.name, self.count()))
            }
        }
    }
}
