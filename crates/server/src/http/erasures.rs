//! Erasures: events that must not be kept.

use cantus_api::erasure::{Erase, Erased, ErasedEvent, Erasure, State};
use cantus_api::error::{Code, Problem};
use cantus_api::list::{List, Page};
use cantus_core::command::{Answer, Command, EraseEvents};
use cantus_core::fact::ErasureStage;
use cantus_core::topic::Pattern;
use cantus_core::{Position, Text, retention};

use super::answer;
use super::call::{self, Call};
use super::events::filter;
use super::route::{Answered, Route};
use super::subscriptions::submit;
use crate::auth::Right;
use crate::convert::time;
use crate::cursor;
use crate::erasing::{self, Wanted};
use crate::problem::{self, Place, parameter};

/// How many events an answer lists.
const LISTED_MAX: usize = 100;
/// How many ids one request names.
const IDS_MAX: usize = 1_000;
/// How long a reason may be.
const REASON_BYTES_MAX: usize = 4 * 1024;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post("/v1/events/erase", erase)
            .right(Right::Operate)
            .summary("Erases events: nobody sees them from then on, and their bytes go within 24 hours.")
            .body("Erase")
            .gives(200, "Erased"),
        Route::get("/v1/erasures", list)
            .right(Right::Operate)
            .summary("Lists erasures and how far they have got, newest first.")
            .query(&["limit", "cursor"])
            .gives(200, "ErasureList")
            .while_stopping(),
    ]
}

fn invalid(member: &str, detail: impl Into<String>) -> Box<Problem> {
    let detail = detail.into();
    let problem = Problem::new(Code::ParameterInvalid, format!("`{member}` {detail}"));
    Box::new(problem.at(format!("#/{member}"), detail))
}

fn wanted(request: &Erase) -> Result<Wanted, Box<Problem>> {
    let blank = |text: &Option<String>| text.as_ref().is_none_or(|text| text.trim().is_empty());
    let says_nothing = request.ids.is_empty()
        && blank(&request.correlation_id)
        && blank(&request.subject)
        && blank(&request.filter);
    if says_nothing {
        let detail = "say which events: `ids`, `correlation_id`, `subject` or `filter`";
        return Err(Box::new(Problem::new(Code::ParameterInvalid, detail)));
    }
    if request.ids.len() > IDS_MAX {
        return Err(invalid("ids", format!("names more than {IDS_MAX} events: ask several times")));
    }
    let topic = match &request.topic {
        Some(topic) => Some(Pattern::parse(topic).map_err(|wrong| invalid("topic", wrong.to_string()))?),
        None => None,
    };
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    Ok(Wanted {
        ids: request.ids.clone(),
        source: given(&request.source),
        correlation_id: given(&request.correlation_id),
        subject: given(&request.subject),
        topic,
        filter: filter(request.filter.as_deref())?,
    })
}

async fn erase(mut call: Call) -> Answered {
    let request: Erase = call.json().await?;
    let reason = request.reason.trim();
    if reason.is_empty() || reason.len() > REASON_BYTES_MAX {
        return Err(invalid("reason", format!("has 1 to {REASON_BYTES_MAX} bytes: say why they must go")));
    }
    let wanted = wanted(&request)?;
    let found = call.app.read_log(move |reader| erasing::find(reader, &wanted)).await;
    let found = found.map_err(|failed| problem::of(failed, Place::Alone))?;
    let listed = found.items.iter().filter(|(item, _)| !item.deferred || found.items.len() == 1);
    let items: Vec<ErasedEvent> = listed
        .take(LISTED_MAX)
        .map(|(item, event)| ErasedEvent {
            id: event.id.to_string(),
            source: event.source.to_string(),
            event_type: event.event_type.to_string(),
            topic: event.topic.to_string(),
            position: item.position.to_string(),
        })
        .collect();
    let mut erased = Erased {
        erasure: None,
        events: found.items.len() as u64,
        more: found.more,
        dry_run: request.dry_run,
        items,
    };
    if !request.dry_run && !found.items.is_empty() {
        let command = EraseEvents {
            items: found.items.into_iter().map(|(item, _)| item).collect(),
            reason: Text::from(reason),
            actor: call.caller.actor.clone(),
        };
        if let Answer::Erased { erasure, events } =
            submit(&call.app, Command::EraseEvents(Box::new(command))).await?
        {
            erased.erasure = erasure.map(|erasure| erasure.to_string());
            erased.events = events as u64;
        }
    }
    answer::ok(&erased)
}

async fn list(call: Call) -> Answered {
    let page: Page = call.query()?;
    let limit = call::limit(page.limit)?;
    let before = match &page.cursor {
        Some(text) => cursor::back(text).map_err(|_| parameter("cursor", "is no cursor of this list"))?,
        None => Position(u64::MAX),
    };
    let read = call.app.handle.read(move |coordinator, _| {
        let mut erasures = coordinator.state.erasures.range(..before).rev();
        let page: Vec<(Position, Erasure)> =
            erasures.by_ref().take(limit).map(|(id, erasure)| (*id, out(*id, erasure))).collect();
        (page, erasures.next().is_some())
    });
    let (found, more) = read.await.map_err(|failed| problem::of(failed, Place::Alone))?;
    let last = found.last().map(|(id, _)| *id).filter(|_| more);
    let items: Vec<Erasure> = found.into_iter().map(|(_, erasure)| erasure).collect();
    answer::ok(&List { items, next_cursor: last.map(cursor::write_back) })
}

fn out(id: Position, erasure: &retention::Erasure) -> Erasure {
    let done = erasure.stage == ErasureStage::Done;
    Erasure {
        id: id.to_string(),
        at: time::text(erasure.at),
        actor: erasure.actor.to_string(),
        reason: erasure.reason.to_string(),
        events: erasure.items.len() as u64,
        state: if done { State::Done } else { State::Hidden },
        done_at: done.then(|| time::text(erasure.moved_at)),
    }
}
