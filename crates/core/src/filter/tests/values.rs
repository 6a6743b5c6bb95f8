use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::filter::limits::{TEXT_BYTES_MAX, VALUE_BYTES_MAX, VALUE_DEPTH_MAX};
use crate::filter::{EvaluationError, Expression};

fn compiled(text: &str) -> Expression {
    Expression::compile(text)
        .unwrap_or_else(|invalid| panic!("{text} was refused: {invalid} {:?}", invalid.hint))
}

#[track_caller]
fn gives(text: &str, value: Value) {
    assert_eq!(compiled(text).evaluate(&story()), Ok(value), "{text}");
}

#[track_caller]
fn fails_over(event: &Event, text: &str, part: &str, reason: &str) -> EvaluationError {
    let error = match compiled(text).evaluate(event) {
        Ok(value) => panic!("{text} gives {value}"),
        Err(error) => error,
    };
    assert_eq!(error.part, part, "{text}: {error}");
    assert!(error.reason.contains(reason), "{text}: {error}");
    error
}

#[track_caller]
fn fails(text: &str, part: &str, reason: &str) -> EvaluationError {
    fails_over(&story(), text, part, reason)
}

#[track_caller]
fn refusal(text: &str, line: usize, column: usize, message: &str, hint: &str) {
    let Err(invalid) = Expression::compile(text) else { panic!("{text} was accepted") };
    assert!(invalid.message.contains(message), "{text}: {invalid}");
    assert!(invalid.hint.as_deref().unwrap_or_default().contains(hint), "{text}: {:?}", invalid.hint);
    assert_eq!((invalid.line, invalid.column), (line, column), "{text}: {invalid}");
}

#[test]
fn attributes_and_the_payload_keep_their_types() {
    gives("type", json!("UserStoryApproved"));
    gives("hops", json!(3));
    gives("urgent", json!(true));
    gives("event.team", json!("payments"));
    gives("data.nested", json!({"id": "n-1", "list": [{"id": 7}, {"id": 8}]}));
    gives("data.tags", json!(["api", "db"]));
    gives("data.nothing", json!(null));
    gives("data['dotted.key']", json!(1));
    gives("data", story().data.unwrap());
}

#[test]
fn maps_and_lists_are_put_together_from_what_the_event_has() {
    gives(
        r#"{"task": data.nested.id, "tags": [type, "x"]}"#,
        json!({"task": "n-1", "tags": ["UserStoryApproved", "x"]}),
    );
    gives(
        "{'a': {'b': [{'c': data}, []]}, 'e': {}}",
        json!({"a": {"b": [{"c": story().data.unwrap()}, []]}, "e": {}}),
    );
    gives("{'x-' + team: 1, event.priority: 2}", json!({"x-payments": 1, "high": 2}));
    gives("[]", json!([]));
}

#[test]
fn texts_are_joined_and_values_converted() {
    gives("'task.' + team + '.' + string(data.count)", json!("task.payments.5"));
    gives("int('42') + 1", json!(43));
    gives("string(hops) + string(urgent)", json!("3true"));
    gives("{'n': double(data.count), 'u': uint(7)}", json!({"n": 5.0, "u": 7}));
    gives("size(data.tags) > 1 && urgent", json!(true));
}

#[test]
fn a_choice_evaluates_only_the_side_that_is_taken() {
    gives("data.count > 3 ? 'many' : data.missing", json!("many"));
    gives("has(subject) ? {'s': subject} : {'t': type}", json!({"t": "UserStoryApproved"}));
    gives("{'a': bytes(type) == b'x' ? [1] : [2]}", json!({"a": [2]}));
    fails("data.count ? 1 : 2", "data.count", "a condition");
    fails("{1: 2} ? 1 : 2", "{1: 2}", "");
}

#[test]
fn comprehensions_make_lists_also_of_maps() {
    gives("data.numbers.map(n, n * 2)", json!([2, 4, 6]));
    gives("data.numbers.filter(n, n > 1)", json!([2, 3]));
    gives(
        "data.nested.list.map(i, {'b': i.id, 'a': [i]})",
        json!([{"a": [{"id": 7}], "b": 7}, {"a": [{"id": 8}], "b": 8}]),
    );
    gives("[{'a': 1}] + data.nested.list", json!([{"a": 1}, {"id": 7}, {"id": 8}]));
    gives("data.?missing.orValue('none')", json!("none"));
    gives("{1: 'one', 5: 'five'}[data.count]", json!("five"));
}

