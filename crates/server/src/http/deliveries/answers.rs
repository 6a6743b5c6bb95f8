//! What agents answer: done, failed, still at it.

use std::sync::Arc;

use cantus_api::error::{Code, Problem};
use cantus_api::event::Reader;
use cantus_api::pull::{
    Ack, AckMany, AckResult, AckStatus, Acked, AckedMany, Nack, NackStatus, Nacked, Progress, Progressed,
};
use cantus_core::agent::AgentName;
use cantus_core::command::{Answer, Command, Outcome, Publish, Settle, Settled};
use cantus_core::event::Event;
use cantus_core::ids::{DeliveryId, Token};
use cantus_core::subscription::retry::{Class, Failure};
use cantus_core::{Refusal, Text};
use cantus_runtime::{Answering, Failed, Publishing};
use serde_json::value::RawValue;
use tokio::task::JoinSet;

use super::super::answer;
use super::super::call::Call;
use super::super::route::Answered;
use super::unknown;
use crate::app::App;
use crate::convert::wire::answer as fill;
use crate::convert::{receipt, time};
use crate::lookup;
use crate::problem::{self, Place};

/// How many acks one request may bring.
const ACKS_MAX: usize = 1_000;
/// How long a reason may be.
const REASON_BYTES_MAX: usize = 4 * 1024;
/// How often an answer is checked again when the definitions changed meanwhile.
const STALE_TRIES_MAX: usize = 16;

fn ids(id: &str, token: &str) -> Result<(DeliveryId, Token), Box<Problem>> {
    let delivery = DeliveryId::parse(id).ok_or_else(|| unknown(id))?;
    let token = Token::parse(token).ok_or_else(|| {
        let detail = "is no token: it is the `token` the delivery came with";
        Box::new(Problem::new(Code::ParameterInvalid, format!("`token` {detail}")).at("#/token", detail))
    })?;
    Ok((delivery, token))
}

pub(super) async fn ack(mut call: Call) -> Answered {
    let bytes = call.limits().batch_bytes.saturating_add(64 * 1024);
    let ack: Ack<Box<RawValue>> = call.json_within(bytes).await?;
    let actor = call.caller.actor.clone();
    answer::ok(&settle(&call.app, call.param("id"), &ack.token, ack.publish, actor).await?)
}

pub(super) async fn ack_many(mut call: Call) -> Answered {
    let bytes = call.limits().batch_bytes.saturating_add(1 << 20);
    let many: AckMany<Box<RawValue>> = call.json_within(bytes).await?;
    if many.acks.len() > ACKS_MAX {
        let detail = format!("has more than {ACKS_MAX} acks: send several requests");
        let problem = Problem::new(Code::BatchTooLarge, format!("`acks` {detail}"));
        return Err(Box::new(problem.at("#/acks", detail)));
    }
    let count = many.acks.len();
    let mut results: Vec<Option<AckResult>> = (0..count).map(|_| None).collect();
    let mut put = |index: usize, delivery: String, settled: Result<Acked, Box<Problem>>| {
        results[index] = Some(match settled {
            Ok(acked) => {
                AckResult { delivery, status: Some(acked.status), results: acked.results, problem: None }
            }
            Err(problem) => {
                let problem = problem.under(&format!("#/acks/{index}"));
                AckResult { delivery, status: None, results: Vec::new(), problem: Some(problem) }
            }
        });
    };
    // Those that publish are each on their own way; all others go together. What they have in common is the next sync.
    let mut running = JoinSet::new();
    let (mut plain, mut settles) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let actor = call.caller.actor.clone();
    for (index, one) in many.acks.into_iter().enumerate() {
        if !one.publish.is_empty() {
            let (app, actor) = (call.app.clone(), actor.clone());
            running.spawn(async move {
                let settled = settle(&app, &one.delivery, &one.token, one.publish, actor).await;
                (index, one.delivery, settled)
            });
            continue;
        }
        match ids(&one.delivery, &one.token) {
            Ok((delivery, token)) => {
                settles.push(settled_by(delivery, token, no_events(&actor), None, actor.clone()));
                plain.push((index, one.delivery));
            }
            Err(problem) => put(index, one.delivery, Err(problem)),
        }
    }
    if !settles.is_empty() {
        let answers = call.app.handle.settle_all(settles).await;
        let answers = answers.unwrap_or_else(|failed| vec![Err(failed); plain.len()]);
        for ((index, delivery), answer) in plain.into_iter().zip(answers) {
            let settled = said(answer, &delivery)
                .unwrap_or_else(|| Err(problem::of(Failed::Overloaded, Place::Answer)));
            put(index, delivery, settled);
        }
    }
    while let Some(ended) = running.join_next().await {
        let Ok((index, delivery, settled)) = ended else {
            return Err(Box::new(Problem::new(Code::Internal, "an ack was interrupted")));
        };
        put(index, delivery, settled);
    }
    answer::ok(&AckedMany { results: results.into_iter().flatten().collect() })
}

