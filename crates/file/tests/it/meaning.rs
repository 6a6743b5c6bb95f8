//! What the keys mean.

use cantus_api::definition::{
    Action, AgentName, Backoff, Duration, FailureClass, Order, Permission, Retry, RetryPolicy, Start,
    Subscription, TopicName, Validation,
};

use crate::support::Folder;

fn subscription(lines: &str) -> Subscription {
    let lines: String = lines.lines().map(|line| format!("        {line}\n")).collect();
    let text = format!("version: 1\nagents:\n  /a:\n    subscriptions:\n      -\n{lines}");
    let loaded = Folder::with(text).loaded();
    loaded.definitions.agents[&AgentName::parse("/a").expect("a legal name")].subscriptions[0].clone()
}

#[test]
fn sections_may_be_lists_whose_items_carry_their_id() {
    let map = "version: 1\nretry_policies: { slow: { max_retries: 1 } }\ntopics: { t: { compact: true } }\nagents: { /a: { subscriptions: [{ topic: t, name: s, retry: slow }] } }\n";
    let list = "version: 1\nretry_policies: [{ retry_policy_id: slow, max_retries: 1 }]\ntopics: [{ topic_id: t, compact: true }]\nagents: [{ agent_id: a, subscriptions: [{ subscription_id: s, topic: t, retry: slow }] }]\n";
    assert_eq!(Folder::with(map).loaded().definitions, Folder::with(list).loaded().definitions);
}

#[test]
fn a_subscription_says_everything_or_almost_nothing() {
    let short = subscription("topic: t");
    assert_eq!(short.action, Action::default(), "the agent pulls");
    assert_eq!((short.order, short.from.clone()), (Order::Key, Start::End));
    assert_eq!(short.effective_concurrency(), 256);
    assert_eq!(short.name.unwrap().as_str(), "t");

    let long = subscription(
        "topics: ['t.*', u]\nname: s\nrenamed_from: r\nconcurrency: 2\nmax_in_flight: 10\norder: topic\nafter_dead_letter: continue\nlease: 1m\nfrom: 2025-11-29T14:30:00Z",
    );
    assert_eq!(long.topics.len(), 2);
    assert_eq!(long.renamed_from.as_ref().unwrap().as_str(), "r");
    assert_eq!((long.effective_concurrency(), long.max_in_flight), (2, Some(10)));
    assert_eq!((long.order, long.lease), (Order::Topic, Some(Duration::from_secs(60))));
    assert!(matches!(long.from, Start::Time(_)));
}

#[test]
fn names_are_made_from_topics_by_one_rule() {
    let named = |topic: &str| subscription(&format!("topic: '{topic}'")).name.unwrap().to_string();
    assert_eq!(named("project.*"), "project.any");
    assert_eq!(named("$system"), "system");
    assert_eq!(named("*"), "any");
}

#[test]
fn a_policy_is_put_in_place_of_its_name() {
    let text = "version: 1\nretry_policies:\n  patient: { max_retries: 9, backoff_type: linear, retry_on: [timeout, 'exit:75'] }\nagents:\n  /a:\n    subscriptions: [{ topic: t, retry: patient }]\n";
    let definitions = Folder::with(text).loaded().definitions;
    let (_, subscription) = definitions.subscriptions().next().unwrap();
    let Some(Retry::Inline(policy)) = &subscription.retry else { panic!("{:?}", subscription.retry) };
    assert_eq!((policy.max_retries, policy.backoff_type), (9, Backoff::Linear));
    assert_eq!(policy.retry_on, [FailureClass::Timeout, FailureClass::Exit(75)]);
    assert_eq!(policy.max_delay, RetryPolicy::default().max_delay);
}

#[test]
fn filters_are_kept_as_they_are_written() {
    assert_eq!(
        subscription("topic: t\nfilter: \"data.n == 1 && type == 'A$$'\"").filter.unwrap(),
        "data.n == 1 && type == 'A$$'"
    );
    assert_eq!(
        subscription("topic: t\nfilter: { type: A, data.severity: high, data.count: 3, data.open: true }")
            .filter
            .unwrap(),
        serde_json::json!({"type": "A", "data.severity": "high", "data.count": 3, "data.open": true}),
    );
}