#[test]
fn whole_numbers_of_64_bits_lose_nothing() {
    gives("data.large", json!(9_007_199_254_740_993_i64));
    gives("[data.huge, data.large + 1]", json!([u64::MAX, 9_007_199_254_740_994_i64]));
    gives("[-9223372036854775808, 18446744073709551615u]", json!([i64::MIN, u64::MAX]));
    gives("[data.huge].map(n, {'n': n})", json!([{"n": u64::MAX}]));
    gives("[data.ratio, 5.0]", json!([0.5, 5.0]));
}

#[test]
fn what_json_does_not_have_is_an_error_and_never_guessed() {
    fails("{'a': b'x'}", "b'x'", "bytes");
    fails("bytes(type)", "bytes(type)", "string(…)");
    fails("0.0 / 0.0", "0.0 / 0.0", "not a number");
    fails("[1.0, -1.0 / 0.0]", "-1.0 / 0.0", "negatively infinite");
    fails("double('inf')", "double('inf')", "infinite");
    fails("type(1)", "type(1)", "`type`");
    fails("data.?count", "data.?count", ".orValue(");
    fails("[1].map(n, {n: n})", "[1].map(n, {n: n})", "must be a text");
}

#[test]
fn an_error_names_the_part_that_failed_and_what_the_event_has_there() {
    let error = fails("{'task': data.nested.id, 'x': [data.missing]}", "data.missing", "no `missing`");
    assert_eq!(
        error.to_string(),
        "`data.missing` gives no value: there is no `missing` (data.missing is missing)"
    );
    let error = fails("{'n': int(data.severity)}", "int(data.severity)", "`int` does not work on a text");
    assert_eq!(error.found.as_deref(), Some("data.severity = \"high\""));
    fails("subject", "subject", "no attribute `subject`");
    fails("[bytes(subject)]", "bytes(subject)", "no attribute `subject`");
    fails("[bytes(data.missing)]", "bytes(data.missing)", "no `missing`");
    fails("type + 1", "type + 1", "`+`");
    fails("1 / (hops - 3)", "1 / (hops - 3)", "division by zero");
    fails("{team: 1}.x == {'y': 1}", "{team: 1}.x == {'y': 1}", "no `x`");
}

#[test]
fn an_event_without_json_data_has_no_value_for_data() {
    let event = Event::default().with("type", "A");
    fails_over(&event, "data", "data", "no JSON data");
    fails_over(&event, "{'original': data}", "data", "no JSON data");
    fails_over(&event, "data.x", "data.x", "no JSON data");
    assert_eq!(compiled("has(data) ? data : type").evaluate(&event), Ok(json!("A")));
}

#[test]
fn two_members_of_one_name_are_an_error() {
    refusal("{'a': 1, \"a\": 2}", 1, 10, "two members", "");
    fails("{'payments': 1, event.team: 2}", "event.team", "two members named `payments`");
    fails("{hops + 1: 2}", "hops + 1", "must be a text, it is a number");
}

#[test]
fn a_refusal_names_line_and_column_and_what_to_write() {
    refusal("{task: data.id}", 1, 2, "`task` needs quotes", "\"task\"");
    refusal("{'a': 1,\n type: 2}", 2, 2, "`type` needs quotes", "event.type");
    refusal("{1: 2}", 1, 2, "names are texts", "\"1\"");
    refusal("{'a': 1", 1, 8, "ends too early", "");
    refusal("{'a' = 1}", 1, 6, "`=`", "`==`");
    refusal("{'a': Approved}", 1, 7, "cannot be an attribute", "quotes");
    refusal("[type, lenght(type)]", 1, 8, "no function `lenght`", "size");
    refusal("'unclosed", 1, 1, "no closing quote", "");
    refusal("data.s.matches('(')", 1, 16, "malformed", "");
}

#[test]
fn no_advice_is_about_filters() {
    let deep = "(".repeat(100);
    for text in ["", "  // nothing", &deep, "data.s.matches(data.p)", "[data.s.matches(type)]"] {
        let invalid = Expression::compile(text).unwrap_err();
        let said = format!("{invalid} {}", invalid.hint.clone().unwrap_or_default());
        assert!(!said.contains("filter"), "{text}: {said}");
    }
}

