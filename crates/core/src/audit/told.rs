//! What an entry of the audit says was so before, and is so after: bounded, and never a secret. Payloads, values of
//! variables and arguments of programs are not in it; of a definition it has the words people look for, and the hash.

use serde_json::{Map, Value, json};

use crate::agent::Agent;
use crate::bulk_operation::Items;
use crate::fact::Fact;
use crate::state::State;
use crate::subscription::{Action, PauseState, Subscription};
use crate::text::Text;
use crate::topic::Topic;

/// How many things an entry tells of; the others are counted.
const THINGS_MAX: usize = 20;
/// How long a text is told.
const TEXT_CHARS_MAX: usize = 200;

/// Returns both as JSON text: an object with a member per thing that the facts change.
pub(super) fn told(state: &State, facts: &[Fact]) -> (Text, Text) {
    let (mut before, mut after) = (Map::new(), Map::new());
    let mut more = 0;
    for fact in facts {
        let Some((thing, was, is)) = thing(state, fact) else { continue };
        if before.len() >= THINGS_MAX && !before.contains_key(&thing) {
            more += 1;
            continue;
        }
        // What several facts of one call change is told as it was before the first and is after the last.
        before.entry(thing.clone()).or_insert(was);
        after.insert(thing, is);
    }
    if more > 0 {
        after.insert("and_more".to_owned(), Value::from(more));
    }
    (Text::from(Value::Object(before).to_string()), Text::from(Value::Object(after).to_string()))
}

