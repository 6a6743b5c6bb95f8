//! The complete sample of the design: what works today loads, and each of the later parts is told with its place.

use cantus_api::definition::{Action, AgentName, Duration, Pause, PauseUntil, Stdin, SuccessData, TopicName};

use crate::support::Folder;

const SAMPLE: &str = include_str!("files/design.yaml");

fn agent(name: &str) -> AgentName {
    AgentName::parse(name).expect("a legal name")
}

#[test]
fn the_later_parts_of_the_sample_are_not_available_yet_each_at_its_place() {
    let rejected = Folder::with(SAMPLE).load().unwrap_err();
    let errors: Vec<String> = rejected
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == cantus_file::Severity::Error)
        .map(|diagnostic| format!("{}:{} {}", diagnostic.line, diagnostic.column, diagnostic.message))
        .collect();
    assert_eq!(
        errors,
        [
            "23:130 the variable `FRONTEND_SECRET` is not set",
            "25:1 `aggregators` is not available yet",
            "33:1 `sagas` is not available yet",
            "42:1 `schedules` is not available yet",
        ]
    );
}

#[test]
fn the_topics_and_agents_of_the_sample_load() {
    let today: Vec<&str> = SAMPLE.lines().take_while(|line| !line.starts_with("aggregators:")).collect();
    let folder = Folder::with(today.join("\n"))
        .and("agents/backend-architect.sh", "#!/bin/sh\n")
        .set("FRONTEND_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let loaded = folder.loaded();
    let definitions = &loaded.definitions;
    assert_eq!(definitions.name.as_deref(), Some("feature-delivery"));
    assert_eq!(definitions.topics.len(), 3);
    let tasks = &definitions.topics[&TopicName::parse("project.tasks").unwrap()];
    assert_eq!(tasks.description.as_deref(), Some("All task events"));
    assert_eq!(tasks.retain, Some(Duration::parse("30d").unwrap()));

    let architect = &definitions.agents[&agent("/backend-architect")];
    let [work] = architect.subscriptions.as_slice() else { panic!("one subscription") };
    assert_eq!(work.id(&agent("/backend-architect")).as_deref(), Some("backend-architect/project.tasks"));
    assert_eq!(work.filter, Some(serde_json::json!({"type": "UserStoryApproved"})));
    let Action::Exec(exec) = &work.action else { panic!("exec") };
    assert_eq!(exec.argv, ["./agents/backend-architect.sh"]);
    assert_eq!(exec.timeout, Duration::from_secs(1800));
    assert_eq!(exec.cwd.as_deref(), folder.path().to_str(), "the file's own folder");
    assert_eq!(definitions.retry_policy(work), Some(cantus_api::definition::RetryPolicy::default()));

    let reviewer = &definitions.agents[&agent("/code-reviewer")];
    let Action::Exec(exec) = &reviewer.subscriptions[0].action else { panic!("exec") };
    assert_eq!(exec.stdin, Stdin::Prompt);
    assert_eq!(exec.prompt.as_deref(), Some("Review {{data.diff_url}}"));
    assert_eq!(exec.pass_env, ["ANTHROPIC_API_KEY"]);
    assert_eq!(reviewer.subscriptions[0].effective_concurrency(), 2);
    let made = exec.on_success.as_ref().unwrap();
    assert_eq!((made.event_type.as_str(), made.data), ("ReviewCompleted", SuccessData::Stdout));

    let frontend = &definitions.agents[&agent("/frontend-specialist")];
    let Action::Webhook(webhook) = &frontend.subscriptions[0].action else { panic!("webhook") };
    assert_eq!(webhook.url.as_str(), "https://agents.example.com/frontend");
    assert_eq!(webhook.secrets[0].name(), "FRONTEND_SECRET");
    let Action::Pause(Pause { agents, until }) = &frontend.subscriptions[1].action else { panic!("pause") };
    assert!(agents[0].matches(&agent("/anybody")));
    assert!(matches!(until, PauseUntil::Event { event_type } if event_type.as_str() == "AlertResolved"));
    assert_eq!(frontend.subscriptions[1].filter, Some(serde_json::json!("severity=high")));
}

#[test]
fn what_was_loaded_reads_the_same_when_it_is_written_as_json() {
    let today: Vec<&str> = SAMPLE.lines().take_while(|line| !line.starts_with("aggregators:")).collect();
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let loaded = Folder::with(today.join("\n")).set("FRONTEND_SECRET", secret).loaded();
    let mut json = serde_json::to_value(&loaded.definitions).unwrap();
    let again: cantus_api::definition::Definitions = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(again, loaded.definitions);
    json["version"] = 1.into();
    assert!(!json.to_string().contains(secret), "a definition says where a secret is, never what it is");
    let again = Folder::with(json.to_string()).set("FRONTEND_SECRET", secret).loaded();
    assert_eq!(again.definitions, loaded.definitions);
}
