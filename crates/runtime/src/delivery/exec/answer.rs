//! What a program that ended well has answered: events, one per line of stdout, and plain output.
//!
//! A line is taken for an event if it is a JSON object with `specversion`, or with `event` and `routing` or `payload`;
//! a line that only tries to be one is taken too, so that its parser can say what is wrong with it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use cantus_core::subscription::retry::Class;

use super::outcome::Output;

/// Longest line that can be an event.
const LINE_BYTES_MAX: usize = 1 << 20;

/// The lines of stdout, parted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<'a> {
    /// Lines that are to be parsed as events, in order.
    pub events: Vec<EventLine<'a>>,
    /// Everything else, unchanged, with its line ends.
    pub plain: Vec<u8>,
}

/// A line that is, or tries to be, an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventLine<'a> {
    /// Its number on stdout, counting from one, for messages.
    pub number: usize,
    /// The line without its line end. Not necessarily UTF-8.
    pub bytes: &'a [u8],
}

/// What becomes the data of the event published by `on_success`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SuccessData {
    /// The plain output, as text.
    Stdout,
    /// The plain output, which must be one JSON value.
    StdoutJson,
}

/// Says why an answer can not be used. Nothing of it is published, and the attempt has failed with [`AnswerError::class`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// More was printed than is kept, so events in the dropped part would be lost.
    #[error(
        "stdout was cut after {kept} bytes, {dropped} more were dropped, and events among them would be lost: \
         print less on stdout, and logs on stderr"
    )]
    Cut {
        /// Bytes that were kept.
        kept: u64,
        /// Bytes that were not.
        dropped: u64,
    },
    /// A line that looks like an event is longer than 1 MiB.
    #[error("line {number} of stdout is an event of {bytes} bytes, and one may have {LINE_BYTES_MAX}")]
    LineTooLong {
        /// The line's number, counting from one.
        number: usize,
        /// How long it is.
        bytes: usize,
    },
    /// `stdout_json` was asked for, and the plain output is something else.
    #[error("`data: stdout_json` needs one JSON value on stdout: {reason}")]
    NotJson {
        /// What is wrong, with line and column.
        reason: String,
    },
}

impl AnswerError {
    /// Returns the class of the failure: the answer as a whole is rejected, or its content is invalid.
    pub fn class(&self) -> Class {
        match self {
            Self::Cut { .. } | Self::LineTooLong { .. } => Class::Rejected,
            Self::NotJson { .. } => Class::InvalidPayload,
        }
    }
}

/// Parts stdout into events and plain output.
pub fn read(stdout: &Output) -> Result<Answer<'_>, AnswerError> {
    if stdout.dropped > 0 {
        return Err(AnswerError::Cut { kept: stdout.bytes.len() as u64, dropped: stdout.dropped });
    }
    let mut answer = Answer { events: Vec::new(), plain: Vec::new() };
    for (index, line) in stdout.bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let (number, bytes) = (index + 1, line.trim_ascii());
        if !is_event(bytes) {
            answer.plain.extend_from_slice(line);
        } else if bytes.len() > LINE_BYTES_MAX {
            return Err(AnswerError::LineTooLong { number, bytes: bytes.len() });
        } else {
            answer.events.push(EventLine { number, bytes });
        }
    }
    Ok(answer)
}

impl Answer<'_> {
    /// Returns the data of the event that `on_success` publishes: text without the line ends that close it, or JSON.
    pub fn success_data(&self, data: SuccessData) -> Result<Vec<u8>, AnswerError> {
        match data {
            SuccessData::Stdout => {
                let text = String::from_utf8_lossy(&self.plain);
                Ok(text.trim_end_matches(['\n', '\r']).as_bytes().to_vec())
            }
            SuccessData::StdoutJson => {
                let json = self.plain.trim_ascii();
                if json.is_empty() {
                    return Err(AnswerError::NotJson { reason: "there was no plain output".into() });
                }
                match serde_json::from_slice::<serde_json::Value>(json) {
                    Ok(_) => Ok(json.to_vec()),
                    Err(error) => Err(AnswerError::NotJson { reason: error.to_string() }),
                }
            }
        }
    }
}

