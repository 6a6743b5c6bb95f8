//! Markdown agent files: front matter between `---` lines, then the prompt.
//!
//! Such files are written for people and for several programs, and often say `description: Use this: when …`
//! without quotes. Front matter that is no YAML is therefore read again key by key: what stands after a key is taken
//! as text, and only what begins a list or a map is read as YAML.

use crate::diagnostic::Fault;
use crate::source::{SourceId, Span};
use crate::yaml::{Entry, Node, Scalar, Style, Value, parse};

/// What a Markdown file consists of.
pub(crate) struct Markdown<'a> {
    pub front: Node,
    pub body: &'a str,
}

/// Parts a Markdown file.
pub(crate) fn markdown(source: SourceId, text: &str) -> (Option<Markdown<'_>>, Vec<Fault>) {
    let whole =
        |message: &str, hint: &str| (None, vec![Fault::error(Span::new(source, 0, 3), message).hint(hint)]);
    let Some(start) =
        ["---\n", "---\r\n"].iter().find_map(|mark| text.starts_with(mark).then_some(mark.len()))
    else {
        return whole(
            "this agent file does not begin with front matter",
            "begin with a line `---`, then `name:` and `description:`, then `---`",
        );
    };
    let Some((end, body)) = closing(text, start) else {
        return whole("the front matter is never closed", "end it with a line `---`");
    };
    let front = &text[start..end];
    let (node, faults) = parse(source, front, start);
    let (node, faults) = match node {
        Some(node) if faults.is_empty() => (Some(node), faults),
        _ => match key_by_key(source, front, start) {
            Some((node, lenient)) => (Some(node), lenient),
            None => (node, faults),
        },
    };
    match node {
        Some(front) => (Some(Markdown { front, body: &text[body..] }), faults),
        None if faults.is_empty() => whole("the front matter is empty", "add `name:` and `description:`"),
        None => (None, faults),
    }
}

/// Returns where the front matter ends and where the body begins.
fn closing(text: &str, start: usize) -> Option<(usize, usize)> {
    let mut at = start;
    for line in text[start..].split_inclusive('\n') {
        if line.trim_end() == "---" {
            return Some((at, at + line.len()));
        }
        at += line.len();
    }
    None
}

/// Reads front matter key by key. `None` when it has no keys at all.
fn key_by_key(source: SourceId, front: &str, base: usize) -> Option<(Node, Vec<Fault>)> {
    let mut starts: Vec<(usize, usize)> = Vec::new();
    let mut at = 0;
    for line in front.split_inclusive('\n') {
        if let Some(length) = key_length(line) {
            starts.push((at, length));
        }
        at += line.len();
    }
    let mut entries: Vec<Entry> = Vec::new();
    let mut faults = Vec::new();
    for (index, &(start, length)) in starts.iter().enumerate() {
        let end = starts.get(index + 1).map_or(front.len(), |next| next.0);
        let part = &front[start..end];
        let value = part[length + 1..].trim();
        if structured(value) {
            let (node, found) = parse(source, part, base + start);
            faults.extend(found);
            if let Some(Node { value: Value::Map(own), .. }) = node {
                entries.extend(own);
            }
            continue;
        }
        let value_start =
            start + length + 1 + (part[length + 1..].len() - part[length + 1..].trim_start().len());
        let text = value.split_whitespace().collect::<Vec<_>>().join(" ");
        // The text stands as it is, so it is text, whatever it looks like.
        entries.push(Entry {
            key: part[..length].to_owned(),
            key_span: Span::new(source, base + start, base + start + length),
            value: Node {
                span: Span::new(source, base + value_start, base + value_start + value.len()),
                value: Value::Scalar(Scalar {
                    text,
                    style: if value.is_empty() { Style::Plain } else { Style::Literal },
                }),
            },
        });
    }
    let mut unique: Vec<Entry> = Vec::new();
    for entry in entries {
        match unique.iter().find(|known| known.key == entry.key) {
            Some(first) => faults.push(
                Fault::error(entry.key_span, format!("`{}` is given twice", entry.key))
                    .hint(format!("remove one of them; the first is at {}", Fault::PLACE))
                    .with_place(first.key_span),
            ),
            None => unique.push(entry),
        }
    }
    let span = Span::new(source, base, base + front.len());
    (!unique.is_empty()).then_some((Node { span, value: Value::Map(unique) }, faults))
}

/// Returns the length of the key a line begins with.
fn key_length(line: &str) -> Option<usize> {
    let length = line.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')).count();
    let after = line[length..].strip_prefix(':')?;
    (length > 0 && !line.starts_with('-') && (after.trim().is_empty() || after.starts_with([' ', '\t'])))
        .then_some(length)
}

/// Tells whether a value is written as a list, a map, a block or a quoted text, and so is meant as YAML.
fn structured(value: &str) -> bool {
    value.starts_with(['[', '{', '|', '>', '"', '\'', '#']) || value.starts_with("- ") || {
        // A map on the lines below: its first line has a key of its own and nothing stands beside the outer key.
        value.lines().next().is_some_and(|first| first.trim_end().ends_with(':') && !first.contains(' '))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<Markdown<'_>>, Vec<Fault>) {
        let mut sources = crate::source::Sources::default();
        let id =
            sources.add(crate::source::Source { name: "a.md".into(), text: text.into(), folder: ".".into() });
        markdown(id, text)
    }

    fn value(front: &Node, key: &str) -> String {
        match &front.get(key).unwrap().value {
            Value::Scalar(scalar) => scalar.text.clone(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn front_matter_with_unquoted_colons_is_read() {
        let text = "---\nname: reviewer\ndescription: Use this: when code # changes: a lot\nsubscriptions:\n  - topic: a\n    filter: {type: X}\n---\nYou review.\n";
        let (parts, faults) = read(text);
        assert!(faults.is_empty(), "{faults:?}");
        let parts = parts.unwrap();
        assert_eq!(value(&parts.front, "description"), "Use this: when code # changes: a lot");
        assert_eq!(value(&parts.front, "name"), "reviewer");
        assert!(
            matches!(&parts.front.get("subscriptions").unwrap().value, Value::List(items) if items.len() == 1)
        );
        assert_eq!(parts.body, "You review.\n");
    }

    #[test]
    fn faults_in_the_yaml_parts_keep_their_place() {
        let text = "---\ndescription: Use: this\nsubscriptions: [\n---\n";
        let (_, faults) = read(text);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].span.start >= text.find("subscriptions").unwrap() as u32);
    }

    #[test]
    fn a_file_without_front_matter_is_refused() {
        assert!(read("# Hello\n").0.is_none());
        assert!(read("---\nname: x\n").0.is_none());
        assert!(read("---\n---\nbody").0.is_none());
    }
}
