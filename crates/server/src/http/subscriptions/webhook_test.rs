//! A test of a webhook: an event is sent, and what is answered is told. It is no delivery.

use bytes::Bytes;
use cantus_api::error::{Code, Problem};
use cantus_api::event as wire;
use cantus_api::subscription::WebhookTest;
use cantus_core::Coordinator;
use cantus_core::subscription::Action;
use cantus_core::topic::TopicName;
use cantus_runtime::Answering;
use serde_json::json;

use super::super::answer;
use super::super::call::Call;
use super::super::route::Answered;
use super::{Empty, id_of, unknown};
use crate::convert::definition::topic_name;
use crate::convert::event::{Blanks, fill};
use crate::convert::time;
use crate::problem::{self, Place};

/// The topic of a test event when the subscription listens to patterns only.
const TOPIC: &str = "test";

pub(super) async fn test(mut call: Call) -> Answered {
    let id = id_of(&call)?;
    let Empty {} = call.json().await?;
    let wanted = id.clone();
    let found = call.app.handle.read(move |coordinator: &Coordinator, _| {
        let it = coordinator.state.subscription(&wanted)?;
        let topic = it.definition().topics.iter().find_map(|topic| topic.literal().map(str::to_owned));
        Some(((it.number, it.definition().rate), it.definition().action.clone(), topic))
    });
    let found = found.await.map_err(|failed| problem::of(failed, Place::Alone))?;
    let (number, action, topic) = found.ok_or_else(|| unknown(&id.to_string()))?;
    let (Action::Webhook(webhook), Some(webhooks)) = (&action, call.app.handle.webhooks()) else {
        let detail =
            format!("`{id}` has the action `{}`; only a webhook has a receiver to test", action.as_str());
        return Err(Box::new(Problem::new(Code::SubscriptionInvalid, detail)));
    };
    let topic: TopicName =
        topic_name(topic.as_deref().filter(|name| !name.starts_with('$')).unwrap_or(TOPIC))?;
    let data = json!({"subscription": id.to_string(), "by": call.caller.actor.as_str()});
    let draft = wire::Event {
        source: "/cantus".to_owned(),
        event_type: "cantus.webhook.test".to_owned(),
        data: Some(wire::Data { bytes: Bytes::from(data.to_string()), form: wire::Form::Json }),
        content_type: Some("application/json".to_owned()),
        ..wire::Event::default()
    };
    let blanks = Blanks {
        topic: Some(&topic),
        now: time::wall(),
        trace_parent: call.trace_parent(),
        ..Blanks::default()
    };
    let event = fill(draft, &blanks)?.event;
    let answering = Answering { event: &event, agent: &id.agent, now: call.app.now() };
    let probe = webhooks.probe(number, &id.to_string(), webhook, &event, &answering).await;
    let refusal = probe.refusal.as_ref().map(ToString::to_string);
    let failure = probe.failure.as_ref();
    answer::ok(&WebhookTest {
        acknowledged: failure.is_none() && refusal.is_none(),
        status: probe.status,
        duration_ms: u64::try_from(probe.duration.as_millis()).unwrap_or(u64::MAX),
        class: failure
            .map(|failure| failure.class.as_str().to_owned())
            .or(refusal.is_some().then(|| "rejected".to_owned())),
        message: failure.map(|failure| failure.message.to_string()).or(refusal),
        answer: probe.answer.map(|text| text.to_string()),
        events: probe.events as u64,
        event: event.id.to_string(),
    })
}
