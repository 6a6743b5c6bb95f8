//! Actions, as they stand in the file.

use std::collections::BTreeMap;

use cantus_api::definition::{
    Action, AgentPattern, Announce, Duration, EventType, Exec, Inbox, OnSuccess, Pause, PauseUntil, Publish,
    Stdin, Subscription, SuccessData, TopicName, ValueText,
};

use crate::check::expression_problem;
use crate::diagnostic::Fault;
use crate::yaml::{Node, Value};

use super::webhook::webhook;
use super::{Fields, Reader, confinement};

/// The keys of an action.
pub(super) const ACTION_KEYS: [&str; 28] = [
    "exec",
    "webhook",
    "inbox",
    "publish",
    "pause",
    "cwd",
    "env",
    "pass_env",
    "stdin",
    "prompt",
    "timeout",
    "on_start",
    "on_success",
    "on_failure",
    "sandbox",
    "network",
    "readable",
    "writable",
    "limits",
    "concurrency",
    "secret",
    "secrets",
    "secret_file",
    "mode",
    "headers",
    "allow_private",
    "handshake",
    "ca_file",
];

const KINDS: [&str; 5] = ["exec", "webhook", "inbox", "publish", "pause"];
const WORKS: &str = "the actions that work today are exec, webhook, inbox, publish and pause";
/// Keys that only a webhook understands, and those that it shares with exec.
const WEBHOOK_ONLY: [&str; 8] =
    ["secret", "secrets", "secret_file", "mode", "headers", "allow_private", "handshake", "ca_file"];
const PUSHED: [&str; 2] = ["timeout", "concurrency"];
/// What later versions bring. The keys that only these understand are not looked at when one of them is used.
const LATER: [(&str, &str); 2] =
    [("in_process", WORKS), ("max_lifetime", "remove it; `timeout` ends an attempt")];

/// An action, with the places checks will want.
#[derive(Default)]
pub(super) struct Read {
    pub action: Option<Action>,
    pub program: Option<crate::source::Span>,
    pub wants_prompt: Option<crate::source::Span>,
    pub produces: Option<crate::source::Span>,
}

pub(super) fn action(reader: &Reader<'_>, node: &Node) -> Read {
    if let Value::Scalar(scalar) = &node.value {
        if node.is_null() {
            reader.expected(node, "an action, such as `exec: [./agent.sh]` or `inbox`,");
        } else if scalar.text == "inbox" {
            return Read { action: Some(Action::default()), ..Read::default() };
        } else {
            let fault = Fault::error(node.span, format!("`{}` is no action", scalar.text));
            reader.say(fault.hint("write `inbox`, or a map with one of exec, webhook, publish and pause"));
        }
        return Read::default();
    }
    if let Some((key, later)) = LATER[..1].iter().find_map(|(key, _)| Some((key, entry_span(node, key)?))) {
        reader.say(Fault::error(later, format!("the action `{key}` is not available yet")).hint(WORKS));
        return Read::default();
    }
    let Some(fields) = Fields::open(reader, node, "an action", &ACTION_KEYS, &LATER) else {
        return Read::default();
    };
    let given: Vec<&str> = KINDS.into_iter().filter(|kind| fields.get(kind).is_some()).collect();
    if given.is_empty() && fields.has_unknown(&ACTION_KEYS) {
        return Read::default(); // Said already; what was meant is the unknown key.
    }
    let [kind] = given.as_slice() else {
        let message = match given.as_slice() {
            [] => "this action does not say what to do".to_owned(),
            several => format!("this action does several things: {}", several.join(", ")),
        };
        reader.say(
            Fault::error(fields.span(), message)
                .hint("an action has exactly one of exec, webhook, inbox, publish and pause"),
        );
        return Read::default();
    };
    for key in &ACTION_KEYS[KINDS.len()..] {
        let of = match *key {
            key if PUSHED.contains(&key) => ["exec", "webhook"].as_slice(),
            key if WEBHOOK_ONLY.contains(&key) => &["webhook"],
            _ => &["exec"],
        };
        if let (Some(entry), false) = (fields.entry(key), of.contains(kind)) {
            let of = of.iter().map(|kind| format!("`{kind}`")).collect::<Vec<_>>().join(" or ");
            let message = format!("`{key}` belongs to an action with {of}, and this is `{kind}`");
            reader.say(Fault::error(entry.key_span, message).hint("remove it"));
        }
    }
    match *kind {
        "exec" => exec(reader, &fields),
        "webhook" => {
            let action = webhook(reader, &fields).map(|webhook| Action::Webhook(Box::new(webhook)));
            Read { action, ..Read::default() }
        }
        "inbox" => inbox(reader, &fields),
        "publish" => publish(reader, &fields),
        _ => Read { action: pause(reader, &fields).map(Action::Pause), ..Read::default() },
    }
}

