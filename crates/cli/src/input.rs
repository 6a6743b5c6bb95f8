//! What people and scripts hand in: `@file`, `-` for stdin, JSON, spans, times. Everything is bounded.

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::Path;

use anyhow::{Context as _, Result};
use cantus_api::time::{Instant, Span, format_ms};
use serde::de::IgnoredAny;

use crate::exit::Failure;

/// The most that is read from a file or stdin as one value.
pub(crate) const VALUE_BYTES_MAX: u64 = 64 << 20;
/// The longest line of JSON Lines.
pub(crate) const LINE_BYTES_MAX: usize = 8 << 20;
/// The deepest JSON that is taken.
pub(crate) const JSON_DEPTH_MAX: u32 = 500;

/// Returns what an argument stands for: `@file` the content of a file, `-` that of stdin, anything else itself.
pub(crate) fn content(argument: &str) -> Result<Vec<u8>> {
    match argument.strip_prefix('@') {
        Some("-") => stdin(),
        Some(file) => file_content(Path::new(file)),
        None if argument == "-" => stdin(),
        None => Ok(argument.as_bytes().to_vec()),
    }
}

/// Returns everything on stdin.
pub(crate) fn stdin() -> Result<Vec<u8>> {
    read_all(io::stdin().lock(), "stdin")
}

/// Returns the content of a file, or of stdin for `-`.
pub(crate) fn file_content(file: &Path) -> Result<Vec<u8>> {
    if file == Path::new("-") {
        return stdin();
    }
    read_all(open(file)?, &file.display().to_string())
}

/// Opens a file that was named on the command line.
pub(crate) fn open(file: &Path) -> Result<File> {
    let named = File::open(file).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failure::usage(format!("there is no file {}", file.display())),
        _ => Failure::usage(format!("{} cannot be read: {error}", file.display())),
    })?;
    if named.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(Failure::usage(format!("{} is a folder, not a file", file.display())).into());
    }
    Ok(named)
}

fn read_all(from: impl Read, name: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(VALUE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("{name} cannot be read"))?;
    if bytes.len() as u64 > VALUE_BYTES_MAX {
        let mib = VALUE_BYTES_MAX >> 20;
        return Err(Failure::usage(format!("{name} is larger than {mib} MiB")).into());
    }
    Ok(bytes)
}

/// Returns the text of one JSON value without the white space around it. Inside, nothing is changed.
pub(crate) fn json(bytes: &[u8], what: &str) -> Result<Vec<u8>> {
    let trimmed = bytes.trim_ascii();
    if trimmed.is_empty() {
        return Err(Failure::usage(format!("{what} is empty, which is no JSON")).into());
    }
    cantus_api::json::read::<IgnoredAny>(trimmed, JSON_DEPTH_MAX)
        .map_err(|problem| Failure::usage(format!("{what} is not JSON: {}", problem.detail)))?;
    Ok(trimmed.to_vec())
}

/// Splits `name=value`.
pub(crate) fn name_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write name=value".to_owned()),
    }
}

/// Reads a span such as `30s`.
pub(crate) fn span(text: &str) -> Result<Span, String> {
    Span::parse(text).map_err(|error| error.to_string())
}

/// Returns the RFC 3339 time that a text names: itself, or a span from now.
pub(crate) fn time_or_span(text: &str, now_ms: i64) -> Result<String> {
    if Instant::parse(text).is_ok() {
        return Ok(text.to_owned());
    }
    let span = Span::parse(text).map_err(|_| {
        Failure::usage(format!(
            "`{text}` is neither a time such as 2026-11-29T14:30:00Z nor a span such as 30m"
        ))
    })?;
    Ok(format_ms(now_ms.saturating_add(i64::try_from(span.as_ms()).unwrap_or(i64::MAX))))
}

/// Lines of a stream, each of bounded length.
pub(crate) struct Lines<R> {
    from: R,
    number: usize,
    bytes_max: usize,
}

/// One line, without its line end.
pub(crate) enum Line {
    /// Its number, from one, and what it says.
    Text(usize, Vec<u8>),
    /// Its number, and that it is longer than allowed; it was skipped.
    TooLong(usize),
}

impl<R: BufRead> Lines<R> {
    /// Returns the lines of a stream. One of more than `bytes_max` bytes is skipped and said.
    pub(crate) fn new(from: R, bytes_max: usize) -> Lines<R> {
        Lines { from, number: 0, bytes_max }
    }

    /// Returns the next line, or none at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line>> {
        let mut line = Vec::new();
        let limit = self.bytes_max as u64 + 1;
        if self.from.by_ref().take(limit).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let ended = line.last() == Some(&b'\n');
        if !ended && line.len() > self.bytes_max {
            self.skip_rest()?;
            return Ok(Some(Line::TooLong(self.number)));
        }
        if ended {
            line.pop();
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Some(Line::Text(self.number, line)))
    }

    fn skip_rest(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.from.fill_buf()?;
            if buffer.is_empty() {
                return Ok(());
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(buffer.len(), |at| at + 1);
            self.from.consume(used);
            if end.is_some() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_is_skipped_and_the_next_one_is_read() {
        let text = format!("one\n{}\r\ntwo\r\n\nlast", "x".repeat(40));
        let mut lines = Lines::new(text.as_bytes(), 20);
        let mut seen = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            seen.push(match line {
                Line::Text(number, text) => format!("{number}:{}", String::from_utf8(text).unwrap()),
                Line::TooLong(number) => format!("{number}!"),
            });
        }
        assert_eq!(seen, ["1:one", "2!", "3:two", "4:", "5:last"]);
    }

    #[test]
    fn json_keeps_every_digit_and_loses_only_the_space_around_it() {
        assert_eq!(json(b" {\"n\": 9007199254740993.10}\n", "x").unwrap(), b"{\"n\": 9007199254740993.10}");
    }

    #[test]
    fn what_is_not_json_is_said_with_its_place() {
        let error = json(b"{\"a\":1,}", "the data").unwrap_err().to_string();
        assert!(error.starts_with("the data is not JSON: column 8"), "{error}");
    }

    #[test]
    fn a_span_counts_from_now() {
        assert_eq!(time_or_span("10s", 0).unwrap(), "1970-01-01T00:00:10.000Z");
        assert_eq!(time_or_span("2026-01-01T00:00:00Z", 0).unwrap(), "2026-01-01T00:00:00Z");
        assert!(time_or_span("tomorrow", 0).is_err());
    }
}
