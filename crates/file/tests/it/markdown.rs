//! Markdown agent files: front matter for us, the body for the model.

use cantus_api::definition::AgentName;

use crate::support::Folder;

const REVIEWER: &str = "---\nname: code-reviewer\ndescription: Use this: when code changed. Examples: <example>user: \"look\"</example>\ntools: Read, Grep\nmodel: sonnet\nsubscriptions:\n  - topic: project.reviews\n    filter: { type: ReviewRequested }\n    action: { exec: [sh], stdin: prompt }\n---\n\nYou review code.\nBe kind: always.\n";

#[test]
fn the_body_is_the_prompt_and_unquoted_colons_are_text() {
    let loaded =
        Folder::with("version: 1\ninclude: agents/*.md\n").and("agents/reviewer.md", REVIEWER).loaded();
    let agent = &loaded.definitions.agents[&AgentName::parse("/code-reviewer").unwrap()];
    assert_eq!(agent.prompt.as_deref(), Some("You review code.\nBe kind: always."));
    assert_eq!(
        agent.description.as_deref(),
        Some("Use this: when code changed. Examples: <example>user: \"look\"</example>")
    );
    assert_eq!(agent.subscriptions.len(), 1);
    assert!(
        loaded.warnings.iter().all(|warning| !warning.message.contains("tools")),
        "{:?}",
        loaded.warnings
    );
}

#[test]
fn a_file_without_a_name_gives_its_own() {
    let loaded = Folder::with("version: 1\ninclude: ux-designer.md\n")
        .and("ux-designer.md", "---\ndescription: Draws\n---\nYou draw.\n")
        .loaded();
    assert!(loaded.definitions.agents.contains_key(&AgentName::parse("/ux-designer").unwrap()));
}

#[test]
fn faults_in_front_matter_have_their_place() {
    let said = Folder::with("version: 1\ninclude: a.md\n")
        .and("a.md", "---\nname: a\ndescription: Use: this\nsubscriptions:\n  - topic: t\n    fliter: { type: A }\n---\n")
        .said();
    assert!(said.contains("a.md:6:5") && said.contains("did you mean `filter`?"), "{said}");
    let said = Folder::with("version: 1\ninclude: a.md\n")
        .and("a.md", "---\nname: a\nsubscribtions: []\n---\n")
        .said();
    assert!(said.contains("a.md:3:1") && said.contains("did you mean `subscriptions`?"), "{said}");
}

#[test]
fn an_agent_in_yaml_and_in_markdown_is_refused_naming_both() {
    let said = Folder::with("version: 1\ninclude: a.md\nagents: { /a: {} }\n")
        .and("a.md", "---\nname: a\ndescription: x\n---\n")
        .said();
    assert!(said.contains("the agent `/a` is declared twice") && said.contains("a.md:2:7"), "{said}");
    assert!(said.contains("the first is at cantus.yaml:3:11"), "{said}");
}

#[test]
fn a_markdown_file_that_is_no_agent_is_refused() {
    let said = Folder::with("version: 1\ninclude: README.md\n").and("README.md", "# Hello\n").said();
    assert!(said.contains("does not begin with front matter") && said.contains("README.md:1:1"), "{said}");
}
