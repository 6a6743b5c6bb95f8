//! Subscriptions, as they stand in the file.

use std::collections::BTreeMap;

use cantus_api::definition::{
    Action, AfterDeadLetter, Breaker, BreakerPolicy, Duration, Order, Rate, Retry, RetryPolicy, Start,
    Subscription, SubscriptionName, TopicPattern,
};

use crate::check::filter_problem;
use crate::diagnostic::{Fault, Severity};
use crate::suggest::nearest;
use crate::yaml::{Node, Value};

use super::places::SubscriptionPlaces;
use super::{Fields, Reader, action, retry};

/// The keys of a subscription.
pub(super) const SUBSCRIPTION_KEYS: [&str; 17] = [
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
    "breaker",
    "rate",
    "max_lifetime",
    "subscription_id",
];

/// The keys of a breaker.
pub(super) const BREAKER_KEYS: [&str; 3] = ["failure_threshold", "initial_pause", "max_pause"];

/// Reads one subscription with its places. It is given even when parts of it are at fault, so that the checks that
/// look at several can go on.
pub(super) fn subscription(
    reader: &Reader<'_>,
    node: &Node,
    policies: &BTreeMap<String, RetryPolicy>,
) -> Option<(Subscription, SubscriptionPlaces)> {
    let fields = Fields::open(reader, node, "a subscription", &SUBSCRIPTION_KEYS, &[])?;
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
            .and_then(|node| reader.word(node, &AFTER_DEAD_LETTER))
            .unwrap_or_default(),
        lease: fields.get("lease").and_then(|node| reader.duration(node, "lease", Duration::from_secs(1))),
        from: fields.get("from").and_then(|node| reader.parsed(node, Start::parse)).unwrap_or_default(),
        breaker: fields.get("breaker").and_then(|node| breaker(reader, node)),
        rate: fields.get("rate").and_then(|node| reader.parsed(node, Rate::parse)),
        max_lifetime: fields
            .get("max_lifetime")
            .and_then(|node| reader.duration(node, "max_lifetime", Duration::from_secs(1))),
    };
    max_lifetime_is_for_inboxes(reader, &fields, &subscription);
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

const AFTER_DEAD_LETTER: [(&str, AfterDeadLetter); 2] =
    [("continue", AfterDeadLetter::Continue), ("hold_key", AfterDeadLetter::HoldKey)];

fn breaker(reader: &Reader<'_>, node: &Node) -> Option<Breaker> {
    if matches!(&node.value, Value::Scalar(scalar) if scalar.text == "off") {
        return Some(Breaker::Off);
    }
    if let Value::Scalar(scalar) = &node.value
        && !node.is_null()
    {
        let fault = Fault::error(node.span, format!("`{}` is no breaker", scalar.text));
        reader.say(fault.hint("write `breaker: off`, or a map such as `breaker: { failure_threshold: 5 }`"));
        return None;
    }
    let fields = Fields::open(reader, node, "a breaker", &BREAKER_KEYS, &[])?;
    let default = BreakerPolicy::default();
    let pause = |key| fields.get(key).and_then(|node| reader.parsed(node, Duration::parse));
    let initial_pause = pause("initial_pause").unwrap_or(default.initial_pause);
    let policy = BreakerPolicy {
        failure_threshold: fields
            .get("failure_threshold")
            .and_then(|node| reader.whole(node, "failure_threshold", 1..=BreakerPolicy::MAX_THRESHOLD))
            .unwrap_or(default.failure_threshold),
        initial_pause,
        // Who only raises the first pause need not repeat the longest.
        max_pause: pause("max_pause").unwrap_or(default.max_pause.max(initial_pause)),
    };
    for problem in policy.problems() {
        let span = fields.get(problem.key).map_or(fields.span(), |node| node.span);
        let (message, hint) =
            problem.message.split_once("; ").unwrap_or((&problem.message, "see docs/concepts/file.md"));
        reader.say(Fault::error(span, message).hint(hint));
    }
    Some(Breaker::On(policy))
}

/// The lease of a program has its own end.
fn max_lifetime_is_for_inboxes(reader: &Reader<'_>, fields: &Fields<'_, '_>, subscription: &Subscription) {
    let Some(entry) = fields.entry("max_lifetime") else { return };
    if !matches!(subscription.action, Action::Inbox(_)) {
        let kind = subscription.action.key();
        let message = format!("`max_lifetime` belongs to an inbox, and this is `{kind}`");
        reader.say(
            Fault::error(entry.key_span, message)
                .hint("remove it; `timeout` ends an attempt of the server's"),
        );
    }
}
