//! `cantus schedules next --stdin`: a line in, a line out.

use std::io::BufRead;

use anyhow::{Context as _, Result};
use cantus_calendar::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use super::question::{Expression, FIRES, From, Question};
use crate::input::{Line, Lines};

/// The longest line, in bytes: the longest expression, escaped, and what stands around it.
const LINE_BYTES_MAX: usize = 1 << 20;

/// What a line asks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default)]
    cron: Option<String>,
    #[serde(default)]
    rrule: Option<String>,
    #[serde(default)]
    every: Option<String>,
    #[serde(default)]
    timezone: Option<String>,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    n: Option<usize>,
    // What such lines often carry besides; it is not looked at.
    #[serde(default, rename = "id")]
    _id: IgnoredAny,
}

const HINT: &str = "a line is {\"cron\"|\"rrule\"|\"every\": …, \"timezone\": …, \"from\": …, \"n\": …}";

/// Answers every line that is not empty, in order. What is wrong with one line is its answer, and the next one is read.
pub(super) fn answer(
    from: impl BufRead,
    now: Timestamp,
    print: &mut dyn FnMut(&str) -> Result<()>,
) -> Result<()> {
    let mut lines = Lines::new(from, LINE_BYTES_MAX);
    while let Some(line) = lines.next().context("stdin cannot be read")? {
        let answered = match line {
            Line::Text(_, text) if text.trim_ascii().is_empty() => continue,
            Line::Text(number, text) => {
                answer_line(&text, now).map_err(|wrong| format!("line {number}: {wrong}"))
            }
            Line::TooLong(number) => {
                Err(format!("line {number}: is longer than {} MiB", LINE_BYTES_MAX >> 20))
            }
        };
        let answer = match answered {
            Ok(fires) => json!({ "fires": fires }),
            Err(wrong) => json!({ "error": wrong }),
        };
        print(&answer.to_string())?;
    }
    Ok(())
}

fn answer_line(line: &[u8], now: Timestamp) -> Result<Vec<String>, String> {
    // Checked first, so that deep nesting is an answer like any other.
    cantus_api::json::read::<IgnoredAny>(line, crate::input::JSON_DEPTH_MAX)
        .map_err(|problem| problem.detail.clone())?;
    let asked: Asked = serde_json::from_slice(line).map_err(|error| {
        let text = error.to_string();
        let wrong = text.split(" at line ").next().unwrap_or(&text).to_owned();
        format!("{wrong}; {HINT}")
    })?;
    let expression = match (&asked.cron, &asked.rrule, &asked.every) {
        (Some(text), None, None) => Expression::Cron(text),
        (None, Some(text), None) => Expression::Rrule(text),
        (None, None, Some(text)) => Expression::Every(text),
        (None, None, None) => return Err(format!("nothing recurs; {HINT}")),
        _ => return Err(format!("there is more than one of cron, rrule and every; {HINT}")),
    };
    let question = Question {
        expression,
        timezone: asked.timezone.as_deref(),
        from: asked.from.as_deref().map_or(From::Start(now), From::Time),
        n: asked.n.unwrap_or(FIRES),
    };
    question.answer().map(|fires| fires.texts())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(input: &str) -> Vec<serde_json::Value> {
        let mut said = Vec::new();
        answer(input.as_bytes(), Timestamp::UNIX_EPOCH, &mut |line| {
            said.push(serde_json::from_str(line).unwrap());
            Ok(())
        })
        .unwrap();
        said
    }

    #[test]
    fn each_kind_is_answered_with_offsets() {
        let said = answers(
            r#"{"cron":"0 9 * * MON-FRI","timezone":"Europe/Berlin","from":"2026-03-27T09:00:00+01:00","n":2}
{"rrule":"DTSTART;TZID=America/New_York:20261101T003000\nRRULE:FREQ=HOURLY;COUNT=3\nEXDATE:20261101T003000","from":"2026-01-01T00:00:00Z","n":9}
{"every":"2h 30m","timezone":"Asia/Kolkata","from":"2026-01-01T00:00:00Z","n":2,"id":"x"}
"#,
        );
        assert_eq!(said[0], json!({"fires": ["2026-03-30T09:00:00+02:00", "2026-03-31T09:00:00+02:00"]}));
        assert_eq!(said[1], json!({"fires": ["2026-11-01T01:30:00-04:00", "2026-11-01T01:30:00-05:00"]}));
        assert_eq!(said[2], json!({"fires": ["2026-01-01T08:00:00+05:30", "2026-01-01T10:30:00+05:30"]}));
    }

    #[test]
    fn from_is_not_a_time_of_cron_and_is_one_of_a_rule() {
        let said = answers(
            r#"{"cron":"0 0 * * *","from":"2026-01-01T00:00:00Z","n":1}
{"rrule":"FREQ=DAILY","from":"2026-01-01T00:00:00Z","n":1}
{"rrule":"DTSTART:20200101T000000\nRRULE:FREQ=DAILY;COUNT=1"}
"#,
        );
        assert_eq!(said[0], json!({"fires": ["2026-01-02T00:00:00+00:00"]}));
        assert_eq!(said[1], json!({"fires": ["2026-01-01T00:00:00+00:00"]}));
        assert_eq!(said[2], json!({"fires": ["2020-01-01T00:00:00+00:00"]}));
    }

    #[test]
    fn a_wrong_line_is_answered_and_the_next_one_is_read() {
        let deep = format!("{{\"cron\":{}1{}}}", "[".repeat(5_000), "]".repeat(5_000));
        let input = format!(
            r#"nonsense
{deep}
{{"cron":"* * * * *","every":"5s"}}
{{"timezone":"UTC"}}
{{"cron":"61 * * * *"}}
{{"cron":"0 0 30 2 *"}}
{{"cron":"* * * * *","timezone":"../../etc"}}
{{"cron":"* * * * *","from":"soon"}}
{{"cron":"* * * * *","n":0}}
{{"cron":"* * * * *","n":100000000}}
{{"rrule":"FREQ=SOMETIMES"}}
{{"rrule":"DTSTART:20260101T000000Z\nRRULE:FREQ=SECONDLY;INTERVAL=2;BYSECOND=1"}}

{{"rrule":"DTSTART:20260101T000000Z\nRRULE:FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=31"}}
"#
        );
        let said = answers(&input);
        assert_eq!(said.len(), 13, "{said:#?}");
        let errors = [
            "line 1: ",
            "nest",
            "more than one",
            "nothing recurs",
            "`61` is not among the minutes: write 0 to 59 (column 1)",
            "never fires",
            "is no time zone",
            "from: `soon` is no time",
            "from 1 to 10000",
            "from 1 to 10000",
            "is no frequency",
            "no time was found",
        ];
        for (said, error) in said.iter().zip(errors) {
            assert!(said["error"].as_str().unwrap().contains(error), "{error}: {said}");
        }
        assert_eq!(said[12], json!({"fires": []}));
    }
}
