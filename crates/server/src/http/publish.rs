//! Publishing: `POST /v1/events` and `POST /v1/topics/{topic}/events`.

mod relocate;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use axum::response::Response;
use bytes::Bytes;
use cantus_api::error::{Code, Problem};
use cantus_api::event::{self as wire, Reader};
use cantus_api::receipt::PublishQuery;
use cantus_core::agent::AgentName;
use cantus_core::command::Idempotency;
use cantus_core::topic::TopicName;
use cantus_runtime::{Draft, Failed, Publishing};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::answer;
use super::call::Call;
use super::route::{Answered, Route};
use crate::app::App;
use crate::auth::Right;
use crate::body::Cap;
use crate::convert::definition::topic_name;
use crate::convert::event::{Blanks, Cause, Shared, fill_sharing};
use crate::convert::{receipt, time};
use crate::idempotency;
use crate::lookup;
use crate::observe::{self, Sending};
use crate::problem::{self, Place, parameter};
use relocate::relocate;

/// Bodies up to this size are read at once.
const INLINE_BYTES_MAX: usize = 128 * 1024;

const MEDIA_TYPES: &[&str] = &[
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
    "application/json",
    "application/vnd.cantus.envelope+json",
    "application/x-ndjson",
    "*/*",
];

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post("/v1/events", to_any)
            .right(Right::Publish)
            .summary("Publishes events, all or none. Bare data is an event when the headers ce-… say so.")
            .query(&["topic", "expected_revision"])
            .body_of("Events", MEDIA_TYPES)
            .gives(202, "Receipts")
            .own_idempotency(),
        Route::post("/v1/topics/{topic}/events", to_topic)
            .right(Right::Publish)
            .summary("Publishes events to one topic, all or none.")
            .query(&["expected_revision"])
            .body_of("Events", MEDIA_TYPES)
            .gives(202, "Receipts")
            .own_idempotency(),
    ]
}

async fn to_any(call: Call) -> Answered {
    let query: PublishQuery = call.query()?;
    let topic = match &query.topic {
        Some(topic) => Some(topic_name(topic).map_err(|wrong| parameter_of("topic", &wrong))?),
        None => None,
    };
    publish(call, None, topic, query.expected_revision).await
}

async fn to_topic(call: Call) -> Answered {
    let query: PublishQuery = call.query()?;
    let topic = topic_name(call.param("topic"))?;
    publish(call, Some(topic), None, query.expected_revision).await
}

fn parameter_of(name: &str, wrong: &Problem) -> Box<Problem> {
    parameter(name, wrong.detail.clone())
}

