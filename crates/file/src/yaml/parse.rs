//! From text to tree, with bounds on depth, on size, and on what aliases multiply.

use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Options, Parser, ScalarStyle, ScanError, Tag};

use super::tree::{Entry, Node, Scalar, Style, Value};
use crate::diagnostic::Fault;
use crate::source::{SourceId, Span};

/// The deepest nesting, aliases included.
const MAX_DEPTH: usize = 64;
/// The most values in one text, counted after aliases are replaced by what they stand for.
const MAX_NODES: usize = 100_000;
/// The most faults that are collected before reading stops.
const MAX_FAULTS: usize = 50;

/// Reads a text, or a part of one that begins at `base`. Gives the tree, unless nothing stands there or it can not
/// be read, and every fault that was found on the way.
pub(crate) fn parse(source: SourceId, text: &str, base: usize) -> (Option<Node>, Vec<Fault>) {
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.flow_nesting_limit = MAX_DEPTH + 1;
    options.block_nesting_limit = MAX_DEPTH + 1;
    options.disallow_directives = true;
    let mut builder = Builder { source, base, ..Builder::new(source) };
    for event in Parser::new_from_str_with_options(text, options) {
        let step = match event {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => Err(unreadable(source, base, text, &error)),
        };
        if let Err(fault) = step {
            builder.faults.push(fault);
            return (None, builder.faults);
        }
        if builder.faults.len() >= MAX_FAULTS {
            break;
        }
    }
    (builder.root, builder.faults)
}

struct Builder {
    source: SourceId,
    base: usize,
    open: Vec<Open>,
    root: Option<Node>,
    anchors: HashMap<usize, Anchored>,
    faults: Vec<Fault>,
    nodes: usize,
    documents: usize,
}

/// A list or map that is not closed yet.
struct Open {
    span: Span,
    anchor: usize,
    depth: usize,
    size: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        key: Option<(String, Span)>,
        merged: Vec<Entry>,
        /// Where each key stands, so that a large map is not searched for each of its keys.
        seen: HashMap<String, Span>,
    },
}

impl Content {
    fn map() -> Self {
        Self::Map { entries: Vec::new(), key: None, merged: Vec::new(), seen: HashMap::new() }
    }
}

/// What an alias stands for.
struct Anchored {
    node: Node,
    depth: usize,
    size: usize,
}

impl Builder {
    fn new(source: SourceId) -> Self {
        Self {
            source,
            base: 0,
            open: Vec::new(),
            root: None,
            anchors: HashMap::new(),
            faults: Vec::new(),
            nodes: 0,
            documents: 0,
        }
    }

    fn span(&self, span: granit_parser::Span) -> Span {
        let range = span.byte_range().unwrap_or(0..0);
        Span::new(self.source, self.base + range.start, self.base + range.end)
    }

