//! Values that are little languages of their own: filters, expressions, JSON Schemas.

use cantus_core::filter::Filter;
use cantus_core::topic::weight::{PARTS_MAX, Room, Weight};
use serde_json::Value;

/// What is wrong with a filter.
pub(crate) struct FilterProblem {
    pub message: String,
    pub hint: Option<String>,
    /// Where in the filter, as a JSON pointer.
    pub pointer: String,
    /// Where in the text the pointer leads to, in bytes.
    pub at: Option<usize>,
}

/// Tries to compile a filter.
pub(crate) fn filter_problem(filter: &Value) -> Option<FilterProblem> {
    let invalid = Filter::compile(filter).err()?;
    let at = filter
        .pointer(&invalid.pointer)
        .and_then(Value::as_str)
        .map(|text| offset(text, invalid.line, invalid.column));
    Some(FilterProblem { message: invalid.message, hint: invalid.hint, pointer: invalid.pointer, at })
}

/// What is wrong with an expression.
pub(crate) struct ExpressionProblem {
    pub message: String,
    pub hint: Option<String>,
    /// Where in the text, in bytes.
    pub at: usize,
}

/// Tries to compile a CEL expression that may give any value.
pub(crate) fn expression_problem(text: &str) -> Option<ExpressionProblem> {
    if text.trim().is_empty() {
        let hint = Some("write CEL over the event, such as `data`".to_owned());
        return Some(ExpressionProblem { message: "the expression is empty".to_owned(), hint, at: 0 });
    }
    // Comparing the value makes a filter of any expression; the line end keeps a comment at its end harmless.
    let invalid = Filter::compile(&Value::String(format!("({text}\n) == null"))).err()?;
    let column = if invalid.line <= 1 { invalid.column.saturating_sub(1).max(1) } else { invalid.column };
    let at = offset(text, invalid.line, column);
    if at >= text.trim_end().len() {
        let hint = Some("a value or a closing bracket is missing".to_owned());
        return Some(ExpressionProblem { message: "this expression ends too early".to_owned(), hint, at });
    }
    Some(ExpressionProblem {
        message: format!("this expression can not be read: {}", invalid.message),
        hint: invalid.hint,
        at,
    })
}

/// Returns the offset of a line and column, both counted from one, the column in characters.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let rest = &text[start.min(text.len())..];
    let line = rest.split('\n').next().unwrap_or(rest);
    start + line.char_indices().nth(column.saturating_sub(1)).map_or(line.len(), |(at, _)| at)
}

/// What is wrong with a JSON Schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaProblem {
    /// In words.
    pub message: String,
    /// What to do.
    pub hint: &'static str,
    /// Where in the schema, as a JSON pointer.
    pub pointer: String,
}

/// Tries to compile a JSON Schema, and returns what is wrong with it. References are never fetched.
pub fn schema_problem(schema: &Value) -> Option<SchemaProblem> {
    let build = || {
        let patterns = jsonschema::PatternOptions::regex().size_limit(1 << 20);
        jsonschema::options().offline().with_pattern_options(patterns).build(schema).err()
    };
    let built = match Weight::of(schema).to_read() {
        Room::Here => Some(build()),
        Room::None => None,
        Room::Bytes(bytes) => std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("schema".to_owned()).stack_size(bytes);
            thread.spawn_scoped(scope, build).ok()?.join().ok()
        }),
    };
    let Some(built) = built else {
        let message = format!("it has more than {PARTS_MAX} parts, or they can not be read");
        let hint = "say less of the data, or split it into events of several types";
        return Some(SchemaProblem { message, hint, pointer: String::new() });
    };
    let error = built?;
    let mut message = error.to_string();
    if message.len() > 300 {
        let cut = (0..=300).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
        message.truncate(cut);
        message.push('…');
    }
    Some(SchemaProblem {
        message,
        hint: match error.kind() {
            jsonschema::error::ValidationErrorKind::Referencing(_) => {
                "references lead to places within the schema; nothing is fetched"
            }
            _ => "see https://json-schema.org/understanding-json-schema/reference",
        },
        pointer: error.instance_path().to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_expression_may_give_any_value() {
        for text in ["data", "data.a + 1", r#"{"task": data.id}"#, "'x' // why"] {
            assert!(
                expression_problem(text).is_none(),
                "{text}: {:?}",
                expression_problem(text).map(|p| p.message)
            );
        }
        let problem = expression_problem("data.a +").unwrap();
        assert_eq!((problem.message.as_str(), problem.at), ("this expression ends too early", 8));
        assert!(expression_problem(" ").is_some());
    }

    #[test]
    fn a_schema_that_is_none_is_told_with_its_place() {
        assert!(schema_problem(&json!({"type": "object", "required": ["a"]})).is_none());
        let problem = schema_problem(&json!({"properties": {"a": {"type": "strin"}}})).unwrap();
        assert_eq!(problem.pointer, "/properties/a/type");
        assert!(schema_problem(&json!({"$ref": "https://example.com/x.json"})).is_some());
        assert!(schema_problem(&json!({"pattern": "(a{1000}){1000}"})).is_some());
        assert!(
            schema_problem(&json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}})).is_none()
        );
    }
}
