//! Includes: more files, each thing declared once.

use cantus_api::definition::{Action, AgentName};

use crate::support::Folder;

#[test]
fn files_are_put_together_and_paths_stay_relative_to_their_own() {
    let folder = Folder::with("version: 1\ninclude: [team/*.yaml, more.yml]\nretry_policies: { slow: { max_retries: 1 } }\n")
        .and("team/a.yaml", "agents:\n  /a:\n    subscriptions: [{ topic: t, retry: slow, action: { exec: [./run.sh], cwd: work } }]\n")
        .and("team/b.yaml", "version: 1\nagents: { /b: {} }\n")
        .and("more.yml", "topics: { t: {} }\n");
    let loaded = folder.loaded();
    assert_eq!(loaded.definitions.topics.len(), 1);
    let a = &loaded.definitions.agents[&AgentName::parse("/a").unwrap()];
    let Action::Exec(exec) = &a.subscriptions[0].action else { panic!("exec") };
    assert_eq!(exec.cwd.as_deref(), folder.path().join("team/work").to_str());
    for file in ["cantus.yaml", "team", "team/a.yaml", "team/b.yaml", "more.yml"] {
        assert!(loaded.files.contains(&folder.path().join(file)), "{file}: {:?}", loaded.files);
    }
}

#[test]
fn the_same_thing_in_two_files_is_refused_naming_both_places() {
    let said = Folder::with("version: 1\ninclude: [a.yaml, b.yaml]\n")
        .and("a.yaml", "topics:\n  t: {}\n")
        .and("b.yaml", "topics:\n\n  t: {}\n")
        .said();
    assert!(said.contains("the topic `t` is declared twice"), "{said}");
    assert!(said.contains("b.yaml:3:3") && said.contains("the first is at a.yaml:2:3"), "{said}");
}

#[test]
fn files_that_include_one_another_are_refused() {
    let said = Folder::with("version: 1\ninclude: a.yaml\n")
        .and("a.yaml", "include: b.yaml\n")
        .and("b.yaml", "include: a.yaml\n")
        .said();
    assert!(said.contains("these files include one another: a.yaml → b.yaml → a.yaml"), "{said}");
    assert!(said.contains("b.yaml:1:10"), "{said}");
    let itself = Folder::with("version: 1\ninclude: cantus.yaml\n").said();
    assert!(itself.contains("cantus.yaml → cantus.yaml"), "{itself}");
}

#[test]
fn a_glob_does_not_mean_the_file_it_stands_in() {
    let loaded =
        Folder::with("version: 1\ninclude: '*.yaml'\n").and("b.yaml", "topics: { t: {} }\n").loaded();
    assert_eq!(loaded.definitions.topics.len(), 1);
}

#[test]
fn a_file_included_twice_is_refused() {
    let said =
        Folder::with("version: 1\ninclude: [a.yaml, ./a.yaml]\n").and("a.yaml", "topics: { t: {} }\n").said();
    assert!(
        said.contains("`a.yaml` is included twice") && said.contains("the first is at cantus.yaml:2:11"),
        "{said}"
    );
}

#[test]
fn what_belongs_into_the_main_file_is_refused_elsewhere() {
    let said =
        Folder::with("version: 1\ninclude: a.yaml\n").and("a.yaml", "server: { auto_create: true }\n").said();
    assert!(said.contains("`server` belongs into the main file"), "{said}");
}

#[test]
fn faults_of_all_files_are_told_at_once() {
    let said = Folder::with("version: 1\ninclude: [a.yaml, none.yaml]\ntopcis: {}\n")
        .and("a.yaml", "agnets: {}\n")
        .said();
    for part in ["`topcis` is no key", "`agnets` is no key", "`none.yaml` can not be read", "a.yaml:1:1"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused_instead_of_waited_for() {
    let folder = Folder::with("version: 1\ninclude: pipe.yaml\n");
    let made = std::process::Command::new("mkfifo").arg(folder.path().join("pipe.yaml")).status();
    if made.is_ok_and(|status| status.success()) {
        assert!(folder.said().contains("it is no regular file"));
    }
}