fn is_event(line: &[u8]) -> bool {
    if line.first() != Some(&b'{') {
        return false;
    }
    match serde_json::from_slice::<Keys>(line) {
        Ok(keys) => keys.are_an_events(),
        // Broken JSON: an event if its author meant one.
        Err(_) => {
            let names = |name: &str| line.windows(name.len()).any(|window| window == name.as_bytes());
            names("\"specversion\"") || (names("\"event\"") && (names("\"routing\"") || names("\"payload\"")))
        }
    }
}

/// Which telling keys an object has; its values are skipped, not stored.
#[derive(Default)]
struct Keys {
    specversion: bool,
    event: bool,
    routing_or_payload: bool,
}

impl Keys {
    fn are_an_events(&self) -> bool {
        self.specversion || (self.event && self.routing_or_payload)
    }
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Keys;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Keys::default();
                while let Some((key, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
                    match key.as_str() {
                        "specversion" => keys.specversion = true,
                        "event" => keys.event = true,
                        "routing" | "payload" => keys.routing_or_payload = true,
                        _ => {}
                    }
                }
                Ok(keys)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(text: impl AsRef<[u8]>) -> Output {
        Output { bytes: text.as_ref().to_vec(), dropped: 0, tail: Vec::new() }
    }

    fn events(text: &str) -> Vec<(usize, String)> {
        let output = output(text);
        let lines = read(&output).unwrap().events;
        lines.iter().map(|line| (line.number, String::from_utf8_lossy(line.bytes).into_owned())).collect()
    }

    #[test]
    fn lines_with_the_keys_of_an_event_are_events() {
        let text = "hello\n{\"specversion\":\"1.0\"}\r\n{\"a\":1}\n  {\"event\":{},\"payload\":{}}\n{\"event\":{}}\n[1]";
        let expected =
            [(2, r#"{"specversion":"1.0"}"#.to_owned()), (4, r#"{"event":{},"payload":{}}"#.to_owned())];
        assert_eq!(events(text), expected);
    }

    #[test]
    fn a_key_deeper_inside_makes_no_event() {
        assert_eq!(events(r#"{"log":{"specversion":"1.0"}}"#), []);
        assert_eq!(events(r#"{"message":"\"specversion\""}"#), []);
    }

    #[test]
    fn a_line_that_tries_to_be_an_event_is_left_to_its_parser() {
        assert_eq!(events("{\"specversion\":\"1.0\",\"type\":}").len(), 1);
        assert_eq!(events("{\"specversion\":\"1.0\"").len(), 1);
        assert_eq!(events("{not json"), []);
    }

    #[test]
    fn the_plain_output_keeps_its_bytes() {
        let output = output(b"a\xff\r\n{\"specversion\":\"1.0\"}\n\x1b[31mb");
        let answer = read(&output).unwrap();
        assert_eq!(answer.plain, b"a\xff\r\n\x1b[31mb");
        assert_eq!(answer.success_data(SuccessData::Stdout).unwrap(), "a\u{fffd}\r\n\u{1b}[31mb".as_bytes());
    }

    #[test]
    fn on_success_gets_the_output_without_events() {
        let printed = output("{\"specversion\":\"1.0\"}\n{\"verdict\":\n \"fine\"}\n\n");
        let answer = read(&printed).unwrap();
        assert_eq!(answer.success_data(SuccessData::StdoutJson).unwrap(), b"{\"verdict\":\n \"fine\"}");
        assert_eq!(answer.success_data(SuccessData::Stdout).unwrap(), b"{\"verdict\":\n \"fine\"}");
    }

    #[test]
    fn what_is_not_one_json_value_is_refused_with_its_place() {
        for (text, part) in [("", "no plain output"), ("{\"a\":1} x", "line 1 column 9"), ("oops", "line 1")]
        {
            let error =
                read(&output(text)).unwrap().success_data(SuccessData::StdoutJson).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn output_that_was_cut_is_refused_rather_than_losing_events() {
        let cut = Output { bytes: b"{\"specv".to_vec(), dropped: 9, tail: Vec::new() };
        assert_eq!(read(&cut), Err(AnswerError::Cut { kept: 7, dropped: 9 }));
    }

    #[test]
    fn an_event_longer_than_a_mebibyte_is_refused_and_other_long_lines_are_not() {
        let long = "x".repeat(LINE_BYTES_MAX);
        assert_eq!(read(&output(&long)).unwrap().plain.len(), LINE_BYTES_MAX);
        let event = format!("{{\"specversion\":\"{long}\"}}");
        assert!(matches!(read(&output(event)), Err(AnswerError::LineTooLong { number: 1, .. })));
    }
}
