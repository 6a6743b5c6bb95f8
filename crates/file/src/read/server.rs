//! The server section, as it stands in the file and in variables.

use std::collections::BTreeMap;

use cantus_api::definition::{
    Dedupe, Duration, Hook, HookName, Limits, Permission, Reach, Retention, Server, Size, Token, TopicName,
    Webhooks,
};

use crate::diagnostic::Fault;
use crate::yaml::{Node, Value};

use super::{Fields, Reader, confinement};

/// The keys of the server section.
pub(super) const SERVER_KEYS: [&str; 14] = [
    "listen",
    "hooks",
    "tokens",
    "auto_create",
    "sandbox",
    "allow_remote_exec",
    "allowed_hosts",
    "allowed_origins",
    "max_hops",
    "dedupe",
    "limits",
    "retention",
    "reserve",
    "webhooks",
];
/// The keys of the section on webhooks.
pub(super) const WEBHOOK_KEYS: [&str; 5] = ["allow_private", "allow_ports", "env", "ca_file", "origin"];
/// The keys of a hook.
pub(super) const HOOK_KEYS: [&str; 2] = ["topic", "secret_file"];
/// The keys of a token.
pub(super) const TOKEN_KEYS: [&str; 3] = ["name", "token_file", "may"];
/// The keys of the dedupe window.
pub(super) const DEDUPE_KEYS: [&str; 2] = ["window", "ids"];
/// The keys of retention.
pub(super) const RETENTION_KEYS: [&str; 3] = ["max_hold", "max_hold_bytes", "history"];
/// The keys of the limits.
pub(super) const LIMIT_KEYS: [&str; 5] =
    ["event_bytes", "batch_events", "batch_bytes", "json_depth", "attribute_bytes"];

/// Returns the plain keys a variable can override: the words of the variable after `CANTUS_`, and the way to the key.
pub(crate) fn overrides() -> Vec<(String, Vec<&'static str>)> {
    let plain = SERVER_KEYS
        .iter()
        .copied()
        .filter(|key| !matches!(*key, "hooks" | "tokens" | "dedupe" | "limits" | "retention" | "webhooks"));
    let mut ways: Vec<Vec<&'static str>> = plain.map(|key| vec![key]).collect();
    ways.extend(DEDUPE_KEYS.iter().map(|key| vec!["dedupe", *key]));
    ways.extend(RETENTION_KEYS.iter().map(|key| vec!["retention", *key]));
    ways.extend(LIMIT_KEYS.iter().map(|key| vec!["limits", *key]));
    ways.into_iter().map(|way| (way.join("_").to_uppercase(), way)).collect()
}

pub(super) fn server(reader: &Reader<'_>, node: &Node) -> Option<Server> {
    if node.is_null() {
        return Some(Server::default());
    }
    let fields = Fields::open(reader, node, "the server section", &SERVER_KEYS, &[])?;
    let boolean = |key| fields.get(key).and_then(|node| reader.boolean(node));
    let texts = |key, parse: fn(&str) -> Result<String, String>| {
        fields.get(key).map(|node| words(reader, node, parse)).unwrap_or_default()
    };
    Some(Server {
        listen: fields.get("listen").and_then(|node| reader.parsed(node, listen)),
        hooks: fields.get("hooks").map(|node| hooks(reader, node)).unwrap_or_default(),
        tokens: fields.get("tokens").map(|node| tokens(reader, node)).unwrap_or_default(),
        auto_create: boolean("auto_create"),
        sandbox: fields.get("sandbox").and_then(|node| confinement::sandbox(reader, node)),
        allow_remote_exec: boolean("allow_remote_exec"),
        allowed_hosts: texts("allowed_hosts", host),
        allowed_origins: texts("allowed_origins", origin),
        max_hops: fields.get("max_hops").and_then(|node| reader.whole(node, "max_hops", 1..=10_000)),
        dedupe: fields.get("dedupe").and_then(|node| dedupe(reader, node)),
        limits: fields.get("limits").and_then(|node| limits(reader, node)),
        retention: fields.get("retention").and_then(|node| retention(reader, node)),
        reserve: fields.get("reserve").and_then(|node| reader.size(node)),
        webhooks: fields.get("webhooks").and_then(|node| webhooks(reader, node)),
    })
}

