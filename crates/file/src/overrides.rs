//! Overrides: `CANTUS_…` variables that win over the `server` section.
//!
//! `server.listen` is `CANTUS_LISTEN` or `CANTUS_SERVER_LISTEN`; with `_FILE` at the end the variable names a file
//! that holds the value. The values become nodes like those of the file, so that they are read and refused alike.

use std::path::{Path, PathBuf};

use crate::diagnostic::Fault;
use crate::disk;
use crate::environment::Environment;
use crate::read::overrides;
use crate::source::{Source, Sources, Span};
use crate::suggest::nearest;
use crate::yaml::{Entry, Node, Scalar, Style, Value};

/// The largest value a variable's file may hold.
const MAX_VALUE_BYTES: u64 = 64 << 10;

/// Puts the values of variables into the `server` section of the main file.
pub(crate) fn override_server(
    root: &mut Node,
    sources: &mut Sources,
    environment: &Environment,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    let ways = overrides();
    for (suffix, way) in &ways {
        let mut given: Vec<Node> = Vec::new();
        for prefix in ["CANTUS_", "CANTUS_SERVER_"] {
            let name = format!("{prefix}{suffix}");
            for from_file in [false, true] {
                let name = if from_file { format!("{name}_FILE") } else { name.clone() };
                let Some(value) = environment.get(&name).filter(|value| !value.is_empty()) else { continue };
                match node(&name, value, from_file, sources) {
                    Ok(node) => given.push(node),
                    Err(fault) => faults.push(fault),
                }
            }
        }
        if let [first, second, ..] = given.as_slice() {
            let (first, second) = (&sources.get(first.span.source).name, second.span);
            let message =
                format!("`server.{}` is given by several variables; {first} is another", way.join("."));
            faults.push(Fault::error(second, message).hint("unset one of them"));
        }
        if let Some(node) = given.into_iter().next() {
            put(root, &[&["server"], way.as_slice()].concat(), node);
        }
    }
    faults.extend(unknown(&ways, sources, environment));
    faults
}

/// Says which `CANTUS_SERVER_…` variables mean nothing.
fn unknown(
    ways: &[(String, Vec<&'static str>)],
    sources: &mut Sources,
    environment: &Environment,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, value) in environment.beginning_with("CANTUS_SERVER_") {
        let bare = name.trim_start_matches("CANTUS_SERVER_");
        let plain = bare.strip_suffix("_FILE").unwrap_or(bare);
        if ways.iter().any(|(suffix, _)| suffix == plain) {
            continue;
        }
        let hint = nearest(plain, ways.iter().map(|(suffix, _)| suffix.as_str()))
            .map(|near| format!("did you mean `CANTUS_SERVER_{near}`?"));
        let span = source(name, value, sources);
        faults
            .push(Fault::warning(span, format!("the variable `{name}` overrides nothing")).maybe_hint(hint));
    }
    faults
}

fn node(name: &str, value: &str, from_file: bool, sources: &mut Sources) -> Result<Node, Fault> {
    let mut value = value.to_owned();
    if from_file {
        let read = disk::read(Path::new(&value), MAX_VALUE_BYTES)
            .map_err(|error| error.to_string())
            .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned()));
        value = match read {
            Ok(text) => text.trim().to_owned(),
            Err(error) => {
                let message = format!("the file `{value}` that `{name}` names can not be read: {error}");
                return Err(Fault::error(source(name, &value, sources), message)
                    .hint("name a file that holds the value"));
            }
        };
    }
    let span = source(name, &value, sources);
    // The value of a variable is final: a `$` in it means itself.
    Ok(Node { span, value: Value::Scalar(Scalar { text: value.replace('$', "$$"), style: Style::Plain }) })
}

fn source(name: &str, value: &str, sources: &mut Sources) -> Span {
    let folder = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    let id = sources.add(Source { name: format!("${name}"), text: value.to_owned(), folder });
    Span::new(id, 0, value.len())
}

/// Sets a value in a tree of maps, making the maps that are missing. What is no map stays, and is refused when read.
fn put(node: &mut Node, way: &[&str], value: Node) {
    let Some((key, rest)) = way.split_first() else {
        *node = value;
        return;
    };
    if node.is_null() {
        node.value = Value::Map(Vec::new());
    }
    let Value::Map(entries) = &mut node.value else { return };
    if let Some(at) = entries.iter().position(|entry| entry.key == *key) {
        put(&mut entries[at].value, rest, value);
        return;
    }
    let mut child = Node { span: value.span, value: Value::Map(Vec::new()) };
    let key_span = value.span;
    put(&mut child, rest, value);
    entries.push(Entry { key: (*key).to_owned(), key_span, value: child });
}