/// Returns what an ack came to; None when it is to be checked again, because the definitions have changed.
fn said(answer: Result<Answer, Failed>, id: &str) -> Option<Result<Acked, Box<Problem>>> {
    Some(match answer {
        Err(Failed::Refused(Refusal::Stale)) => return None,
        Ok(Answer::Settled(Settled::Acked(receipts))) => {
            Ok(Acked { status: AckStatus::Acked, results: receipt::all(&receipts) })
        }
        Ok(Answer::Settled(Settled::Late)) => Ok(Acked { status: AckStatus::Late, results: Vec::new() }),
        // Only an answer that would close a circle of agents ends a delivery whose agent says it is done.
        Ok(_) => {
            let detail =
                "the answer would make the chain of causes too long: the delivery is a dead letter now";
            let problem = Problem::new(Code::LoopDetected, detail).at("#/publish", detail);
            Err(Box::new(
                problem.hint("agents answer each other in a circle: let one of their filters end it"),
            ))
        }
        Err(Failed::Refused(Refusal::DeliveryUnknown { .. })) => Err(unknown(id)),
        Err(failed) => Err(problem::of(failed, Place::Answer)),
    })
}

/// Returns the publish of an answer without events.
fn no_events(actor: &Text) -> Publish {
    Publish {
        events: Vec::new(),
        expected_revision: None,
        auto_create: false,
        actor: actor.clone(),
        agent: None,
        idempotency: None,
    }
}

async fn settle(
    app: &App,
    id: &str,
    token: &str,
    publish: Vec<Box<RawValue>>,
    actor: Text,
) -> Result<Acked, Box<Problem>> {
    let (delivery, token) = ids(id, token)?;
    let answering = if publish.is_empty() { None } else { Some(answered(app, id, delivery).await?) };
    let publishing = match &answering {
        None => nothing(&actor),
        Some((event, agent)) => read(app, publish, event, agent, &actor)?,
    };
    let event = answering.map(|(event, _)| event);
    for _ in 0..STALE_TRIES_MAX {
        let publish = app.handle.admit(&publishing);
        let publish = publish.map_err(|refusal| problem::of_refusal(&refusal, Place::Answer))?;
        let settle = settled_by(delivery, token, publish, event.clone(), actor.clone());
        let answer = app.handle.submit(Command::Settle(Box::new(settle))).await;
        if let Some(said) = said(answer, id) {
            return said;
        }
    }
    Err(problem::of(Failed::Overloaded, Place::Answer))
}

fn settled_by(
    delivery: DeliveryId,
    token: Token,
    publish: Publish,
    event: Option<Arc<Event>>,
    actor: Text,
) -> Settle {
    let outcome = Outcome::Ack(Ok(Box::new(publish)));
    Settle { delivery, token, outcome, event, on_failure: None, refusal_fails: false, actor }
}

fn nothing(actor: &Text) -> Publishing {
    Publishing {
        drafts: Vec::new(),
        expected_revision: None,
        actor: actor.clone(),
        agent: None,
        idempotency: None,
    }
}

/// Returns what is answered, and who answers.
async fn answered(
    app: &App,
    id: &str,
    delivery: DeliveryId,
) -> Result<(Arc<Event>, AgentName), Box<Problem>> {
    let failed = |failed| problem::of(failed, Place::Answer);
    let found = app.read_log(move |reader| lookup::at(reader, delivery.position)).await.map_err(failed)?;
    let agent = app.handle.read(move |coordinator, _| {
        coordinator.state.subscriptions.get(&delivery.subscription).map(|it| it.id.agent.clone())
    });
    let agent = agent.await.map_err(failed)?;
    found.map(|found| found.event).zip(agent).ok_or_else(|| unknown(id))
}

