//! From a declared filter to clauses: maps, texts, lists and the CloudEvents dialects.
use serde_json::{Map, Value};

use super::cel::Expression;
use super::clause::{Clause, Dialect, Equal, TextClause, Wanted};
use super::invalid::{self, InvalidFilter};
use super::limits::{CLAUSES_MAX, DECLARED_DEPTH_MAX, TEXT_BYTES_MAX};
use super::path::Path;
use super::subject;

/// Every dialect there is, also those that are refused.
const DIALECTS: &[&str] = &["all", "any", "cel", "cesql", "exact", "not", "prefix", "sql", "suffix"];

/// Compiles what was declared. See [`super::Filter::compile`].
pub(crate) fn compile(declared: &Value) -> Result<Clause, InvalidFilter> {
    match declared {
        Value::Null => Ok(Clause::Everything),
        declared => Compiler { clauses: 0 }.filter(declared, 0),
    }
}

struct Compiler {
    clauses: usize,
}

impl Compiler {
    fn filter(&mut self, declared: &Value, depth: usize) -> Result<Clause, InvalidFilter> {
        if depth > DECLARED_DEPTH_MAX {
            return Err(InvalidFilter::whole(format!(
                "the filter is nested more than {DECLARED_DEPTH_MAX} levels deep"
            )));
        }
        match declared {
            Value::String(text) => self.text(text),
            Value::Array(items) => Ok(Clause::all(self.list(items, depth)?)),
            Value::Object(members) => self.object(members, depth),
            other => Err(InvalidFilter::whole(format!("{other} is no filter")).hint(
                "a filter is a map such as {\"type\": \"X\"}, a text such as \"type=X\", or a list of these",
            )),
        }
    }

    fn list(&mut self, items: &[Value], depth: usize) -> Result<Vec<Clause>, InvalidFilter> {
        let one = |(i, item): (usize, &Value)| {
            self.filter(item, depth + 1).map_err(|invalid| invalid.below(i.to_string()))
        };
        items.iter().enumerate().map(one).collect()
    }

    fn text(&mut self, text: &str) -> Result<Clause, InvalidFilter> {
        match name_value(text) {
            Some((name, value)) if text.len() <= TEXT_BYTES_MAX => {
                self.count()?;
                let path = Path::parse(name).map_err(|message| InvalidFilter::at(text, 0, message))?;
                Ok(Clause::Equal(Equal { path, wanted: Wanted::Canonical(value.into()) }))
            }
            _ => self.expression(text),
        }
    }

    fn object(&mut self, members: &Map<String, Value>, depth: usize) -> Result<Clause, InvalidFilter> {
        let mut entries = members.iter();
        if let (Some((key, value)), None) = (entries.next(), entries.next())
            && let Some(clause) = self.dialect(key, value, depth)
        {
            return clause.map_err(|invalid| invalid.below(key));
        }
        let equal =
            |(key, value): (&String, &Value)| self.equal(key, value).map_err(|invalid| invalid.below(key));
        Ok(Clause::all(members.iter().map(equal).collect::<Result<_, _>>()?))
    }

    /// Compiles an object with one key as a dialect, or returns `None` when it is a map of equal values after all.
    fn dialect(&mut self, key: &str, value: &Value, depth: usize) -> Option<Result<Clause, InvalidFilter>> {
        Some(match (key, value) {
            ("exact", Value::Object(entries)) => self.texts(Dialect::Exact, entries),
            ("prefix", Value::Object(entries)) => self.texts(Dialect::Prefix, entries),
            ("suffix", Value::Object(entries)) => self.texts(Dialect::Suffix, entries),
            ("all", Value::Array(items)) => self.several(key, items, depth).map(Clause::All),
            ("any", Value::Array(items)) => self.several(key, items, depth).map(Clause::Any),
            ("not", Value::Object(_) | Value::Array(_) | Value::String(_)) => {
                self.filter(value, depth + 1).map(|clause| Clause::Not(Box::new(clause)))
            }
            ("cel", Value::String(text)) => self.expression(text),
            ("sql" | "cesql", Value::String(_)) => Err(InvalidFilter::whole(format!(
                "the dialect `{key}` is not available yet"
            ))
            .hint("write the condition in CEL, as in {\"cel\": \"type == \\\"X\\\" && data.severity == \\\"high\\\"\"}")),
            _ => return None,
        })
    }

    fn expression(&mut self, text: &str) -> Result<Clause, InvalidFilter> {
        self.count()?;
        if text.len() > TEXT_BYTES_MAX {
            return Err(InvalidFilter::whole(format!(
                "the filter is {} bytes long; at most {TEXT_BYTES_MAX} are allowed",
                text.len()
            ))
            .hint("split it into a list, or let the publisher put the result into the event"));
        }
        Expression::compile(text).map(Clause::Expression)
    }

