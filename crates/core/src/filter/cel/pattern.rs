//! The patterns of `matches`: compiled once, when the filter is declared.
use regex::{Regex, RegexBuilder};

use super::super::limits::{PATTERN_BYTES_MAX, PATTERN_COMPILED_BYTES_MAX};
use super::value::{Failure, Steps};

/// A compiled pattern. Matching takes time linear in the text; how steep depends on the size of the pattern.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    regex: Regex,
    /// How many bytes of text are looked at in one step.
    bytes_per_step: usize,
}

impl Pattern {
    /// Compiles a pattern. The error says what is wrong with it.
    pub(crate) fn compile(pattern: &str) -> Result<Self, String> {
        if pattern.len() > PATTERN_BYTES_MAX {
            return Err(format!(
                "the pattern is {} bytes long; at most {PATTERN_BYTES_MAX} are allowed",
                pattern.len()
            ));
        }
        // The library does not tell how large a compiled pattern is, only whether it stays below a limit.
        const SIZES: [(usize, usize); 3] = [(1 << 17, 32), (1 << 19, 4), (PATTERN_COMPILED_BYTES_MAX, 1)];
        for (size, bytes_per_step) in SIZES {
            match RegexBuilder::new(pattern).size_limit(size).dfa_size_limit(1 << 18).build() {
                Ok(regex) => return Ok(Self { regex, bytes_per_step }),
                Err(regex::Error::CompiledTooBig(_)) => {}
                Err(regex::Error::Syntax(message)) => {
                    // The library draws the pattern over several lines; its last line says what is wrong.
                    let reason = message.lines().last().unwrap_or_default().trim_start_matches("error: ");
                    return Err(format!("the pattern is malformed: {reason}"));
                }
                Err(other) => return Err(format!("the pattern cannot be used: {other}")),
            }
        }
        Err(format!(
            "the pattern is too large: compiled it takes more than {PATTERN_COMPILED_BYTES_MAX} bytes"
        ))
    }

    /// Returns whether the pattern is found anywhere in the text.
    pub(crate) fn is_in<'a>(&self, text: &str, steps: &mut Steps) -> Result<bool, Failure<'a>> {
        steps.take(u32::try_from(text.len() / self.bytes_per_step).unwrap_or(u32::MAX))?;
        Ok(self.regex.is_match(text))
    }
}
