//! Why a declared filter was refused.

/// A declared filter that cannot be: what is wrong, where, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", place(.line, .column, .pointer))]
pub struct InvalidFilter {
    /// What is wrong, in one sentence without a final full stop.
    pub message: String,
    /// The line inside the text at `pointer`, counted from one.
    pub line: usize,
    /// The column in characters inside that line, counted from one.
    pub column: usize,
    /// What to write instead, where that can be told.
    pub hint: Option<String>,
    /// JSON pointer into the declared filter, such as `/0/all/1`; empty when the filter as a whole is meant.
    pub pointer: String,
}

impl InvalidFilter {
    /// Something is wrong with the whole of what is declared here.
    pub(crate) fn whole(message: impl Into<String>) -> Self {
        Self { message: message.into(), line: 1, column: 1, hint: None, pointer: String::new() }
    }

    /// Something is wrong at a byte offset of `text`.
    pub(crate) fn at(text: &str, offset: usize, message: impl Into<String>) -> Self {
        let before = text.get(..offset.min(text.len())).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            ..Self::whole(message)
        }
    }

    /// Adds what to write instead.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says that what is wrong lies below `segment` of the declared filter.
    pub(crate) fn below(mut self, segment: impl AsRef<str>) -> Self {
        let escaped = segment.as_ref().replace('~', "~0").replace('/', "~1");
        self.pointer = format!("/{escaped}{}", self.pointer);
        self
    }
}

fn place(line: &usize, column: &usize, pointer: &str) -> String {
    let at = if pointer.is_empty() { String::new() } else { format!(" at {pointer}") };
    format!(" (line {line}, column {column}{at})")
}

/// Returns the candidate that differs from `name` by at most two typing errors, the nearest first.
pub(crate) fn nearest<'a>(name: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let wanted = name.to_lowercase().replace('_', "");
    candidates
        .iter()
        .map(|candidate| (distance(&wanted, &candidate.to_lowercase().replace('_', "")), *candidate))
        .filter(|(distance, candidate)| *distance <= 2 && *distance * 2 < candidate.len().max(2))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Returns how many letters must be inserted, removed or replaced to make `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    // Names longer than this are not typing errors of ours, and the work is the product of both lengths.
    const LETTERS_MAX: usize = 40;
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len() > LETTERS_MAX || b.len() > LETTERS_MAX {
        return usize::MAX / 4;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
