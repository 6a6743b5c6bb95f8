use serde_json::json;

use super::*;

#[test]
fn nothing_declared_matches_everything() {
    for declared in [json!(null), json!({}), json!([])] {
        matches(declared, &story());
    }
    assert!(Filter::everything().matches(&Event::default()));
    assert_eq!(Filter::default().text(), "everything");
}

#[test]
fn a_map_asks_that_all_are_equal() {
    matches(json!({"type": "UserStoryApproved"}), &story());
    matches(json!({"type": "UserStoryApproved", "data.severity": "high"}), &story());
    differs(json!({"type": "UserStoryApproved", "data.severity": "low"}), &story());
    differs(json!({"type": "Other", "data.severity": "high"}), &story());
}

#[test]
fn a_name_that_is_no_attribute_is_looked_up_in_the_payload() {
    matches(json!({"severity": "high"}), &story());
    matches(json!({"nested.id": "n-1"}), &story());
    matches(json!({"data.nested.list.1.id": 8}), &story());
    matches(json!({"team": "payments"}), &story());
}

#[test]
fn a_core_attribute_is_never_looked_up_in_the_payload() {
    let event = Event::default().with("type", "A").data(json!({"priority": "high", "subject": "s"}));
    differs(json!({"priority": "high"}), &event);
    differs(json!({"subject": "s"}), &event);
    matches(json!({"data.subject": "s"}), &event);
}

#[test]
fn an_extension_goes_before_the_payload() {
    let event = Event::default().with("team", "payments").data(json!({"team": "search"}));
    matches(json!({"team": "payments"}), &event);
    differs(json!({"team": "search"}), &event);
    matches(json!({"data.team": "search"}), &event);
}

#[test]
fn values_of_a_map_have_types_in_the_payload() {
    matches(json!({"data.count": 5}), &story());
    differs(json!({"data.count": "5"}), &story());
    matches(json!({"data.whole": 5}), &story());
    matches(json!({"data.count": 5.0}), &story());
    matches(json!({"data.yes": true}), &story());
    differs(json!({"data.yes": "true"}), &story());
    matches(json!({"data.nothing": null}), &story());
    differs(json!({"data.missing": null}), &story());
    matches(json!({"data.tags": ["api", "db"]}), &story());
    differs(json!({"data.tags": ["db", "api"]}), &story());
    matches(json!({"data.nested": {"list": [{"id": 7}, {"id": 8.0}], "id": "n-1"}}), &story());
}

#[test]
fn attributes_are_compared_in_canonical_form() {
    matches(json!({"hops": 3, "urgent": true}), &story());
    matches(json!({"hops": "3", "urgent": "true"}), &story());
    differs(json!({"hops": 4}), &story());
}

#[test]
fn large_integers_of_the_payload_are_not_rounded() {
    matches(json!({"data.large": 9_007_199_254_740_993_i64}), &story());
    differs(json!({"data.large": 9_007_199_254_740_992_i64}), &story());
    differs(json!({"data.large": 9_007_199_254_740_992.0}), &story());
    matches(json!({"data.huge": u64::MAX}), &story());
    differs(json!({"data.huge": u64::MAX - 1}), &story());
}

#[test]
fn name_equals_value_means_the_map() {
    for text in [
        "severity=high",
        " severity = high ",
        "data.severity=high",
        "type=UserStoryApproved",
        "count=5",
        "data.yes=true",
        "whole=5",
    ] {
        matches(json!(text), &story());
    }
    for text in ["severity=low", "type=userstoryapproved", "missing=5"] {
        differs(json!(text), &story());
    }
    let event =
        Event::default().with("source", "https://github.com/a/b").with("type", "com.github.issues.opened");
    matches(json!("source=https://github.com/a/b"), &event);
    matches(json!("type=com.github.issues.opened"), &event);
    matches(json!("state=in progress"), &Event::default().data(json!({"state": "in progress"})));
}

#[test]
fn any_other_text_is_an_expression() {
    matches(json!("type == 'UserStoryApproved' && data.severity == \"high\""), &story());
    matches(json!("data.count > 4"), &story());
}

#[test]
fn a_list_asks_that_all_hold() {
    matches(json!([{"type": "UserStoryApproved"}, "data.count > 4", "severity=high"]), &story());
    differs(json!([{"type": "UserStoryApproved"}, "data.count > 5"]), &story());
    matches(json!([[], [{"type": "UserStoryApproved"}]]), &story());
}

#[test]
fn exact_prefix_and_suffix_compare_attributes_as_text() {
    matches(json!({"exact": {"type": "UserStoryApproved", "hops": "3"}}), &story());
    differs(json!({"exact": {"type": "userstoryapproved"}}), &story());
    differs(json!({"exact": {"type": "UserStoryApproved", "hops": "4"}}), &story());
    matches(json!({"prefix": {"type": "UserStory", "source": "/product"}}), &story());
    differs(json!({"prefix": {"type": "Story"}}), &story());
    matches(json!({"suffix": {"type": "Approved"}}), &story());
    differs(json!({"suffix": {"type": "approved"}}), &story());
}

#[test]
fn a_dialect_does_not_match_what_is_missing_nor_what_is_only_in_the_payload() {
    for dialect in ["exact", "prefix", "suffix"] {
        differs(json!({dialect: {"subject": "x"}}), &story());
        differs(json!({dialect: {"severity": "high"}}), &story());
    }
}

#[test]
fn not_exact_is_true_when_the_attribute_is_missing() {
    matches(json!({"not": {"exact": {"subject": "a"}}}), &story());
    differs(json!({"not": {"exact": {"type": "UserStoryApproved"}}}), &story());
    differs(json!("subject != 'a'"), &story());
}

#[test]
fn all_any_and_not_combine_filters_of_every_kind() {
    matches(json!({"all": [{"exact": {"type": "UserStoryApproved"}}, {"cel": "data.count == 5"}]}), &story());
    matches(json!({"any": [{"exact": {"type": "X"}}, {"severity": "high"}]}), &story());
    differs(json!({"any": [{"exact": {"type": "X"}}, "severity=low"]}), &story());
    matches(json!({"not": {"any": [{"exact": {"type": "X"}}, {"prefix": {"type": "Y"}}]}}), &story());
    matches(json!({"not": "data.count > 5"}), &story());
}

#[test]
fn a_word_of_the_dialects_with_another_shape_is_a_name() {
    let event = Event::default().data(json!({"exact": "a", "all": 1, "cel": true}));
    matches(json!({"exact": "a"}), &event);
    matches(json!({"all": 1}), &event);
    matches(json!({"cel": true}), &event);
}

#[test]
fn an_event_without_json_data_matches_no_clause_about_data() {
    let event = Event::default().with("type", "A");
    matches(json!({"type": "A"}), &event);
    differs(json!({"data.x": 1}), &event);
    differs(json!("data.x == 1"), &event);
    differs(json!("data.x != 1"), &event);
    matches(json!("!has(data.x)"), &event);
    matches(json!("!has(data)"), &event);
}

#[test]
fn a_filter_reads_as_it_was_declared() {
    assert_eq!(compile(json!("severity=high")).to_string(), "severity=high");
    assert_eq!(compile(json!({"type": "A"})).text(), r#"{"type":"A"}"#);
    assert_eq!(compile(json!({"type": "A"})), compile(json!({"type": "A"})));
}

#[test]
fn filters_are_shared_between_threads() {
    fn shared<T: Send + Sync + Clone + 'static>(_: &T) {}
    shared(&compile(json!("data.s.matches('x') || bytes(type) == b'x'")));
}
