//! What is installed, written back in the words it was declared with. Values of variables are left out: they may be secret.

use cantus_api::definition as wire;
use cantus_core::agent::Agent;
use cantus_core::subscription::{
    Action, AfterDeadLetter, Announce, Confinement, ExecAction, Feed, Network, Order, Place, Produced,
    PublishAction, Sandbox, Subscription, Until, breaker,
};
use cantus_core::topic::{Topic, Validation};
use cantus_core::{Span, Text, hash};
use serde_json::{Map, Value, json};

use super::{subscription::retry_out, time, webhook};

/// Returns what is declared of a topic.
pub fn topic(topic: &Topic) -> Value {
    let mut out = Map::new();
    set(&mut out, "description", topic.description.as_ref().map(text));
    set(&mut out, "retain", topic.retain_age.map(span));
    set(&mut out, "retain_bytes", topic.retain_bytes.map(Value::from));
    set(&mut out, "compact", topic.compact.then_some(Value::Bool(true)));
    if !topic.schemas.is_empty() {
        let schemas = topic.schemas.iter();
        let schemas: Map<String, Value> =
            schemas.map(|one| (one.event_type.to_string(), parsed(&one.json))).collect();
        out.insert("schemas".to_owned(), Value::Object(schemas));
        let warn = matches!(topic.validation, Validation::Warn);
        out.insert("validation".to_owned(), json!(if warn { "warn" } else { "enforce" }));
    }
    let agents = |list: &[cantus_core::agent::AgentPattern]| {
        (!list.is_empty()).then(|| Value::from(list.iter().map(|one| one.as_str()).collect::<Vec<_>>()))
    };
    set(&mut out, "publishers", agents(&topic.publishers));
    set(&mut out, "subscribers", agents(&topic.subscribers));
    Value::Object(out)
}

/// Returns what is declared of an agent, beside its subscriptions.
pub fn agent(agent: &Agent) -> Value {
    let mut out = Map::new();
    set(&mut out, "description", agent.description.as_ref().map(text));
    set(&mut out, "publishes", texts(&agent.publishes));
    set(&mut out, "handles", texts(&agent.handles));
    set(&mut out, "prompt", agent.prompt.as_ref().map(text));
    Value::Object(out)
}

/// Returns what is declared of a subscription.
pub fn subscription(it: &Subscription) -> Value {
    let mut out = Map::new();
    let topics: Vec<&str> = it.topics.iter().map(|topic| topic.as_str()).collect();
    out.insert("topics".to_owned(), Value::from(topics));
    set(&mut out, "filter", it.filter.as_ref().map(parsed));
    out.insert("action".to_owned(), action(it));
    out.insert("retry".to_owned(), json!(wire::RetryPolicyParts::from(retry_out(&it.retry))));
    out.insert("concurrency".to_owned(), Value::from(it.concurrency));
    out.insert("max_in_flight".to_owned(), Value::from(it.max_in_flight));
    let order = match it.order {
        Order::Key => None,
        Order::None | Order::Topic => Some(Value::from(it.order.as_str())),
    };
    set(&mut out, "order", order);
    out.insert("lease".to_owned(), span(it.lease));
    let from = match &it.from {
        Place::End => "end".to_owned(),
        Place::Start => "start".to_owned(),
        Place::Time(at) => time::text(*at),
        Place::After(position) => position.to_string(),
    };
    out.insert("from".to_owned(), Value::from(from));
    set(&mut out, "renamed_from", it.renamed_from.as_ref().map(text));
    let held = it.after_dead_letter == AfterDeadLetter::HoldKey;
    set(&mut out, "after_dead_letter", held.then(|| Value::from("hold_key")));
    set(&mut out, "breaker", it.breaker.as_ref().map(breaker));
    set(&mut out, "rate", it.rate.map(|rate| Value::from(rate.to_string())));
    set(&mut out, "max_lifetime", it.max_lifetime.map(span));
    Value::Object(out)
}

fn breaker(policy: &breaker::Policy) -> Value {
    if policy.failure_threshold == 0 {
        return Value::from("off");
    }
    json!({
        "failure_threshold": policy.failure_threshold,
        "initial_pause": span(policy.initial_pause),
        "max_pause": span(policy.max_pause),
    })
}

fn announce(announce: &Announce) -> Value {
    let mut out = Map::new();
    out.insert("type".to_owned(), text(&announce.event_type));
    set(&mut out, "topic", announce.topic.as_ref().map(|topic| Value::from(topic.as_str())));
    set(&mut out, "data", announce.data.as_ref().map(text));
    Value::Object(out)
}

