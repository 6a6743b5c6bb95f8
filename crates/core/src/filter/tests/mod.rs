//! The rules of filters, in their own words.
mod bounds;
mod declared;
mod explained;
mod expressions;
mod indexed;
mod oracle;
mod refused;
pub(crate) mod values;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Attribute, Filter, InvalidFilter, Subject};

/// An event as filters see it.
#[derive(Debug, Clone, Default)]
struct Event {
    attributes: BTreeMap<&'static str, Attribute<'static>>,
    data: Option<Value>,
}

impl Event {
    fn with(mut self, name: &'static str, text: &str) -> Self {
        self.attributes.insert(name, Attribute::Text(Cow::Owned(text.to_owned())));
        self
    }

    fn with_number(mut self, name: &'static str, number: i64) -> Self {
        self.attributes.insert(name, Attribute::Integer(number));
        self
    }

    fn with_boolean(mut self, name: &'static str, boolean: bool) -> Self {
        self.attributes.insert(name, Attribute::Boolean(boolean));
        self
    }

    fn data(mut self, data: Value) -> Self {
        self.data = Some(data);
        self
    }
}

impl Subject for Event {
    fn attribute(&self, name: &str) -> Option<Attribute<'_>> {
        self.attributes.get(name).cloned()
    }

    fn attribute_names(&self) -> Vec<Cow<'_, str>> {
        self.attributes.keys().map(|name| Cow::Borrowed(*name)).collect()
    }

    fn data(&self) -> Option<&Value> {
        self.data.as_ref()
    }
}

/// A typical event.
fn story() -> Event {
    Event::default()
        .with("id", "evt-1")
        .with("type", "UserStoryApproved")
        .with("source", "/product-owner")
        .with("topic", "project.tasks")
        .with("time", "2025-11-29T14:30:00Z")
        .with("priority", "high")
        .with("team", "payments")
        .with_number("hops", 3)
        .with_boolean("urgent", true)
        .data(json!({
            "severity": "high", "count": 5, "ratio": 0.5, "whole": 5.0, "large": 9_007_199_254_740_993_i64,
            "huge": 18_446_744_073_709_551_615_u64, "nothing": null, "yes": true, "text": "Grüße",
            "tags": ["api", "db"], "numbers": [1, 2, 3], "nested": {"id": "n-1", "list": [{"id": 7}, {"id": 8}]},
            "dotted.key": 1, "priority": "shadow",
        }))
}

fn compile(declared: Value) -> Filter {
    Filter::compile(&declared).unwrap_or_else(|invalid| panic!("{declared} was refused: {invalid}"))
}

fn refused(declared: Value) -> InvalidFilter {
    match Filter::compile(&declared) {
        Ok(_) => panic!("{declared} was accepted"),
        Err(invalid) => invalid,
    }
}

#[track_caller]
fn matches(declared: Value, event: &Event) {
    let filter = compile(declared.clone());
    assert!(filter.matches(event), "{declared} does not match: {}", filter.explain(event));
    assert!(
        filter.explain(event).matched(),
        "{declared} matches, but is explained as {}",
        filter.explain(event)
    );
}

#[track_caller]
fn differs(declared: Value, event: &Event) {
    let filter = compile(declared.clone());
    assert!(!filter.matches(event), "{declared} matches");
    assert!(!filter.explain(event).matched(), "{declared} does not match, but is explained as if it did");
}
