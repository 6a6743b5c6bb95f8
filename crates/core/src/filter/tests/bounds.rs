use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::filter::limits::{CLAUSES_MAX, STEPS_MAX, TEXT_BYTES_MAX};

#[track_caller]
fn refused_for(text: &str, message: &str) {
    let invalid = refused(json!(text));
    assert!(invalid.message.contains(message), "{invalid}");
}

/// The filter is stopped on this event rather than answered.
#[track_caller]
fn stopped(text: &str, event: &Event) {
    let filter = compile(json!(text));
    assert!(!filter.matches(event), "{text} matches");
    let why = filter.explain(event).to_string();
    assert!(why.contains("takes too long"), "{text}: {why}");
}

#[test]
fn a_text_of_more_than_four_kib_is_refused() {
    refused_for(&format!("type == '{}'", "x".repeat(TEXT_BYTES_MAX)), "at most 4096");
    refused_for(&"x".repeat(64 * 1024), "at most 4096");
    refused(json!({"cel": "true".repeat(2000)}));
    refused(json!({"data.x": "x".repeat(TEXT_BYTES_MAX + 1)}));
    refused(json!({"exact": {"type": "x".repeat(TEXT_BYTES_MAX + 1)}}));
}

#[test]
fn a_hundred_thousand_brackets_are_refused_in_every_way_they_can_come() {
    for open in ["(", "[", "{", "!", "-", "a(", "a[", "a.b(", "true?", "(!", "{1:", "1+(", "size("] {
        refused(json!(open.repeat(100_000)));
        refused(json!(open.repeat(TEXT_BYTES_MAX / open.len())));
    }
    refused_for(&format!("{}true{}", "(".repeat(1000), ")".repeat(1000)), "nested");
    refused_for(&format!("data.x{}", ".x".repeat(1000)), "nested");
    refused_for(&format!("1{} == 1", "+1".repeat(1000)), "nested");
    refused_for(&format!("{}true", "true?true:".repeat(300)), "nested");
}

#[test]
fn the_deepest_expression_allowed_runs_on_the_smallest_usual_stack() {
    // Test threads have 2 MiB, as have the workers of a server.
    matches(json!(format!("{}true{}", "(".repeat(31), ")".repeat(31))), &story());
    matches(json!(format!("{}data.count == 5{}", "!(!(".repeat(13), "))".repeat(13))), &story());
    matches(json!(format!("1{} == 31", "+1".repeat(30))), &story());
    matches(json!(format!("size(b'a'){} == 14", "+1".repeat(13))), &story());
    matches(
        json!(format!("{}bytes(type) == b'UserStoryApproved'{}", "!(!(".repeat(6), "))".repeat(6))),
        &story(),
    );
    matches(json!(format!("{}1{} == size(b'a')", "[[".repeat(3), "]][0][0]".repeat(3))), &story());
}

#[test]
fn wide_expressions_are_allowed() {
    let list: Vec<_> = (0..500).map(|i| format!("'{i}'")).collect();
    matches(json!(format!("!(type in [{}])", list.join(","))), &story());
    matches(json!(vec!["urgent"; 400].join("&&")), &story());
    matches(json!(vec!["!urgent"; 300].join("||") + "||urgent"), &story());
}

#[test]
fn too_many_clauses_or_levels_are_refused() {
    refused(json!(vec!["type=A"; CLAUSES_MAX + 1]));
    let mut nested = json!({"type": "A"});
    for _ in 0..100 {
        nested = json!({"not": nested});
    }
    refused(nested);
}

#[test]
fn six_nested_comprehensions_are_refused() {
    let mut text = "true".to_owned();
    for variable in ["a", "b", "c", "d", "e", "f"] {
        text = format!("data.list.all({variable}, {text})");
    }
    refused_for(&text, "comprehensions are nested");
    refused_for("data.l.all(a, data.l.all(b, data.l.all(c, bytes(c) == b'')))", "comprehensions are nested");
}

#[test]
fn comprehensions_over_long_lists_are_stopped() {
    let event =
        Event::default().data(json!({"list": vec![1; 10_000], "texts": vec!["x".repeat(1000); 1000]}));
    matches(json!("data.list.all(n, n == 1)"), &event);
    stopped("data.list.all(a, data.list.all(b, a == b))", &event);
    stopped("data.list.all(a, data.list.all(b, bytes(string(a)) == bytes(string(b))))", &event);
    stopped("data.list.all(a, data.list.all(b, int(a) == int(string(b))))", &event);
    stopped("data.list.all(a, data.list == data.list)", &event);
    stopped("data.list.all(a, type(a) == int && data.list == data.list)", &event);
    stopped("data.list.all(a, 2 in data.list || true)", &event);
    stopped("data.list.map(a, data.list.map(b, a)).size() > 0", &event);
    stopped("data.list.exists(a, data.list.exists(b, false)) || true", &event);
    stopped("data.list.exists(a, data.list.exists(b, b'a' == b'b')) || b'a' == b'a'", &event);
    stopped("data.texts.all(t, data.texts.all(u, t + u != ''))", &event);
    stopped("data.texts.all(t, data.texts.all(u, t.contains('y') == u.contains('y')))", &event);
}

#[test]
fn doubling_a_text_forty_times_is_stopped_or_refused() {
    let event = Event::default().data(json!({"s": "x".repeat(1000)}));
    stopped(&format!("[data.s]{}[0].size() > 0", ".map(s, s + s)".repeat(14)), &event);
    let event = Event::default().data(json!({"s": "x".repeat(100_000)}));
    stopped(&format!("[string(bytes(data.s))]{}[0].size() > 0", ".map(s, s + s)".repeat(8)), &event);
    let text = format!("[data.s]{}[0].size() > 0", ".map(s, s + s)".repeat(40));
    refused_for(&text, "nested");
}

