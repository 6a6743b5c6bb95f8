//! Subscriptions: listed, made, taken away, paused, sought; and pulled from.

use std::collections::HashMap;
use std::io::Write as _;
use std::ops::Bound;

use axum::response::Response;
use cantus_api::error::{Code, Problem};
use cantus_api::event::Shape;
use cantus_api::list::List;
use cantus_api::pull::PullRequest;
use cantus_api::stream::Gap;
use cantus_api::subscription::{Create, PauseRequest, Seek, SeekResult, Subscription, SubscriptionsQuery};
use cantus_api::time::Span;
use cantus_core::agent::Origin;
use cantus_core::command::{Answer, Command};
use cantus_core::event::EventSubject;
use cantus_core::fact::Fact;
use cantus_core::filter::Filter;
use cantus_core::ids::DeadLetterId;
use cantus_core::subscription::{Place as Start, SubscriptionId};
use cantus_core::topic::Pattern;
use cantus_core::{Coordinator, Position, Text, Timestamp, dead_letter};
use cantus_engine::{Budget, Entry, Selection};
use cantus_runtime::PulledEvent;
use http::{HeaderValue, StatusCode, header};

use super::answer;
use super::call::{self, Call};
use super::events::{behind, since};
use super::route::{Answered, Route};
use crate::app::App;
use crate::auth::Right;
use crate::convert::definition::{self, Around};
use crate::convert::{event, subscription, time};
use crate::cursor;
use crate::problem::{self, Place, parameter};

mod webhook_test;

/// How many dead letters are looked at in one visit of the turn.
const VISIT: usize = 5_000;
/// How many events a seek counts at most.
const COUNTED_RECORDS_MAX: usize = 500_000;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/v1/subscriptions", list)
            .right(Right::Consume)
            .summary("Lists subscriptions.")
            .query(&["agent", "topic", "limit", "cursor"])
            .gives(200, "SubscriptionList")
            .while_stopping(),
        Route::post("/v1/subscriptions", create)
            .right(Right::Define)
            .summary("Makes a subscription, or changes one that was made this way.")
            .body("SubscriptionCreate")
            .gives(201, "Subscription"),
        Route::get("/v1/subscriptions/{agent}/{name}", one)
            .right(Right::Consume)
            .summary("Reads one subscription.")
            .gives(200, "Subscription")
            .while_stopping(),
        Route::delete("/v1/subscriptions/{agent}/{name}", remove)
            .right(Right::Define)
            .summary("Takes a subscription away; its dead letters stay.")
            .gives_nothing(204),
        Route::post("/v1/subscriptions/{agent}/{name}/pause", pause)
            .right(Right::Operate)
            .summary("Holds a subscription back; running attempts finish.")
            .body("PauseRequest")
            .gives(200, "Subscription"),
        Route::post("/v1/subscriptions/{agent}/{name}/resume", resume)
            .right(Right::Operate)
            .summary("Lets a subscription go on.")
            .gives(200, "Subscription"),
        Route::post("/v1/subscriptions/{agent}/{name}/breaker/reset", reset_breaker)
            .right(Right::Operate)
            .summary("Closes the circuit breaker of a subscription.")
            .gives(200, "Subscription"),
        Route::post("/v1/subscriptions/{agent}/{name}/seek", seek)
            .right(Right::Operate)
            .summary("Moves a subscription to another place, or only says what that would do.")
            .body("Seek")
            .gives(200, "SeekResult"),
        Route::post("/v1/subscriptions/{agent}/{name}/test", webhook_test::test)
            .right(Right::Operate)
            .summary("Sends a test event to the receiver of a webhook; it is no delivery.")
            .gives(200, "WebhookTest"),
        Route::post("/v1/subscriptions/{agent}/{name}/pull", pull)
            .right(Right::Consume)
            .summary("Leases deliveries of an inbox, or waits for them.")
            .query(&["format"])
            .body("PullRequest")
            .gives(200, "Pulled"),
    ]
}

