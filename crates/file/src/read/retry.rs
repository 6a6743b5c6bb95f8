//! Retry policies, as they stand in the file.

use cantus_api::definition::{Backoff, Duration, FailureClass, RetryPolicy, RetryPolicyParts};

use crate::diagnostic::Fault;
use crate::suggest::nearest;
use crate::yaml::Node;

use super::{Fields, Reader};

/// The keys of a retry policy.
pub(super) const RETRY_KEYS: [&str; 8] = [
    "max_retries",
    "backoff_type",
    "initial_delay",
    "max_delay",
    "retry_on",
    "no_retry_on",
    "multiplier",
    "jitter",
];

pub(super) fn policy(reader: &Reader<'_>, node: &Node) -> Option<RetryPolicy> {
    let known: Vec<&str> = RETRY_KEYS.iter().copied().chain(["retry_policy_id"]).collect();
    let fields = Fields::open(reader, node, "a retry policy", &known, &[])?;
    let backoffs =
        [("exponential", Backoff::Exponential), ("linear", Backoff::Linear), ("fixed", Backoff::Fixed)];
    let delay = |key| fields.get(key).and_then(|node| reader.parsed(node, Duration::parse));
    let classes = |key| fields.get(key).map(|node| reader.list(node, |item| class(reader, item)));
    let number = |key| fields.get(key).and_then(|node| reader.number(node));
    let retries = fields.get("max_retries");
    let policy = RetryPolicyParts {
        max_retries: retries.and_then(|node| reader.whole(node, "max_retries", 0..=RetryPolicy::MAX_RETRIES)),
        backoff_type: fields.get("backoff_type").and_then(|node| reader.word(node, &backoffs)),
        initial_delay: delay("initial_delay"),
        max_delay: delay("max_delay"),
        retry_on: classes("retry_on"),
        no_retry_on: classes("no_retry_on"),
        multiplier: number("multiplier"),
        jitter: number("jitter"),
    }
    .filled();
    for problem in policy.problems() {
        let span = fields.get(problem.key).map_or(fields.span(), |node| node.span);
        let (message, hint) =
            problem.message.split_once("; ").unwrap_or((&problem.message, "see docs/concepts/file.md"));
        reader.say(Fault::error(span, message).hint(hint));
    }
    Some(policy)
}

fn class(reader: &Reader<'_>, node: &Node) -> Option<FailureClass> {
    let text = reader.text(node)?;
    match FailureClass::parse(&text) {
        Ok(class) => Some(class),
        Err(error) => {
            let message = error.to_string();
            let (what, all) = message.split_once("; ").unwrap_or((&message, ""));
            let hint = match nearest(&text, FailureClass::WORDS) {
                Some(near) => format!("did you mean `{near}`?"),
                None => all.to_owned(),
            };
            reader.say(Fault::error(node.span, what).hint(hint));
            None
        }
    }
}