fn action(it: &Subscription) -> Value {
    match &it.action {
        Action::Inbox => json!({"inbox": {}}),
        Action::Exec(exec) => exec_action(exec, it),
        Action::Webhook(it) => webhook::declared(it),
        Action::Publish(PublishAction { event_type, topic, data }) => {
            let mut out = Map::new();
            set(&mut out, "type", event_type.as_ref().map(text));
            set(&mut out, "topic", topic.as_ref().map(text));
            set(&mut out, "data", data.as_ref().map(text));
            json!({ "publish": out })
        }
        Action::Pause(pause) => {
            let agents: Vec<&str> = pause.agents.iter().map(|agent| agent.as_str()).collect();
            let until = match &pause.until {
                Until::After(after) => span(*after),
                Until::Event(filter) => parsed(filter),
            };
            json!({"pause": {"agents": agents, "until": until}})
        }
    }
}

fn exec_action(exec: &ExecAction, it: &Subscription) -> Value {
    let mut out = Map::new();
    out.insert("exec".to_owned(), texts(&exec.argv).unwrap_or_else(|| json!([])));
    set(&mut out, "cwd", exec.cwd.as_ref().map(text));
    if !exec.env.is_empty() {
        let names = exec.env.iter().map(|(name, _)| (name.to_string(), json!("***")));
        out.insert("env".to_owned(), Value::Object(names.collect()));
    }
    set(&mut out, "pass_env", texts(&exec.pass_env));
    let stdin = match exec.stdin {
        Feed::Event => None,
        Feed::Data => Some(json!("data")),
        Feed::Prompt => Some(json!("prompt")),
    };
    set(&mut out, "stdin", stdin);
    set(&mut out, "prompt", exec.prompt.as_ref().map(text));
    out.insert("timeout".to_owned(), span(exec.timeout));
    set(&mut out, "on_start", it.on_start.as_ref().map(announce));
    set(&mut out, "on_failure", it.on_failure.as_ref().map(announce));
    if let Some(on_success) = &exec.on_success {
        let mut made = Map::new();
        made.insert("type".to_owned(), text(&on_success.event_type));
        set(&mut made, "topic", on_success.topic.as_ref().map(|topic| Value::from(topic.as_str())));
        let data = match on_success.data {
            Produced::Stdout => "stdout",
            Produced::StdoutJson => "stdout_json",
            Produced::Nothing => "nothing",
        };
        made.insert("data".to_owned(), Value::from(data));
        out.insert("on_success".to_owned(), Value::Object(made));
    }
    let sandbox = match exec.sandbox {
        Sandbox::None => "none",
        Sandbox::Strict => "strict",
    };
    out.insert("sandbox".to_owned(), Value::from(sandbox));
    if let Some(confinement) = &exec.confinement {
        confined(&mut out, confinement);
    }
    Value::Object(out)
}

fn confined(out: &mut Map<String, Value>, confinement: &Confinement) {
    let network = match confinement.network {
        Network::None => "none",
        Network::Host => "host",
    };
    out.insert("network".to_owned(), Value::from(network));
    set(out, "readable", texts(&confinement.readable));
    set(out, "writable", texts(&confinement.writable));
    let declared = &confinement.limits;
    let mut limits = Map::new();
    set(&mut limits, "memory", declared.memory.map(Value::from));
    set(&mut limits, "cpu", declared.cpu.map(span));
    set(&mut limits, "processes", declared.processes.map(Value::from));
    set(&mut limits, "files", declared.files.map(Value::from));
    set(&mut limits, "file_size", declared.file_size.map(Value::from));
    set(&mut limits, "output", declared.output.map(Value::from));
    set(out, "limits", (!limits.is_empty()).then_some(Value::Object(limits)));
}

/// Returns the hash of a definition's content, as hex.
pub fn content_hash(definition: &Value) -> String {
    format!("{:016x}", hash::of(&definition.to_string()))
}

fn set(out: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        out.insert(key.to_owned(), value);
    }
}

fn text(text: &Text) -> Value {
    Value::from(text.as_str())
}

fn texts(list: &[Text]) -> Option<Value> {
    (!list.is_empty()).then(|| Value::from(list.iter().map(Text::as_str).collect::<Vec<_>>()))
}

fn parsed(json: &Text) -> Value {
    serde_json::from_str(json).unwrap_or_else(|_| Value::from(json.as_str()))
}

fn span(span: Span) -> Value {
    Value::from(time::span_text(span).to_string())
}
