//! The whole story of a dead letter: what state keeps of it, and what the log tells of its deaths and its edit.

use std::sync::Arc;

use cantus_api::dead_letter::{DeadLetter, Failure, Replayed};
use cantus_api::error::{Code, Problem};
use cantus_api::event::{Shape, Text};
use cantus_core::dead_letter;
use cantus_core::event::Event;
use cantus_core::fact::Fact;
use cantus_core::ids::DeadLetterId;
use cantus_core::subscription::Attempt;
use cantus_core::{Position, Timestamp};
use cantus_engine::{ReadError, Reader};

use super::super::call::Call;
use super::diff::diff;
use super::unknown;
use crate::app::App;
use crate::convert::dead_letter::status_out;
use crate::convert::{attempt, event, time};
use crate::lookup;
use crate::problem::{self, Place};

/// How many attempts are told.
const ATTEMPTS_MAX: usize = 1_000;

/// What state keeps of a dead letter, with the names it needs.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// What state keeps.
    pub(crate) it: dead_letter::DeadLetter,
    /// Who it was for.
    pub(crate) subscription: Option<String>,
    /// The subscriptions its replays went to, in their order.
    pub(crate) replayed_to: Vec<Option<String>>,
}

/// What the log tells.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// The event as it was.
    pub(crate) original: Arc<Event>,
    /// When that was recorded.
    pub(crate) recorded_at: Timestamp,
    /// The event as it was edited.
    pub(crate) edited: Option<Arc<Event>>,
    /// Every attempt that is remembered.
    attempts: Vec<Attempt>,
    /// When the events of its replays were recorded, for the ids of their deliveries.
    replays_at: Vec<Option<Timestamp>>,
}

/// Returns what state keeps of a dead letter.
pub(crate) fn keep(state: &cantus_core::State, it: &dead_letter::DeadLetter) -> Kept {
    let name = |number: u32| state.subscriptions.get(&number).map(|it| it.id.to_string());
    Kept {
        subscription: name(it.delivery.subscription),
        replayed_to: it.replays.iter().map(|replay| name(replay.delivery?.subscription)).collect(),
        it: it.clone(),
    }
}

/// Reads what the log tells of a dead letter. None when its event is lost.
pub(crate) fn tell(reader: &dyn Reader, it: &dead_letter::DeadLetter) -> Result<Option<Told>, ReadError> {
    let (mut original, mut attempts) = (None, Vec::new());
    for death in &it.deaths {
        if let Some(Fact::DeadLetterOpened(opened)) = reader.get(*death)?.map(|recorded| recorded.fact) {
            original.get_or_insert_with(|| opened.event.clone());
            attempts.extend(opened.attempts);
        }
    }
    if attempts.len() > ATTEMPTS_MAX {
        attempts.drain(..attempts.len() - ATTEMPTS_MAX);
    }
    let edited = match it.edit {
        None => None,
        Some(edit) => match reader.get(edit)?.map(|recorded| recorded.fact) {
            Some(Fact::DeadLetterEdited(edited)) => Some(edited.event),
            _ => None,
        },
    };
    let recorded_at = recorded_at(reader, it.delivery.position)?.unwrap_or(it.opened_at);
    let mut replays_at = Vec::with_capacity(it.replays.len());
    for replay in &it.replays {
        replays_at.push(match replay.delivery {
            Some(delivery) => recorded_at_or(reader, delivery.position, replay.at)?,
            None => None,
        });
    }
    Ok(original.map(|original| Told { original, recorded_at, edited, attempts, replays_at }))
}

fn recorded_at(reader: &dyn Reader, position: Position) -> Result<Option<Timestamp>, ReadError> {
    Ok(lookup::at(reader, position)?.map(|found| found.recorded_at))
}

fn recorded_at_or(
    reader: &dyn Reader,
    position: Position,
    or: Timestamp,
) -> Result<Option<Timestamp>, ReadError> {
    Ok(Some(recorded_at(reader, position)?.unwrap_or(or)))
}

/// Returns a dead letter for the wire.
pub(crate) fn out(kept: &Kept, told: &Told, shape: Shape) -> DeadLetter<Text> {
    let it = &kept.it;
    let last = told.attempts.last().and_then(|attempt| attempt.failure.as_ref());
    let current = told.edited.as_ref().unwrap_or(&told.original);
    let changes = told.edited.as_ref().map(|edited| {
        let json = |event| {
            let mut out = Vec::new();
            event::write(&mut out, event, Shape::CloudEvent);
            out
        };
        diff(&json(&told.original), &json(edited))
    });
    let replays = it.replays.iter().zip(&told.replays_at).zip(&kept.replayed_to);
    DeadLetter {
        id: it.id.display(it.opened_at),
        event: event::text(current, shape),
        original: told.edited.as_ref().map(|_| event::text(&told.original, shape)),
        edited: told.edited.is_some(),
        diff: changes.unwrap_or_default(),
        topic: it.topic.to_string(),
        position: Some(it.delivery.position.to_string()),
        subscription: kept.subscription.clone(),
        delivery: Some(it.delivery.display(told.recorded_at)),
        reason: it.reason.as_str().to_owned(),
        status: status_out(it.status),
        fingerprint: it.fingerprint.to_string(),
        error: Failure {
            class: it.class.map(|class| class.as_str().to_owned()).unwrap_or_default(),
            message: last.map_or_else(|| it.message.to_string(), |failure| failure.message.to_string()),
            status: last.and_then(|failure| failure.status),
            exit_code: last.and_then(|failure| failure.exit_code),
        },
        attempts: told.attempts.iter().map(attempt::out).collect(),
        note: it.note.to_string(),
        holds_key: it.holds.is_some(),
        replayed_as: replays
            .map(|((replay, at), to)| Replayed {
                at: time::text(replay.at),
                delivery: replay.delivery.zip(*at).map(|(delivery, at)| delivery.display(at)),
                event_id: replay.event_id.as_ref().map(ToString::to_string),
                subscription: to.clone(),
                topic: None,
                by: None,
            })
            .collect(),
        opened_at: time::text(it.opened_at),
        updated_at: time::text(it.moved_at),
    }
}

/// Returns the refusal of a dead letter whose event was erased.
fn erased(event: &str) -> Box<Problem> {
    let shown: String = event.chars().take(120).collect();
    let problem = Problem::new(Code::EventErased, format!("the dead letter's event `{shown}` was erased"));
    Box::new(problem.hint("nothing is left to repair; `cantus events erase --status` says why"))
}

/// Finds a dead letter with what the log tells of it.
pub(crate) async fn find(app: &App, id: DeadLetterId, text: &str) -> Result<(Kept, Told), Box<Problem>> {
    let failed = |failed| problem::of(failed, Place::Alone);
    let kept = app.handle.read(move |coordinator, _| {
        coordinator.state.dead_letters.get(&id).map(|it| keep(&coordinator.state, it))
    });
    let kept = kept.await.map_err(failed)?.ok_or_else(|| unknown(text))?;
    let it = kept.it.clone();
    let told = app.read_log(move |reader| tell(reader, &it)).await.map_err(failed)?;
    if kept.it.erased.is_some() {
        return Err(erased(&kept.it.event_id));
    }
    told.map(|told| (kept, told)).ok_or_else(|| unknown(text))
}

/// Reads one dead letter for an answer.
pub(crate) async fn read(
    call: &Call,
    id: DeadLetterId,
    shape: Shape,
) -> Result<DeadLetter<Text>, Box<Problem>> {
    let (kept, told) = find(&call.app, id, call.param("id")).await?;
    Ok(out(&kept, &told, shape))
}