#[test]
fn publish_takes_names_and_expressions() {
    let Action::Publish(publish) =
        subscription("topic: t\naction: { publish: { topic: project.reviews, type: \"type + 'Copied'\", data: '{\"id\": data.id}' } }").action
    else {
        panic!("publish")
    };
    assert_eq!(publish.topic.unwrap().name(), Some("project.reviews"));
    assert_eq!(publish.event_type.unwrap().expression(), Some("type + 'Copied'"));
    assert_eq!(publish.data.as_deref(), Some("{\"id\": data.id}"));
}

#[test]
fn schemas_stand_in_place_or_in_a_file() {
    let text = "version: 1\ntopics:\n  t:\n    validation: warn\n    schemas:\n      A: { type: object, required: [id] }\n      B: { file: schemas/b.json }\n      C: { file: schemas/c.yaml }\n";
    let folder = Folder::with(text)
        .and("schemas/b.json", r#"{"type": "object", "properties": {"n": {"type": "integer"}}}"#)
        .and("schemas/c.yaml", "type: string\n");
    let loaded = folder.loaded();
    let topic = &loaded.definitions.topics[&TopicName::parse("t").unwrap()];
    assert_eq!(topic.validation, Validation::Warn);
    let schemas: Vec<String> =
        topic.schemas.iter().map(|(event_type, schema)| format!("{event_type} {schema}")).collect();
    assert_eq!(
        schemas,
        [
            r#"A {"required":["id"],"type":"object"}"#,
            r#"B {"properties":{"n":{"type":"integer"}},"type":"object"}"#,
            r#"C {"type":"string"}"#,
        ]
    );
    assert!(loaded.files.contains(&folder.path().join("schemas/b.json")), "{:?}", loaded.files);
}

#[test]
fn the_server_section_is_read_with_paths_made_absolute() {
    let text = "version: 1\nserver:\n  listen: localhost:4900\n  auto_create: true\n  sandbox: none\n  max_hops: 10\n  allowed_hosts: [Cantus.example.com]\n  allowed_origins: ['https://app.example.com']\n  dedupe: { window: 1h, ids: 1000 }\n  limits: { event_bytes: 64KiB, batch_events: 100 }\n  hooks: { main: { topic: github, secret_file: secrets/hook } }\n  tokens: [{ name: ci, token_file: secrets/ci, may: [publish, operate] }]\n";
    let folder = Folder::with(text).and("secrets/hook", "x").and("secrets/ci", "y");
    let loaded = folder.loaded();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let server = loaded.server;
    assert_eq!(server.listen.as_deref(), Some("127.0.0.1:4900"));
    assert_eq!((server.auto_create, server.max_hops), (Some(true), Some(10)));
    assert_eq!(server.allowed_hosts, ["cantus.example.com"]);
    assert_eq!(server.dedupe.unwrap().window, Some(Duration::from_secs(3600)));
    assert_eq!(server.limits.unwrap().event_bytes.unwrap().bytes(), 65_536);
    let hook = server.hooks.values().next().unwrap();
    assert_eq!(hook.secret_file, Some(folder.path().join("secrets/hook")));
    assert_eq!(server.tokens[0].token_file, folder.path().join("secrets/ci"));
    assert_eq!(server.tokens[0].may, [Permission::Publish, Permission::Operate]);
}

#[test]
fn anchors_and_merge_keys_work() {
    let text = "version: 1\nagents:\n  /a:\n    subscriptions:\n      - &base { topic: t, name: one, lease: 1m }\n      - { <<: *base, name: two }\n";
    let definitions = Folder::with(text).loaded().definitions;
    let leases: Vec<_> =
        definitions.subscriptions().map(|(_, s)| (s.name.clone().unwrap().to_string(), s.lease)).collect();
    let minute = Some(Duration::from_secs(60));
    assert_eq!(leases, [("one".to_owned(), minute), ("two".to_owned(), minute)]);
}