fn webhooks(reader: &Reader<'_>, node: &Node) -> Option<Webhooks> {
    let fields = Fields::open(reader, node, "`webhooks`", &WEBHOOK_KEYS, &[])?;
    let port = |item| reader.whole(item, "port", 1..=65_535).and_then(|port| u16::try_from(port).ok());
    let list = |key: &str| fields.get(key);
    Some(Webhooks {
        allow_private: list("allow_private")
            .map(|node| reader.list(node, |item| reader.parsed(item, Reach::parse)))
            .unwrap_or_default(),
        allow_ports: list("allow_ports").map(|node| reader.list(node, port)).unwrap_or_default(),
        env: list("env")
            .map(|node| reader.list(node, |item| Some(reader.raw_text(item)?.to_owned())))
            .unwrap_or_default(),
        ca_file: fields.get("ca_file").and_then(|node| file(reader, node)),
        origin: fields.get("origin").and_then(|node| reader.parsed(node, host)),
    })
}

/// Reads a list of words. From a variable it is one text with commas.
fn words(reader: &Reader<'_>, node: &Node, parse: fn(&str) -> Result<String, String>) -> Vec<String> {
    let from_variable = reader.sources.get(node.span.source).name.starts_with('$');
    if let (Value::Scalar(scalar), true) = (&node.value, from_variable) {
        let words = scalar.text.split(',').map(str::trim).filter(|word| !word.is_empty());
        return words
            .filter_map(|word| {
                parse(word).map_err(|message| reader.say(Fault::error(node.span, message))).ok()
            })
            .collect();
    }
    reader.list(node, |item| reader.parsed(item, parse))
}

fn listen(text: &str) -> Result<String, String> {
    let invalid = || {
        format!(
            "`{text}` is no address to listen on; write ADDRESS:PORT, such as 127.0.0.1:4777 or [::1]:4777"
        )
    };
    let address = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let address: std::net::SocketAddr = address.as_deref().unwrap_or(text).parse().map_err(|_| invalid())?;
    Ok(address.to_string())
}

fn host(text: &str) -> Result<String, String> {
    let legal = !text.is_empty()
        && text.len() <= 253
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']'));
    if !legal {
        return Err(format!(
            "`{text}` is no host name; write it as in a URL, without scheme and path, such as example.com"
        ));
    }
    Ok(text.to_ascii_lowercase())
}

fn origin(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match rest {
        Some(rest) if host(rest).is_ok() => Ok(text.to_ascii_lowercase()),
        _ => Err(format!(
            "`{text}` is no origin; write scheme and host, such as https://app.example.com, without a path"
        )),
    }
}

fn hooks(reader: &Reader<'_>, node: &Node) -> BTreeMap<HookName, Hook> {
    let mut hooks = BTreeMap::new();
    for item in super::section::items(reader, node, "hook", "hook_id") {
        let name = match HookName::parse(&item.id) {
            Ok(name) => name,
            Err(error) => {
                reader.refuse(item.id_span, &error);
                continue;
            }
        };
        let known: Vec<&str> = HOOK_KEYS.iter().copied().chain(["hook_id"]).collect();
        let Some(fields) = Fields::open(reader, item.body, "a hook", &known, &[]) else { continue };
        let secret_file = fields.get("secret_file").and_then(|node| file(reader, node));
        let topic =
            fields.required("topic", "topic: NAME").and_then(|node| reader.parsed(node, TopicName::parse));
        if let Some(topic) = topic {
            hooks.insert(name, Hook { topic, secret_file });
        }
    }
    hooks
}

