//! Subscriptions of an agent: names that are unique and prompts that are there.

use std::collections::BTreeMap;

use cantus_api::definition::SubscriptionName;

use crate::diagnostic::Fault;
use crate::read::{Draft, Reader};
use crate::source::Span;

/// Gives every subscription its name, and says which can not have one.
pub(super) fn check(reader: &Reader<'_>, draft: &mut Draft) {
    for places in &draft.agents {
        let Some(agent) = draft.definitions.agents.get_mut(&places.agent) else { continue };
        let mut names: BTreeMap<SubscriptionName, (Span, bool)> = BTreeMap::new();
        for (subscription, place) in agent.subscriptions.iter_mut().zip(&places.subscriptions) {
            if let Some(span) = place.wants_prompt
                && agent.prompt.is_none()
            {
                reader.say(Fault::error(span, "there is no prompt to give to the program").hint(
                    "add `prompt:` to the action or to the agent, or write the agent as a Markdown file",
                ));
            }
            let named = subscription.name.is_some();
            let span = place.name.unwrap_or(place.whole);
            let Some(name) = subscription.effective_name() else {
                if !subscription.topics.is_empty() {
                    reader.say(
                        Fault::error(span, "a subscription to several topics needs a name")
                            .hint("add `name: NAME`"),
                    );
                }
                continue;
            };
            if let Some((first, first_named)) = names.get(&name).copied() {
                let agent = places.agent.bare();
                let fault = if named || first_named {
                    Fault::error(span, format!("there are two subscriptions `{agent}/{name}`"))
                        .hint(format!("give one of them another `name`; the first is at {}", Fault::PLACE))
                } else {
                    Fault::error(
                        span,
                        format!(
                            "this is the second subscription of `{agent}` to `{name}`, so it needs a name"
                        ),
                    )
                    .hint(format!("add `name: NAME`; the first is at {} and goes by its topic", Fault::PLACE))
                };
                reader.say(fault.with_place(first));
                continue;
            }
            names.insert(name.clone(), (span, named));
            subscription.name = Some(name);
        }
        // Both would have the same place.
        for (subscription, place) in agent.subscriptions.iter().zip(&places.subscriptions) {
            let Some(before) = &subscription.renamed_from else { continue };
            let Some((kept, _)) = names.get(before).copied() else { continue };
            let (agent, span) = (places.agent.bare(), place.name.unwrap_or(place.whole));
            let name = subscription.name.as_ref().map(ToString::to_string).unwrap_or_default();
            let message =
                format!("`{agent}/{name}` is renamed from `{agent}/{before}`, and that is here too");
            let hint = format!("remove `renamed_from`, or the subscription at {}", Fault::PLACE);
            reader.say(Fault::error(span, message).hint(hint).with_place(kept));
        }
    }
}
