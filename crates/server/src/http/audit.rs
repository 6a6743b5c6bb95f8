//! The audit: read back from the newest entry, and checked link by link.

use cantus_api::audit::{AuditQuery, BrokenAt, Entry, Verified, VerifyQuery};
use cantus_api::error::Problem;
use cantus_api::list::List;
use cantus_core::audit::{Head, follows};
use cantus_core::fact::{CallAudited, Fact};
use cantus_core::{Position, Timestamp};
use cantus_engine::{ReadError, Reader};

use super::answer;
use super::call::{self, Call};
use super::route::{Answered, Route};
use crate::auth::Right;
use crate::convert::time;
use crate::cursor;
use crate::problem::{self, Place, parameter};

/// How many entries one request reads.
const READS_MAX: usize = 10_000;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/v1/audit", list)
            .right(Right::Operate)
            .summary("Lists who operated and defined, newest first, with what was so before and after.")
            .query(&["since", "actor", "action", "limit", "cursor"])
            .gives(200, "AuditList")
            .while_stopping(),
        Route::get("/v1/audit/verify", verify)
            .right(Right::Operate)
            .summary("Checks that every entry of the audit follows the one before it.")
            .query(&["cursor"])
            .gives(200, "AuditVerified")
            .while_stopping(),
    ]
}

async fn head(call: &Call) -> Result<Head, Box<Problem>> {
    let read = call.app.handle.read(|coordinator, _| coordinator.state.audit.clone()).await;
    read.map_err(|failed| problem::of(failed, Place::Alone))
}

fn entry(reader: &dyn Reader, position: Position) -> Result<Option<CallAudited>, ReadError> {
    Ok(reader.get(position)?.and_then(|recorded| match recorded.fact {
        Fact::CallAudited(entry) => Some(*entry),
        _ => None,
    }))
}

fn out(position: Position, it: &CallAudited) -> Entry {
    let json = |text: &str| serde_json::from_str(text).unwrap_or_default();
    Entry {
        number: it.number,
        at: time::text(it.at),
        actor: it.actor.to_string(),
        from: it.from.to_string(),
        action: it.action.to_string(),
        target: it.target.to_string(),
        before: json(&it.before),
        after: json(&it.after),
        position: position.to_string(),
        facts: it.facts,
        previous_hash: it.previous_hash.to_string(),
        hash: it.hash.to_string(),
    }
}

/// Which entries are meant.
struct Wanted {
    since: Option<Timestamp>,
    actor: Option<String>,
    action: Option<String>,
}

impl Wanted {
    fn fits(&self, it: &CallAudited) -> bool {
        let noun = it.action.split('.').next().unwrap_or_default();
        self.actor.as_deref().is_none_or(|actor| *actor == *it.actor)
            && self.action.as_deref().is_none_or(|action| *action == *it.action || action == noun)
    }
}

async fn list(call: Call) -> Answered {
    let query: AuditQuery = call.query()?;
    let limit = call::limit(query.limit)?;
    let since = query.since.as_deref().map(time::parse).transpose();
    let since = since.map_err(|wrong| parameter("since", wrong.to_string()))?;
    // A cursor names the entry to go on with.
    let from = match &query.cursor {
        Some(text) => Some(cursor::back(text)?),
        None => head(&call).await?.last,
    };
    let wanted = Wanted { since, actor: query.actor, action: query.action };
    let read = call.app.read_log(move |reader| {
        let (mut items, mut next, mut looked) = (Vec::new(), from, 0);
        while let Some(position) = next {
            if items.len() == limit || looked == READS_MAX {
                break;
            }
            looked += 1;
            let Some(it) = entry(reader, position)? else { return Ok((items, None)) };
            if wanted.since.is_some_and(|since| it.at < since) {
                return Ok((items, None));
            }
            if wanted.fits(&it) {
                items.push(out(position, &it));
            }
            next = it.previous;
        }
        Ok((items, next))
    });
    let (items, next) = read.await.map_err(|failed| problem::of(failed, Place::Alone))?;
    answer::ok(&List { items, next_cursor: next.map(cursor::write_back) })
}

async fn verify(call: Call) -> Answered {
    let query: VerifyQuery = call.query()?;
    let head = head(&call).await?;
    let from = match &query.cursor {
        Some(text) => Some(cursor::back(text)?),
        None => head.last,
    };
    let is_newest = query.cursor.is_none();
    let newest = head.clone();
    let read = call.app.read_log(move |reader| checked(reader, from, is_newest.then_some(&newest))).await;
    let (checked, broken, next) = read.map_err(|failed| problem::of(failed, Place::Alone))?;
    answer::ok(&Verified {
        entries: head.entries,
        head: (head.entries > 0).then(|| head.hash.to_string()),
        checked,
        intact: broken.is_none(),
        broken,
        next_cursor: next.map(cursor::write_back),
    })
}

type Checked = (u64, Option<BrokenAt>, Option<Position>);

/// Goes back link by link. Where it ends for this time, the next request begins with the same entry.
fn checked(reader: &dyn Reader, from: Option<Position>, newest: Option<&Head>) -> Result<Checked, ReadError> {
    let Some(mut position) = from else { return Ok((0, None, None)) };
    let broken = |number: u64, position: Position, reason: &str| {
        let (position, reason) = (position.to_string(), reason.to_owned());
        Some(BrokenAt { number, position, reason })
    };
    let Some(mut it) = entry(reader, position)? else {
        let number = newest.map_or(0, |head| head.entries);
        return Ok((0, broken(number, position, "the entry is not there any more"), None));
    };
    if newest.is_some_and(|head| head.hash != it.hash || head.entries != it.number) {
        return Ok((0, broken(it.number, position, "it is not the newest entry that was written"), None));
    }
    let mut checked = 0;
    while checked < READS_MAX as u64 {
        let before = match it.previous {
            None => None,
            Some(previous) => match entry(reader, previous)? {
                Some(before) => Some((previous, before)),
                None => {
                    let number = it.number.saturating_sub(1);
                    return Ok((checked, broken(number, previous, "the entry is not there any more"), None));
                }
            },
        };
        if let Err(wrong) = follows(before.as_ref().map(|(_, before)| before), &it) {
            return Ok((checked, broken(it.number, position, &wrong.to_string()), None));
        }
        checked += 1;
        match before {
            None => return Ok((checked, None, None)),
            Some((previous, before)) => (position, it) = (previous, before),
        }
    }
    Ok((checked, None, Some(position)))
}