    fn several(&mut self, key: &str, items: &[Value], depth: usize) -> Result<Vec<Clause>, InvalidFilter> {
        if items.is_empty() {
            return Err(InvalidFilter::whole(format!("`{key}` needs at least one filter")));
        }
        self.list(items, depth)
    }

    fn texts(&mut self, dialect: Dialect, entries: &Map<String, Value>) -> Result<Clause, InvalidFilter> {
        if entries.is_empty() {
            return Err(InvalidFilter::whole(format!("`{}` names no attribute", dialect.name())));
        }
        let one = |(name, value): (&String, &Value)| {
            self.count()?;
            text_clause(dialect, name, value).map(Clause::Text).map_err(|invalid| invalid.below(name))
        };
        Ok(Clause::all(entries.iter().map(one).collect::<Result<_, _>>()?))
    }

    fn equal(&mut self, key: &str, value: &Value) -> Result<Clause, InvalidFilter> {
        self.count()?;
        if let Value::Object(_) = value
            && !key.contains('.')
            && key != "data"
        {
            return Err(no_dialect(key));
        }
        let length = value.as_str().map_or(0, str::len);
        if length > TEXT_BYTES_MAX {
            return Err(InvalidFilter::whole(format!(
                "the value is {length} bytes long; at most {TEXT_BYTES_MAX} are allowed"
            )));
        }
        if value.is_array() && DIALECTS.contains(&key) {
            return Err(no_dialect(key));
        }
        if value.is_null() && subject::is_core(key) {
            return Err(InvalidFilter::whole(format!("the attribute `{key}` is never null"))
                .hint(format!("an event without it matches \"!has({key})\"")));
        }
        let path = Path::parse(key).map_err(InvalidFilter::whole)?;
        Ok(Clause::Equal(Equal { path, wanted: Wanted::Value(value.clone()) }))
    }

    fn count(&mut self) -> Result<(), InvalidFilter> {
        self.clauses += 1;
        if self.clauses > CLAUSES_MAX {
            return Err(InvalidFilter::whole(format!("the filter has more than {CLAUSES_MAX} clauses")));
        }
        Ok(())
    }
}

fn no_dialect(key: &str) -> InvalidFilter {
    if DIALECTS.contains(&key) {
        let shape = match key {
            "all" | "any" => "takes a list of filters",
            "not" => "takes one filter",
            "exact" | "prefix" | "suffix" => "takes a map from attributes to texts",
            _ => "takes a text",
        };
        return InvalidFilter::whole(format!("`{key}` {shape}, and stands alone in its object"))
            .hint("write several dialects as a list of objects with one key each");
    }
    let invalid = InvalidFilter::whole(format!("`{key}` is no filter dialect"));
    match invalid::nearest(key, DIALECTS) {
        Some(dialect) => invalid.hint(format!("did you mean `{dialect}`?")),
        None => invalid.hint(format!(
            "the dialects are exact, prefix, suffix, all, any, not and cel; an object in the payload is compared as `data.{key}`"
        )),
    }
}

fn text_clause(dialect: Dialect, name: &str, value: &Value) -> Result<TextClause, InvalidFilter> {
    let takes = dialect.name();
    if name.is_empty() {
        return Err(InvalidFilter::whole(format!("`{takes}` has an attribute without a name")));
    }
    if !subject::is_attribute_name(name) {
        return Err(InvalidFilter::whole(format!(
            "`{name}` cannot be an attribute: `{takes}` looks at attributes only"
        ))
        .hint(format!(
            "for the payload write a map ({{\"data.{0}\": …}}) or CEL",
            name.trim_start_matches("data.")
        )));
    }
    match value {
        Value::String(text) if text.is_empty() => {
            Err(InvalidFilter::whole(format!("`{takes}` has an empty value for `{name}`")))
        }
        Value::String(text) if text.len() > TEXT_BYTES_MAX => {
            Err(InvalidFilter::whole(format!("the value for `{name}` is longer than {TEXT_BYTES_MAX} bytes")))
        }
        Value::String(text) => Ok(TextClause { dialect, name: name.into(), value: text.as_str().into() }),
        other => Err(InvalidFilter::whole(format!("`{takes}` compares texts, and {other} is none"))
            .hint(format!("put it in quotes: \"{other}\""))),
    }
}

/// Reads `name=value` without quotes or operators; anything else is an expression.
fn name_value(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.trim().split_once('=')?;
    let (name, value) = (name.trim_end(), value.trim_start());
    let named = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
    let operator = |c: char| c.is_control() || "'\"`“”‘’=<>!&|()[]{}?+*%,;\\".contains(c);
    let worded = value
        .split_whitespace()
        .any(|word| ["and", "or", "not"].iter().any(|operator| word.eq_ignore_ascii_case(operator)));
    (named && !value.is_empty() && !value.contains(operator) && !worded).then_some((name, value))
}