/// Returns the refusal of a subscription that is not there.
pub(super) fn unknown(id: &str) -> Box<Problem> {
    let shown: String = id.chars().take(340).collect();
    let problem = Problem::new(Code::SubscriptionUnknown, format!("there is no subscription `{shown}`"));
    Box::new(problem.hint("`cantus subs ls` lists them; the id is `agent/name`"))
}

fn id_of(call: &Call) -> Result<SubscriptionId, Box<Problem>> {
    SubscriptionId::new(call.param("agent"), call.param("name"))
        .map_err(|_| unknown(&format!("{}/{}", call.param("agent"), call.param("name"))))
}

/// Counts open dead letters by the number of their subscription, in visits the turn can afford.
async fn open_dead_letters(app: &App) -> Result<HashMap<u32, u64>, Box<Problem>> {
    let mut counts = HashMap::new();
    let mut after: Option<DeadLetterId> = None;
    loop {
        let visit = app.handle.read(move |coordinator, _| {
            let from = after.map_or(Bound::Unbounded, Bound::Excluded);
            let letters = coordinator.state.dead_letters.range((from, Bound::Unbounded)).take(VISIT);
            let look = |(id, it): (&DeadLetterId, &dead_letter::DeadLetter)| {
                (*id, (it.status == dead_letter::Status::Open).then_some(it.delivery.subscription))
            };
            letters.map(look).collect::<Vec<_>>()
        });
        let seen = visit.await.map_err(|failed| problem::of(failed, Place::Alone))?;
        for number in seen.iter().filter_map(|(_, number)| *number) {
            *counts.entry(number).or_insert(0) += 1;
        }
        match seen.last() {
            Some((last, _)) if seen.len() == VISIT => after = Some(*last),
            _ => return Ok(counts),
        }
    }
}

async fn list(call: Call) -> Answered {
    let query: SubscriptionsQuery = call.query()?;
    let limit = call::limit(query.limit)?;
    let agent = match &query.agent {
        Some(agent) => Some(definition::agent_name(agent).map_err(|wrong| parameter("agent", wrong.detail))?),
        None => None,
    };
    let topic = match query.topic {
        Some(topic) => {
            Some(definition::topic_name(&topic).map_err(|wrong| parameter("topic", wrong.detail))?)
        }
        None => None,
    };
    let after = match &query.cursor {
        Some(text) => {
            let id = SubscriptionId::parse(cursor::name(text)?);
            Some(id.map_err(|_| cursor::invalid(text, "is no cursor of this list"))?)
        }
        None => None,
    };
    let dead = open_dead_letters(&call.app).await?;
    let read = call.app.handle.read(move |coordinator, _| {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let all = coordinator.state.subscription_numbers.range((from, Bound::Unbounded));
        let mut meant = all
            .filter(|(id, _)| agent.as_ref().is_none_or(|agent| id.agent == *agent))
            .filter_map(|(_, number)| coordinator.state.subscriptions.get(number))
            .filter(|it| {
                let hears =
                    |pattern: &Pattern| topic.as_ref().is_some_and(|topic| pattern.matches(topic.as_str()));
                topic.is_none() || it.definition().topics.iter().any(hears)
            });
        let items: Vec<Subscription> = meant
            .by_ref()
            .take(limit)
            .map(|it| subscription::out(coordinator, it, dead.get(&it.number).copied().unwrap_or(0)))
            .collect();
        (items, meant.next().is_some())
    });
    let (items, more) = read.await.map_err(|failed| problem::of(failed, Place::Alone))?;
    let next_cursor = items.last().filter(|_| more).map(|last| cursor::write_name(&last.id));
    answer::ok(&List { items, next_cursor })
}

async fn one(call: Call) -> Answered {
    let id = id_of(&call)?;
    answer::ok(&read(&call.app, &id).await?)
}

