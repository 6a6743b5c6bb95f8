//! Logs with every fact as the version wrote it that brought it. They are read for ever, and never written anew.
//!
//! `cargo test -p cantus-engine --test facts -- --ignored` writes the fixtures that are not there yet.

use std::fs;
use std::path::{Path, PathBuf};

use cantus_core::fact::{Fact, Recorded};
use cantus_engine::conformance::{flow_samples, samples, webhook_samples};

use super::{open, read_all, recorded};

const SEGMENT: &str = "log/00000000000000000001.segment";
const TEXT: &str = "facts.txt";

/// The fixtures there are, the facts each was written with, and their numbers.
type Fixture = (&'static str, fn() -> Vec<Fact>, &'static [u16]);
const FIXTURES: [Fixture; 6] = [
    // Those that version 1 began with. Later ones get fixtures of their own.
    (
        "facts-v1",
        samples::first_facts,
        &[
            1, 2, 3, 4, 10, 11, 12, 13, 14, 15, 16, 17, 20, 21, 22, 23, 24, 30, 31, 32, 33, 34, 35, 36, 37,
            40, 41, 42, 43, 44, 45, 60, 61,
        ],
    ),
    ("facts-retention", samples::retention, &[5, 6, 7, 8, 9]),
    ("facts-bulk", samples::bulk, &[50, 51, 52, 53, 54]),
    ("facts-audit", samples::audit, &[10, 70]),
    // Breakers and held keys, and the fields that earlier facts have since.
    ("facts-flow", flow_samples::facts, &[15, 23, 26, 27, 28, 29, 30, 33, 36, 40, 42, 45]),
    // Subscriptions whose action is a webhook.
    ("facts-webhook", webhook_samples::facts, &[15]),
];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// What facts say, one line per field. Fields that say nothing are left out: a later version may have more of them.
fn told(facts: &[Recorded]) -> String {
    let all: String =
        facts.iter().map(|recorded| format!("{} = {:#?}\n", recorded.fact.number(), recorded)).collect();
    let says_something = |line: &&str| !line.trim_end_matches(',').ends_with(": None");
    all.lines().filter(says_something).map(|line| format!("{line}\n")).collect()
}

/// A copy of a fixture that may be opened, and so changed.
fn copy(name: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a temporary directory");
    fs::create_dir(copy.path().join("log")).expect("the directory is made");
    fs::copy(fixture(name).join(SEGMENT), copy.path().join(SEGMENT)).expect("the fixture is there");
    copy
}

#[test]
#[ignore = "writes fixtures that are not there; each is written once"]
fn write_the_fixtures() {
    for (name, facts, _) in FIXTURES.iter().filter(|(name, ..)| !fixture(name).exists()) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let facts = recorded(facts());
        let mut engine = open(dir.path());
        engine.append(facts[0].at, &facts).expect("the samples fit into a frame");
        engine.sync().expect("the disk syncs");
        drop(engine);
        fs::create_dir_all(fixture(name).join("log")).expect("the directory is made");
        fs::copy(dir.path().join(SEGMENT), fixture(name).join(SEGMENT)).expect("the file is copied");
        fs::write(fixture(name).join(TEXT), told(&facts)).expect("the file is written");
    }
}

#[test]
fn facts_of_earlier_versions_still_say_what_they_said() {
    for (name, ..) in FIXTURES {
        let copy = copy(name);
        let engine = open(copy.path());
        let facts = read_all(&*engine.reader());
        let expected = fs::read_to_string(fixture(name).join(TEXT)).expect("the fixture is there");
        let told = told(&facts);
        let differs = told.lines().zip(expected.lines()).position(|(now, then)| now != then);
        if let Some(line) = differs {
            let (now, then) = (told.lines().nth(line), expected.lines().nth(line));
            panic!("line {} of {TEXT} of {name} was\n{then:?}\nand is now\n{now:?}", line + 1);
        }
        assert_eq!(told.lines().count(), expected.lines().count());
    }
}

#[test]
fn every_fact_of_a_version_is_in_its_fixture() {
    for (name, _, expected) in FIXTURES {
        let copy = copy(name);
        let engine = open(copy.path());
        let mut numbers: Vec<u16> =
            read_all(&*engine.reader()).iter().map(|recorded| recorded.fact.number()).collect();
        numbers.dedup();
        assert_eq!(numbers, expected, "{name}");
    }
}

#[test]
fn a_fact_of_a_later_version_is_refused_with_what_to_do() {
    let unknown = Fact::decode(9_999, &[0xa0]).expect_err("it is not known");
    let text = unknown.to_string();
    assert!(text.contains("9999") && text.contains("start a version that is at least as new"), "{text}");
}