async fn publish(
    mut call: Call,
    topic: Option<TopicName>,
    topic_default: Option<TopicName>,
    expected_revision: Option<u64>,
) -> Answered {
    let content_type = call.content_type()?.map(str::to_owned);
    let key = idempotency::key(&call.headers)?;
    let mode = Mode::of(content_type.as_deref(), &call.headers);
    let limits = call.limits();
    let cap = match mode {
        Mode::Binary | Mode::Structured => Cap { bytes: limits.event_bytes, code: Code::EventTooLarge },
        Mode::Json | Mode::Lines => Cap { bytes: limits.batch_bytes, code: Code::BatchTooLarge },
    };
    let read = call.read(cap).await?;
    let body = read.bytes.clone();
    let headers = ce_headers(&call.headers);
    let place = mode.place(&body);
    let told = |problem: Box<Problem>| relocate(problem, mode, &body);
    let sending = call.app.options.observation.begin_send(call.trace_parent());
    let context = sending.as_ref().map(Sending::trace_parent);
    let sent = Sent {
        content_type: content_type.clone(),
        headers: headers.clone(),
        body: body.clone(),
        place,
        topic,
        topic_default,
        trace_parent: context.or_else(|| call.trace_parent().map(str::to_owned)),
        limits,
    };
    let prepared = if body.len() <= INLINE_BYTES_MAX {
        sent.prepare()
    } else {
        // Long texts are read where they hold up nobody else's request.
        let prepared = tokio::task::spawn_blocking(move || sent.prepare()).await;
        prepared.map_err(|_| Box::new(Problem::new(Code::ShuttingDown, "the server is stopping")))?
    };
    let Prepared { drafts, causes } = match prepared {
        Ok(prepared) => prepared,
        // The reader knows where it read.
        Err(Unfit::Read(problem)) => return Err(problem),
        Err(Unfit::Filled(problem)) => return Err(told(problem)),
    };
    let drafts = settle(&call.app, drafts, causes, place).await.map_err(told)?;
    let idempotency = key.map(|key| identity(&call, &key, &headers, content_type.as_deref(), &body));
    let publishing = Publishing {
        agent: publisher(&drafts),
        drafts,
        expected_revision,
        actor: call.caller.actor.clone(),
        idempotency,
    };
    let about = sending.as_ref().and_then(|_| observe::Sent::of(&publishing.drafts));
    let (began, count) = (Instant::now(), publishing.drafts.len());
    let published = call.app.handle.publish(publishing).await;
    let published = published.map_err(|failed| told(problem::of(failed, place)));
    if let (Some(sending), Some(about)) = (sending, about) {
        let ended = published.as_ref().map(|(receipts, _)| receipts.as_slice());
        call.app.options.observation.end_send(sending, &about, ended.map_err(|problem| &*problem.code));
    }
    let (receipts, replayed) = published?;
    call.app.metrics.appended(count, began.elapsed());
    let mut response = answer::bytes(StatusCode::ACCEPTED, "application/json", receipt::write(&receipts));
    mark_replayed(&mut response, replayed);
    Ok(response)
}

/// Says that an answer was given before.
pub(super) fn mark_replayed(response: &mut Response, replayed: bool) {
    if replayed {
        response.headers_mut().insert(idempotency::REPLAYED, HeaderValue::from_static("true"));
    }
}

/// How events came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Binary,
    Structured,
    Json,
    Lines,
}

impl Mode {
    fn of(content_type: Option<&str>, headers: &HeaderMap) -> Mode {
        let media = content_type.unwrap_or("").split(';').next().unwrap_or("").trim().to_ascii_lowercase();
        if media.starts_with("application/cloudevents-batch") {
            return Mode::Json;
        }
        if media.starts_with("application/cloudevents") {
            return Mode::Structured;
        }
        if headers.keys().any(|name| name.as_str().starts_with("ce-")) {
            return Mode::Binary;
        }
        match media.as_str() {
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/json-lines" => Mode::Lines,
            _ => Mode::Json,
        }
    }

    fn place(self, body: &Bytes) -> Place {
        match self {
            Mode::Binary | Mode::Structured => Place::Alone,
            Mode::Lines => Place::Batch,
            Mode::Json => {
                let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
                if first == Some(&b'[') { Place::Batch } else { Place::Alone }
            }
        }
    }
}

fn ce_headers(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let ours = headers.iter().filter(|(name, _)| name.as_str().starts_with("ce-"));
    ours.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}

fn identity(
    call: &Call,
    key: &str,
    headers: &[(String, Vec<u8>)],
    content_type: Option<&str>,
    body: &[u8],
) -> Idempotency {
    let mut parts: Vec<&[u8]> = vec![content_type.unwrap_or("").as_bytes()];
    let mut headers: Vec<_> = headers.iter().collect();
    headers.sort_unstable();
    for (name, value) in headers {
        parts.extend([name.as_bytes(), value.as_slice()]);
    }
    parts.push(body);
    idempotency::identity(&call.caller.actor, key, &call.method, &call.uri, &parts)
}

/// Returns the agent that publishes: the source of all events, when it is an agent's address.
pub(super) fn publisher(drafts: &[Draft]) -> Option<AgentName> {
    let source = &drafts.first()?.event.source;
    let one = source.starts_with('/') && drafts.iter().all(|draft| draft.event.source == *source);
    AgentName::parse(source).ok().filter(|_| one)
}