/// Reads the events of an answer and fills their blanks from what they answer.
fn read(
    app: &App,
    publish: Vec<Box<RawValue>>,
    event: &Arc<Event>,
    agent: &AgentName,
    actor: &Text,
) -> Result<Publishing, Box<Problem>> {
    let limits = app.options.limits;
    if publish.len() > limits.batch_events {
        let detail = format!("has more than {} events", limits.batch_events);
        let problem = Problem::new(Code::BatchTooLarge, format!("`publish` {detail}"));
        return Err(Box::new(problem.at("#/publish", detail)));
    }
    let reader = Reader::new(&limits).with_source(agent.as_str());
    let answering = Answering { event, agent, now: app.now() };
    let mut drafts = Vec::with_capacity(publish.len());
    for (index, raw) in publish.iter().enumerate() {
        let draft = reader.raw(raw).and_then(|draft| fill(draft, &answering));
        drafts.push(draft.map_err(|problem| Box::new(problem.under(&Place::Answer.pointer(index))))?);
    }
    Ok(Publishing { drafts, agent: Some(agent.clone()), ..nothing(actor) })
}

pub(super) async fn nack(mut call: Call) -> Answered {
    let nack: Nack = call.json().await?;
    let id = call.param("id").to_owned();
    let (delivery, token) = ids(&id, &nack.token)?;
    let class = match nack.class.as_deref() {
        None => Class::TemporaryFailure,
        Some(word) => Class::parse(word).ok_or_else(|| {
            let words = Class::ALL.map(Class::as_str).join(", ");
            let shown: String = word.chars().take(60).collect();
            let detail = format!("`{shown}` is no class of failure; the classes are {words}");
            Box::new(Problem::new(Code::ParameterInvalid, detail.clone()).at("#/class", detail))
        })?,
    };
    let failure = Failure {
        class,
        message: Text::from(cut(nack.reason.as_deref().unwrap_or("the agent says that it failed"))),
        exit_code: None,
        status: None,
        output_tail: None,
        delay: nack.delay.map(time::span),
        refusal: None,
    };
    let actor = call.caller.actor.clone();
    let outcome = Outcome::Nack(failure);
    let settle =
        Settle { delivery, token, outcome, event: None, on_failure: None, refusal_fails: false, actor };
    let nacked = match call.app.handle.submit(Command::Settle(Box::new(settle))).await {
        Ok(Answer::Settled(Settled::Retrying(due))) => {
            Nacked { status: NackStatus::Retrying, next_at: Some(time::text(due)), dead_letter: None }
        }
        Ok(Answer::Settled(Settled::Dead(dead))) => {
            let opened_at = call.app.handle.read(move |coordinator, _| {
                coordinator.state.dead_letters.get(&dead).map(|dead| dead.opened_at)
            });
            let opened_at = opened_at.await.ok().flatten().unwrap_or_else(|| call.app.now());
            let dead_letter = Some(dead.display(opened_at));
            Nacked { status: NackStatus::Dead, next_at: None, dead_letter }
        }
        Ok(Answer::Settled(Settled::Late)) => {
            Nacked { status: NackStatus::Late, next_at: None, dead_letter: None }
        }
        Ok(_) => {
            return Err(Box::new(Problem::new(Code::Internal, "a nack was answered with something else")));
        }
        Err(Failed::Refused(Refusal::DeliveryUnknown { .. })) => return Err(unknown(&id)),
        Err(failed) => return Err(problem::of(failed, Place::Alone)),
    };
    answer::ok(&nacked)
}

/// Cuts a reason at its limit, between two characters.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(REASON_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

pub(super) async fn progress(mut call: Call) -> Answered {
    let progress: Progress = call.json().await?;
    let id = call.param("id").to_owned();
    let (delivery, token) = ids(&id, &progress.token)?;
    match call.app.handle.submit(Command::Extend { delivery, token }).await {
        Ok(Answer::Extended(deadline)) => answer::ok(&Progressed { deadline: time::text(deadline) }),
        Ok(_) => Err(Box::new(Problem::new(Code::Internal, "a progress was answered with something else"))),
        Err(Failed::Refused(Refusal::DeliveryUnknown { .. })) => Err(unknown(&id)),
        Err(failed) => Err(problem::of(failed, Place::Alone)),
    }
}
