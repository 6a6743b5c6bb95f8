//! Diagnostics: what is wrong or doubtful, where, the text that stands there, and what to do.

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use serde::Serialize;

use crate::source::{Sources, Span};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The file can not be used.
    Error,
    /// The file can be used; something in it is doubtful.
    Warning,
}

/// One thing that is wrong or doubtful.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub message: String,
    /// The file, as it was named; `$NAME` for a variable that overrides a value.
    pub file: String,
    /// The line, counted from one; 0 when the whole file is meant.
    pub line: usize,
    /// The column in characters, counted from one; 0 when the whole file is meant.
    pub column: usize,
    /// How many characters from there are meant.
    pub length: usize,
    /// The line as it stands, cut around the column when it is very long.
    pub excerpt: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// How many characters were cut from the front of the excerpt.
    #[serde(skip)]
    cut: usize,
}

/// The longest excerpt in characters, and how much of it stands in front of the column.
const EXCERPT: usize = 400;
const EXCERPT_BEFORE: usize = 120;

impl Diagnostic {
    /// Returns a diagnostic about a whole file.
    pub(crate) fn about_file(severity: Severity, file: &str, message: &str, hint: Option<&str>) -> Self {
        Self {
            severity,
            message: printable(message),
            file: printable(file),
            line: 0,
            column: 0,
            length: 0,
            excerpt: String::new(),
            hint: hint.map(printable),
            cut: 0,
        }
    }

    pub(crate) fn at(fault: &Fault, sources: &Sources) -> Self {
        let place = sources.place(fault.span);
        let cut = if place.text.chars().count() > EXCERPT {
            (place.column - 1).saturating_sub(EXCERPT_BEFORE)
        } else {
            0
        };
        let hint = match (&fault.hint, fault.other) {
            (Some(hint), Some(other)) => {
                Some(printable(&hint.replace(Fault::PLACE, &sources.position(other))))
            }
            (hint, _) => hint.as_deref().map(printable),
        };
        Self {
            severity: fault.severity,
            message: printable(&fault.message),
            file: printable(&sources.get(fault.span.source).name),
            line: place.line,
            column: place.column,
            length: place.length,
            excerpt: place.text.chars().skip(cut).take(EXCERPT).collect(),
            hint,
            cut,
        }
    }

    /// Returns the diagnostic as text for people: message, `file:line:column`, the line with the place marked, and
    /// what to do. Colours only when asked.
    pub fn render(&self, color: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(self.message.as_str());
        let mut group = if self.line == 0 {
            title.element(Origin::path(self.file.as_str()))
        } else {
            title.element(self.snippet().path(self.file.as_str()))
        };
        if let Some(hint) = &self.hint {
            group = group.element(Level::HELP.message(hint.as_str()));
        }
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group])
    }

    fn snippet(&self) -> Snippet<'_, annotate_snippets::Annotation<'_>> {
        // What was cut from the front becomes space, so that columns are those of the file.
        let line = format!("{}{}", " ".repeat(self.cut), self.excerpt);
        let offset = |chars: usize| line.char_indices().nth(chars).map_or(line.len(), |(at, _)| at);
        let span = offset(self.column - 1)..offset(self.column - 1 + self.length);
        let annotation = AnnotationKind::Primary.span(span);
        Snippet::source(line).line_start(self.line).annotation(annotation)
    }
}

/// The longest message or hint in characters.
const SENTENCE: usize = 1_000;

/// Keeps what a terminal would act on out of text that may hold anything, and cuts what is too long to be read.
fn printable(text: &str) -> String {
    let cut = text.char_indices().nth(SENTENCE).map(|(at, _)| at);
    text[..cut.unwrap_or(text.len())]
        .chars()
        .chain(cut.map(|_| '…'))
        .map(|c| match c {
            '\n' | '\t' => ' ',
            c if c.is_control() || is_bidi(c) => '\u{fffd}',
            c => c,
        })
        .collect()
}

fn is_bidi(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

/// A diagnostic before its place is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub severity: Severity,
    pub span: Span,
    pub message: String,
    pub hint: Option<String>,
    /// Another place the hint speaks of, where it says [`Fault::PLACE`].
    pub other: Option<Span>,
}

impl Fault {
    /// Stands in a hint for `file:line:column` of the other place.
    pub(crate) const PLACE: &str = "{place}";

    pub(crate) fn error(span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, span, message: message.into(), hint: None, other: None }
    }

    pub(crate) fn warning(span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, span, message: message.into(), hint: None, other: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Names the place that stands for [`Fault::PLACE`] in the hint.
    pub(crate) fn with_place(mut self, other: Span) -> Self {
        self.other = Some(other);
        self
    }

    pub(crate) fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }
}
