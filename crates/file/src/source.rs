//! Sources: the texts that were read, and places in them.

use std::path::PathBuf;

/// The longest text of one source: 1 MiB.
pub(crate) const MAX_SOURCE_BYTES: u64 = 1 << 20;

/// One text: a file, or the value of a variable that overrides one.
#[derive(Debug)]
pub(crate) struct Source {
    /// The name shown in front of line and column.
    pub name: String,
    /// The text, without a byte-order mark.
    pub text: String,
    /// The folder that paths in it are relative to.
    pub folder: PathBuf,
}

/// Which source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SourceId(u32);

/// A range of bytes of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Span {
    pub source: SourceId,
    pub start: u32,
    pub end: u32,
}

impl Span {
    /// Returns the span of so many bytes from an offset. Sources are at most 1 MiB, so offsets fit.
    pub(crate) fn new(source: SourceId, start: usize, end: usize) -> Self {
        let narrow = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Self { source, start: narrow(start), end: narrow(end) }
    }
}

/// All texts that were read, in the order they were opened.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    list: Vec<Source>,
}

/// A place as people count: from one, in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub line: usize,
    pub column: usize,
    /// The line, without its end.
    pub text: String,
    /// How many characters of the line are meant, at least one.
    pub length: usize,
}

impl Sources {
    pub(crate) fn add(&mut self, source: Source) -> SourceId {
        self.list.push(source);
        SourceId(u32::try_from(self.list.len() - 1).expect("the number of files is bounded far below 2^32"))
    }

    pub(crate) fn get(&self, id: SourceId) -> &Source {
        &self.list[id.0 as usize]
    }

    /// Returns the text of a span, empty when it is out of range.
    pub(crate) fn slice(&self, span: Span) -> &str {
        self.get(span.source).text.get(span.start as usize..span.end as usize).unwrap_or("")
    }

    /// Returns where a span begins.
    pub(crate) fn place(&self, span: Span) -> Place {
        let text = &self.get(span.source).text;
        let mut start = (span.start as usize).min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        // A place after the last line's end is shown on the last line that has text.
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let line = text[line_start..line_end].trim_end_matches('\r');
        let end = (span.end as usize).clamp(start, line_start + line.len().max(start - line_start));
        let length = text.get(start..end).map_or(1, |meant| meant.trim_end().chars().count()).max(1);
        Place {
            line: before.matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            text: line.to_owned(),
            length,
        }
    }

    /// Returns `file:line:column` of a span's begin.
    pub(crate) fn position(&self, span: Span) -> String {
        let place = self.place(span);
        format!("{}:{}:{}", self.get(span.source).name, place.line, place.column)
    }
}
