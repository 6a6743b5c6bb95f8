//! Colours: five, each with one meaning and always beside a word.

use owo_colors::OwoColorize as _;

/// What a colour means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Done.
    Good,
    /// Failed, or will not be tried again.
    Bad,
    /// Held up: retrying, paused, a warning.
    Held,
    /// Somebody works on it.
    Running,
    /// Of less interest, or waiting for its turn.
    Dim,
    /// A heading.
    Strong,
}

impl Tone {
    /// Returns the text in its colour.
    pub(crate) fn paint(self, text: &str) -> String {
        match self {
            Tone::Good => text.green().to_string(),
            Tone::Bad => text.red().to_string(),
            Tone::Held => text.yellow().to_string(),
            Tone::Running => text.blue().to_string(),
            Tone::Dim => text.dimmed().to_string(),
            Tone::Strong => text.bold().to_string(),
        }
    }
}