fn entry_span(node: &Node, key: &str) -> Option<crate::source::Span> {
    let Value::Map(entries) = &node.value else { return None };
    entries.iter().find(|entry| entry.key == key).map(|entry| entry.key_span)
}

fn exec(reader: &Reader<'_>, fields: &Fields<'_, '_>) -> Read {
    let node = fields.get("exec").expect("the caller found the key");
    let Value::List(items) = &node.value else {
        reader.say(
            Fault::error(node.span, format!("`exec` is a list of the program and its arguments, and this is {}", node.kind()))
                .hint("write `exec: [program, argument]`; there is no shell between, `exec: [sh, -c, \"…\"]` asks for one"),
        );
        return Read::default();
    };
    let argv: Vec<String> = reader.list(node, |item| Some(reader.text(item)?.into_owned()));
    let Some(first) = items.first() else {
        reader.say(Fault::error(node.span, "`exec` is empty").hint("write `exec: [program, argument]`"));
        return Read::default();
    };
    for (item, text) in items.iter().zip(&argv) {
        if text.contains('\0') {
            reader.say(Fault::error(item.span, "a NUL can not be part of an argument").hint("remove it"));
        }
    }
    if argv.len() != items.len() {
        return Read::default();
    }
    if argv[0].is_empty() {
        reader
            .say(Fault::error(first.span, "the program is empty").hint("write `exec: [program, argument]`"));
        return Read::default();
    }
    let stdin = fields
        .get("stdin")
        .and_then(|node| {
            reader.word(node, &[("event", Stdin::Event), ("data", Stdin::Data), ("prompt", Stdin::Prompt)])
        })
        .unwrap_or_default();
    let prompt = fields.get("prompt").and_then(|node| reader.raw_text(node)).map(str::to_owned);
    if let (Some(entry), false) = (fields.entry("prompt"), stdin == Stdin::Prompt) {
        reader.say(Fault::warning(entry.key_span, "this prompt is never read").hint("add `stdin: prompt`"));
    }
    let wants_prompt =
        (stdin == Stdin::Prompt && prompt.is_none()).then(|| fields.get("stdin").map(|node| node.span));
    let on_success = fields.get("on_success");
    confinement::belongs_to_strict(reader, fields);
    let exec = Exec {
        argv,
        cwd: Some(cwd(reader, fields, node)),
        env: fields.get("env").map(|node| variables(reader, node)).unwrap_or_default(),
        pass_env: fields
            .get("pass_env")
            .map(|node| reader.list(node, |item| reader.parsed(item, variable_name)))
            .unwrap_or_default(),
        stdin,
        prompt,
        timeout: fields
            .get("timeout")
            .and_then(|node| reader.duration(node, "timeout", Duration::from_millis(1)))
            .unwrap_or(Exec::DEFAULT_TIMEOUT),
        on_start: fields.get("on_start").and_then(|node| announce(reader, node, "`on_start`")),
        on_success: on_success.and_then(|node| success(reader, node)),
        on_failure: fields.get("on_failure").and_then(|node| announce(reader, node, "`on_failure`")),
        sandbox: fields.get("sandbox").and_then(|node| confinement::sandbox(reader, node)),
        network: fields.get("network").and_then(|node| confinement::network(reader, node)),
        readable: confinement::paths(reader, fields, "readable"),
        writable: confinement::paths(reader, fields, "writable"),
        limits: fields.get("limits").and_then(|node| confinement::limits(reader, node)).map(Box::new),
        concurrency: fields
            .get("concurrency")
            .and_then(|node| reader.whole(node, "concurrency", 1..=Subscription::MAX_CONCURRENCY)),
    };
    confinement::has_use_for_its_keys(reader, fields, &exec);
    Read {
        action: Some(Action::Exec(exec)),
        program: Some(first.span),
        wants_prompt: wants_prompt.flatten(),
        produces: on_success.and_then(|node| node.get("type")).map(|node| node.span),
    }
}

