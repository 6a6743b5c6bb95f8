//! Subscriptions, as they stand in the file.

use std::collections::BTreeMap;

use cantus_api::definition::{
    Action, AfterDeadLetter, Duration, Order, Retry, RetryPolicy, Start, Subscription, SubscriptionName,
    TopicPattern,
};

use crate::check::filter_problem;
use crate::diagnostic::{Fault, Severity};
use crate::suggest::nearest;
use crate::yaml::{Node, Value};

use super::places::SubscriptionPlaces;
use super::{Fields, Reader, action, retry};

/// The keys of a subscription.
pub(super) const SUBSCRIPTION_KEYS: [&str; 14] = [
    "topic",
    "topics",
    "name",
    "renamed_from",
    "filter",
    "action",
    "retry",
    "concurrency",
    "max_in_flight",
    "order",
    "after_dead_letter",
    "lease",
    "from",
    "subscription_id",
];

const LATER: [(&str, &str); 3] = [
    ("rate", "remove it; `concurrency` and `max_in_flight` bound the work today"),
    ("max_lifetime", "remove it; a living program keeps its lease"),
    ("failure_threshold", "remove it; the circuit breaker comes with a later version"),
];

/// Reads one subscription with its places. It is given even when parts of it are at fault, so that the checks that
/// look at several can go on.
pub(super) fn subscription(
    reader: &Reader<'_>,
    node: &Node,
    policies: &BTreeMap<String, RetryPolicy>,
) -> Option<(Subscription, SubscriptionPlaces)> {
    let fields = Fields::open(reader, node, "a subscription", &SUBSCRIPTION_KEYS, &LATER)?;
    let (topics, topic_spans) = topics(reader, &fields);
    let names = |key| fields.get(key).and_then(|node| reader.parsed(node, SubscriptionName::parse));
    let name_node = fields.get("name").or(fields.get("subscription_id"));
    let read = fields.get("action").map(|node| action::action(reader, node));
    let inner = read.as_ref().and_then(|read| read.action.as_ref()).and_then(Action::concurrency);
    let concurrency = fields.get("concurrency");
    if let (Some(node), Some(_)) = (concurrency, inner) {
        reader.say(
            Fault::error(node.span, "`concurrency` stands in the subscription and in its action")
                .hint("remove one of them"),
        );
    }
    let read = read.unwrap_or_else(|| action::Read { action: Some(Action::default()), ..Default::default() });
    let orders = [("key", Order::Key), ("none", Order::None), ("topic", Order::Topic)];
    let places = SubscriptionPlaces {
        whole: fields.span(),
        name: name_node.map(|node| node.span),
        topics: topic_spans,
        filter: fields.get("filter").map(|node| node.span),
        program: read.program,
        wants_prompt: read.wants_prompt,
        produces: read.produces,
    };
    let subscription = Subscription {
        topics,
        name: names("name").or_else(|| names("subscription_id")),
        renamed_from: names("renamed_from"),
        filter: fields.get("filter").and_then(|node| filter(reader, node)),
        action: read.action.unwrap_or_default(),
        retry: fields.get("retry").and_then(|node| retries(reader, node, policies)),
        concurrency: concurrency
            .and_then(|node| reader.whole(node, "concurrency", 1..=Subscription::MAX_CONCURRENCY)),
        max_in_flight: fields
            .get("max_in_flight")
            .and_then(|node| reader.whole(node, "max_in_flight", 1..=Subscription::MAX_IN_FLIGHT)),
        order: fields.get("order").and_then(|node| reader.word(node, &orders)).unwrap_or_default(),
        after_dead_letter: fields
            .get("after_dead_letter")
            .and_then(|node| after_dead_letter(reader, node))
            .unwrap_or_default(),
        lease: fields.get("lease").and_then(|node| reader.duration(node, "lease", Duration::from_secs(1))),
        from: fields.get("from").and_then(|node| reader.parsed(node, Start::parse)).unwrap_or_default(),
    };
    Some((subscription, places))
}

fn topics(reader: &Reader<'_>, fields: &Fields<'_, '_>) -> (Vec<TopicPattern>, Vec<crate::source::Span>) {
    let node = match (fields.get("topic"), fields.get("topics")) {
        (Some(_), Some(_)) => {
            let entry = fields.entry("topics").expect("found a line above");
            reader.say(
                Fault::error(entry.key_span, "`topic` and `topics` are both given").hint("keep one of them"),
            );
            return Default::default();
        }
        (Some(node), None) | (None, Some(node)) => node,
        (None, None) => {
            fields.required("topic", "topic: NAME");
            return Default::default();
        }
    };
    if matches!(&node.value, Value::List(items) if items.is_empty()) {
        reader.say(
            Fault::error(node.span, "a subscription needs at least one topic")
                .hint("name one, or `\"*\"` for all"),
        );
    }
    let both = reader.list(node, |item| Some((reader.parsed(item, TopicPattern::parse)?, item.span)));
    both.into_iter().unzip()
}

/// Reads a filter and tries to compile it; a fault inside an expression points into that expression.
fn filter(reader: &Reader<'_>, node: &Node) -> Option<serde_json::Value> {
    if node.is_null() {
        reader.expected(node, "a filter");
        return None;
    }
    let filter = reader.json(node)?;
    if let Some(problem) = filter_problem(&filter) {
        let at = node.pointed(&problem.pointer);
        let span = match (&at.value, problem.at) {
            (Value::Scalar(_), Some(offset)) => reader.within(at, offset, 1),
            _ => at.span,
        };
        reader.say(
            Fault::error(span, format!("this filter can not be read: {}", problem.message))
                .maybe_hint(problem.hint),
        );
    }
    Some(filter)
}

fn retries(reader: &Reader<'_>, node: &Node, policies: &BTreeMap<String, RetryPolicy>) -> Option<Retry> {
    if let Value::Map(_) = &node.value {
        return retry::policy(reader, node).map(Retry::Inline);
    }
    let name = reader.text(node)?;
    if let Some(policy) = policies.get(&*name) {
        return Some(Retry::Inline(policy.clone()));
    }
    if reader.is_full(Severity::Error) {
        return None;
    }
    let hint = match nearest(&name, policies.keys().map(String::as_str).take(1_000)) {
        Some(near) => format!("did you mean `{near}`?"),
        None if policies.is_empty() => {
            "declare it under `retry_policies:`, or write the policy here".to_owned()
        }
        None => format!("declared are: {}", policies.keys().take(20).cloned().collect::<Vec<_>>().join(", ")),
    };
    reader.say(Fault::error(node.span, format!("there is no retry policy `{name}`")).hint(hint));
    None
}

fn after_dead_letter(reader: &Reader<'_>, node: &Node) -> Option<AfterDeadLetter> {
    if matches!(&node.value, Value::Scalar(scalar) if scalar.text == "hold_key") {
        reader.say(
            Fault::error(node.span, "`after_dead_letter: hold_key` is not available yet")
                .hint("remove it: `continue` is what works today"),
        );
        return None;
    }
    reader.word(node, &[("continue", AfterDeadLetter::Continue)])
}
