//! Definitions at run time through the binary: every example survives being exported and applied again, and a restart does not
//! undo what was applied.

use serde_json::json;

use crate::server::{Server, file, repository};

#[test]
fn every_example_that_is_exported_and_applied_again_changes_nothing() {
    let examples = std::fs::read_dir(repository("examples")).expect("the examples are there");
    let mut tried = 0;
    for example in examples {
        let source = example.expect("a folder").path().join("cantus.yaml");
        if !source.exists() {
            continue;
        }
        let server = Server::start(Some(&source));
        let exported = server.dir.path().join("exported.yaml");
        let exported = exported.to_str().expect("a path");
        server.ok(&["export", "--to", exported]);
        server.ok(&["check", exported]);
        let plan = server.json(&["plan", "-f", exported, "--prune"]);
        assert_eq!(plan["changes"], json!([]), "{}", source.display());
        // The file itself says the same.
        let plan = server.json(&["plan", "-f", source.to_str().expect("a path"), "--prune"]);
        assert_eq!(plan["changes"], json!([]), "{}", source.display());
        tried += 1;
    }
    assert!(tried >= 3, "the examples have moved");
}

const FILE: &str = "version: 1\ntopics: { tasks: {} }\n";

#[test]
fn an_apply_is_planned_audited_and_survives_a_restart() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::start(Some(&file(dir.path(), FILE)));
    let wanted = server.dir.path().join("wanted.yaml");
    std::fs::write(&wanted, "version: 1\ntopics: { tasks: { description: Work }, fresh: {} }\n")
        .expect("written");
    let wanted = wanted.to_str().expect("a path");
    let plan = server.ok(&["plan", "-f", wanted]);
    assert!(plan.contains("+ topic fresh") && plan.contains("~ topic tasks"), "{plan}");
    let unasked = server.cli(&["apply", "-f", wanted]);
    assert_eq!(unasked.status.code(), Some(2), "nobody is there to be asked");
    let applied = server.json(&["apply", "-f", wanted, "--yes"]);
    assert_eq!((&applied["added"], &applied["changed"]), (&json!(1), &json!(1)));
    let entry = server.json(&["audit", "ls", "--action", "definitions"])["items"][0].clone();
    assert_eq!((&entry["action"], &entry["actor"]), (&json!("definitions.create"), &json!("token:dev")));
    assert_eq!(entry["before"]["topic fresh"], json!(null));
    server.kill();
    server.begin();
    let exported = server.json(&["export"]);
    assert_eq!(exported["definitions"]["topics"]["tasks"]["description"], "Work", "{exported}");
    let verified = server.json(&["audit", "verify"]);
    assert_eq!((&verified["intact"], &verified["checked"]), (&json!(true), &verified["entries"]));
    let head = verified["head"].as_str().expect("a hash");
    server.ok(&["audit", "verify", "--head", head]);
    assert_eq!(server.cli(&["audit", "verify", "--head", &"0".repeat(64)]).status.code(), Some(1));
    // A changed file is the newer word.
    file(dir.path(), "version: 1\ntopics: { tasks: { description: Edited } }\n");
    server.kill();
    server.begin();
    let exported = server.json(&["export"]);
    assert_eq!(exported["definitions"]["topics"]["tasks"]["description"], "Edited", "{exported}");
    assert!(exported["definitions"]["topics"].get("fresh").is_some(), "{exported}");
}