#[test]
fn a_text_of_more_than_four_kib_or_nested_too_deep_is_refused() {
    refusal(&format!("'{}'", "x".repeat(TEXT_BYTES_MAX)), 1, 1, "at most 4096", "");
    refusal(&format!("{}1{}", "[".repeat(40), "]".repeat(40)), 1, 33, "nested", "");
    for open in ["(", "[", "{", "{'a':", "[{'a':", "true?", "-", "[-("] {
        assert!(Expression::compile(&open.repeat(TEXT_BYTES_MAX / open.len())).is_err(), "{open}");
    }
    let text = format!("{}1{}", "[".repeat(31), "]".repeat(31));
    gives(&text, serde_json::from_str(&text).unwrap());
    let text = format!("{}1{}", "{\"a\":".repeat(31), "}".repeat(31));
    gives(&text, serde_json::from_str(&text).unwrap());
}

#[test]
fn an_expression_that_takes_too_long_is_stopped() {
    let event = Event::default().data(json!({"list": vec![1; 10_000], "s": "x".repeat(1000)}));
    for text in [
        "data.list.map(a, data.list.map(b, a))",
        "data.list.map(a, {'b': data.list.map(b, a)})",
        "data.list.all(a, data.list.all(b, a == b))",
        "data.list.exists(a, data.list.exists(b, b'a' == b'b')) || true",
        &format!("[data.s]{}", ".map(s, s + s)".repeat(14)),
    ] {
        let part = &text[..text.len().min(120)];
        let part = if part == text { text.to_owned() } else { format!("{part}…") };
        let error = fails_over(&event, text, &part, "takes too long");
        assert!(!error.to_string().contains("filter"), "{error}");
    }
}

#[test]
fn the_steps_are_shared_by_all_entries() {
    let event = Event::default().data(json!({"list": vec![1; 10_000]}));
    let entry = "data.list.all(n, n == 1)";
    assert_eq!(compiled(&format!("[{entry}]")).evaluate(&event), Ok(json!([true])));
    fails_over(&event, &format!("[{}]", [entry; 8].join(", ")), entry, "takes too long");
}

#[test]
fn a_value_of_one_mib_is_given_and_one_byte_more_is_refused() {
    let room = VALUE_BYTES_MAX - "{\"s\":\"\"}".len();
    let event = |length| Event::default().data(json!({"s": "x".repeat(length)}));
    for text in ["data", "{'s': data.s}"] {
        let value = compiled(text).evaluate(&event(room)).unwrap();
        assert_eq!(value.to_string().len(), VALUE_BYTES_MAX);
        assert!(compiled(text).evaluate(&event(room + 1)).unwrap_err().reason.contains("1048576"));
    }
    let event = Event::default().data(json!({"s": "x".repeat(VALUE_BYTES_MAX / 4), "n": vec![0; 100]}));
    fails_over(&event, "[data, data.s, data.s, data.s]", "data.s", "larger than");
    fails_over(&event, "data.n.map(n, data)", "data.n.map(n, data)", "larger than");
    fails_over(&event, "data.n.map(n, {'d': data})", "data.n.map(n, {'d': data})", "larger than");
}

#[test]
fn a_value_never_nests_deeper_than_readers_of_json_accept() {
    let nested = |levels| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    let event = |levels| Event::default().data(nested(levels));
    let value = compiled("[data]").evaluate(&event(VALUE_DEPTH_MAX - 1)).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&value.to_string()).unwrap(), value);
    fails_over(&event(VALUE_DEPTH_MAX), "[data]", "data", "nested more than");
    fails_over(&event(VALUE_DEPTH_MAX), "[b'', {'a': data}][1]", "[b'', {'a': data}][1]", "nested more than");
}

#[test]
fn an_expression_is_equal_to_one_declared_alike_and_crosses_threads() {
    fn shared<T: Send + Sync + Clone>(_: &T) {}
    let expression = compiled("data.id");
    shared(&expression);
    assert_eq!(expression.text(), "data.id");
    assert_eq!(expression, compiled("data.id"));
    assert_ne!(expression, compiled("data['id']"));
}

pub(crate) fn payloads() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[\\x00-\\x1f\"\\\\]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_payload_comes_out_as_it_went_in_whoever_evaluates(payload in payloads()) {
        let event = Event::default().data(payload.clone());
        prop_assert_eq!(compiled("data").evaluate(&event), Ok(payload.clone()));
        prop_assert_eq!(compiled("[data].map(d, {'d': d})[0]").evaluate(&event), Ok(json!({"d": payload})));
    }

    #[test]
    fn no_text_makes_an_expression_panic(text in any::<String>()) {
        if let Ok(expression) = Expression::compile(&text) {
            let _ = expression.evaluate(&story());
        }
    }

    #[test]
    fn no_text_that_looks_like_an_expression_makes_it_panic(text in bounds::noise()) {
        if let Ok(expression) = Expression::compile(&text) {
            let _ = expression.evaluate(&story());
        }
    }
}
