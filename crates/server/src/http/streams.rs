//! Streams: the events of one entity, in order.

use cantus_api::error::{Code, Problem};
use cantus_api::stream::{Revised, Stream, StreamQuery};
use cantus_core::{Position, hash};
use cantus_engine::Term;

use super::answer;
use super::call::Call;
use super::route::{Answered, Route};
use crate::auth::Right;
use crate::convert::{event, time};
use crate::lookup::{self, Found};
use crate::problem::{self, Place};
use crate::reading::PAGE_BYTES_MAX;

/// How many positions are asked of the index at once.
const FIND: usize = 1_000;
/// How many records are looked at for one page: names may share a hash.
const RECORDS_MAX: usize = 100_000;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/v1/streams/{stream}", one)
            .right(Right::Consume)
            .summary("Reads the events of one entity, oldest first. The name is percent-encoded.")
            .query(&["limit", "cursor", "format"])
            .gives(200, "Stream")
            .while_stopping(),
    ]
}

async fn one(call: Call) -> Answered {
    let query: StreamQuery = call.query()?;
    let (limit, shape, after) = call.page(&query)?;
    let name = call.param("stream").to_owned();
    let hashed = hash::of(&name);
    let wanted = name.clone();
    let read = call.app.read_log(move |reader| {
        let (mut found, mut bytes, mut seen, mut last) = (Vec::<Found>::new(), 0, 0, after);
        loop {
            let positions = reader.find(Term::Stream(hashed), last, FIND)?;
            for position in &positions {
                let event = lookup::at(reader, *position)?.filter(|it| {
                    !it.pending && it.event.stream.as_deref().is_some_and(|stream| *stream == *wanted)
                });
                if let Some(event) = event {
                    bytes += event.event.weight();
                    if found.len() >= limit || (!found.is_empty() && bytes > PAGE_BYTES_MAX) {
                        return Ok((found, Some(last)));
                    }
                    found.push(event);
                }
                last = *position;
            }
            seen += positions.len();
            if positions.len() < FIND {
                return Ok((found, None));
            }
            if seen >= RECORDS_MAX {
                return Ok((found, Some(last)));
            }
        }
    });
    let (found, next) = read.await.map_err(|failed| problem::of(failed, Place::Alone))?;
    let revision =
        call.app.handle.read(move |coordinator, _| coordinator.state.streams.get(&hashed).copied()).await;
    let revision = revision.map_err(|failed| problem::of(failed, Place::Alone))?;
    // What memory does not hold any more the log knows: the page's last event has it when nothing follows.
    let revision = match (revision, next) {
        (Some(revision), _) => revision,
        (None, None) => found.last().and_then(|last| last.revision).unwrap_or(0),
        (None, Some(_)) => last_revision(&call, &name).await?,
    };
    if found.is_empty() && revision == 0 {
        let problem = Problem::new(Code::StreamUnknown, "there is no stream of that name");
        return Err(Box::new(
            problem.hint("the name is that of `stream` in its events, percent-encoded: task%2F42"),
        ));
    }
    let items = found
        .iter()
        .map(|it| Revised {
            event: event::text(&it.event, shape),
            position: it.position.to_string(),
            revision: it.revision.unwrap_or(0),
            recorded_at: time::text(it.recorded_at),
        })
        .collect();
    let next_cursor = next.map(|position| position.to_string());
    answer::ok(&Stream { stream: name, revision, items, next_cursor })
}

/// Returns the revision of a stream's newest event, by walking through its positions.
async fn last_revision(call: &Call, name: &str) -> Result<u64, Box<Problem>> {
    let (name, hashed) = (name.to_owned(), hash::of(name));
    let read = call.app.read_log(move |reader| {
        let (mut after, mut revision) = (Position(0), 0);
        loop {
            let positions = reader.find(Term::Stream(hashed), after, FIND)?;
            for position in positions.iter().rev() {
                let event = lookup::at(reader, *position)?;
                let own =
                    event.filter(|it| it.event.stream.as_deref().is_some_and(|stream| *stream == *name));
                if let Some(number) = own.and_then(|it| it.revision) {
                    revision = number;
                    break;
                }
            }
            match positions.last() {
                Some(last) if positions.len() == FIND => after = *last,
                _ => return Ok(revision),
            }
        }
    });
    read.await.map_err(|failed| problem::of(failed, Place::Alone))
}
