use serde_json::json;

use super::*;
use crate::filter::{Explanation, Unmatched};

#[track_caller]
fn unmatched(declared: Value) -> Unmatched {
    match compile(declared).explain(&story()) {
        Explanation::Matched => panic!("it matches"),
        Explanation::Unmatched(unmatched) => unmatched,
    }
}

#[test]
fn the_clause_that_failed_is_named_with_the_value_found() {
    let why = unmatched(json!({"type": "UserStoryApproved", "data.severity": "low"}));
    assert_eq!(why.clause, r#"data.severity: "low""#);
    assert_eq!(why.found.as_deref(), Some(r#"data.severity = "high""#));
    assert_eq!(why.error, None);

    let why = unmatched(json!("type == 'UserStoryApproved' && data.count > 7"));
    assert_eq!(why.clause, "data.count > 7");
    assert_eq!(why.found.as_deref(), Some("data.count = 5"));

    let why = unmatched(json!("team == 'search' && urgent"));
    assert_eq!(why.found.as_deref(), Some("team = \"payments\""));

    let why = unmatched(json!("data.tags.exists(type, type == 'x')"));
    assert_eq!(why.found.as_deref(), Some("data.tags = an array of 2 items"));

    let why = unmatched(json!({"exact": {"subject": "s"}}));
    assert_eq!(why.clause, r#"exact subject: "s""#);
    assert_eq!(why.found.as_deref(), Some("subject is missing"));
}

#[test]
fn an_evaluation_error_is_shown() {
    for (text, error) in [
        ("data.count / 0 == 1", "division by zero"),
        ("data.missing == 1", "there is no `missing`"),
        ("subject == 'x'", "no attribute `subject`"),
        ("data.count < 'x'", "`<` does not work on an integer and a text"),
        ("data.nothing > 1", "null and an integer"),
        ("data.tags[7] == 'x'", "no item 7"),
        ("data.count + 9223372036854775807 > 0", "64 bits"),
        ("int(data.severity) == 1", "`int` does not work on a text"),
        ("size(bytes(data.count)) == 1", "bytes"),
    ] {
        let why = unmatched(json!(text));
        assert!(why.error.as_deref().unwrap_or_default().contains(error), "{text}: {why}");
    }
}

#[test]
fn a_clause_that_is_false_goes_before_one_that_fails() {
    let why = unmatched(json!("data.missing == 1 && data.count == 6"));
    assert_eq!((why.clause.as_str(), why.error), ("data.count == 6", None));
}

#[test]
fn every_branch_of_any_is_explained() {
    let why = unmatched(json!({"any": [{"type": "A"}, {"severity": "low"}]}));
    assert_eq!(why.found.as_deref(), Some(r#"type = "UserStoryApproved"; severity = "high""#));
}

#[test]
fn an_event_without_json_data_is_told_apart_from_one_without_the_field() {
    let event = Event::default().with("type", "A");
    let text = compile(json!("data.x == 1")).explain(&event).to_string();
    assert!(text.contains("no JSON data"), "{text}");
    let text = compile(json!({"data.x": 1})).explain(&event).to_string();
    assert!(text.contains("no JSON data"), "{text}");
}

#[test]
fn an_explanation_stays_short() {
    let event = Event::default().data(json!({"text": "x".repeat(100_000)}));
    let text = compile(json!({"data.text": "y"})).explain(&event).to_string();
    assert!(text.len() < 500, "{} bytes", text.len());
    let text = compile(json!("bytes(data.text) < 1")).explain(&event).to_string();
    assert!(text.len() < 1000, "{} bytes", text.len());
}
