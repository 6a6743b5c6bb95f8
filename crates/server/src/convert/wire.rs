//! What agents' programs see of an event, and what they say in return.

use bytes::Bytes;
use cantus_api::error::{Code, Problem};
use cantus_api::event as wire;
use cantus_api::signature::{SigningKey, standard};
use cantus_core::event::Event;
use cantus_core::subscription::Mode;
use cantus_core::{Refusal, Text};
use cantus_runtime::delivery::webhook::{Message, WebhookWire};
use cantus_runtime::{Answering, Draft, Parts, Wire};

use super::event::{self, Blanks, Cause};

/// CloudEvents for programs: rendered for their standard input, read from their standard output.
#[derive(Clone, Debug, Default)]
pub struct CloudEvents {
    /// How large an event of an answer may be.
    pub limits: wire::Limits,
}

impl Wire for CloudEvents {
    fn render(&self, event: &Event) -> Vec<u8> {
        let mut out = Vec::new();
        event::with_view(event, |view| wire::write_line(&mut out, view, wire::Shape::CloudEvent));
        out
    }

    fn attributes(&self, event: &Event) -> Vec<(String, String)> {
        event::with_view(event, |view| {
            let hops = event.hops.to_string();
            let fields = [
                ("specversion", Some("1.0")),
                ("id", view.id),
                ("type", Some(view.event_type)),
                ("source", Some(view.source)),
                ("subject", view.subject),
                ("time", view.time),
                ("kind", Some(event.kind.as_str())),
                ("eventversion", view.version),
                ("correlationid", view.correlation_id),
                ("causationid", view.causation_id),
                ("hops", Some(&*hops)),
                ("to", view.to),
                ("topic", view.topic),
                ("partitionkey", view.partition_key),
                ("priority", Some(event.priority.as_str())),
                ("stream", view.stream),
                ("expirytime", view.expires_at),
                ("deliverat", view.deliver_at),
                ("dataschema", view.data_schema),
                ("datacontenttype", view.content_type),
                ("traceparent", view.trace_parent),
                ("tracestate", view.trace_state),
            ];
            let known =
                fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
            // Names with a dot belong to envelopes alone.
            let more = view.extensions.iter().filter(|(name, _)| !name.contains('.'));
            known
                .chain(more.map(|(name, json)| ((*name).to_owned(), wire::canonical(json).into_owned())))
                .collect()
        })
    }

    fn read_answer(&self, json: &[u8], answering: &Answering<'_>) -> Result<Draft, Refusal> {
        let body = Bytes::copy_from_slice(json);
        let reader = wire::Reader::new(&self.limits).with_source(answering.agent.as_str());
        let draft = reader.event(&body).map_err(|problem| refusal(&problem))?;
        answer(draft, answering).map_err(|problem| refusal(&problem))
    }

    fn compose(&self, parts: Parts, answering: &Answering<'_>) -> Result<Draft, Refusal> {
        let data = parts.data.map(|(bytes, media_type)| {
            let form = if wire::is_json(Some(media_type)) {
                wire::Form::Json
            } else if std::str::from_utf8(&bytes).is_ok() && media_type.starts_with("text/") {
                wire::Form::Text
            } else {
                wire::Form::Binary
            };
            (wire::Data { bytes, form }, media_type)
        });
        let content_type = data.as_ref().map(|(_, media_type)| (*media_type).to_owned());
        let draft = wire::Event {
            id: parts.id.map(|id| id.to_string()),
            source: answering.agent.as_str().to_owned(),
            event_type: parts.event_type.to_string(),
            topic: parts.topic.map(|topic| topic.to_string()),
            // What is made of an event keeps its place among its kind.
            partition_key: answering.event.partition_key.as_ref().map(ToString::to_string),
            subject: answering.event.subject.as_ref().map(ToString::to_string),
            content_type,
            data: data.map(|(data, _)| data),
            ..wire::Event::default()
        };
        answer(draft, answering).map_err(|problem| refusal(&problem))
    }
}

impl WebhookWire for CloudEvents {
    fn message(&self, event: &Event, mode: Mode) -> Message {
        match mode {
            Mode::Binary => {
                let headers = event::with_view(event, wire::to_headers);
                let body = event.data.as_ref().map(|data| data.bytes.0.clone()).unwrap_or_default();
                Message { headers, body }
            }
            Mode::Structured => {
                let mut body = Vec::new();
                event::with_view(event, |view| wire::write(&mut body, view, wire::Shape::CloudEvent));
                let content_type = "application/cloudevents+json; charset=UTF-8".to_owned();
                Message { headers: vec![("content-type".to_owned(), content_type)], body: body.into() }
            }
        }
    }

    fn sign(&self, secrets: &[String], id: &str, timestamp: i64, body: &[u8]) -> Result<String, String> {
        let keys: Result<Vec<_>, _> = secrets.iter().map(|secret| SigningKey::parse(secret)).collect();
        let keys = keys.map_err(|error| error.to_string())?;
        Ok(standard::sign(&keys, id, timestamp, body))
    }

    fn read_response(
        &self,
        headers: &http::HeaderMap,
        body: &Bytes,
        answering: &Answering<'_>,
    ) -> Result<Vec<Draft>, Refusal> {
        let content_type = match headers.get(http::header::CONTENT_TYPE).map(|value| value.to_str()) {
            None => None,
            Some(Ok(text)) => Some(text),
            Some(Err(_)) => {
                let problem =
                    Problem::new(Code::MediaTypeUnsupported, "the answer's Content-Type is no text");
                return Err(refusal(&problem));
            }
        };
        let pairs: Vec<(&str, &[u8])> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let reader = wire::Reader::new(&self.limits).with_source(answering.agent.as_str());
        let drafts = reader.request(content_type, &pairs, body).map_err(|problem| refusal(&problem))?;
        let filled = drafts.into_iter().enumerate().map(|(index, draft)| {
            answer(draft, answering).map_err(|problem| at_index(refusal(&problem), index))
        });
        filled.collect()
    }
}

fn at_index(refusal: Refusal, at: usize) -> Refusal {
    match refusal {
        Refusal::EventInvalid { message, code, pointer, .. } => {
            Refusal::EventInvalid { message, code, pointer, index: at }
        }
        other => other,
    }
}

/// Fills the blanks of an event of an agent's answer: topic, story, cause and hops come from the event it answers.
///
/// # Errors
/// As [`event::fill`].
pub fn answer<T: AsRef<str>>(
    draft: wire::Event<T>,
    answering: &Answering<'_>,
) -> Result<Draft, Box<Problem>> {
    let cause = Cause::of(answering.event);
    let trace_parent = answering.event.trace_parent.clone();
    let blanks = Blanks {
        topic: None,
        topic_default: Some(&answering.event.topic),
        now: answering.now,
        cause: Some(&cause),
        trace_parent: trace_parent.as_deref(),
    };
    event::fill(draft, &blanks)
}

fn refusal(problem: &Problem) -> Refusal {
    let pointer = problem.errors.first().and_then(|fault| fault.pointer.as_deref());
    Refusal::EventInvalid {
        message: Text::from(problem.detail.as_str()),
        code: Text::from(&*problem.code),
        pointer: pointer.map(Text::from),
        index: 0,
    }
}
