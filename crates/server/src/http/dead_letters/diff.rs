//! What an edit changed: two JSON texts, compared place by place. Numbers are compared as they are written, never rounded.

use std::collections::BTreeMap;

use cantus_api::dead_letter::Change;
use cantus_api::json::compact;
use serde_json::value::RawValue;

/// How many places are told.
const CHANGES_MAX: usize = 1_000;
/// How deep is looked: what lies deeper is compared as a whole.
const DEPTH_MAX: usize = 64;

/// Returns the places where two JSON objects differ, in the order of their paths.
pub(crate) fn diff(before: &[u8], after: &[u8]) -> Vec<Change> {
    let mut changes = Vec::new();
    let parse = |bytes| serde_json::from_slice::<&RawValue>(bytes).ok();
    if let (Some(before), Some(after)) = (parse(before), parse(after)) {
        compare(before, after, &mut String::new(), 0, &mut changes);
    }
    changes
}

fn compare(before: &RawValue, after: &RawValue, path: &mut String, depth: usize, changes: &mut Vec<Change>) {
    if changes.len() >= CHANGES_MAX || squeezed(before) == squeezed(after) {
        return;
    }
    let (first, second) = (before.get().as_bytes()[0], after.get().as_bytes()[0]);
    if depth < DEPTH_MAX && first == second {
        match first {
            b'{' => {
                if let Some((before, after)) = members(before).zip(members(after)) {
                    return objects(&before, &after, path, depth, changes);
                }
            }
            b'[' => {
                if let Some((before, after)) = items(before).zip(items(after)) {
                    return arrays(&before, &after, path, depth, changes);
                }
            }
            _ => {}
        }
    }
    changes.push(change(path, Some(before), Some(after)));
}

fn objects(
    before: &BTreeMap<String, &RawValue>,
    after: &BTreeMap<String, &RawValue>,
    path: &mut String,
    depth: usize,
    changes: &mut Vec<Change>,
) {
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let escaped = name.replace('~', "~0").replace('/', "~1");
        step(path, &escaped, |path| {
            pair(before.get(name).copied(), after.get(name).copied(), path, depth, changes);
        });
    }
}

fn arrays(
    before: &[&RawValue],
    after: &[&RawValue],
    path: &mut String,
    depth: usize,
    changes: &mut Vec<Change>,
) {
    for index in 0..before.len().max(after.len()) {
        if changes.len() >= CHANGES_MAX {
            return;
        }
        step(path, &index.to_string(), |path| {
            pair(before.get(index).copied(), after.get(index).copied(), path, depth, changes);
        });
    }
}

fn pair(
    before: Option<&RawValue>,
    after: Option<&RawValue>,
    path: &mut String,
    depth: usize,
    changes: &mut Vec<Change>,
) {
    match (before, after) {
        (Some(before), Some(after)) => compare(before, after, path, depth + 1, changes),
        (None, None) => {}
        (before, after) if changes.len() < CHANGES_MAX => changes.push(change(path, before, after)),
        _ => {}
    }
}

fn step(path: &mut String, part: &str, then: impl FnOnce(&mut String)) {
    let length = path.len();
    path.push('/');
    path.push_str(part);
    then(path);
    path.truncate(length);
}

fn change(path: &str, before: Option<&RawValue>, after: Option<&RawValue>) -> Change {
    Change {
        path: path.to_owned(),
        before: before.map(ToOwned::to_owned),
        after: after.map(ToOwned::to_owned),
    }
}

fn members(value: &RawValue) -> Option<BTreeMap<String, &RawValue>> {
    serde_json::from_str(value.get()).ok()
}

fn items(value: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(value.get()).ok()
}

fn squeezed(value: &RawValue) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.get().len());
    compact(&mut out, value.get().as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(before: &str, after: &str) -> Vec<String> {
        let text =
            |value: &Option<Box<RawValue>>| value.as_ref().map_or("-".to_owned(), |raw| raw.get().to_owned());
        let changes = diff(before.as_bytes(), after.as_bytes());
        changes
            .iter()
            .map(|one| format!("{} {} > {}", one.path, text(&one.before), text(&one.after)))
            .collect()
    }

    #[test]
    fn every_place_that_differs_is_told_once() {
        let before = r#"{"type":"A","data":{"a":1,"b":[1,2,{"c":true}],"gone":null,"x/y":1}}"#;
        let after = r#"{"type":"B","data":{"b":[1,3,{"c":false},4],"a":1, "x/y":2},"subject":"s"}"#;
        assert_eq!(
            told(before, after),
            [
                "/data/b/1 2 > 3",
                "/data/b/2/c true > false",
                "/data/b/3 - > 4",
                "/data/gone null > -",
                "/data/x~1y 1 > 2",
                "/subject - > \"s\"",
                "/type \"A\" > \"B\"",
            ]
        );
    }

    #[test]
    fn numbers_are_compared_as_they_are_written() {
        let changes = told(r#"{"n":9007199254740993,"m":1e400}"#, r#"{"n":9007199254740992,"m":1e400}"#);
        assert_eq!(changes, ["/n 9007199254740993 > 9007199254740992"]);
    }
}
