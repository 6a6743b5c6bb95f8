//! The borders between crates: names point inward, never back.
//!
//! A crate boundary exists to forbid something. The table says what each crate may know of ours; for `core`, which does no IO,
//! reads no clock and knows no async, also what it may know of others.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};

use crate::workspace::{Package, Workspace};

/// What each package may depend on within the workspace, directly, for any purpose.
const INSIDE: &[(&str, &[&str])] = &[
    ("cantus-core", &["cantus-calendar"]),
    ("cantus-api", &[]),
    ("cantus-calendar", &[]),
    ("cantus-engine", &["cantus-core"]),
    ("cantus-runtime", &["cantus-engine", "cantus-core"]),
    ("cantus-file", &["cantus-api", "cantus-core", "cantus-calendar"]),
    ("cantus-client", &["cantus-api"]),
    ("cantus-server", &["cantus-runtime", "cantus-engine", "cantus-core", "cantus-api", "cantus-file"]),
    (
        "cantus-cli",
        &[
            "cantus-server",
            "cantus-runtime",
            "cantus-engine",
            "cantus-core",
            "cantus-api",
            "cantus-file",
            "cantus-calendar",
            "cantus-client",
        ],
    ),
    (
        "cantus-fuzz",
        &[
            "cantus-server",
            "cantus-runtime",
            "cantus-engine",
            "cantus-core",
            "cantus-api",
            "cantus-file",
            "cantus-calendar",
        ],
    ),
    ("cantus-sim", &["cantus-runtime", "cantus-engine", "cantus-core"]),
    ("cantus-faults", &[]),
    ("cantus-bench", &["cantus-engine", "cantus-core", "cantus-api"]),
    ("xtask", &["cantus-api", "cantus-client"]),
];

/// All that `cantus-core` may take from outside. Nothing here touches a clock, a disk, a socket or a source of chance.
const CORE_OUTSIDE: &[&str] = &[
    "bytes",
    "cel",
    "hashbrown",
    "minicbor",
    "regex-automata",
    "serde_json",
    "sha2",
    "thiserror",
    "xxhash-rust",
];

/// Checks every border.
///
/// # Errors
/// One line per border that is crossed, with what to do.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let crossed = crossed(&workspace.packages);
    for line in &crossed {
        eprintln!("{line}");
    }
    match crossed.len() {
        0 => Ok(()),
        count => bail!("{count} borders between crates are crossed"),
    }
}

fn crossed(packages: &[Package]) -> Vec<String> {
    let ours: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let table: BTreeMap<&str, &[&str]> = INSIDE.iter().copied().collect();
    let mut lines = Vec::new();
    for package in packages {
        let name = package.name.as_str();
        let Some(allowed) = table.get(name) else {
            lines.push(format!(
                "{name} has no borders: say in crates/xtask/src/borders.rs what it may depend on"
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let other = dependency.name.as_str();
            if ours.contains(other) && !allowed.contains(&other) {
                lines.push(format!("{name} must not depend on {other}: names point inward, never back"));
            }
            let for_tests = dependency.kind.as_deref() == Some("dev");
            if name == "cantus-core" && !for_tests && !ours.contains(other) && !CORE_OUTSIDE.contains(&other)
            {
                lines.push(format!(
                    "{name} must not depend on {other}: it does no IO, reads no clock and knows no async"
                ));
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn package(name: &str, needs: &[(&str, Option<&str>)]) -> Package {
        let needs = needs
            .iter()
            .map(|(name, kind)| Dependency { name: (*name).to_owned(), kind: kind.map(str::to_owned) });
        Package { name: name.to_owned(), dependencies: needs.collect() }
    }

    #[test]
    fn a_name_that_points_back_is_found() {
        let packages = [
            package("cantus-core", &[("cantus-engine", Some("dev")), ("bytes", None)]),
            package("cantus-engine", &[("cantus-core", None), ("tempfile", Some("dev"))]),
            package("cantus-client", &[("cantus-core", None)]),
        ];
        let crossed = crossed(&packages);
        assert_eq!(crossed.len(), 2, "{crossed:?}");
        assert!(crossed[0].starts_with("cantus-core must not depend on cantus-engine"));
        assert!(crossed[1].starts_with("cantus-client must not depend on cantus-core"));
    }

    #[test]
    fn the_core_takes_nothing_that_could_do_io() {
        let crossed = crossed(&[package("cantus-core", &[("tokio", None), ("proptest", Some("dev"))])]);
        assert_eq!(crossed.len(), 1, "{crossed:?}");
        assert!(crossed[0].contains("tokio"));
    }

    #[test]
    fn a_crate_without_borders_is_told_where_to_say_them() {
        let crossed = crossed(&[package("cantus-new", &[])]);
        assert!(crossed[0].contains("crates/xtask/src/borders.rs"), "{crossed:?}");
    }
}
