//! The examples run, from publish to last event.

use serde_json::Value;

use crate::server::{Server, repository};

fn types(story: &Value) -> Vec<String> {
    let events = story["events"].as_array().cloned().unwrap_or_default();
    events.iter().filter_map(|item| item["event"]["type"].as_str().map(str::to_owned)).collect()
}

#[test]
fn feature_delivery_goes_from_the_story_to_the_end_of_testing() {
    let file = repository("examples/feature-delivery/cantus.yaml");
    let server = Server::start(Some(&file));
    let story = repository("examples/feature-delivery/story.json");
    let data = format!("@{}", story.display());
    server.ok(&[
        "pub",
        "project.tasks",
        "--type",
        "UserStoryApproved",
        "--correlation",
        "s1",
        "--data",
        &data,
    ]);
    let types = server.wait("testing is completed", |server| {
        let types = types(&server.get("/v1/correlations/s1"));
        types.contains(&"TestingCompleted".to_owned()).then_some(types)
    });
    for awaited in [
        "APIDesignStarted",
        "APIDesignCompleted",
        "WireframeStarted",
        "WireframeCompleted",
        "TestPlanStarted",
        "TestPlanCompleted",
        "FrontendImplementationCompleted",
        "TestingStarted",
    ] {
        assert!(types.contains(&awaited.to_owned()), "{awaited} is missing in {types:?}");
    }
}

#[test]
fn github_triage_takes_real_payloads_and_shows_three_kinds_of_failure() {
    let file = repository("examples/github-triage/cantus.yaml");
    let server = Server::start(Some(&file));
    let events = repository("examples/github-triage/data/events.jsonl");
    server.ok(&["ingest", "github", "--topic", "github", &events.display().to_string()]);
    let stored = server.get("/v1/topics/github/events?since=start&limit=200");
    let lines = std::fs::read_to_string(&events).expect("the data is there").lines().count();
    assert_eq!(stored["items"].as_array().map(Vec::len), Some(lines));
    server.wait("payloads are refused as invalid", |server| {
        let groups = server.get("/v1/dead-letter-groups");
        groups.to_string().contains("invalid_payload").then_some(())
    });
    // The same once more stores nothing.
    server.ok(&["ingest", "github", "--topic", "github", &events.display().to_string()]);
    let again = server.get("/v1/topics/github/events?since=start&limit=200");
    assert_eq!(again["items"].as_array().map(Vec::len), Some(lines));
}

#[test]
fn a_coding_agent_answers_with_its_plain_output() {
    // Its program is confined; `sandbox` tells what happens where that is impossible.
    if !crate::sandbox::is_possible() {
        return crate::sandbox::serve_confines_programs_unless_told_otherwise();
    }
    let folder = repository("examples/coding-agent");
    let stand_in = folder.join("stand-in");
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", stand_in.canonicalize().expect("the stand-in is there").display());
    let server = Server::start_with_path(Some(&folder.join("cantus.yaml")), Some(path));
    let data = r#"{"diff_url":"https://example.com/1.diff"}"#;
    server.ok(&[
        "pub",
        "project.reviews",
        "--type",
        "ReviewRequested",
        "--correlation",
        "r1",
        "--data",
        data,
    ]);
    server.wait("the review is completed", |server| {
        let story = server.get("/v1/correlations/r1");
        types(&story).contains(&"ReviewCompleted".to_owned()).then_some(())
    });
}