/// Returns the folder a program runs in: the file's own, or one relative to it.
fn cwd(reader: &Reader<'_>, fields: &Fields<'_, '_>, exec: &Node) -> String {
    let folder = fields
        .get("cwd")
        .and_then(|node| reader.path(node))
        .unwrap_or_else(|| reader.sources.get(exec.span.source).folder.clone());
    folder.to_string_lossy().into_owned()
}

fn variables(reader: &Reader<'_>, node: &Node) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    for entry in reader.entries(node, "a map of variables").unwrap_or_default() {
        if let Err(message) = variable_name(&entry.key) {
            reader.refuse(entry.key_span, &message);
            continue;
        }
        let value = if entry.value.is_null() {
            Some(String::new())
        } else {
            reader.text(&entry.value).map(Into::into)
        };
        match value {
            Some(value) if value.contains('\0') => {
                reader.say(
                    Fault::error(entry.value.span, "a NUL can not be part of a variable").hint("remove it"),
                );
            }
            Some(value) => drop(variables.insert(entry.key.clone(), value)),
            None => {}
        }
    }
    variables
}

/// Names of ours are given by the server, and those a loader obeys would hand the program to whoever sets them.
fn variable_name(text: &str) -> Result<String, String> {
    let legal = !text.is_empty()
        && text.len() <= 256
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !legal {
        return Err(format!(
            "`{text}` is no name of a variable; it has letters, digits and `_`, and no digit in front"
        ));
    }
    if text.starts_with("CE_") || text.starts_with("CANTUS_") {
        return Err(format!("`{text}` is set by Cantus for each delivery; use another name"));
    }
    Ok(text.to_owned())
}

fn success(reader: &Reader<'_>, node: &Node) -> Option<OnSuccess> {
    let fields = Fields::open(reader, node, "`on_success`", &["type", "topic", "data"], &[])?;
    let words = [("stdout", SuccessData::Stdout), ("stdout_json", SuccessData::StdoutJson)];
    let data = fields.get("data").and_then(|node| reader.word(node, &words)).unwrap_or_default();
    let topic = fields.get("topic").and_then(|node| reader.parsed(node, TopicName::parse));
    let event_type = reader.parsed(fields.required("type", "type: ReviewCompleted")?, EventType::parse)?;
    Some(OnSuccess { event_type, topic, data })
}

fn announce(reader: &Reader<'_>, node: &Node, what: &'static str) -> Option<Box<Announce>> {
    let fields = Fields::open(reader, node, what, &["type", "topic", "data"], &[])?;
    let topic = fields.get("topic").and_then(|node| reader.parsed(node, TopicName::parse));
    let data = fields.get("data").and_then(|node| expression(reader, node, false));
    let event_type = reader.parsed(fields.required("type", "type: ReviewStarted")?, EventType::parse)?;
    Some(Box::new(Announce { event_type, topic, data }))
}

