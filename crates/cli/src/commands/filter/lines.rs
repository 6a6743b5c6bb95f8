//! `cantus filter eval --stdin`: a line in, a line out.

use std::io::BufRead;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use cantus_api::event::{Limits, Reader};
use cantus_core::filter::Filter;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::subject::EventSubject;
use crate::input::{LINE_BYTES_MAX, Line, Lines};

/// What a line asks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question<'a> {
    // Without the filter nothing is asked; `null` is a filter that matches everything.
    #[serde(borrow)]
    filter: &'a RawValue,
    #[serde(borrow)]
    event: &'a RawValue,
}

/// Answers every line that is not empty, in order. What is wrong with one line is its answer, and the next one is read.
pub(super) fn answer(from: impl BufRead, print: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
    let mut lines = Lines::new(from, LINE_BYTES_MAX);
    // The last filter, since the same one is often asked of many events.
    let mut last: Option<(String, Filter)> = None;
    while let Some(line) = lines.next().context("stdin cannot be read")? {
        let answer = match line {
            Line::Text(_, text) if text.trim_ascii().is_empty() => continue,
            Line::Text(number, text) => {
                matches(&text, &mut last).map_err(|wrong| format!("line {number}: {wrong}"))
            }
            Line::TooLong(number) => {
                Err(format!("line {number}: is longer than {} MiB", LINE_BYTES_MAX >> 20))
            }
        };
        let answer = match answer {
            Ok(matches) => json!({"matches": matches}),
            Err(error) => json!({"error": error}),
        };
        print(&answer.to_string())?;
    }
    Ok(())
}

fn matches(line: &[u8], last: &mut Option<(String, Filter)>) -> Result<bool, String> {
    // Checked first, so that deep nesting is an answer like any other.
    cantus_api::json::read::<serde::de::IgnoredAny>(line, crate::input::JSON_DEPTH_MAX)
        .map_err(|problem| problem.detail.clone())?;
    let question: Question<'_> = serde_json::from_slice(line).map_err(|error| {
        let text = error.to_string();
        let wrong = text.split(" at line ").next().unwrap_or(&text).to_owned();
        format!("{wrong}; a line is {{\"filter\": …, \"event\": …}}")
    })?;
    let filter = match last {
        Some((text, filter)) if text == question.filter.get() => filter.clone(),
        _ => {
            let declared: Value =
                serde_json::from_str(question.filter.get()).map_err(|error| format!("filter: {error}"))?;
            let filter = Filter::compile(&declared).map_err(|invalid| match &invalid.hint {
                Some(hint) => format!("filter: {invalid} ({hint})"),
                None => format!("filter: {invalid}"),
            })?;
            *last = Some((question.filter.get().to_owned(), filter.clone()));
            filter
        }
    };
    let body = Bytes::copy_from_slice(question.event.get().as_bytes());
    let event = Reader::new(&Limits::generous())
        .event(&body)
        .map_err(|problem| format!("event: {problem}"))?
        .into_owned();
    Ok(filter.matches(&EventSubject::new(&event)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(input: &str) -> Vec<String> {
        let mut said = Vec::new();
        answer(input.as_bytes(), &mut |line| {
            said.push(line.to_owned());
            Ok(())
        })
        .unwrap();
        said
    }

    const EVENT: &str = r#"{"specversion":"1.0","id":"1","source":"/s","type":"A","data":{"n":3}}"#;

    #[test]
    fn each_line_is_answered_by_a_line() {
        let input = format!(
            "{{\"filter\":\"type=A\",\"event\":{EVENT}}}\n\n{{\"filter\":\"data.n > 3\",\"event\":{EVENT}}}\n\
             {{\"filter\":null,\"event\":{EVENT}}}"
        );
        assert_eq!(answers(&input), [r#"{"matches":true}"#, r#"{"matches":false}"#, r#"{"matches":true}"#]);
    }

    #[test]
    fn an_envelope_is_an_event_too() {
        let input = r#"{"filter":{"type":"A","n":3},"event":{"event":{"id":"1","source":"/s","type":"A"},"payload":{"n":3},"routing":{}}}"#;
        assert_eq!(answers(input), [r#"{"matches":true}"#]);
    }

    #[test]
    fn a_wrong_line_is_answered_and_the_next_one_is_read() {
        let input = format!(
            "nonsense\n{{\"filter\":\"type ==\",\"event\":{EVENT}}}\n{{\"filter\":\"type=A\"}}\n\
             {{\"filter\":\"type=A\",\"event\":42}}\n[1,2]\n{{\"filter\":\"type=A\",\"event\":{EVENT}}}\n"
        );
        let said = answers(&input);
        assert_eq!(said.len(), 6, "{said:#?}");
        for (number, line) in said[..5].iter().enumerate() {
            let prefix = format!("{{\"error\":\"line {}: ", number + 1);
            assert!(line.starts_with(&prefix), "{line}");
        }
        assert_eq!(said[5], r#"{"matches":true}"#);
    }

    #[test]
    fn deep_nesting_and_bytes_that_are_no_text_are_answers_too() {
        let deep = format!("{{\"filter\":{}1{},\"event\":{EVENT}}}\n", "[".repeat(5000), "]".repeat(5000));
        let said = answers(&deep);
        assert!(said[0].contains("deep"), "{said:?}");
        let mut said = Vec::new();
        answer(&b"\xff\xfe{}\n"[..], &mut |line| {
            said.push(line.to_owned());
            Ok(())
        })
        .unwrap();
        assert!(said[0].starts_with("{\"error\":"), "{said:?}");
    }
}
