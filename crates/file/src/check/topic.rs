//! Topics that are spoken of: whether they are declared, and whether the agent may listen.

use cantus_api::definition::{Action, Announce, Subscription, TopicPattern, ValueText};

use crate::diagnostic::{Fault, Severity};
use crate::read::{Draft, Reader};
use crate::source::Span;
use crate::suggest::nearest;

/// Where topics are declared at all, speaking of another one is probably a slip.
pub(super) fn check(reader: &Reader<'_>, draft: &Draft) {
    let topics = &draft.definitions.topics;
    let undeclared = |name: &str, span: Span| {
        let known = topics.keys().any(|topic| topic.as_str() == name);
        if topics.is_empty()
            || reader.is_full(Severity::Warning)
            || known
            || draft.server.auto_create == Some(true)
            || name.starts_with('$')
        {
            return;
        }
        let hint = match nearest(name, topics.keys().map(|topic| topic.as_str()).take(1_000)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "declare it under `topics:`; `cantus serve` refuses topics nobody declared".to_owned(),
        };
        reader.say(Fault::warning(span, format!("the topic `{name}` is not declared")).hint(hint));
    };
    for places in &draft.agents {
        let Some(agent) = draft.definitions.agents.get(&places.agent) else { continue };
        for (subscription, place) in agent.subscriptions.iter().zip(&places.subscriptions) {
            for (pattern, &span) in subscription.topics.iter().zip(&place.topics) {
                if pattern.is_plain() {
                    undeclared(pattern.as_str(), span);
                } else {
                    unmatched(reader, draft, pattern, span);
                }
                let closed = topics.iter().find(|(topic, declared)| {
                    let listed = declared.subscribers.iter().any(|allowed| allowed.matches(&places.agent));
                    pattern.as_str() == topic.as_str() && !declared.subscribers.is_empty() && !listed
                });
                if let Some((topic, _)) = closed {
                    let fault =
                        Fault::error(span, format!("{} may not subscribe to `{topic}`", places.agent));
                    let hint = format!("add it to the topic's `subscribers`, declared at {}", Fault::PLACE);
                    let declared = draft.topic_place(topic).unwrap_or(span);
                    reader.say(fault.hint(hint).with_place(declared));
                }
            }
            let made = match &subscription.action {
                Action::Exec(exec) => exec
                    .on_success
                    .as_ref()
                    .and_then(|event| event.topic.as_ref())
                    .map(|topic| topic.as_str()),
                Action::Publish(publish) => publish.topic.as_ref().and_then(ValueText::name),
                _ => None,
            };
            if let Some(topic) = made {
                undeclared(topic, place.produces.unwrap_or(place.whole));
            }
            for topic in announced(subscription).filter_map(|announce| announce.topic.as_ref()) {
                undeclared(topic.as_str(), place.whole);
            }
        }
    }
}

/// Returns what a subscription announces of its deliveries.
pub(super) fn announced(subscription: &Subscription) -> impl Iterator<Item = &Announce> {
    let exec = match &subscription.action {
        Action::Exec(exec) => Some(exec),
        _ => None,
    };
    exec.into_iter().flat_map(|exec| [&exec.on_start, &exec.on_failure]).filter_map(|one| one.as_deref())
}

fn unmatched(reader: &Reader<'_>, draft: &Draft, pattern: &TopicPattern, span: Span) {
    let topics = &draft.definitions.topics;
    let silent =
        topics.is_empty() || draft.server.auto_create == Some(true) || pattern.as_str().starts_with('$');
    if !silent && !topics.keys().any(|topic| pattern.matches(topic.as_str())) {
        reader.say(
            Fault::warning(span, format!("no declared topic is covered by `{pattern}`"))
                .hint("declare one under `topics:`, or correct the pattern"),
        );
    }
}
