//! Checks over the whole: who hears whom.

use crate::support::Folder;

fn warnings(agents: &str) -> Vec<String> {
    let lines: String = agents.lines().map(|line| format!("  {line}\n")).collect();
    let folder = Folder::with(format!("version: 1\nagents:\n{lines}"));
    folder.loaded().warnings.iter().map(|warning| warning.message.clone()).collect()
}

#[test]
fn events_nobody_hears_are_told() {
    let said = warnings(
        "/a: { publishes: [Heard, Unheard] }\n/b: { subscriptions: [{ topic: t, filter: { type: Heard } }] }",
    );
    assert_eq!(said, ["nobody hears `Unheard`"]);
}

#[test]
fn a_subscription_without_a_type_hears_everything() {
    assert!(
        warnings("/a: { publishes: [Any] }\n/b: { subscriptions: [{ topic: t, filter: data.x == 1 }] }")
            .is_empty()
    );
    assert!(
        warnings(
            "/a: { publishes: [Any] }\n/b: { subscriptions: [{ topic: t, filter: { prefix: { type: A } } }] }"
        )
        .is_empty()
    );
}

#[test]
fn waits_that_nobody_fills_are_told() {
    let said = warnings(
        "/a: { publishes: [Done] }\n/b: { subscriptions: [{ topic: t, filter: type == 'Dnoe' }, { topic: u }] }",
    );
    assert_eq!(said, ["no agent here publishes `Dnoe`"]);
    let said = warnings("/b: { subscriptions: [{ topic: t, filter: { type: com.github.issues.opened } }] }");
    assert!(said.is_empty(), "hooks bring it: {said:?}");
    let said =
        warnings("/b: { subscriptions: [{ topic: $system, filter: { type: cantus.delivery.failed } }] }");
    assert!(said.is_empty(), "Cantus brings it: {said:?}");
}

#[test]
fn agents_that_answer_one_another_without_end_are_told() {
    let said = warnings(
        "/a: { publishes: [Ping], subscriptions: [{ topic: t, filter: { type: Pong } }] }\n/b: { publishes: [Pong], subscriptions: [{ topic: t, filter: { type: Ping } }] }",
    );
    assert_eq!(said, ["these agents answer one another without end: /a → /b → /a"]);
    let said = warnings("/a: { publishes: [Ping], subscriptions: [{ topic: t }] }");
    assert_eq!(said, ["/a answers events of its own: a loop"]);
}

#[test]
fn other_topics_break_a_loop() {
    let said = warnings(
        "/a: { subscriptions: [{ topic: t, filter: { type: X }, action: { publish: { topic: u } } }] }\n/b: { publishes: [X], subscriptions: [{ topic: u, filter: { type: X } }] }",
    );
    assert_eq!(
        said,
        ["/b answers events of its own: a loop"],
        "what /b answers stays on u, and does not reach /a"
    );
}

#[test]
fn an_agent_with_several_tasks_is_not_taken_for_a_loop() {
    let said = warnings(
        "/tester:\n  publishes: [PlanCompleted, TestsCompleted]\n  subscriptions:\n    - { topic: t, name: plan, filter: { type: Story } }\n    - { topic: t, name: test, filter: { type: Built } }\n/builder: { publishes: [Built, Story], subscriptions: [{ topic: t, filter: { type: PlanCompleted } }] }\n/reader: { subscriptions: [{ topic: t, filter: { type: TestsCompleted } }] }",
    );
    assert!(said.is_empty(), "{said:?}");
}

#[test]
fn commands_need_one_clear_receiver() {
    let said = warnings(
        "/a: { handles: [Build], subscriptions: [{ topic: t, filter: { kind: command } }] }\n/b: { handles: [Build, Test], subscriptions: [{ topic: t, filter: { type: Build } }] }",
    );
    assert!(said.contains(&"/a and /b both handle `Build`".to_owned()), "{said:?}");
    assert!(
        said.contains(&"/b handles `Test`, and none of its subscriptions takes it".to_owned()),
        "{said:?}"
    );
}

#[test]
fn programs_are_looked_for_where_they_would_run() {
    let folder = Folder::with("version: 1\nagents:\n  /a:\n    subscriptions:\n      - { topic: t, name: one, action: { exec: [./run.sh] } }\n      - { topic: t, name: two, action: { exec: [no-such-program-anywhere] } }\n      - { topic: t, name: three, action: { exec: [sh], cwd: gone } }\n").and("run.sh", "#!/bin/sh\n");
    let said = folder.said();
    assert!(said.contains("`./run.sh` is not executable") && said.contains("chmod +x"), "{said}");
    assert!(said.contains("`no-such-program-anywhere` is not in PATH"), "{said}");
    assert!(said.contains("gone` that this program would run in is not there"), "{said}");
}

#[test]
fn thousands_of_subscriptions_are_checked_in_bounds() {
    let one = |n: usize, publishes: &str, wants: &str| {
        format!(
            "/a{n}: {{publishes: [{publishes}], subscriptions: [{{topic: t, filter: {{type: {wants}}}}}]}}\n"
        )
    };
    let crowd: String = (0..3_000).map(|n| one(n, "X", "X")).collect();
    assert_eq!(warnings(&crowd), ["too many subscriptions answer one another to look for loops"]);
    let circle: String =
        (0..3_000).map(|n| one(n, &format!("X{}", (n + 1) % 3_000), &format!("X{n}"))).collect();
    assert_eq!(warnings(&circle).len(), 1);
    let chain: String = (0..3_000).map(|n| one(n, &format!("X{}", n + 1), &format!("X{n}"))).collect();
    assert_eq!(warnings(&chain), ["no agent here publishes `X0`", "nobody hears `X3000`"]);
}