    fn take(&mut self, event: Event<'_>, span: granit_parser::Span) -> Result<(), Fault> {
        let span = self.span(span);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Fault::error(span, "a second document begins here; a file is one document")
                        .hint("put the second part into a file of its own and name it under `include:`"));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let style = self.style(style, tag.as_deref(), span);
                let node = Node { span, value: Value::Scalar(Scalar { text: text.into_owned(), style }) };
                self.count(1, span)?;
                self.close(node, anchor, 1, 1)?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), "seq", span);
                self.begin(span, anchor, Content::List(Vec::new()))?;
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), "map", span);
                self.begin(span, anchor, Content::map())?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span)?,
            Event::Alias(anchor) => {
                let Some(Anchored { node, depth, size }) = self.anchors.get(&anchor) else {
                    return Err(Fault::error(span, "this alias stands for a value that contains it")
                        .hint("write the value out; a value can not contain itself"));
                };
                let (node, depth, size) = (node.clone_within(self.nodes + size <= MAX_NODES), *depth, *size);
                self.count(size, span)?;
                if let Some(node) = node {
                    self.close(node, 0, depth, size)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Counts values, so that aliases of aliases end in a fault instead of in all the memory there is.
    fn count(&mut self, size: usize, span: Span) -> Result<(), Fault> {
        self.nodes = self.nodes.saturating_add(size);
        if self.nodes > MAX_NODES {
            return Err(Fault::error(span, format!("the file grows beyond {MAX_NODES} values here"))
                .hint("aliases multiply what they stand for; write less, or split the file"));
        }
        Ok(())
    }

    fn begin(&mut self, span: Span, anchor: usize, content: Content) -> Result<(), Fault> {
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(span));
        }
        self.count(1, span)?;
        self.open.push(Open { span, anchor, depth: 1, size: 1, content });
        Ok(())
    }

    fn end(&mut self, at: Span) -> Result<(), Fault> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let (value, end) = match open.content {
            Content::List(items) => {
                let end = items.last().map_or(at.end, |last| last.span.end.max(at.end));
                (Value::List(items), end)
            }
            Content::Map { mut entries, merged, mut seen, .. } => {
                for entry in merged {
                    if seen.insert(entry.key.clone(), entry.key_span).is_none() {
                        entries.push(entry);
                    }
                }
                let end = entries.last().map_or(at.end, |last| last.value.span.end.max(at.end));
                (Value::Map(entries), end)
            }
        };
        let span = Span { end: end.max(open.span.end), ..open.span };
        self.close(Node { span, value }, open.anchor, open.depth, open.size)
    }

    /// Puts a finished value where it belongs.
    fn close(&mut self, node: Node, anchor: usize, depth: usize, size: usize) -> Result<(), Fault> {
        if self.open.len() + depth > MAX_DEPTH + 1 {
            return Err(too_deep(node.span));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, Anchored { node: node.clone(), depth, size });
            self.count(size, node.span)?;
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        open.depth = open.depth.max(depth + 1);
        open.size += size;
        match &mut open.content {
            Content::List(items) => items.push(node),
            Content::Map { entries, key, merged, seen } => match key.take() {
                None => match node.value {
                    Value::Scalar(scalar) => *key = Some((scalar.text, node.span)),
                    _ => {
                        return Err(Fault::error(node.span, "a key is a word, not a list or a map")
                            .hint("a `{` or `[` at the begin of a value must be quoted if text is meant"));
                    }
                },
                Some((key, key_span)) if key == "<<" => match merge(node) {
                    Some(more) => merged.extend(more),
                    None => self.faults.push(
                        Fault::error(key_span, "`<<` takes a map, or a list of maps")
                            .hint("write `<<: *name`"),
                    ),
                },
                Some((key, key_span)) => {
                    if let Some(first) = seen.get(&key) {
                        self.faults.push(twice(&key, key_span, *first));
                    } else {
                        seen.insert(key.clone(), key_span);
                        entries.push(Entry { key, key_span, value: node });
                    }
                }
            },
        }
        Ok(())
    }

    fn style(&mut self, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Style {
        if let Some(tag) = tag
            && tag.core_suffix() == Some("str")
        {
            return Style::DoubleQuoted;
        }
        self.refuse_tag(tag, "", span);
        match style {
            ScalarStyle::SingleQuoted => Style::SingleQuoted,
            ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
            ScalarStyle::Literal => Style::Literal,
            ScalarStyle::Folded => Style::Folded,
            _ => Style::Plain,
        }
    }

    fn refuse_tag(&mut self, tag: Option<&Tag>, allowed: &str, span: Span) {
        let Some(tag) = tag else { return };
        let known = tag.core_suffix().is_some_and(|suffix| {
            suffix == allowed || (allowed.is_empty() && matches!(suffix, "int" | "float" | "bool" | "null"))
        });
        if !known {
            self.faults.push(
                Fault::error(span, format!("the tag `{}` means nothing here", tag.original()))
                    .hint("remove it; quote the value if it should be text"),
            );
        }
    }
}

impl Node {
    /// Clones the node, unless the copy would not be wanted anyway.
    fn clone_within(&self, wanted: bool) -> Option<Node> {
        wanted.then(|| self.clone())
    }
}

fn merge(node: Node) -> Option<Vec<Entry>> {
    match node.value {
        Value::Map(entries) => Some(entries),
        Value::List(items) => {
            let mut all: Vec<Entry> = Vec::new();
            for item in items {
                let Value::Map(entries) = item.value else { return None };
                all.extend(entries);
            }
            Some(all)
        }
        Value::Scalar(_) => None,
    }
}

/// Says that a key stands twice in one map. The first place is put in by whoever shows the fault.
fn twice(key: &str, second: Span, first: Span) -> Fault {
    Fault::error(second, format!("`{key}` is given twice"))
        .hint(format!("remove one of them; the first is at {}", Fault::PLACE))
        .with_place(first)
}

fn too_deep(span: Span) -> Fault {
    Fault::error(span, format!("this is nested more than {MAX_DEPTH} levels deep"))
        .hint("nothing Cantus reads is that deep")
}

