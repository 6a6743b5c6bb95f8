//! Dead letters: listed by cause, edited, replayed, put away.

mod diff;
mod edit;
mod list;
mod replay;
mod story;

use cantus_api::dead_letter::{Archive, Release, Restore};
use cantus_api::error::{Code, Problem};
use cantus_api::event::Shape;
use cantus_core::Text;
use cantus_core::command::Command;
use cantus_core::ids::DeadLetterId;

pub(super) use list::{Meant, walk};

use super::answer;
use super::call::Call;
use super::route::{Answered, Route};
use super::subscriptions::submit;
use crate::auth::Right;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/v1/dead-letters", list::list)
            .right(Right::Consume)
            .summary("Lists dead letters with their events, newest first; open ones unless `status` says otherwise.")
            .query(&["status", "subscription", "topic", "fingerprint", "reason", "limit", "cursor", "format"])
            .gives(200, "DeadLetterList")
            .while_stopping(),
        Route::get("/v1/dead-letter-groups", list::groups)
            .right(Right::Consume)
            .summary("Groups dead letters by their cause, the largest group first.")
            .query(&["status", "subscription", "limit", "cursor"])
            .gives(200, "DeadLetterGroupList")
            .while_stopping(),
        Route::get("/v1/dead-letters/{id}", one)
            .right(Right::Consume)
            .summary("Reads one dead letter with its whole story.")
            .query(&["format"])
            .gives(200, "DeadLetter")
            .while_stopping(),
        Route::post("/v1/dead-letters/{id}/edit", edit::edit)
            .right(Right::Operate)
            .summary("Changes the event of a dead letter; the original stays.")
            .query(&["format"])
            .body("DeadLetterEdit")
            .gives(200, "DeadLetter"),
        Route::post("/v1/dead-letters/{id}/replay", replay::replay)
            .right(Right::Operate)
            .summary("Tries a dead letter again.")
            .body("DeadLetterReplay")
            .gives(200, "DeadLetterReplayStarted"),
        Route::post("/v1/dead-letters/{id}/archive", archive)
            .right(Right::Operate)
            .summary("Puts a dead letter away, with a note.")
            .query(&["format"])
            .body("DeadLetterArchive")
            .gives(200, "DeadLetter"),
        Route::post("/v1/dead-letters/{id}/restore", restore)
            .right(Right::Operate)
            .summary("Brings an archived dead letter back.")
            .query(&["format"])
            .body("DeadLetterRestore")
            .gives(200, "DeadLetter"),
        Route::post("/v1/dead-letters/{id}/release", release)
            .right(Right::Operate)
            .summary("Lets the order key go on that a dead letter holds; the dead letter stays as it is.")
            .query(&["format"])
            .body("DeadLetterRelease")
            .gives(200, "DeadLetter"),
    ]
}

/// How long a note may be.
const NOTE_BYTES_MAX: usize = 16 * 1024;

#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Format {
    format: Option<Shape>,
}

fn unknown(id: &str) -> Box<Problem> {
    let shown: String = id.chars().take(60).collect();
    let problem = Problem::new(Code::DeadLetterUnknown, format!("there is no dead letter `{shown}`"));
    Box::new(problem.hint("`cantus dlq ls` lists them"))
}

fn id_of(call: &Call) -> Result<DeadLetterId, Box<Problem>> {
    DeadLetterId::parse(call.param("id")).ok_or_else(|| unknown(call.param("id")))
}

/// Checks a note's length.
fn note(text: Option<&str>) -> Result<Option<Text>, Box<Problem>> {
    if text.is_some_and(|text| text.len() > NOTE_BYTES_MAX) {
        let detail = format!("is longer than {NOTE_BYTES_MAX} bytes");
        let problem = Problem::new(Code::ParameterInvalid, format!("`note` {detail}"));
        return Err(Box::new(problem.at("#/note", detail)));
    }
    Ok(text.map(Text::from))
}

async fn one(call: Call) -> Answered {
    let Format { format } = call.query()?;
    let shape = call.shape(format)?;
    let id = id_of(&call)?;
    answer::ok(&story::read(&call, id, shape).await?)
}

async fn archive(mut call: Call) -> Answered {
    let Format { format } = call.query()?;
    let shape = call.shape(format)?;
    let id = id_of(&call)?;
    let request: Archive = call.json().await?;
    let note = note(Some(request.note.trim()))?.filter(|note| !note.is_empty()).ok_or_else(|| {
        let detail = "is empty: say why it needs no repair";
        Box::new(Problem::new(Code::ParameterInvalid, format!("`note` {detail}")).at("#/note", detail))
    })?;
    story::read(&call, id, shape).await?;
    submit(&call.app, Command::ArchiveDeadLetter { id, note, actor: call.caller.actor.clone() }).await?;
    answer::ok(&story::read(&call, id, shape).await?)
}

async fn restore(mut call: Call) -> Answered {
    let Format { format } = call.query()?;
    let shape = call.shape(format)?;
    let id = id_of(&call)?;
    let request: Restore = call.json().await?;
    let note = note(request.note.as_deref())?;
    story::read(&call, id, shape).await?;
    submit(&call.app, Command::RestoreDeadLetter { id, note, actor: call.caller.actor.clone() }).await?;
    answer::ok(&story::read(&call, id, shape).await?)
}

async fn release(mut call: Call) -> Answered {
    let Format { format } = call.query()?;
    let shape = call.shape(format)?;
    let id = id_of(&call)?;
    let request: Release = call.json().await?;
    let note = note(request.note.as_deref())?;
    story::read(&call, id, shape).await?;
    submit(&call.app, Command::ReleaseKey { id, note, actor: call.caller.actor.clone() }).await?;
    answer::ok(&story::read(&call, id, shape).await?)
}