/// Events whose blanks are filled, but for what must be looked up.
struct Prepared {
    drafts: Vec<Draft>,
    /// Events that name a cause and leave out what follows from it: which, and whether the correlation is among that.
    causes: Vec<(usize, bool)>,
}

/// What was sent to be published.
struct Sent {
    content_type: Option<String>,
    headers: Vec<(String, Vec<u8>)>,
    body: Bytes,
    place: Place,
    topic: Option<TopicName>,
    topic_default: Option<TopicName>,
    trace_parent: Option<String>,
    limits: wire::Limits,
}

/// Why what was sent can not be published: as it was read, or once its blanks were filled.
enum Unfit {
    Read(Box<Problem>),
    Filled(Box<Problem>),
}

impl Sent {
    /// Reads the events and fills their blanks.
    fn prepare(&self) -> Result<Prepared, Unfit> {
        let headers: Vec<(&str, &[u8])> =
            self.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let reader = Reader::new(&self.limits);
        let drafts = reader.request(self.content_type.as_deref(), &headers, &self.body);
        let blanks = Blanks {
            topic: self.topic.as_ref(),
            topic_default: self.topic_default.as_ref(),
            now: time::wall(),
            cause: None,
            trace_parent: self.trace_parent.as_deref(),
        };
        prepare(drafts.map_err(Unfit::Read)?, &blanks, self.place).map_err(Unfit::Filled)
    }
}

/// Fills the blanks of events that were read.
fn prepare(
    mut read: Vec<wire::Draft<'_>>,
    blanks: &Blanks<'_>,
    place: Place,
) -> Result<Prepared, Box<Problem>> {
    let mut drafts = Vec::with_capacity(read.len());
    let mut causes = Vec::new();
    let mut shared = Shared::default();
    for (index, draft) in read.iter_mut().enumerate() {
        let follows =
            draft.causation_id.is_some() && (draft.correlation_id.is_none() || draft.hops.is_none());
        if follows {
            causes.push((index, draft.correlation_id.is_none()));
        }
        let draft = fill_sharing(draft, blanks, &mut shared)
            .map_err(|problem| Box::new(problem.under(&place.pointer(index))))?;
        drafts.push(draft);
    }
    Ok(Prepared { drafts, causes })
}

/// Looks up what is missing: the stories of causes.
async fn settle(
    app: &App,
    mut drafts: Vec<Draft>,
    causes: Vec<(usize, bool)>,
    place: Place,
) -> Result<Vec<Draft>, Box<Problem>> {
    if causes.is_empty() {
        return Ok(drafts);
    }
    let here: HashMap<&str, ()> = drafts.iter().map(|draft| (draft.event.id.as_str(), ())).collect();
    let mut wanted: Vec<String> = causes
        .iter()
        .filter_map(|(index, _)| drafts[*index].event.causation_id.as_ref())
        .filter(|id| !here.contains_key(id.as_str()))
        .map(ToString::to_string)
        .collect();
    wanted.sort_unstable();
    wanted.dedup();
    let mut known = app
        .read_log(move |reader| {
            let mut known: HashMap<String, Cause> = HashMap::new();
            for id in wanted {
                // Of several sources the newest is the likelier one.
                if let Some(found) = lookup::by_id(reader, &id)?.last() {
                    known.insert(id, Cause::of(&found.event));
                }
            }
            Ok(known)
        })
        .await
        .map_err(|failed: Failed| problem::of(failed, place))?;
    let follows: HashMap<usize, bool> = causes.into_iter().collect();
    for (index, draft) in drafts.iter_mut().enumerate() {
        if let Some(correlation_too) = follows.get(&index)
            && let Some(cause) = draft.event.causation_id.as_ref().and_then(|id| known.get(id.as_str()))
        {
            let cause = cause.clone();
            let event = Arc::make_mut(&mut draft.event);
            event.hops = event.hops.max(cause.hops.saturating_add(1));
            if *correlation_too {
                event.correlation_id = cause.correlation_id;
            }
        }
        // A later event of the batch may name this one as its cause.
        known.insert(draft.event.id.to_string(), Cause::of(&draft.event));
    }
    Ok(drafts)
}