fn unreadable(source: SourceId, base: usize, text: &str, error: &ScanError) -> Fault {
    let at = base + error.marker().byte_offset().unwrap_or(0).min(text.len());
    let span = Span::new(source, at, at + 1);
    let (message, hint) = match error.kind() {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart => {
            ("a tab can not indent in YAML".to_owned(), Some("use spaces, two for each level"))
        }
        ErrorKind::UnknownAnchor => (
            "this alias has no anchor before it".to_owned(),
            Some("quote the text if it begins with `*`: \"/*\" or \"*\""),
        ),
        ErrorKind::MissingAnchorOrAliasName => {
            ("a `*` or `&` alone is no text in YAML".to_owned(), Some("quote it: \"*\""))
        }
        ErrorKind::InvalidQuotedScalarIndent => (
            "a quote that was opened before is not closed here".to_owned(),
            Some("close it with the same quote, or indent the lines it goes on"),
        ),
        ErrorKind::RecursionLimitExceeded => return too_deep(span),
        ErrorKind::UnclosedQuotedScalar => {
            ("this quote is never closed".to_owned(), Some("close it with the same quote"))
        }
        ErrorKind::UnclosedFlowCollection { open } => (
            format!("this `{open}` is never closed"),
            Some("close it, or write the value on lines of its own"),
        ),
        ErrorKind::DirectiveDisallowed => (
            "a line that begins with `%` is a directive, and none is known here".to_owned(),
            Some("remove the line"),
        ),
        ErrorKind::BomInsideDocument => (
            "a byte-order mark stands inside the text".to_owned(),
            Some("remove it; one may only stand at the very begin"),
        ),
        _ if text[..at - base].ends_with('$') && text[at - base..].starts_with('{') => {
            ("a variable within `{ }` or `[ ]` must be quoted".to_owned(), Some("write \"${NAME}\""))
        }
        _ => (format!("this is no YAML: {}", error.info()), hint_for(&text[at - base..])),
    };
    Fault::error(span, message).maybe_hint(hint.map(str::to_owned))
}

fn hint_for(rest: &str) -> Option<&'static str> {
    match rest.chars().next()? {
        ':' => Some("text with `: ` in it must be quoted: \"Use this: now\""),
        '@' | '`' => Some("text that begins with this character must be quoted"),
        '%' | '&' | '*' | '!' | '|' | '>' | '{' | '[' | '}' | ']' => {
            Some("text that begins with this character must be quoted; brackets come in pairs")
        }
        _ => Some(
            "check the indentation of this line and of the one before, and quote text that has `: ` or ` #` in it",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Source, Sources};

    fn read(text: &str) -> (Option<Node>, Vec<String>) {
        let mut sources = Sources::default();
        let id = sources.add(Source { name: "t".into(), text: text.into(), folder: ".".into() });
        let (node, faults) = parse(id, text, 0);
        (
            node,
            faults
                .iter()
                .map(|fault| format!("{} {}", sources.position(fault.span), fault.message))
                .collect(),
        )
    }

    #[test]
    fn keys_and_values_know_where_they_stand() {
        let (node, faults) = read("a: 1\nb:\n  - x\n  - {c: \"d\"}\n");
        assert!(faults.is_empty(), "{faults:?}");
        let node = node.unwrap();
        let c = node.pointed("/b/1/c");
        assert_eq!((c.span.start, c.span.end), (22, 25));
        assert_eq!(c.value, Value::Scalar(Scalar { text: "d".into(), style: Style::DoubleQuoted }));
    }

    #[test]
    fn merge_keys_give_what_the_map_does_not_have() {
        let (node, faults) = read("base: &b {x: 1, y: 2}\nuse: {<<: *b, y: 3}\n");
        assert!(faults.is_empty(), "{faults:?}");
        let node = node.unwrap();
        assert!(matches!(&node.pointed("/use/x").value, Value::Scalar(s) if s.text == "1"));
        assert!(matches!(&node.pointed("/use/y").value, Value::Scalar(s) if s.text == "3"));
    }

    #[test]
    fn aliases_of_aliases_end_in_a_fault() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let inner = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
        }
        let (node, faults) = read(&bomb);
        assert!(node.is_none());
        assert!(faults[0].contains("grows beyond 100000 values"), "{faults:?}");
    }

    #[test]
    fn an_alias_can_not_stand_within_its_own_value() {
        let (_, faults) = read("a: &a [*a]\n");
        assert_eq!(faults.len(), 1, "{faults:?}");
    }

    #[test]
    fn deep_nesting_ends_in_a_fault() {
        for text in ["[".repeat(100_000), "{a: ".repeat(5_000), "- ".repeat(1_000)] {
            let (node, faults) = read(&text);
            assert!(node.is_none());
            assert!(faults[0].contains("nested more than 64 levels"), "{faults:?}");
        }
    }
}
