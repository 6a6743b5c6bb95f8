//! The reader: single values, and the faults found so far.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::Display;
use std::path::PathBuf;

use cantus_api::definition::{Duration, Size};

use crate::diagnostic::{Fault, Severity};
use crate::environment::Environment;
use crate::interpolate::interpolate;
use crate::source::{Sources, Span};
use crate::suggest::nearest;
use crate::yaml::{Entry, Node, Plain, Scalar, Style, Value, origin, resolve};

/// The most errors, and the most warnings, that are kept of one load.
const MAX_FAULTS: usize = 200;

/// Reads values out of the tree and keeps the faults.
pub(crate) struct Reader<'a> {
    pub sources: &'a Sources,
    pub environment: &'a Environment,
    faults: RefCell<Vec<Fault>>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(sources: &'a Sources, environment: &'a Environment) -> Self {
        Self { sources, environment, faults: RefCell::new(Vec::new()) }
    }

    /// Keeps a fault, unless it is known (aliases show one place twice) or there are too many.
    pub(crate) fn say(&self, fault: Fault) {
        let full = self.is_full(fault.severity);
        let mut faults = self.faults.borrow_mut();
        if !full && !faults.contains(&fault) {
            faults.push(fault);
        }
    }

    /// Tells whether no more errors, or warnings, are kept. Who would search long for one can stop then.
    pub(crate) fn is_full(&self, severity: Severity) -> bool {
        self.faults.borrow().iter().filter(|known| known.severity == severity).count() >= MAX_FAULTS
    }

    /// Tells whether something was found that makes the file unusable.
    pub(crate) fn has_errors(&self) -> bool {
        self.faults.borrow().iter().any(|fault| fault.severity == Severity::Error)
    }

    pub(crate) fn into_faults(self) -> Vec<Fault> {
        self.faults.into_inner()
    }

    /// Says that something else was expected here.
    pub(crate) fn expected(&self, node: &Node, what: &str) {
        let fault = if node.is_null() {
            Fault::error(node.span, format!("a value is missing here: {what} is expected"))
                .hint("write the value, or remove the key")
        } else {
            Fault::error(node.span, format!("{what} is expected here, and this is {}", node.kind()))
        };
        self.say(fault);
    }

    /// Reads text as it stands, without replacing variables. Numbers and truth values are taken as they are written.
    pub(crate) fn raw_text<'n>(&self, node: &'n Node) -> Option<&'n str> {
        match &node.value {
            Value::Scalar(scalar) if !node.is_null() => Some(&scalar.text),
            _ => {
                self.expected(node, "text");
                None
            }
        }
    }

    /// Reads text, with variables replaced.
    pub(crate) fn text<'n>(&self, node: &'n Node) -> Option<Cow<'n, str>> {
        let text = self.raw_text(node)?;
        match interpolate(text, self.environment) {
            Ok(text) => Some(text),
            Err(fault) => {
                let span = self.within(node, fault.at, fault.length);
                self.say(Fault::error(span, fault.message).hint(fault.hint));
                None
            }
        }
    }

    /// Returns where a part of a scalar's value stands in the file; the whole scalar when that can not be followed.
    pub(crate) fn within(&self, node: &Node, at: usize, length: usize) -> Span {
        let Value::Scalar(scalar) = &node.value else { return node.span };
        let raw = self.sources.slice(node.span);
        let Some(start) = origin(scalar, raw, at) else { return node.span };
        let end = origin(scalar, raw, at + length).unwrap_or(start + 1);
        let base = node.span.start as usize;
        Span::new(node.span.source, base + start, base + end.max(start + 1))
    }

    /// Reads text that a parser of its own understands.
    pub(crate) fn parsed<T, E: Display>(
        &self,
        node: &Node,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(node)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.refuse(node.span, &error);
                None
            }
        }
    }

    /// Says what a parser of its own has against a text.
    pub(crate) fn refuse(&self, span: Span, error: &impl Display) {
        let (message, hint) = split(&error.to_string());
        self.say(Fault::error(span, message).maybe_hint(hint));
    }

    /// Reads one of several words.
    pub(crate) fn word<T: Copy>(&self, node: &Node, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.text(node)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let all = words.iter().map(|(word, _)| *word);
        let list = all.clone().collect::<Vec<_>>().join(", ");
        let hint = match nearest(&text, all) {
            Some(near) => format!("did you mean `{near}`? possible here: {list}"),
            None => format!("possible here: {list}"),
        };
        self.say(Fault::error(node.span, format!("`{text}` is not possible here")).hint(hint));
        None
    }

    /// Reads what an unquoted word means, with variables replaced. A quoted text counts as unquoted when it has a
    /// variable, because within `{ }` YAML wants quotes around `${NAME}`.
    fn plain(&self, node: &Node) -> Option<Plain> {
        match &node.value {
            Value::Scalar(Scalar { style, text })
                if !node.is_null() && (*style == Style::Plain || text.contains("${")) =>
            {
                Some(resolve(&self.text(node)?))
            }
            _ => Some(Plain::Text),
        }
    }

    pub(crate) fn boolean(&self, node: &Node) -> Option<bool> {
        let plain = self.plain(node)?;
        if let Plain::Bool(value) = plain {
            return Some(value);
        }
        if node.is_null() {
            self.expected(node, "`true` or `false`");
            return None;
        }
        self.say(
            Fault::error(
                node.span,
                format!("`true` or `false` is expected here, and this is {}", node.kind()),
            )
            .hint("write true or false, without quotes"),
        );
        None
    }

    /// Reads a whole number within bounds.
    pub(crate) fn whole(&self, node: &Node, key: &str, bounds: std::ops::RangeInclusive<u32>) -> Option<u32> {
        let (low, high) = (*bounds.start(), *bounds.end());
        match self.plain(node)? {
            Plain::Int(number) => match u32::try_from(number).ok().filter(|number| bounds.contains(number)) {
                Some(number) => return Some(number),
                None => self.say(
                    Fault::error(node.span, format!("`{key}` is {number}; it can be {low} to {high}"))
                        .hint("write a number within these bounds"),
                ),
            },
            Plain::TooLarge => self.say(
                Fault::error(node.span, format!("`{key}` is too large; it can be {low} to {high}"))
                    .hint("write a number within these bounds"),
            ),
            _ => self.expected(node, &format!("a whole number from {low} to {high}")),
        }
        None
    }

    /// Reads a number with or without a fraction.
    pub(crate) fn number(&self, node: &Node) -> Option<f64> {
        match self.plain(node)? {
            #[expect(clippy::cast_precision_loss, reason = "the values this is for are at most 100")]
            Plain::Int(number) => Some(number as f64),
            Plain::Float(number) if number.is_finite() => Some(number),
            _ => {
                self.expected(node, "a number");
                None
            }
        }
    }

    /// Reads a duration; `least` is the shortest that makes sense.
    pub(crate) fn duration(&self, node: &Node, key: &str, least: Duration) -> Option<Duration> {
        let duration = self.parsed(node, Duration::parse)?;
        if duration < least {
            let hint = format!(
                "write a duration such as {}",
                if least.is_zero() { "30s".to_owned() } else { least.to_string() }
            );
            self.say(
                Fault::error(node.span, format!("`{key}` is {duration}; the least is {least}")).hint(hint),
            );
            return None;
        }
        Some(duration)
    }

    pub(crate) fn size(&self, node: &Node) -> Option<Size> {
        self.parsed(node, Size::parse)
    }

    /// Reads a path, made absolute from the folder of the file it stands in.
    pub(crate) fn path(&self, node: &Node) -> Option<PathBuf> {
        let text = self.text(node)?;
        if text.is_empty() || text.contains('\0') {
            self.say(
                Fault::error(node.span, "a path is expected here")
                    .hint("write a path; it is relative to this file"),
            );
            return None;
        }
        Some(self.sources.get(node.span.source).folder.join(&*text))
    }

    /// Reads a list; one item that fails does not hide the others. A single scalar stands for a list of one.
    pub(crate) fn list<'n, T>(&self, node: &'n Node, mut item: impl FnMut(&'n Node) -> Option<T>) -> Vec<T> {
        match &node.value {
            Value::List(items) => items.iter().filter_map(item).collect(),
            Value::Scalar(_) if !node.is_null() => item(node).into_iter().collect(),
            _ => {
                self.expected(node, "a list");
                Vec::new()
            }
        }
    }

    /// Returns the entries of a map.
    pub(crate) fn entries<'n>(&self, node: &'n Node, what: &str) -> Option<&'n [Entry]> {
        if let Value::Map(entries) = &node.value {
            return Some(entries);
        }
        let message = format!("{what} is expected here, and this is {}", node.kind());
        self.say(Fault::error(node.span, message).hint("write `key: value` lines"));
        None
    }

    /// Turns a value into JSON as it stands, without replacing variables.
    pub(crate) fn json(&self, node: &Node) -> Option<serde_json::Value> {
        Some(match &node.value {
            Value::List(items) => {
                items.iter().map(|item| self.json(item)).collect::<Option<Vec<_>>>()?.into()
            }
            Value::Map(entries) => {
                let members = entries.iter().map(|entry| Some((entry.key.clone(), self.json(&entry.value)?)));
                serde_json::Value::Object(members.collect::<Option<_>>()?)
            }
            Value::Scalar(Scalar { text, style: Style::Plain }) => match resolve(text) {
                Plain::Null => serde_json::Value::Null,
                Plain::Bool(value) => value.into(),
                Plain::Text => text.as_str().into(),
                Plain::Int(number) => {
                    let exact = i64::try_from(number)
                        .map(Into::into)
                        .or_else(|_| u64::try_from(number).map(Into::into));
                    return exact.ok().or_else(|| self.inexact(node));
                }
                Plain::Float(number) => match serde_json::Number::from_f64(number) {
                    Some(number) => number.into(),
                    None => return self.inexact(node),
                },
                Plain::TooLarge => return self.inexact(node),
            },
            Value::Scalar(scalar) => scalar.text.as_str().into(),
        })
    }

    fn inexact(&self, node: &Node) -> Option<serde_json::Value> {
        self.say(
            Fault::error(node.span, "this number can not be kept exactly")
                .hint("quote it, if text is meant, or write a smaller one"),
        );
        None
    }
}

/// Parts an error of a parser into what is wrong and what to do.
fn split(message: &str) -> (String, Option<String>) {
    match message.split_once("; ") {
        Some((what, hint)) => (what.to_owned(), Some(hint.to_owned())),
        None => match message.split_once(": ") {
            Some((what, rule)) => (what.to_owned(), Some(rule.to_owned())),
            None => (message.to_owned(), None),
        },
    }
}