async fn read(app: &App, id: &SubscriptionId) -> Result<Subscription, Box<Problem>> {
    let dead = open_dead_letters(app).await?;
    let wanted = id.clone();
    let read = app.handle.read(move |coordinator: &Coordinator, _| {
        let it = coordinator.state.subscription(&wanted)?;
        let dead = dead.get(&it.number).copied().unwrap_or(0);
        Some(subscription::out(coordinator, it, dead))
    });
    let found = read.await.map_err(|failed| problem::of(failed, Place::Alone))?;
    found.ok_or_else(|| unknown(&id.to_string()))
}

async fn create(mut call: Call) -> Answered {
    let create: Create = call.json().await?;
    let declared = &create.subscription;
    if matches!(declared.action, cantus_api::definition::Action::Exec(_))
        && !call.app.options.allow_remote_exec
    {
        let detail = "exec actions come from the file, not from the network";
        let problem = Problem::new(Code::ExecNotAllowed, detail).at("#/action", detail);
        let hint = "declare it in the file, or set `server.allow_remote_exec: true` if every holder of `define` may run programs";
        return Err(Box::new(problem.hint(hint)));
    }
    let Some(retry) = cantus_api::definition::Definitions::default().retry_policy(declared) else {
        let detail = "`retry` names a policy; over the network the policy itself is given";
        return Err(Box::new(Problem::new(Code::SubscriptionInvalid, detail).at("#/retry", detail)));
    };
    let defaults = &call.app.defaults;
    let around = Around { agent: &create.agent, retry: &retry, prompt: None, origin: Origin::Api, defaults };
    let (id, definition) = definition::subscription(declared, &around)?;
    let start = match definition.from {
        Start::Time(at) => {
            let before = call.app.read_log(move |reader| reader.before_time(at)).await;
            Some(before.map_err(|failed| problem::of(failed, Place::Alone))?)
        }
        Start::Start | Start::End | Start::After(_) => None,
    };
    let actor = call.caller.actor.clone();
    let command =
        Command::DeclareSubscription { id: id.clone(), definition: Box::new(definition), start, actor };
    let answer = submit(&call.app, command).await?;
    let made = answer == Answer::Declared(true);
    let status = if made { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = answer::json(status, &read(&call.app, &id).await?)?;
    let location = HeaderValue::from_str(&format!("/v1/subscriptions/{id}"));
    response.headers_mut().insert(header::LOCATION, location.expect("ids are plain text"));
    Ok(response)
}

/// Asks the core for something that concerns no events.
pub(super) async fn submit(app: &App, command: Command) -> Result<Answer, Box<Problem>> {
    app.handle.submit(command).await.map_err(|failed| problem::of(failed, Place::Alone))
}

async fn remove(call: Call) -> Answered {
    let id = id_of(&call)?;
    submit(&call.app, Command::RemoveSubscription { id, actor: call.caller.actor.clone() }).await?;
    answer::nothing()
}

async fn pause(mut call: Call) -> Answered {
    let id = id_of(&call)?;
    let request: PauseRequest = call.json().await?;
    let until = until(request.until.as_deref(), call.app.now())?;
    let reason = request.reason.as_deref().map(Text::from);
    let actor = call.caller.actor.clone();
    submit(&call.app, Command::PauseSubscription { id: id.clone(), reason, until, actor }).await?;
    answer::ok(&read(&call.app, &id).await?)
}

/// Reads until when something is paused: a time to come, or a span from now.
pub(super) fn until(text: Option<&str>, now: Timestamp) -> Result<Option<Timestamp>, Box<Problem>> {
    let Some(text) = text else { return Ok(None) };
    let refused = |detail: String| {
        Box::new(Problem::new(Code::ParameterInvalid, format!("`until` {detail}")).at("#/until", detail))
    };
    if let Ok(span) = Span::parse(text) {
        return Ok(Some(now.after(time::span(span))));
    }
    let at = time::parse(text)
        .map_err(|wrong| refused(format!("is no span such as 30m; as a time it {wrong}")))?;
    if at <= now {
        return Err(refused("is over already".to_owned()));
    }
    Ok(Some(at))
}

async fn resume(mut call: Call) -> Answered {
    let id = id_of(&call)?;
    let Empty {} = call.json().await?;
    submit(&call.app, Command::ResumeSubscription { id: id.clone(), actor: call.caller.actor.clone() })
        .await?;
    answer::ok(&read(&call.app, &id).await?)
}

async fn reset_breaker(mut call: Call) -> Answered {
    let id = id_of(&call)?;
    let Empty {} = call.json().await?;
    submit(&call.app, Command::ResetBreaker { id: id.clone(), actor: call.caller.actor.clone() }).await?;
    answer::ok(&read(&call.app, &id).await?)
}

/// A body that says nothing.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Empty {}

async fn seek(mut call: Call) -> Answered {
    let id = id_of(&call)?;
    let request: Seek = call.json().await?;
    let durable = call.durable();
    let to = since("to", &request.to).map_err(|mut wrong| {
        for fault in &mut wrong.errors {
            (fault.parameter, fault.pointer) = (None, Some("#/to".to_owned()));
        }
        wrong
    })?;
    let after = behind(&call.app, to, durable).await?;
    let actor = call.caller.actor.clone();
    let command = Command::Seek { id: id.clone(), after, dry_run: request.dry_run, actor };
    let Answer::Sought(report) = submit(&call.app, command).await? else {
        return Err(Box::new(Problem::new(Code::Internal, "a seek was answered with something else")));
    };
    answer::ok(&SeekResult {
        position: report.after.next().to_string(),
        events: events_behind(&call.app, &id, report.after).await?,
        open_leases: report.open_leases as u64,
        retrying: report.retrying as u64,
        parked: report.parked as u64,
        dry_run: request.dry_run,
    })
}

/// Counts the events that a subscription would get from behind a position, unless there is too much to look at.
async fn events_behind(app: &App, id: &SubscriptionId, after: Position) -> Result<Option<u64>, Box<Problem>> {
    let wanted = id.clone();
    let definition = app
        .handle
        .read(move |coordinator, _| coordinator.state.subscription(&wanted).map(|it| it.definition().clone()))
        .await
        .map_err(|failed| problem::of(failed, Place::Alone))?;
    let Some(definition) = definition else { return Ok(None) };
    let filter = match definition.filter.as_deref().map(serde_json::from_str::<serde_json::Value>) {
        Some(Ok(declared)) => Filter::compile(&declared).unwrap_or_default(),
        Some(Err(_)) | None => Filter::everything(),
    };
    let counted = app.read_log(move |reader| {
        let selection = Selection { events_only: true, ..Selection::default() };
        let (mut after, mut count, mut left) = (after, 0u64, COUNTED_RECORDS_MAX);
        loop {
            let budget = Budget { entries: 1_000, records: left.min(50_000), bytes: 8 << 20 };
            let chunk = reader.read(after, &selection, budget)?;
            for entry in &chunk.entries {
                let Entry::Fact(recorded) = entry else { continue };
                let Fact::EventPublished(it) = &recorded.fact else { continue };
                let heard = definition.topics.iter().any(|topic| topic.matches(it.event.topic.as_str()));
                count += u64::from(heard && filter.matches(&EventSubject::new(&it.event)));
            }
            left =
                left.saturating_sub(budget.records.max(chunk.entries.len()).min(chunk.entries.len() + 1_000));
            if chunk.end {
                return Ok(Some(count));
            }
            if left == 0 || chunk.reached == after {
                return Ok(None);
            }
            after = chunk.reached;
        }
    });
    counted.await.map_err(|failed| problem::of(failed, Place::Alone))
}

async fn pull(mut call: Call) -> Answered {
    #[derive(Default, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Format {
        format: Option<Shape>,
    }
    let id = id_of(&call)?;
    let Format { format } = call.query()?;
    let shape = call.shape(format)?;
    let request: PullRequest = call.json().await?;
    let wait = call::wait(request.wait).map_err(|mut wrong| {
        for fault in &mut wrong.errors {
            (fault.parameter, fault.pointer) = (None, Some("#/wait".to_owned()));
        }
        wrong
    })?;
    let max = match request.max.unwrap_or(1) {
        max @ 1..=1000 => max as usize,
        other => {
            let detail = format!("is {other}; it can be 1 to 1000");
            let problem = Problem::new(Code::ParameterInvalid, format!("`max` {detail}"));
            return Err(Box::new(problem.at("#/max", detail)));
        }
    };
    let pulled = pull_until_stopping(&call.app, &id, max, wait).await?;
    let gap = lost(&call.app, &id).await?;
    Ok(leased(&pulled, &id, gap.as_ref(), shape))
}

