//! Sections: maps by id, or lists whose items carry `<kind>_id`; both mean the same.

use crate::diagnostic::Fault;
use crate::source::Span;
use crate::yaml::{Node, Value};

use super::Reader;

/// One item of a section.
pub(crate) struct Item<'n> {
    pub id: String,
    pub id_span: Span,
    pub body: &'n Node,
}

/// Returns the items of a section, written either way.
pub(crate) fn items<'n>(reader: &Reader<'_>, node: &'n Node, kind: &str, id_key: &str) -> Vec<Item<'n>> {
    match &node.value {
        _ if node.is_null() => Vec::new(),
        Value::Map(entries) => entries
            .iter()
            .map(|entry| Item { id: entry.key.clone(), id_span: entry.key_span, body: &entry.value })
            .collect(),
        Value::List(items) => items.iter().filter_map(|body| listed(reader, body, kind, id_key)).collect(),
        Value::Scalar(_) => {
            reader.expected(node, &format!("a map of {kind}s by name, or a list of {kind}s with `{id_key}`"));
            Vec::new()
        }
    }
}

fn listed<'n>(reader: &Reader<'_>, body: &'n Node, kind: &str, id_key: &str) -> Option<Item<'n>> {
    let Value::Map(entries) = &body.value else {
        reader.expected(body, &format!("a map that begins with `{id_key}`"));
        return None;
    };
    let Some(id) = body.get(id_key) else {
        let span = entries.first().map_or(body.span, |entry| entry.key_span);
        reader.say(
            Fault::error(span, format!("this {kind} of a list has no `{id_key}`"))
                .hint(format!("add `{id_key}: NAME`, or write the section as a map by name")),
        );
        return None;
    };
    Some(Item { id: reader.text(id)?.into_owned(), id_span: id.span, body })
}
