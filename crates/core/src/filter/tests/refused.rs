use serde_json::json;

use super::*;

#[track_caller]
fn refusal(text: &str, line: usize, column: usize, message: &str, hint: &str) {
    let invalid = refused(json!(text));
    assert!(invalid.message.contains(message), "{text}: {invalid}");
    assert!(invalid.hint.as_deref().unwrap_or_default().contains(hint), "{text}: {:?}", invalid.hint);
    assert_eq!((invalid.line, invalid.column), (line, column), "{text}: {invalid}");
}

#[test]
fn a_refusal_names_line_and_column_and_what_to_write() {
    refusal("type = 'x'", 1, 6, "`=`", "`==`");
    refusal("type == 'x' and data.y == 1", 1, 13, "`and`", "`&&`");
    refusal("type == 'x' OR data.y == 1", 1, 13, "`OR`", "`||`");
    refusal("not type == 'x'", 1, 1, "`not`", "`!`");
    refusal("type == 'x' & true", 1, 13, "`&`", "`&&`");
    refusal("type <> 'x'", 1, 6, "`<>`", "`!=`");
    refusal("type ==== 'x'", 1, 8, "`==`", "once");
    refusal("type == UserStoryApproved", 1, 9, "cannot be an attribute", "\"UserStoryApproved\"");
    refusal("type == com.github.push", 1, 9, "no fields", "quotes");
    refusal("type == User story", 1, 14, "`story`", "\"User story");
    refusal("type == “x”", 1, 9, "does not quote", "plain quotes");
    refusal("type == 'x", 1, 9, "no closing quote", "'");
    refusal("type == ", 1, 9, "ends too early", "missing");
    refusal("(type == 'x'", 1, 13, "ends too early", "missing");
    refusal("type == 'x')", 1, 12, "`)`", "");
    refusal("data.x ==\n  == 1", 2, 3, "`==`", "");
    refusal("'é' == é", 1, 8, "`é`", "quotes");
    refusal("type.lenght() > 1", 1, 1, "no function `lenght`", "size");
    refusal("type.startswith('a')", 1, 1, "no function", "`startsWith`");
    refusal("type.starts_with('a')", 1, 1, "no function", "`startsWith`");
    refusal("startsWith(type, 'a')", 1, 1, "no function", "field.startsWith");
    refusal("type.contains()", 1, 1, "0 arguments", "takes 1");
    refusal("timestamp(time) > timestamp('2025-01-01T00:00:00Z')", 1, 1, "timestamp", "as text");
    refusal("data.x == 30m", 1, 11, "`30m`", "\"30m\"");
    refusal("data.x == 9223372036854775808", 1, 11, "too large", "64 bits");
    refusal("data.x == 1e999", 1, 11, "too large", "");
    refusal(r"data.x == '\q'", 1, 12, "no escape", r"\\");
    refusal("type", 1, 1, "neither true nor false", "type == ");
    refusal("data.x == 1 && 'text'", 1, 16, "neither true nor false", "");
    refusal("data.s.matches(data.p)", 1, 16, "literal", "contains");
    refusal("data.s.matches('(')", 1, 16, "malformed", "");
    refusal("for == 1", 1, 1, "reserved", "event.for");
    refusal("event == 1", 1, 1, "`event`", "event.type");
    refusal("has(1)", 1, 5, "has(", "has(data.field)");
    refusal("data.list.exists(1, true)", 1, 18, "variable", "");
    refusal("Type == 'x'", 1, 1, "cannot be an attribute", "`type`");
    refusal("type like 'x%'", 1, 6, "`like`", "matches");
}

#[test]
fn a_text_without_content_is_refused() {
    refusal("", 1, 1, "empty", "everything");
    refusal("  ", 1, 1, "empty", "everything");
}

#[test]
fn a_wildcard_or_a_list_in_name_equals_value_is_not_taken_for_a_value() {
    for text in ["type=com.github.*", "severity=high,low", "type=A and severity=high", "a=b=c", "type='x'"] {
        refused(json!(text));
    }
}

#[test]
fn cesql_is_refused_as_not_available_yet() {
    for dialect in ["sql", "cesql"] {
        let invalid = refused(json!({dialect: "type = 'x'"}));
        assert!(invalid.message.contains("not available yet"), "{invalid}");
        assert!(invalid.hint.is_some_and(|hint| hint.contains("CEL")));
        assert_eq!(invalid.pointer, format!("/{dialect}"));
    }
}

#[test]
fn a_pointer_leads_to_what_is_wrong() {
    for (declared, pointer) in [
        (json!([{"type": "A"}, {"all": [{"exact": {"type": "A"}}, "type = 'x'"]}]), "/1/all/1"),
        (json!({"exact": {"type": ""}}), "/exact/type"),
        (json!({"not": {"any": []}}), "/not/any"),
        (json!({"cel": "type ="}), "/cel"),
        (json!({"a/b": {}}), "/a~1b"),
        (json!({"type": "A", "": 1}), "/"),
        (json!("type = 'x'"), ""),
    ] {
        assert_eq!(refused(declared.clone()).pointer, pointer, "{declared}");
    }
}

#[test]
fn empty_names_values_and_lists_of_dialects_are_refused() {
    for declared in [
        json!({"exact": {}}),
        json!({"exact": {"": "x"}}),
        json!({"exact": {"type": ""}}),
        json!({"prefix": {"type": 5}}),
        json!({"suffix": {"data.x": "y"}}),
        json!({"all": []}),
        json!({"any": []}),
        json!({"all": [null]}),
        json!({"any": [5]}),
        json!({"exact": ["type"]}),
        json!({"any": {"type": "A"}}),
        json!({"exact": {"type": "A"}, "prefix": {"type": "B"}}),
    ] {
        refused(declared);
    }
}

#[test]
fn an_unknown_dialect_is_refused_with_the_one_that_was_meant() {
    let invalid = refused(json!({"prefixes": {"type": "A"}}));
    assert!(invalid.message.contains("no filter dialect"), "{invalid}");
    assert!(invalid.hint.is_some_and(|hint| hint.contains("`prefix`")));
    refused(json!({"regex": {"type": "A"}}));
}

#[test]
fn what_is_no_filter_at_all_is_refused() {
    for declared in [json!(5), json!(true), json!({"type": null}), json!({"a..b": 1}), json!({"data.": 1})] {
        refused(declared);
    }
}
