//! Bulk operations: planned by a dry run, begun with frozen ids, followed, aborted.

mod dead_letters;
mod deliveries;

use cantus_api::bulk_operation::{Abort, Action, BulkOperation, BulkQuery, BulkRequest, LeftOut, Status};
use cantus_api::error::{Code, Problem};
use cantus_api::list::List;
use cantus_core::bulk_operation::{self as core, ITEMS_MAX, Item, Items, Pace};
use cantus_core::command::{Answer, Command, StartBulk};
use cantus_core::filter::Filter;
use cantus_core::ids::BulkId;
use cantus_core::{Position, Span, Text, Timestamp, hash};
use http::StatusCode;

use super::answer;
use super::call::{self, Call};
use super::route::{Answered, Route};
use super::subscriptions::submit;
use crate::auth::Right;
use crate::convert::bulk_operation as convert;
use crate::convert::definition::filter_problem;
use crate::convert::time;
use crate::cursor;
use crate::problem::{self, Place};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post("/v1/bulk-operations", start)
            .right(Right::Operate)
            .summary("Does one thing to many dead letters or deliveries, or says what it would do.")
            .body("BulkRequest")
            .gives(202, "BulkOperation"),
        Route::get("/v1/bulk-operations", list)
            .right(Right::Consume)
            .summary("Lists bulk operations, newest first.")
            .query(&["status", "limit", "cursor"])
            .gives(200, "BulkOperationList")
            .while_stopping(),
        Route::get("/v1/bulk-operations/{id}", one)
            .right(Right::Consume)
            .summary("Reads how far one bulk operation has come.")
            .gives(200, "BulkOperation")
            .while_stopping(),
        Route::post("/v1/bulk-operations/{id}/abort", abort)
            .right(Right::Operate)
            .summary("Ends a bulk operation; what was done stays done.")
            .body("BulkAbort")
            .gives(200, "BulkOperation"),
    ]
}

/// How many items are taken when nothing is said.
const MAX_DEFAULT: u32 = 10_000;
/// How many items an answer shows.
const SAMPLE: usize = 10;
/// How many items that are left out an answer tells.
const LEFT_OUT_TOLD: usize = 100;
/// How many items a selector may mean: beyond, it must be made narrower.
const MEANT_MAX: usize = 1_000_000;
/// How long a reason may be.
const REASON_BYTES_MAX: usize = 16 * 1024;
/// How large a request may be: a hundred thousand ids.
const REQUEST_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What a selector means: items with the time their ids show, the oldest first; and what was named and is left out.
#[derive(Debug, Default)]
struct Selected {
    dead_letters: Vec<(cantus_core::ids::DeadLetterId, Timestamp)>,
    deliveries: Vec<(cantus_core::ids::DeliveryId, Timestamp)>,
    left_out: Vec<LeftOut>,
}

impl Selected {
    fn len(&self) -> usize {
        self.dead_letters.len() + self.deliveries.len()
    }

    fn leave_out(&mut self, id: String, reason: impl Into<String>) {
        self.left_out.push(LeftOut { id, reason: reason.into() });
    }
}

fn wrong(member: &str, detail: &str) -> Box<Problem> {
    let problem = Problem::new(Code::ParameterInvalid, format!("`{member}` {detail}"));
    Box::new(problem.at(format!("#/{}", member.replace('.', "/")), detail))
}

fn too_many() -> Box<Problem> {
    let detail = format!("more than {MEANT_MAX} items are meant");
    Box::new(
        Problem::new(Code::ParameterInvalid, detail.clone())
            .at("#/filter", detail)
            .hint("make the selector narrower: a group, a subscription, a topic, or an earlier `as_of`"),
    )
}

fn check(request: &BulkRequest) -> Result<(), Box<Problem>> {
    let filter = &request.filter;
    if filter.is_empty() {
        let detail = "the selector says nothing: every item would be meant";
        let problem = Problem::new(Code::BulkSelectorEmpty, detail).at("#/filter", detail);
        return Err(Box::new(
            problem.hint("name a group (fingerprint), a subscription, a topic, a filter of events, or ids"),
        ));
    }
    if filter.ids.len() > ITEMS_MAX {
        return Err(wrong("filter.ids", &format!("names more than {ITEMS_MAX} items")));
    }
    let foreign = if request.action.is_for_dead_letters() {
        [("filter.waiting", filter.waiting.is_some())].to_vec()
    } else {
        [
            ("filter.status", filter.status.is_some()),
            ("filter.fingerprint", filter.fingerprint.is_some()),
            ("filter.reason", filter.reason.is_some()),
            ("filter.class", filter.class.is_some()),
        ]
        .to_vec()
    };
    if let Some((member, _)) = foreign.into_iter().find(|(_, said)| *said) {
        let what = if request.action.is_for_dead_letters() { "dead letters" } else { "deliveries" };
        return Err(wrong(member, &format!("is nothing that {what} have")));
    }
    if request.reason.as_ref().is_some_and(|reason| reason.len() > REASON_BYTES_MAX) {
        return Err(wrong("reason", &format!("is longer than {REASON_BYTES_MAX} bytes")));
    }
    let explained = request.reason.as_deref().is_some_and(|reason| !reason.trim().is_empty());
    if matches!(request.action, Action::Archive | Action::GiveUp) && !explained && !request.dry_run {
        return Err(wrong("reason", "is empty: say why these need no repair"));
    }
    match request.max {
        Some(max) if max == 0 || max as usize > ITEMS_MAX => {
            Err(wrong("max", &format!("is {max}; it can be 1 to {ITEMS_MAX}")))
        }
        _ => Ok(()),
    }
}