fn inbox(reader: &Reader<'_>, fields: &Fields<'_, '_>) -> Read {
    let node = fields.get("inbox").expect("the caller found the key");
    match &node.value {
        Value::Map(_) => drop(Fields::open(reader, node, "`inbox`", &[], &[])),
        Value::Scalar(scalar) if node.is_null() || scalar.text == "true" => {}
        _ => reader.say(Fault::error(node.span, "`inbox` has nothing to set").hint("write `action: inbox`")),
    }
    Read { action: Some(Action::Inbox(Inbox {})), ..Read::default() }
}

fn publish(reader: &Reader<'_>, fields: &Fields<'_, '_>) -> Read {
    let node = fields.get("publish").expect("the caller found the key");
    let Some(keys) = Fields::open(reader, node, "`publish`", &["topic", "type", "data"], &[]) else {
        return Read::default();
    };
    let value = |key| keys.get(key).and_then(|node| expression(reader, node, true)).map(ValueText);
    let publish = Publish {
        topic: value("topic"),
        event_type: value("type"),
        data: keys.get("data").and_then(|node| expression(reader, node, false)),
    };
    if keys.get("topic").is_none() && keys.get("type").is_none() {
        reader.say(
            Fault::error(
                keys.span(),
                "`publish` names neither another topic nor another type, so it would answer itself",
            )
            .hint("add `topic: NAME` to route the event, or `type: NAME` to turn it into another"),
        );
    }
    if let (Some(node), Some(name)) = (keys.get("topic"), publish.topic.as_ref().and_then(ValueText::name))
        && let Err(error) = TopicName::parse(name)
    {
        reader.refuse(node.span, &error);
    }
    let produces = keys.get("type").map(|node| node.span);
    Read { action: Some(Action::Publish(publish)), produces, ..Read::default() }
}

/// Reads an expression, or a plain name where one may stand.
fn expression(reader: &Reader<'_>, node: &Node, or_name: bool) -> Option<String> {
    if let Value::Map(_) | Value::List(_) = &node.value {
        reader.say(
            Fault::error(node.span, format!("an expression is expected here, and this is {}", node.kind()))
                .hint("write CEL as text, such as 'data' or '{\"task\": data.task_id}'"),
        );
        return None;
    }
    let text = reader.raw_text(node)?;
    if or_name && ValueText(text.to_owned()).name().is_some() {
        return Some(text.to_owned());
    }
    if let Some(problem) = expression_problem(text) {
        let span = reader.within(node, problem.at, 1);
        reader.say(Fault::error(span, problem.message).maybe_hint(problem.hint));
        return None;
    }
    Some(text.to_owned())
}

fn pause(reader: &Reader<'_>, fields: &Fields<'_, '_>) -> Option<Pause> {
    let node = fields.get("pause").expect("the caller found the key");
    let fields = Fields::open(reader, node, "`pause`", &["agents", "until"], &[])?;
    let agents = fields.required("agents", "agents: [\"/*\"]").map(|node| {
        let agents = reader.list(node, |item| reader.parsed(item, AgentPattern::parse));
        if matches!(&node.value, Value::List(items) if items.is_empty()) {
            reader.say(
                Fault::error(node.span, "a pause names at least one agent")
                    .hint("write `agents: [\"/*\"]` for all"),
            );
        }
        agents
    });
    let until = fields.required("until", "until: 30m")?;
    let until = match &until.value {
        Value::Map(_) => {
            let fields = Fields::open(reader, until, "`until`", &["type"], &[])?;
            let event_type =
                reader.parsed(fields.required("type", "type: AlertResolved")?, EventType::parse)?;
            PauseUntil::Event { event_type }
        }
        _ => PauseUntil::After(reader.duration(until, "until", Duration::from_millis(1))?),
    };
    agents.filter(|agents| !agents.is_empty()).map(|agents| Pause { agents, until })
}
