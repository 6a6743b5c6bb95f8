//! Filters and expressions, as text or as JSON, asked about three events.

use std::borrow::Cow;
use std::sync::OnceLock;

use cantus_core::filter::{Attribute, Explanation, Expression, Filter, Index, Subject};
use serde_json::{Value, json};

struct Example {
    attributes: &'static [(&'static str, &'static str)],
    data: Option<Value>,
}

impl Subject for Example {
    fn attribute(&self, name: &str) -> Option<Attribute<'_>> {
        if name == "hops" {
            return Some(Attribute::Integer(2));
        }
        let found = self.attributes.iter().find(|(known, _)| *known == name)?;
        Some(Attribute::Text(Cow::Borrowed(found.1)))
    }

    fn attribute_names(&self) -> Vec<Cow<'_, str>> {
        self.attributes.iter().map(|(name, _)| Cow::Borrowed(*name)).collect()
    }

    fn data(&self) -> Option<&Value> {
        self.data.as_ref()
    }
}

fn examples() -> &'static [Example] {
    static EXAMPLES: OnceLock<Vec<Example>> = OnceLock::new();
    EXAMPLES.get_or_init(|| {
        let rich = json!({"severity": "high", "n": 3, "f": 0.5, "items": [1, 2, 3], "a": {"b": null, "c": true},
            "text": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "unicode": "é\u{1F600}"});
        vec![
            Example { attributes: &[("type", "T"), ("source", "/a"), ("id", "1"), ("topic", "t")], data: Some(rich) },
            Example { attributes: &[("type", "Other"), ("source", "/b"), ("id", "2")], data: None },
            Example { attributes: &[("type", ""), ("source", "")], data: Some(json!([0, -1, "x", {}])) },
        ]
    })
}

pub(super) fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(expression) = Expression::compile(text) {
        for example in examples() {
            drop(expression.evaluate(example));
        }
    }
    let declared = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
    let Ok(filter) = Filter::compile(&declared) else { return };
    let mut index = Index::new();
    index.insert(0, filter.clone());
    index.insert(1, Filter::everything());
    for example in examples() {
        let matches = filter.matches(example);
        let explained = matches!(filter.explain(example), Explanation::Matched);
        assert_eq!(explained, matches, "asked and explained, a filter says the same");
        let mut found = Vec::new();
        index.matching(example, &mut found);
        assert_eq!(found.contains(&0), matches, "alone and in an index, a filter says the same");
    }
}