/// Returns what a subscription lost because it was not pulled in time.
async fn lost(app: &App, id: &SubscriptionId) -> Result<Option<Gap>, Box<Problem>> {
    if !app.handle.hidden().may_have_lost() {
        return Ok(None);
    }
    let id = id.clone();
    let read = app.handle.read(move |coordinator, _| {
        coordinator.state.subscription(&id).and_then(|it| it.expired.as_ref().map(subscription::gap))
    });
    read.await.map_err(|failed| problem::of(failed, Place::Alone))
}

async fn pull_until_stopping(
    app: &App,
    id: &SubscriptionId,
    max: usize,
    wait: std::time::Duration,
) -> Result<Vec<PulledEvent>, Box<Problem>> {
    let mut draining = app.draining.subscribe();
    let stopping = async move { drop(draining.wait_for(|draining| *draining).await) };
    let pulling = app.handle.pull(id.clone(), max, wait);
    let pulled = tokio::select! {
        // What was leased is answered, even when the server is asked to stop in the same moment.
        biased;
        pulled = pulling => pulled,
        () = stopping, if !wait.is_zero() => return Ok(Vec::new()),
    };
    pulled.map_err(|failed| problem::of(failed, Place::Alone))
}

/// Writes deliveries by hand: events are long, and are copied once.
fn leased(pulled: &[PulledEvent], id: &SubscriptionId, gap: Option<&Gap>, shape: Shape) -> Response {
    let mut out = Vec::with_capacity(64 + 768 * pulled.len());
    out.extend_from_slice(b"{\"deliveries\":[");
    // Most of what is leased at once is leased as long.
    let mut deadline = None;
    for (index, PulledEvent { pulled, event }) in pulled.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let until = match &deadline {
            Some((known, text)) if *known == pulled.deadline => text,
            _ => &deadline.insert((pulled.deadline, time::text(pulled.deadline))).1,
        };
        // Ids, tokens, times and positions of ours need no escapes. Writing to memory can not fail.
        let _ = write!(
            out,
            "{{\"delivery\":\"{}\",\"token\":\"{}\",\"attempt\":{},\"deadline\":\"{until}\",\"subscription\":\"{id}\",\"position\":\"{}\",\"redelivered\":{},\"first_delivered_at\":\"{}\",\"event\":",
            pulled.delivery.display(pulled.recorded_at),
            pulled.token,
            pulled.attempt,
            pulled.delivery.position,
            pulled.redelivered,
            time::text(pulled.first_at),
        );
        event::write(&mut out, event, shape);
        out.push(b'}');
    }
    out.push(b']');
    if let Some(Gap { from, to, reason }) = gap {
        let gap = format!(",\"gap\":{{\"from\":\"{from}\",\"to\":\"{to}\",\"reason\":\"{reason}\"}}");
        out.extend_from_slice(gap.as_bytes());
    }
    out.push(b'}');
    answer::bytes(StatusCode::OK, "application/json", out)
}