#[test]
fn patterns_are_bounded_when_they_are_declared() {
    for pattern in ["(a{1000}){1000}", r"\\w{200000,}", r"(\\w{100}){100}", "(((a{100}){100}){100}){100}"] {
        refused(json!(format!("data.s.matches('{pattern}')")));
    }
    refused_for(&format!("data.s.matches('{}')", "a".repeat(1025)), "at most 1024");
    refused_for(&format!("data.s.matches('{}')", "(".repeat(1000)), "pattern");
    refused_for(&format!("data.s.matches('{}a{}')", "(".repeat(400), ")".repeat(400)), "nest");
    matches(json!(format!("data.text.matches('{}G{}')", "(".repeat(200), ")".repeat(200))), &story());
}

#[test]
fn a_costly_pattern_over_a_long_field_is_stopped() {
    let event = Event::default().data(json!({"s": "a".repeat(10 << 20)}));
    stopped("data.s.matches('(a|b|ab)*c')", &event);
    stopped("string(bytes(data.s)).matches('(a|b|ab)*c')", &event);
    let event = Event::default().data(json!({"s": "a".repeat(1000)}));
    differs(json!("data.s.matches('(a|b|ab)*c')"), &event);
}

#[test]
fn a_pattern_that_defeats_the_automaton_is_simulated_as_far_as_the_steps_allow() {
    // Whether the letter 300 places back was an `a` takes 2^300 states to remember.
    let letters: String =
        (0_u64..100_000).map(|i| if (i * i * 7919) % 1013 < 506 { 'a' } else { 'b' }).collect();
    let long = Event::default().data(json!({"s": letters, "all": vec![&letters[..500]; 1000]}));
    stopped("data.s.matches('[ab]*a[ab]{300}[^ab]')", &long);
    stopped("data.all.exists(s, s.matches('[ab]*a[ab]{300}[^ab]'))", &long);
    let short = Event::default().data(json!({"s": format!("{}c", &letters[..100])}));
    matches(json!("data.s.matches('[ab]*a[ab]{20}[^ab]')"), &short);
    differs(json!("data.s.matches('[ab]*a[ab]{20}[^abc]')"), &short);
}

#[test]
fn patterns_know_letters_beyond_ascii() {
    let event = Event::default().data(json!({"s": "der große Überblick", "empty": ""}));
    matches(
        json!(
            r"data.s.matches(r'\bgroße\b') && data.s.matches(r'^\w+ \w+ \w+$') && data.s.matches('(?i)ÜBER')"
        ),
        &event,
    );
    differs(json!(r"data.s.matches(r'\bgro\b')"), &event);
    matches(
        json!(
            "data.empty.matches('') && data.s.matches('') && data.empty.matches('^$') && data.s.matches('x*')"
        ),
        &event,
    );
}

#[test]
fn the_budget_is_shared_by_all_conjuncts_of_an_expression() {
    let event = Event::default().data(json!({"list": vec![1; usize::try_from(STEPS_MAX).unwrap() / 7]}));
    matches(json!("data.list.all(n, n == 1)"), &event);
    stopped("data.list.all(n, n == 1) && data.list.all(n, n == 1)", &event);
}

/// Texts that look like expressions, so that the parser is reached.
pub(super) fn noise() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "type",
        "data",
        ".",
        "x",
        "==",
        "=",
        "'a'",
        "\"",
        "'",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "&&",
        "||",
        "!",
        "-",
        "1",
        "1.5",
        "0x",
        "9999999999999999999",
        "u",
        "?",
        ":",
        ",",
        " ",
        "in",
        "has(",
        ".exists(",
        "x,",
        "b'",
        "r'",
        "\\",
        "\\u12",
        "\\377",
        "é",
        "\u{10ffff}",
        "//",
        "\n",
        "matches('(')",
        "size(",
        "event",
        "optional",
        "'''",
        "null",
        "e9",
        "\0",
    ];
    prop::collection::vec(prop::sample::select(PIECES), 0..30).prop_map(|pieces| pieces.concat())
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        noise().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let key = prop_oneof![
            Just("all".to_owned()),
            Just("any".to_owned()),
            Just("not".to_owned()),
            Just("exact".to_owned()),
            Just("prefix".to_owned()),
            Just("cel".to_owned()),
            Just("sql".to_owned()),
            Just("type".to_owned()),
            "[a-z.]{0,6}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn no_text_makes_a_filter_panic(text in any::<String>()) {
        if let Ok(filter) = Filter::compile(&json!(text)) {
            prop_assert_eq!(filter.matches(&story()), filter.explain(&story()).matched());
        }
    }

    #[test]
    fn no_text_that_looks_like_an_expression_makes_a_filter_panic(text in noise()) {
        match Filter::compile(&json!(text)) {
            Ok(filter) => prop_assert_eq!(filter.matches(&story()), filter.explain(&story()).matched()),
            Err(invalid) => {
                prop_assert!(invalid.line <= text.matches('\n').count() + 1);
                prop_assert!(invalid.column <= text.chars().count() + 1);
                prop_assert!(!invalid.message.is_empty());
            }
        }
    }

    #[test]
    fn no_declared_json_makes_a_filter_panic(declared in any_json()) {
        if let Ok(filter) = Filter::compile(&declared) {
            prop_assert_eq!(filter.matches(&story()), filter.explain(&story()).matched());
        }
    }
}
