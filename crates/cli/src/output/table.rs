//! Tables: columns under headings, and one thing's fields under each other.

use comfy_table::{ContentArrangement, presets};

use super::screen::Screen;

/// Text in columns, without lines around it.
pub(crate) struct Table {
    inner: comfy_table::Table,
    rows: usize,
}

/// How long a cell may be; longer text is cut.
const CELL_CHARS_MAX: usize = 200;

impl Table {
    /// Returns an empty table with these headings.
    pub(crate) fn new<const N: usize>(headings: [&str; N]) -> Table {
        let mut inner = comfy_table::Table::new();
        inner.load_style(presets::NOTHING).set_header(headings);
        Table { inner, rows: 0 }
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.inner.add_row(cells.map(|cell| one_line(&cell, CELL_CHARS_MAX)));
        self.rows += 1;
    }

    /// Returns it as text, or `empty` if there are no rows. On a terminal, long cells are wrapped to its width.
    pub(crate) fn render(mut self, screen: &Screen, empty: &str) -> String {
        if self.rows == 0 {
            return empty.to_owned();
        }
        if let Some(width) = screen.width() {
            self.inner.set_width(width).set_content_arrangement(ContentArrangement::Dynamic);
        }
        for column in self.inner.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let mut text = String::new();
        for line in self.inner.lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Returns the fields of one thing, name and value on a line, values aligned. Empty values are left out; values of several lines
/// are indented.
pub(crate) fn fields(rows: &[(&str, String)]) -> String {
    let shown = || rows.iter().filter(|(_, value)| !value.is_empty());
    let width = shown().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in shown() {
        let indent = format!("\n{:width$}  ", "");
        text.push_str(&format!("{name:width$}  {}\n", value.trim_end().replace('\n', &indent)));
    }
    text
}

/// Returns a text on one line, with control characters made visible, cut to so many characters.
pub(crate) fn one_line(text: &str, chars_max: usize) -> String {
    let mut line: String = text
        .chars()
        .take(chars_max)
        .map(|one| match one {
            '\n' | '\t' | '\r' => ' ',
            one if one.is_control() => '\u{fffd}',
            one => one,
        })
        .collect();
    if text.chars().nth(chars_max).is_some() {
        line.pop();
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::TimeStyle;

    #[test]
    fn columns_are_aligned_and_no_line_ends_in_space() {
        let mut table = Table::new(["ID", "STATE"]);
        table.row(["a".into(), "x\u{1b}[31m\ny".into()]);
        table.row(["long-one".into(), String::new()]);
        let screen = Screen::fixed(TimeStyle::Iso, "2026-01-01T00:00:00Z");
        assert_eq!(table.render(&screen, "none"), "ID        STATE\na         x\u{fffd}[31m y\nlong-one\n");
    }

    #[test]
    fn an_empty_table_says_so() {
        let screen = Screen::fixed(TimeStyle::Iso, "2026-01-01T00:00:00Z");
        assert_eq!(Table::new(["ID"]).render(&screen, "no topics yet"), "no topics yet");
    }

    #[test]
    fn fields_leave_out_what_is_empty() {
        let text = fields(&[("id", "x".into()), ("note", String::new()), ("stderr", "a\nb\n".into())]);
        assert_eq!(text, "id      x\nstderr  a\n        b\n");
    }
}
