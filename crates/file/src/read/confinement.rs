//! How a program is confined, as it stands in the file.

use cantus_api::definition::{Duration, Exec, ExecLimits, Network, Sandbox};

use crate::diagnostic::Fault;
use crate::yaml::{Node, Value};

use super::{Fields, Reader};

const LIMIT_KEYS: [&str; 6] = ["memory", "cpu", "processes", "files", "file_size", "output"];

pub(super) fn sandbox(reader: &Reader<'_>, node: &Node) -> Option<Sandbox> {
    reader.word(node, &[("none", Sandbox::None), ("strict", Sandbox::Strict)])
}

pub(super) fn network(reader: &Reader<'_>, node: &Node) -> Option<Network> {
    reader.word(node, &[("none", Network::None), ("host", Network::Host)])
}

/// Paths, relative to the file.
pub(super) fn paths(reader: &Reader<'_>, fields: &Fields<'_, '_>, key: &str) -> Vec<String> {
    let Some(node) = fields.get(key) else { return Vec::new() };
    reader.list(node, |item| Some(reader.path(item)?.to_string_lossy().into_owned()))
}

pub(super) fn limits(reader: &Reader<'_>, node: &Node) -> Option<ExecLimits> {
    let fields = Fields::open(reader, node, "the limits of a program", &LIMIT_KEYS, &[])?;
    let size = |key| fields.get(key).and_then(|node| reader.size(node));
    let number = |key| fields.get(key).and_then(|node| reader.whole(node, key, 1..=u32::MAX));
    let limits = ExecLimits {
        memory: size("memory"),
        cpu: fields.get("cpu").and_then(|node| reader.duration(node, "cpu", Duration::from_secs(1))),
        processes: number("processes"),
        files: number("files"),
        file_size: size("file_size"),
        output: size("output"),
    };
    if let Err(message) = limits.check() {
        reader.say(Fault::error(node.span, message).hint("leave it out for the default"));
    }
    Some(limits)
}

/// Warns of a key to something that a program without a network can not reach.
pub(super) fn has_use_for_its_keys(reader: &Reader<'_>, fields: &Fields<'_, '_>, exec: &Exec) {
    let is_cut_off = exec.asks_for() == Some(Sandbox::Strict) && exec.network != Some(Network::Host);
    let is_key = |name: &&String| name.ends_with("_API_KEY");
    if let (true, Some(name), Some(entry)) =
        (is_cut_off, exec.pass_env.iter().find(is_key), fields.entry("pass_env"))
    {
        let message = format!("this program gets {name} and has no network to use it");
        let hint = "add `network: host`: a strict sandbox has no network unless it is asked for";
        reader.say(Fault::warning(entry.key_span, message).hint(hint));
    }
}

/// Refuses keys of a strict sandbox beside `sandbox: none`: they would promise what nobody keeps.
pub(super) fn belongs_to_strict(reader: &Reader<'_>, fields: &Fields<'_, '_>) {
    let unconfined = matches!(fields.get("sandbox").map(|node| &node.value), Some(Value::Scalar(scalar)) if scalar.text == "none");
    if !unconfined {
        return;
    }
    for key in ["network", "readable", "writable", "limits"] {
        if let Some(entry) = fields.entry(key) {
            let message = format!("`{key}` belongs to `sandbox: strict`, and this is `sandbox: none`");
            reader.say(Fault::error(entry.key_span, message).hint("remove it, or write `sandbox: strict`"));
        }
    }
}
