//! Replaying a dead letter: the same event to a subscription, or a new event when it was edited or goes to a topic.

use std::sync::Arc;

use cantus_api::dead_letter::{Replay, ReplayStarted, Status};
use cantus_api::error::{Code, Problem};
use cantus_api::ids::EVENT_PREFIX;
use cantus_core::command::{Answer, Command, ReplayDeadLetter};
use cantus_core::event::Event;
use cantus_core::subscription::SubscriptionId;
use cantus_core::topic::TopicName;
use cantus_core::{Refusal, Timestamp};
use cantus_runtime::{Draft, Failed, Publishing};

use super::super::answer;
use super::super::call::Call;
use super::super::publish::publisher;
use super::super::route::Answered;
use super::{id_of, note, story};
use crate::convert::definition::topic_name;
use crate::convert::event::{content_of, fresh_id, with_view};
use crate::convert::time;
use crate::problem::{self, Place};

/// How often a replay is checked again when definitions or the edit changed meanwhile.
const STALE_TRIES_MAX: usize = 16;

pub(super) async fn replay(mut call: Call) -> Answered {
    let id = id_of(&call)?;
    let request: Replay = call.json().await?;
    let refused = |pointer: &str, detail: String| {
        Box::new(Problem::new(Code::ParameterInvalid, detail.clone()).at(pointer, detail))
    };
    if request.to.is_some() && request.topic.is_some() {
        return Err(refused(
            "#/topic",
            "`topic` stands beside `to`: a replay goes to one of the two".to_owned(),
        ));
    }
    let to = match &request.to {
        Some(to) => Some(SubscriptionId::parse(to).map_err(|wrong| refused("#/to", wrong.to_string()))?),
        None => None,
    };
    let topic = match &request.topic {
        Some(topic) => Some(topic_name(topic).map_err(|wrong| refused("#/topic", wrong.detail))?),
        None => None,
    };
    let note = note(request.note.as_deref())?;
    for _ in 0..STALE_TRIES_MAX {
        let (kept, told) = story::find(&call.app, id, call.param("id")).await?;
        let current = told.edited.as_ref().unwrap_or(&told.original);
        if current.expired(call.app.now()) {
            let detail = "the event has expired: a replay would be let go at once";
            let problem = Problem::new(Code::EventExpired, detail);
            return Err(Box::new(problem.hint("edit its attribute `expirytime` first: null takes it away")));
        }
        let new = (told.edited.is_some() || topic.is_some())
            .then(|| renewed(current, &told.original, topic.as_ref()));
        let publish = match new {
            None => None,
            Some(draft) => {
                let publishing = Publishing {
                    agent: publisher(std::slice::from_ref(&draft)),
                    drafts: vec![draft],
                    expected_revision: None,
                    actor: call.caller.actor.clone(),
                    idempotency: None,
                };
                let admitted = call.app.handle.admit(&publishing);
                Some(Box::new(admitted.map_err(|refusal| problem::of_refusal(&refusal, Place::Alone))?))
            }
        };
        let command = ReplayDeadLetter {
            id,
            seen_edit: kept.it.edit,
            to: to.clone(),
            publish,
            to_topic: topic.is_some(),
            event: told.original.clone(),
            recorded_at: told.recorded_at,
            actor: call.caller.actor.clone(),
            note: note.clone(),
        };
        match call.app.handle.submit(Command::ReplayDeadLetter(Box::new(command))).await {
            Ok(Answer::Replayed { delivery, receipt }) => {
                let recorded_at = match &receipt {
                    Some(receipt) => recorded_at(&call, receipt.position).await?,
                    None => told.recorded_at,
                };
                return answer::ok(&ReplayStarted {
                    dead_letter: kept.it.id.display(kept.it.opened_at),
                    status: if topic.is_some() { Status::Resolved } else { Status::Replaying },
                    delivery: delivery.map(|delivery| delivery.display(recorded_at)),
                    event_id: receipt.as_ref().map(|receipt| receipt.id.to_string()),
                    position: receipt.map(|receipt| receipt.position.to_string()),
                });
            }
            Ok(_) => {
                return Err(Box::new(Problem::new(
                    Code::Internal,
                    "a replay was answered with something else",
                )));
            }
            Err(Failed::Refused(Refusal::Stale)) => {}
            Err(failed) => return Err(problem::of(failed, Place::Alone)),
        }
    }
    Err(problem::of(Failed::Overloaded, Place::Alone))
}

async fn recorded_at(call: &Call, position: cantus_core::Position) -> Result<Timestamp, Box<Problem>> {
    let read = call.app.read_log(move |reader| reader.get(position)).await;
    let recorded = read.map_err(|failed| problem::of(failed, Place::Alone))?;
    Ok(recorded.map_or_else(|| call.app.now(), |recorded| recorded.at))
}

/// Makes the new event of a replay: an id of its own, the original as its cause, one hop more, now.
fn renewed(current: &Event, original: &Event, topic: Option<&TopicName>) -> Draft {
    let mut event = current.clone();
    event.id = fresh_id(EVENT_PREFIX);
    event.causation_id = Some(original.id.clone());
    event.correlation_id = original.correlation_id.clone();
    event.hops = original.hops.saturating_add(1);
    event.time = cantus_core::Text::from(time::text(time::wall()));
    event.deliver_at = None;
    if let Some(topic) = topic {
        event.topic = topic.clone();
    }
    // Nobody can send this id again: what is compared matters little, as long as it is the same everywhere.
    let content = with_view(&event, |view| {
        content_of(&cantus_api::event::Event::<&str> {
            id: view.id,
            source: view.source,
            event_type: view.event_type,
            ..cantus_api::event::Event::default()
        })
    });
    Draft { event: Arc::new(event), content }
}