async fn start(mut call: Call) -> Answered {
    let request: BulkRequest = call.json_within(REQUEST_BYTES_MAX).await?;
    check(&request)?;
    let rate = request.rate.unwrap_or_default();
    let pace = Pace::of(u64::from(rate.count), Span(rate.span_ms))
        .map_err(|invalid| wrong("rate", &format!("is {rate}: {invalid}")))?;
    let now = call.app.now();
    let as_of = match request.as_of.as_deref().map(time::parse) {
        None => now,
        Some(Ok(time)) => time.min(now),
        Some(Err(invalid)) => return Err(wrong("as_of", &invalid.to_string())),
    };
    let declared = request.filter.event.as_ref().map(Filter::compile).transpose();
    let event = declared.map_err(|wrong| filter_problem(Code::FilterInvalid, &wrong, "#/filter/event"))?;
    let mut selected = if request.action.is_for_dead_letters() {
        dead_letters::select(&call.app, &request, event, as_of).await?
    } else {
        deliveries::select(&call.app, &request, event, as_of).await?
    };
    let matched = selected.len();
    let max = request.max.unwrap_or(MAX_DEFAULT) as usize;
    selected.dead_letters.truncate(max);
    selected.deliveries.truncate(max);
    let hash = hash_of(request.action, &selected);
    if request.hash.as_ref().is_some_and(|seen| *seen != hash) {
        let problem = Problem::new(Code::BulkChanged, "other items are meant than the dry run showed");
        return Err(Box::new(
            problem
                .at("#/hash", "is not that of the items meant now")
                .hint("look at a new dry run, and send its `hash` with its `as_of`"),
        ));
    }
    let filter = serde_json::to_value(&request.filter).unwrap_or_default();
    let mut shown = BulkOperation {
        id: None,
        action: request.action,
        status: if request.dry_run { Status::Planned } else { Status::Completed },
        filter: convert::filter_out(filter),
        as_of: time::text(as_of),
        rate: convert::rate_out(pace),
        reason: request.reason.clone(),
        by: Some(call.caller.actor.to_string()),
        matched: Some(matched as u64),
        total: u32::try_from(selected.len()).unwrap_or(u32::MAX),
        done: 0,
        skipped: 0,
        failed: 0,
        hash: hash.clone(),
        sample: sample(&selected),
        left_out: Vec::new(),
        left_out_count: None,
        problems: Vec::new(),
        started_at: None,
        updated_at: None,
        ended_at: None,
        ended_by: None,
        ended_because: None,
    };
    if request.dry_run || selected.len() == 0 {
        leave_out(&mut shown, selected.left_out);
        return answer::ok(&shown);
    }
    let command = StartBulk {
        action: convert::action_in(request.action),
        items: frozen(request.action, &selected),
        pace,
        filter: Text::from(shown.filter.to_string()),
        as_of,
        hash: Text::from(hash),
        actor: call.caller.actor.clone(),
        reason: Text::from(request.reason.as_deref().unwrap_or("").trim()),
    };
    let answered = submit(&call.app, Command::StartBulk(Box::new(command))).await?;
    let Answer::BulkStarted { id, busy } = answered else {
        return Err(Box::new(Problem::new(
            Code::Internal,
            "a bulk operation was answered with something else",
        )));
    };
    let mut left_out = selected.left_out;
    for (item, holder) in busy {
        let (id, reason) = (shown_id(item, &shown), format!("bulk operation {} has it", holder.display(now)));
        left_out.push(LeftOut { id, reason });
    }
    if let Some(id) = id {
        let begun = read(&call, id).await?;
        shown = BulkOperation { matched: shown.matched, sample: shown.sample, ..begun };
    } else {
        shown.total = 0;
    }
    leave_out(&mut shown, left_out);
    answer::json(StatusCode::ACCEPTED, &shown)
}