fn tokens(reader: &Reader<'_>, node: &Node) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    for item in reader.list(node, Some) {
        let Some(fields) = Fields::open(reader, item, "a token", &TOKEN_KEYS, &[]) else { continue };
        let name = fields.required("name", "name: deployer").and_then(|node| {
            let name = reader.text(node)?.into_owned();
            if tokens.iter().any(|token| token.name == name) {
                reader.say(
                    Fault::error(node.span, format!("a token `{name}` stands above already"))
                        .hint("use another name"),
                );
            }
            if name.is_empty() || name.len() > 128 || name.chars().any(char::is_control) {
                reader.say(
                    Fault::error(node.span, "a token's name has 1 to 128 characters")
                        .hint("facts will name it as their actor"),
                );
            }
            Some(name)
        });
        let token_file = fields
            .required("token_file", "token_file: ./secrets/deployer")
            .and_then(|node| file(reader, node));
        let may = fields.required("may", "may: [publish, consume]").map(|node| {
            let words = [
                ("publish", Permission::Publish),
                ("consume", Permission::Consume),
                ("operate", Permission::Operate),
                ("define", Permission::Define),
            ];
            if matches!(&node.value, Value::List(items) if items.is_empty()) {
                reader.say(
                    Fault::error(node.span, "this token may do nothing")
                        .hint("name some of publish, consume, operate, define, or remove the token"),
                );
            }
            reader.list(node, |item| reader.word(item, &words))
        });
        if let (Some(name), Some(token_file), Some(may)) = (name, token_file, may) {
            tokens.push(Token { name, token_file, may });
        }
    }
    tokens
}

/// Reads the path of a file with a secret. It is opened by the server, later; a missing one is worth a word now.
fn file(reader: &Reader<'_>, node: &Node) -> Option<std::path::PathBuf> {
    let path = reader.path(node)?;
    if !path.is_file() {
        reader.say(
            Fault::warning(node.span, "there is no such file")
                .hint("the path is relative to this file; the server will ask for it"),
        );
    }
    Some(path)
}

fn dedupe(reader: &Reader<'_>, node: &Node) -> Option<Dedupe> {
    let fields = Fields::open(reader, node, "`dedupe`", &DEDUPE_KEYS, &[])?;
    Some(Dedupe {
        window: fields.get("window").and_then(|node| reader.duration(node, "window", Duration::from_secs(1))),
        ids: fields.get("ids").and_then(|node| reader.whole(node, "ids", 1..=100_000_000)),
    })
}

fn retention(reader: &Reader<'_>, node: &Node) -> Option<Retention> {
    let fields = Fields::open(reader, node, "`retention`", &RETENTION_KEYS, &[])?;
    let duration = |key| fields.get(key).and_then(|node| reader.duration(node, key, Duration::from_secs(1)));
    Some(Retention {
        max_hold: duration("max_hold"),
        max_hold_bytes: fields.get("max_hold_bytes").and_then(|node| reader.size(node)),
        history: duration("history"),
    })
}

fn limits(reader: &Reader<'_>, node: &Node) -> Option<Limits> {
    let fields = Fields::open(reader, node, "`limits`", &LIMIT_KEYS, &[])?;
    let size = |key| -> Option<Size> { reader.size(fields.get(key)?) };
    let limits = Limits {
        event_bytes: size("event_bytes"),
        batch_events: fields
            .get("batch_events")
            .and_then(|node| reader.whole(node, "batch_events", 1..=1_000_000)),
        batch_bytes: size("batch_bytes"),
        json_depth: fields.get("json_depth").and_then(|node| reader.whole(node, "json_depth", 1..=128)),
        attribute_bytes: size("attribute_bytes"),
    };
    if let (Some(event), Some(batch), Some(node)) =
        (limits.event_bytes, limits.batch_bytes, fields.get("batch_bytes"))
        && batch < event
    {
        reader.say(
            Fault::error(node.span, format!("a batch of {batch} can not hold one event of {event}"))
                .hint("raise `batch_bytes` to at least `event_bytes`"),
        );
    }
    Some(limits)
}
