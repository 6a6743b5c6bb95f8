//! Origins: from a character of a value back to where it stands in the file.

use super::tree::{Scalar, Style};

/// Returns the offset in `raw` (the scalar as it is written, quotes included, the header of a block not) of the byte of the
/// value at `at`. `None` when the writing can not be followed, as with escapes that join lines.
pub(crate) fn origin(scalar: &Scalar, raw: &str, at: usize) -> Option<usize> {
    let map = match scalar.style {
        Style::Plain => flow(raw, 0, |_| None),
        Style::SingleQuoted => flow(raw.strip_prefix('\'')?.strip_suffix('\'')?, 1, single),
        Style::DoubleQuoted => flow(raw.strip_prefix('"')?.strip_suffix('"')?, 1, double),
        Style::Literal | Style::Folded => block(&scalar.text, raw)?,
    };
    map.get(at).copied().or_else(|| (at == scalar.text.len()).then(|| map.last().map_or(0, |last| last + 1)))
}

/// Follows text on one line or several: an escape is tried at each place, and a line end with the indentation after
/// it counts as the one character it is folded to.
fn flow(body: &str, offset: usize, escape: impl Fn(&str) -> Option<(usize, usize)>) -> Vec<usize> {
    let mut map = Vec::with_capacity(body.len());
    let mut at = 0;
    while at < body.len() {
        let rest = &body[at..];
        if let Some((written, meant)) = escape(rest) {
            map.extend(std::iter::repeat_n(offset + at, meant));
            at += written.max(1);
        } else if rest.starts_with(['\n', '\r']) {
            let white = rest.len() - rest.trim_start().len();
            let lines = rest[..white].matches('\n').count().max(1);
            while map.last().is_some_and(|last| matches!(body.as_bytes()[last - offset], b' ' | b'\t')) {
                map.pop();
            }
            map.extend(std::iter::repeat_n(offset + at, if lines == 1 { 1 } else { lines - 1 }));
            at += white;
        } else {
            let length = rest.chars().next().map_or(1, char::len_utf8);
            map.extend((0..length).map(|byte| offset + at + byte));
            at += length;
        }
    }
    map
}

fn single(rest: &str) -> Option<(usize, usize)> {
    rest.starts_with("''").then_some((2, 1))
}

fn double(rest: &str) -> Option<(usize, usize)> {
    let after = rest.strip_prefix('\\')?;
    let code = |digits: usize| {
        let number = u32::from_str_radix(after.get(1..=digits)?, 16).ok()?;
        Some((2 + digits, char::from_u32(number)?.len_utf8()))
    };
    match after.chars().next()? {
        'x' => code(2),
        'u' => code(4),
        'U' => code(8),
        'N' | '_' => Some((2, 2)),
        'L' | 'P' => Some((2, 3)),
        '\n' => Some((2 + after[1..].len() - after[1..].trim_start().len(), 0)),
        other => Some((1 + other.len_utf8(), 1)),
    }
}

/// Follows a block: each line of the value is found, in order, at the end of a written line.
fn block(text: &str, raw: &str) -> Option<Vec<usize>> {
    let mut map = Vec::with_capacity(text.len());
    let mut from = 0;
    // A folded block joins its lines with spaces: take words of a written line as long as they fit the value.
    let mut at = 0;
    while at < text.len() {
        let line_end = raw[from..].find('\n').map_or(raw.len(), |end| from + end);
        let line = raw[from..line_end].trim_end_matches('\r');
        let rest = &text[at..];
        let own_line = rest.split('\n').next().unwrap_or(rest);
        let content = line.trim_start();
        if content.is_empty() {
            if rest.starts_with('\n') {
                map.push(from);
                at += 1;
            }
        } else {
            let lead = own_line.len() - own_line.trim_start().len();
            if !own_line.trim_start().starts_with(content.trim_end()) || line.len() - content.len() < lead {
                return None;
            }
            let begin = line.len() - content.len() - lead;
            let length = (line.len() - begin).min(own_line.len());
            map.extend((0..length).map(|byte| from + begin + byte));
            at += length;
            if at < text.len() && matches!(text.as_bytes()[at], b'\n' | b' ') {
                map.push(from + line.len());
                at += 1;
            }
        }
        if line_end == raw.len() && at < text.len() {
            map.extend(std::iter::repeat_n(raw.len(), text.len() - at));
            break;
        }
        from = (line_end + 1).min(raw.len());
    }
    Some(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(style: Style, raw: &str, text: &str, needle: &str) -> usize {
        let scalar = Scalar { text: text.into(), style };
        origin(&scalar, raw, text.find(needle).unwrap()).unwrap()
    }

    #[test]
    fn a_character_of_a_value_is_found_in_the_file() {
        assert_eq!(find(Style::Plain, "a == b", "a == b", "b"), 5);
        assert_eq!(find(Style::SingleQuoted, "'it''s @'", "it's @", "@"), 7);
        assert_eq!(find(Style::DoubleQuoted, r#""a\"b\u00e9 @""#, "a\"bé @", "@"), 12);
        assert_eq!(find(Style::Plain, "one\n   two", "one two", "two"), 7);
        assert_eq!(find(Style::Literal, "one\n      two\n    @", "one\n  two\n@\n", "@"), 18);
        assert_eq!(find(Style::Folded, "one\n  two", "one two", "two"), 6);
    }

    #[test]
    fn the_end_of_a_value_is_a_place_too() {
        let scalar = Scalar { text: "a +".into(), style: Style::DoubleQuoted };
        assert_eq!(origin(&scalar, "\"a +\"", 3), Some(4));
    }
}
