//! The tree: scalars, lists and maps with their places.

use crate::source::Span;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub span: Span,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A scalar as text; what it means is decided by who reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scalar {
    pub text: String,
    pub style: Style,
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes: may be a number, a truth value or nothing.
    Plain,
    SingleQuoted,
    DoubleQuoted,
    /// A block after `|`.
    Literal,
    /// A block after `>`.
    Folded,
}

/// One key with its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub key: String,
    pub key_span: Span,
    pub value: Node,
}

impl Node {
    /// Tells whether nothing stands there: an empty value, `~` or `null`.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(Scalar { text, style: Style::Plain }) if super::resolve(text) == super::Plain::Null)
    }

    /// Returns what stands there in words, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
            Value::Scalar(_) if self.is_null() => "nothing",
            Value::Scalar(Scalar { text, style: Style::Plain }) => match super::resolve(text) {
                super::Plain::Bool(_) => "a truth value",
                super::Plain::Int(_) | super::Plain::Float(_) => "a number",
                _ => "text",
            },
            Value::Scalar(_) => "text",
        }
    }

    /// Returns the value under a key of a map.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
            _ => None,
        }
    }

    /// Returns the node a JSON pointer leads to, or the last one on the way that exists.
    pub(crate) fn pointed(&self, pointer: &str) -> &Node {
        let mut node = self;
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            let next = match &node.value {
                Value::Map(_) => node.get(&step),
                Value::List(items) => step.parse::<usize>().ok().and_then(|at| items.get(at)),
                Value::Scalar(_) => None,
            };
            match next {
                Some(next) => node = next,
                None => return node,
            }
        }
        node
    }
}
