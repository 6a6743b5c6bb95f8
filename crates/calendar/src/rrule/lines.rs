//! The lines of a set: a name, parameters, a value. A line that starts with white space goes on with the one before.

use crate::error::{InvalidExpression, quoted};

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Start,
    Rule,
    Added,
    TakenOut,
}

/// One line.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) name: Name,
    /// The zone of its local times.
    pub(super) zone: Option<String>,
    pub(super) value: String,
    /// Where the line and its value start in the text.
    pub(super) byte: usize,
    pub(super) value_byte: usize,
}

const NAMES: &[(&str, Name)] =
    &[("DTSTART", Name::Start), ("RRULE", Name::Rule), ("RDATE", Name::Added), ("EXDATE", Name::TakenOut)];

/// Reads the lines of a text.
pub(super) fn read(text: &str) -> Result<Vec<Line>, InvalidExpression> {
    unfold(text).into_iter().map(|(byte, line)| read_line(text, byte, &line)).collect()
}

fn unfold(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut byte = 0;
    for raw in text.split('\n') {
        let line = raw.strip_suffix('\r').unwrap_or(raw);
        let trimmed = line.trim();
        let indented = line.len() - line.trim_start().len();
        match lines.last_mut() {
            _ if trimmed.is_empty() => {}
            Some((_, before)) if indented > 0 && !names_itself(trimmed) => before.push_str(trimmed),
            _ => lines.push((byte + indented, trimmed.to_owned())),
        }
        byte += raw.len() + 1;
    }
    lines
}

fn names_itself(line: &str) -> bool {
    let word = line.split([':', ';']).next().unwrap_or("");
    NAMES.iter().any(|(name, _)| name.eq_ignore_ascii_case(word))
        || word.to_ascii_uppercase().starts_with("FREQ=")
}

fn read_line(text: &str, byte: usize, line: &str) -> Result<Line, InvalidExpression> {
    let wrong = |what: String| InvalidExpression::new(text, byte, what);
    // A rule may stand alone: `FREQ=DAILY;…`.
    let first = line.split(['=', ':', ';']).next().unwrap_or("");
    if !NAMES.iter().any(|(name, _)| name.eq_ignore_ascii_case(first))
        && line.contains('=')
        && !line.contains(':')
    {
        return Ok(Line { name: Name::Rule, zone: None, value: line.to_owned(), byte, value_byte: byte });
    }
    let (head, value) = line.split_once(':').ok_or_else(|| {
        wrong(format!(
            "{} is no line of a rule: write DTSTART:…, RRULE:FREQ=…, RDATE:… or EXDATE:…",
            quoted(line)
        ))
    })?;
    let mut parts = head.split(';');
    let word = parts.next().unwrap_or("");
    let known = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
    let (_, name) = known.ok_or_else(|| {
        wrong(format!("{} is not known here: write DTSTART, RRULE, RDATE or EXDATE", quoted(word)))
    })?;
    let mut zone = None;
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        match key.to_ascii_uppercase().as_str() {
            "TZID" if *name != Name::Rule => zone = Some(value.trim_matches('"').to_owned()),
            // What a value is can be seen.
            "VALUE" if ["DATE", "DATE-TIME"].iter().any(|kind| kind.eq_ignore_ascii_case(value)) => {}
            "VALUE" => {
                return Err(wrong(format!(
                    "values of {} are not taken: write times or dates",
                    quoted(value)
                )));
            }
            _ => {
                return Err(wrong(format!(
                    "the parameter {} is not known: write TZID=… or VALUE=…",
                    quoted(key)
                )));
            }
        }
    }
    Ok(Line { name: *name, zone, value: value.to_owned(), byte, value_byte: byte + head.len() + 1 })
}
