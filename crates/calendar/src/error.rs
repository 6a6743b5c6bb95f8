//! What is wrong with an expression, where, and what to write instead.

use crate::TEXT_BYTES_MAX;

/// An expression that says no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} ({place})")]
pub struct InvalidExpression {
    what: String,
    place: Place,
    byte: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    line: usize,
    column: usize,
    lines: bool,
}

impl std::fmt::Display for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.lines {
            write!(out, "line {}, ", self.line)?;
        }
        write!(out, "column {}", self.column)
    }
}

impl InvalidExpression {
    /// Returns what is wrong at a byte of a text.
    pub(crate) fn new(text: &str, byte: usize, what: impl Into<String>) -> InvalidExpression {
        let byte = byte.min(text.len());
        let before = &text.as_bytes()[..byte];
        let line = before.iter().filter(|one| **one == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|one| **one != b'\n').count() + 1;
        let lines = text.trim_end().contains('\n');
        InvalidExpression { what: what.into(), place: Place { line, column, lines }, byte }
    }

    /// Returns the byte of the text at which it is wrong, from zero.
    pub fn byte(&self) -> usize {
        self.byte
    }
}

/// Refuses a text that is too long to be an expression.
pub(crate) fn check_length(text: &str) -> Result<(), InvalidExpression> {
    if text.len() > TEXT_BYTES_MAX {
        let what = format!("an expression has at most {TEXT_BYTES_MAX} bytes, this one {}", text.len());
        return Err(InvalidExpression::new("", 0, what));
    }
    Ok(())
}

/// Returns a piece of a text as an error may repeat it: short, and without control characters.
pub(crate) fn quoted(text: &str) -> String {
    let mut short: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if text.chars().nth(40).is_some() {
        short.push('…');
    }
    format!("`{short}`")
}