fn thing(state: &State, fact: &Fact) -> Option<(String, Value, Value)> {
    let name = |number: u32| {
        let subscription = state.subscriptions.get(&number);
        subscription.map_or_else(|| format!("subscription {number}"), |it| format!("subscription {}", it.id))
    };
    let letter = |id: &crate::ids::DeadLetterId| {
        let it = state.dead_letters.get(id);
        let shown = id.display(it.map_or(state.at, |it| it.opened_at));
        (format!("dead letter {shown}"), it.map(|it| it.status.as_str()))
    };
    Some(match fact {
        Fact::TopicDeclared(it) => {
            let was = state.topics.get(&it.name).filter(|it| !it.removed && it.definition.declared);
            (format!("topic {}", it.name), json!(was.map(|it| topic(&it.definition))), topic(&it.definition))
        }
        Fact::TopicRemoved(it) => {
            let was = state.topics.get(&it.name).map(|it| topic(&it.definition));
            (format!("topic {}", it.name), json!(was), Value::Null)
        }
        Fact::AgentDeclared(it) => {
            let was = state.agents.get(&it.name).map(|it| agent(&it.definition));
            (format!("agent {}", it.name), json!(was), agent(&it.definition))
        }
        Fact::AgentRemoved(it) => {
            let was = state.agents.get(&it.name).map(|it| agent(&it.definition));
            (format!("agent {}", it.name), json!(was), Value::Null)
        }
        Fact::SubscriptionDeclared(it) => {
            let was = state.subscriptions.get(&it.number).filter(|it| !it.removed);
            let was = was.map(|it| subscription(&it.id.to_string(), it.definition()));
            let is = subscription(&it.id.to_string(), &it.definition);
            (format!("subscription {}", it.id), json!(was), is)
        }
        Fact::SubscriptionRemoved(it) => {
            let was = state.subscriptions.get(&it.number);
            let was = was.map(|it| subscription(&it.id.to_string(), it.definition()));
            (name(it.number), json!(was), Value::Null)
        }
        Fact::DefinitionsInstalled(it) => (
            "definitions".to_owned(),
            json!({"hash": &*state.meta.definitions_hash, "source": short(&state.meta.definitions_source)}),
            json!({"hash": &*it.hash, "source": short(&it.source), "added": it.changes.0,
                   "changed": it.changes.1, "removed": it.changes.2}),
        ),
        Fact::SubscriptionPaused(it) => {
            let was = state.subscriptions.get(&it.number).and_then(|it| it.pause.as_ref());
            let is = json!({"paused": true, "reason": it.reason.as_ref().map(short),
                            "until": it.until.map(crate::Timestamp::rfc3339)});
            (name(it.number), paused(was), is)
        }
        Fact::SubscriptionResumed(it) => {
            let was = state.subscriptions.get(&it.number).and_then(|it| it.pause.as_ref());
            (name(it.number), paused(was), paused(None))
        }
        Fact::SubscriptionSought(it) => {
            let was = state.subscriptions.get(&it.number);
            let was = was.map(|it| it.cursors.each_ref().map(|cursor| cursor.floor.to_string()));
            (name(it.number), json!({"place": was}), json!({"place": it.after.to_string()}))
        }
        Fact::AgentsPaused(it) => {
            let agents: Vec<&str> = it.agents.iter().take(THINGS_MAX).map(|agent| agent.as_str()).collect();
            let until = it.until.map(crate::Timestamp::rfc3339);
            let thing = format!("agents {}", agents.join(" "));
            (thing, json!({"parked": false}), json!({"parked": true, "until": until}))
        }
        Fact::AgentsResumed(it) => {
            let agents = state.pauses.get(&it.pause).map(|pause| {
                let agents = pause.agents.iter().take(THINGS_MAX).map(|agent| agent.as_str());
                agents.collect::<Vec<_>>().join(" ")
            });
            let thing = format!("agents {}", agents.unwrap_or_default());
            (thing, json!({"parked": true}), json!({"parked": false}))
        }
        Fact::DeadLetterEdited(it) => {
            let (thing, status) = letter(&it.id);
            let was = state.dead_letters.get(&it.id).and_then(|it| it.edit).map(|edit| edit.to_string());
            let names: Vec<&str> = it.attributes.iter().map(|(name, _)| name.as_str()).collect();
            let is = json!({"status": status, "attributes": names, "data": it.data.is_some(),
                            "note": it.note.as_ref().map(short)});
            (thing, json!({"status": status, "edit": was}), is)
        }
        Fact::DeadLetterReplayed(it) => {
            let (thing, status) = letter(&it.id);
            let event = it.event_id.as_ref().map(short);
            (thing, json!({"status": status}), json!({"status": "replaying", "event": event}))
        }
        Fact::DeadLetterResolved(it) => {
            let (thing, status) = letter(&it.id);
            (thing, json!({"status": status}), json!({"status": "resolved"}))
        }
        Fact::DeadLetterArchived(it) => {
            let (thing, status) = letter(&it.id);
            (thing, json!({"status": status}), json!({"status": "archived", "note": short(&it.note)}))
        }
        Fact::DeadLetterRestored(it) => {
            let (thing, status) = letter(&it.id);
            (thing, json!({"status": status}), json!({"status": "open"}))
        }
        Fact::BulkStarted(it) => {
            let kind = if matches!(it.items, Items::DeadLetters(_)) { "dead letters" } else { "deliveries" };
            let is = json!({"status": "running", "action": it.action.as_str(), "items": it.items.len(),
                            "of": kind, "hash": &*it.hash, "reason": short(&it.reason)});
            ("bulk operation".to_owned(), Value::Null, is)
        }
        Fact::BulkEnded(it) => {
            let was = state.bulk_operations.get(&it.id);
            let shown = it.id.display(was.map_or(state.at, |it| it.started_at));
            let handled = was.map(|it| it.next);
            let status = if it.by.is_some() { "aborted" } else { "completed" };
            let was = json!({"status": was.map(|it| it.status.as_str()), "handled": handled});
            (format!("bulk operation {shown}"), was, json!({"status": status}))
        }
        Fact::EventsErased(it) => (
            "events".to_owned(),
            Value::Null,
            json!({"erased": it.items.len(), "reason": short(&it.reason),
                   "positions": it.items.iter().take(THINGS_MAX).map(|it| it.position.to_string()).collect::<Vec<_>>()}),
        ),
        Fact::EventPublished(it) => (
            format!("event {}", short(&it.event.id)),
            Value::Null,
            json!({"type": short(&it.event.event_type), "topic": it.event.topic.as_str()}),
        ),
        // Whatever else there is and will be: that it happened.
        other => (other.name().to_owned(), Value::Null, json!(true)),
    })
}

fn short(text: &Text) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}

fn hash<T: minicbor::Encode<()>>(value: &T) -> String {
    let bytes = minicbor::to_vec(value).expect("writing to memory can not fail");
    format!("{:016x}", crate::hash::parts(&[&bytes]) as u64)
}

fn topic(it: &Topic) -> Value {
    let types: Vec<String> = it.schemas.iter().take(THINGS_MAX).map(|one| short(&one.event_type)).collect();
    json!({"schemas": types, "hash": hash(it)})
}

fn agent(it: &Agent) -> Value {
    json!({"description": it.description.as_ref().map(short), "hash": hash(it)})
}

fn subscription(id: &str, it: &Subscription) -> Value {
    let topics: Vec<&str> = it.topics.iter().take(THINGS_MAX).map(|topic| topic.as_str()).collect();
    let program = match &it.action {
        Action::Exec(exec) => exec.argv.first().map(short),
        _ => None,
    };
    json!({"id": id, "topics": topics, "filter": it.filter.as_ref().map(short), "action": it.action.as_str(),
           "program": program, "concurrency": it.concurrency, "hash": hash(it)})
}

fn paused(pause: Option<&PauseState>) -> Value {
    match pause {
        None => json!({"paused": false}),
        Some(pause) => {
            json!({"paused": true, "reason": pause.reason.as_ref().map(short), "by": short(&pause.actor)})
        }
    }
}