fn shown_id(item: Item, shown: &BulkOperation) -> String {
    let at = time::parse(&shown.as_of).unwrap_or_default();
    match item {
        Item::DeadLetter(id) => id.display(at),
        Item::Delivery(id) => id.display(at),
    }
}

fn leave_out(shown: &mut BulkOperation, mut left_out: Vec<LeftOut>) {
    shown.left_out_count = (!left_out.is_empty()).then_some(left_out.len() as u64);
    left_out.truncate(LEFT_OUT_TOLD);
    shown.left_out = left_out;
}

fn frozen(action: Action, selected: &Selected) -> Items {
    if action.is_for_dead_letters() {
        Items::DeadLetters(selected.dead_letters.iter().map(|(id, _)| *id).collect())
    } else {
        Items::Deliveries(selected.deliveries.iter().map(|(id, _)| *id).collect())
    }
}

fn sample(selected: &Selected) -> Vec<String> {
    let letters = selected.dead_letters.iter().map(|(id, at)| id.display(*at));
    let deliveries = selected.deliveries.iter().map(|(id, at)| id.display(*at));
    letters.chain(deliveries).take(SAMPLE).collect()
}

/// The hash of what is frozen: the action and every id.
fn hash_of(action: Action, selected: &Selected) -> String {
    let mut bytes = Vec::with_capacity(selected.len() * 14);
    for (id, _) in &selected.dead_letters {
        bytes.extend(id.0.0.to_be_bytes());
    }
    for (id, _) in &selected.deliveries {
        bytes.extend(id.subscription.to_be_bytes());
        bytes.extend(id.position.0.to_be_bytes());
        bytes.extend(id.generation.to_be_bytes());
    }
    format!("{:032x}", hash::parts(&[action.as_str().as_bytes(), &bytes]))
}

fn unknown(id: &str) -> Box<Problem> {
    let shown: String = id.chars().take(60).collect();
    let problem = Problem::new(Code::BulkUnknown, format!("there is no bulk operation `{shown}`"));
    Box::new(problem.hint("`cantus bulk ls` lists them"))
}

fn id_of(call: &Call) -> Result<BulkId, Box<Problem>> {
    BulkId::parse(call.param("id")).ok_or_else(|| unknown(call.param("id")))
}

async fn read(call: &Call, id: BulkId) -> Result<BulkOperation, Box<Problem>> {
    let read = call.app.handle.read(move |coordinator, _| {
        let state = &coordinator.state;
        let operation = state.bulk_operations.get(&id)?;
        let items = state.bulk_items.get(&id);
        let left = (operation.next as usize..).take(SAMPLE).filter_map(|at| items?.get(at));
        let next: Vec<String> = left.map(|item| convert::item_out(state, item)).collect();
        Some((operation.clone(), next))
    });
    let found = read.await.map_err(|failed| problem::of(failed, Place::Alone))?;
    let (operation, next): (core::Operation, Vec<String>) =
        found.ok_or_else(|| unknown(&id.display(Timestamp(0))))?;
    Ok(BulkOperation { sample: next, ..convert::out(&operation) })
}

async fn one(call: Call) -> Answered {
    let id = id_of(&call)?;
    answer::ok(&read(&call, id).await?)
}

async fn list(call: Call) -> Answered {
    let query: BulkQuery = call.query()?;
    let limit = call::limit(query.limit)?;
    let before = match &query.cursor {
        Some(text) => BulkId(cursor::back(text)?),
        None => BulkId(Position(u64::MAX)),
    };
    let status = query.status;
    let read = call.app.handle.read(move |coordinator, _| {
        let newest = coordinator.state.bulk_operations.range(..before).rev().map(|(_, it)| it);
        let wanted = newest.filter(|it| status.is_none_or(|status| convert::status_out(it.status) == status));
        wanted.take(limit + 1).cloned().collect::<Vec<_>>()
    });
    let mut found: Vec<core::Operation> = read.await.map_err(|failed| problem::of(failed, Place::Alone))?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| more).map(|it| cursor::write_back(it.id.0));
    answer::ok(&List { items: found.iter().map(convert::out).collect::<Vec<_>>(), next_cursor })
}

async fn abort(mut call: Call) -> Answered {
    let id = id_of(&call)?;
    let request: Abort = call.json().await?;
    if request.reason.as_ref().is_some_and(|reason| reason.len() > REASON_BYTES_MAX) {
        return Err(wrong("reason", &format!("is longer than {REASON_BYTES_MAX} bytes")));
    }
    let reason = request.reason.as_deref().map(Text::from);
    submit(&call.app, Command::AbortBulk { id, reason, actor: call.caller.actor.clone() }).await?;
    answer::ok(&read(&call, id).await?)
}
