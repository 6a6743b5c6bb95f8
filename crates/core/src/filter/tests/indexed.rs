use serde_json::json;

use super::*;
use crate::filter::Index;

fn found(index: &Index<usize>, event: &Event) -> (Vec<usize>, usize) {
    let mut matching = Vec::new();
    let evaluated = index.matching(event, &mut matching);
    (matching, evaluated)
}

#[track_caller]
fn equality(declared: Value, expected: &[(&str, &[&str])]) {
    let filter = compile(declared.clone());
    let found: Vec<_> =
        filter.equalities().iter().map(|e| (e.path(), e.values().collect::<Vec<_>>().join(","))).collect();
    let expected: Vec<_> =
        expected.iter().map(|(path, values)| ((*path).to_owned(), values.join(","))).collect();
    assert_eq!(found, expected, "{declared}");
}

#[test]
fn equalities_are_found_in_every_form() {
    equality(json!({"type": "A"}), &[("type", &["A"])]);
    equality(json!("severity=high"), &[("severity", &["high"])]);
    equality(json!({"exact": {"type": "A"}}), &[("type", &["A"])]);
    equality(json!("type == 'A' && data.n > 3"), &[("type", &["A"])]);
    equality(json!("'A' == type"), &[("type", &["A"])]);
    equality(json!("type in ['A', 'B']"), &[("type", &["A", "B"])]);
    equality(json!("type == 'A' || type == 'B'"), &[("type", &["A", "B"])]);
    equality(json!("data.task.id == 7 && type == 'A'"), &[("data.task.id", &["7"]), ("type", &["A"])]);
    equality(json!("data['task'].id == 7.0"), &[("data.task.id", &["7"])]);
    equality(json!({"any": [{"type": "A"}, "type == 'B' && data.x == 1"]}), &[("type", &["A", "B"])]);
    equality(json!([{"type": "A"}, {"id": "e"}]), &[("id", &["e"]), ("type", &["A"])]);
    for none in [
        json!("type == 'A' || data.x == 1"),
        json!("type != 'A'"),
        json!("!(type == 'A')"),
        json!({"not": {"type": "A"}}),
    ] {
        equality(none, &[]);
    }
    assert_eq!(compile(json!("data.x == 1")).equality().map(|e| e.path()), Some("data.x".to_owned()));
}

#[test]
fn an_event_costs_what_it_matches_among_ten_thousand_filters_on_types() {
    let mut index = Index::new();
    for i in 0..10_000 {
        index.insert(i, compile(json!({"type": format!("Type{i}")})));
    }
    assert_eq!(found(&index, &Event::default().with("type", "Type77")), (vec![77], 1));
    assert_eq!(found(&index, &Event::default().with("type", "Other")), (vec![], 0));
}

#[test]
fn an_event_costs_what_it_matches_among_ten_thousand_filters_on_one_type() {
    let mut index = Index::new();
    for i in 0..10_000 {
        index.insert(i, compile(json!(format!("type == 'TaskDone' && data.task == 'T{i}' && data.n >= 0"))));
    }
    let event = Event::default().with("type", "TaskDone").data(json!({"task": "T77", "n": 1}));
    assert_eq!(found(&index, &event), (vec![77], 1));
}

#[test]
fn the_choice_follows_the_filters_that_are_there() {
    // Each has a payload value that all share, and a source of its own: the source tells them apart.
    let mut index = Index::new();
    for i in 0..10_000 {
        index.insert(i, compile(json!({"source": format!("/agent-{i}"), "data.severity": "high"})));
    }
    let event = Event::default().with("source", "/agent-5").data(json!({"severity": "high"}));
    let (matching, evaluated) = found(&index, &event);
    assert_eq!(matching, vec![5]);
    assert!(evaluated <= 2, "{evaluated} filters were evaluated");
}

#[test]
fn ten_thousand_filters_of_all_kinds_find_what_a_full_walk_finds() {
    let declared = |i: usize| match i % 6 {
        0 => json!({"type": format!("T{}", i % 97)}),
        1 => json!(format!("data.n == {} && type == 'T1'", i % 89)),
        2 => json!(format!("type in ['T{}', 'T{}']", i % 83, i % 7)),
        3 => json!({"any": [{"exact": {"type": format!("T{}", i % 71)}}, {"type": "T3"}]}),
        4 => json!(format!("n={}", i % 61)),
        _ => json!([{"type": format!("T{}", i % 53)}, "data.n > 10"]),
    };
    let filters: Vec<_> = (0..10_000).map(|i| compile(declared(i))).collect();
    let mut index = Index::new();
    for (i, filter) in filters.iter().enumerate() {
        index.insert(i, filter.clone());
    }
    for n in (0..100).step_by(7) {
        let event = Event::default().with("type", &format!("T{n}")).data(json!({"n": n}));
        let expected: Vec<_> = (0..10_000).filter(|i| filters[*i].matches(&event)).collect();
        let (matching, evaluated) = found(&index, &event);
        assert_eq!(matching, expected);
        assert!(evaluated < 2 * expected.len() + 60, "{evaluated} evaluated, {} match", expected.len());
    }
}

#[test]
fn filters_without_an_equality_are_asked_about_every_event() {
    let mut index = Index::new();
    index.insert(0, compile(json!(null)));
    index.insert(1, compile(json!("data.n > 3")));
    index.insert(2, compile(json!({"type": "A"})));
    let event = Event::default().with("type", "B").data(json!({"n": 4}));
    assert_eq!(found(&index, &event), (vec![0, 1], 2));
}

#[test]
fn numbers_and_texts_of_one_look_share_a_file_but_not_a_match() {
    let mut index = Index::new();
    index.insert(0, compile(json!({"data.n": 5})));
    index.insert(1, compile(json!({"data.n": "5"})));
    index.insert(2, compile(json!("n=5")));
    index.insert(3, compile(json!("data.n == 5.0")));
    assert_eq!(found(&index, &Event::default().data(json!({"n": 5}))).0, vec![0, 2, 3]);
    assert_eq!(found(&index, &Event::default().data(json!({"n": 5.0}))).0, vec![0, 2, 3]);
    assert_eq!(found(&index, &Event::default().data(json!({"n": "5"}))).0, vec![1, 2]);
    assert_eq!(found(&index, &Event::default().with_number("n", 5)).0, vec![2]);
}

#[test]
fn a_filter_that_is_removed_or_replaced_is_not_found_again() {
    let mut index = Index::new();
    for i in 0..100 {
        index.insert(i, compile(json!({"type": "A", "data.n": i})));
    }
    index.insert(7, compile(json!({"type": "B"})));
    assert!(index.remove(&8) && !index.remove(&8));
    assert_eq!(index.len(), 99);
    let event = |n: usize| Event::default().with("type", "A").data(json!({"n": n}));
    assert_eq!(found(&index, &event(7)).0, Vec::<usize>::new());
    assert_eq!(found(&index, &event(8)), (vec![], 0));
    assert_eq!(found(&index, &event(9)).0, vec![9]);
    assert_eq!(found(&index, &Event::default().with("type", "B")).0, vec![7]);
    for i in 0..100 {
        index.remove(&i);
    }
    assert!(index.is_empty() && index.get(&9).is_none());
    assert_eq!(found(&index, &event(9)), (vec![], 0));
}
