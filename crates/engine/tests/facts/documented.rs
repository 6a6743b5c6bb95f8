//! `docs/formats.md` lists every fact, and every number of every value that is stored.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use cantus_core::fact::Fact;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_fact_is_listed_with_its_number_and_no_other_number_is() {
    let page = read("../../docs/formats.md");
    let facts = page
        .split("\n## ")
        .find(|section| section.starts_with("Facts"))
        .expect("there is a section on facts");
    let listed: Vec<(u16, &str)> = facts
        .lines()
        .filter_map(|line| {
            let (number, rest) = line.strip_prefix("| ")?.split_once(" | `")?;
            Some((number.parse().ok()?, rest.split_once('`')?.0))
        })
        .collect();
    assert_eq!(listed, Fact::NUMBERS);
}

/// The sources of all that is stored in facts and rows, and what the page puts before the name of a `State`, or before
/// all names of a room whose words others have too.
const SOURCES: &[(&str, &str)] = &[
    ("fact/events.rs", ""),
    ("fact/definitions.rs", ""),
    ("fact/holds.rs", ""),
    ("fact/deliveries.rs", ""),
    ("fact/dead_letters.rs", ""),
    ("fact/audit.rs", ""),
    ("fact/bulk.rs", ""),
    ("fact/node.rs", ""),
    ("fact/retention.rs", ""),
    ("ids.rs", ""),
    ("event/model.rs", ""),
    ("topic/definition.rs", ""),
    ("topic/dedupe.rs", ""),
    ("agent/state.rs", "agent "),
    ("subscription/id.rs", ""),
    ("subscription/confinement.rs", ""),
    ("subscription/definition.rs", ""),
    ("subscription/retry.rs", ""),
    ("subscription/breaker.rs", "breaker "),
    ("subscription/rate.rs", ""),
    ("subscription/state.rs", "subscription "),
    ("dead_letter/state.rs", ""),
    ("retention/state.rs", ""),
    ("audit/chain.rs", "audit "),
    ("bulk_operation/state.rs", "bulk "),
    ("bulk_operation/pace.rs", "bulk "),
    ("state/model.rs", ""),
];

/// The numbered parts of every type of a source: fields or variants.
fn parts_of(source: &str) -> BTreeMap<String, Vec<(u32, String)>> {
    let mut types: BTreeMap<String, Vec<(u32, String)>> = BTreeMap::new();
    let (mut name, mut number) = (None, None);
    for line in source.lines().map(str::trim) {
        let attribute = ["#[n(", "#[cbor(n("].iter().find_map(|start| line.strip_prefix(start));
        if let Some(item) = line.strip_prefix("pub struct ").or_else(|| line.strip_prefix("pub enum ")) {
            name = item.strip_suffix(" {").map(str::to_owned);
        } else if let Some(rest) = attribute {
            number = rest.split(')').next().and_then(|digits| digits.parse().ok());
        } else if let (Some(name), Some(found)) = (&name, number) {
            let word = line.strip_prefix("pub ").unwrap_or(line);
            let word = word.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
            types.entry(name.clone()).or_default().push((found, word.to_owned()));
            number = None;
        }
    }
    types
}

#[test]
fn every_number_of_every_stored_value_is_listed() {
    let page = read("../../docs/formats.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).collect();
    let mut seen = 0;
    for (file, before_state) in SOURCES {
        for (name, parts) in parts_of(&read(&format!("../core/src/{file}"))) {
            let shared =
                matches!(name.as_str(), "State" | "Policy") || matches!(*before_state, "bulk " | "audit ");
            let name = if shared { format!("{before_state}{name}") } else { name };
            let row = rows.iter().find(|row| {
                let cells: Vec<&str> =
                    row.split(" | ").take(2).map(|cell| cell.trim_start_matches("| ")).collect();
                cells.contains(&format!("`{name}`").as_str()) && row.contains("`0 ")
            });
            let row = row.unwrap_or_else(|| panic!("docs/formats.md has no row for `{name}` of {file}"));
            for (number, part) in parts {
                let listed =
                    [": ", "`", "("].iter().any(|end| row.contains(&format!("`{number} {part}{end}")));
                assert!(listed, "docs/formats.md does not list `{number} {part}` of `{name}`");
                seen += 1;
            }
        }
    }
    assert!(seen > 250, "the sources are read: {seen} numbers");
}
