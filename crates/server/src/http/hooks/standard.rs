//! Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature` over `{id}.{timestamp}.{body}`.

use cantus_api::error::{Code, Problem};
use cantus_api::event::{Draft, Reader};
use cantus_api::signature::standard::{self, Received};
use cantus_api::signature::{Invalid, VerifyingKey};
use cantus_core::Text;

use super::super::call::Call;
use super::super::route::Answered;
use super::{check_unsigned, hook, publish, required, unsigned};
use crate::body::Cap;
use crate::convert::time;

pub(super) async fn receive(mut call: Call) -> Answered {
    let hook = hook(&call)?;
    let free = match &hook.secret {
        Some(_) => None,
        None => Some(check_unsigned(&call, call.peer)?),
    };
    let now = time::wall().0 / 1000;
    // What can be refused without the body is refused before it is read.
    let (id, timestamp) = match (&hook.secret, &free) {
        (Some(_), _) => {
            let id = standard::check_id(required(&call, standard::ID)?).map_err(problem)?.to_owned();
            let timestamp = required(&call, standard::TIMESTAMP)?.to_owned();
            standard::check_time(&timestamp, now).map_err(problem)?;
            (Some(id), timestamp)
        }
        (None, _) if call.headers.contains_key(standard::ID) => {
            let id = standard::check_id(required(&call, standard::ID)?).map_err(problem)?.to_owned();
            (Some(id), String::new())
        }
        (None, _) => (None, String::new()),
    };
    let cap = Cap { bytes: call.limits().event_bytes, code: Code::EventTooLarge };
    let read = call.read(cap).await?;
    let actor = match (&hook.secret, free) {
        (Some(secret), _) => {
            let received = Received {
                id: id.as_deref(),
                timestamp: Some(&timestamp),
                signature: Some(required(&call, standard::SIGNATURE)?),
                body: &read.bytes,
            };
            standard::verify(&keys(secret.reveal())?, &received, now).map_err(problem)?;
            Text::from(format!("hook:{}", call.param("name")))
        }
        (None, Some(actor)) => actor,
        (None, None) => return Err(unsigned("the webhook is not signed")),
    };
    let limits = call.limits();
    let source = format!("/hooks/{}", call.param("name"));
    let mut headers: Vec<(&str, &[u8])> =
        vec![("ce-specversion", b"1.0"), ("ce-type", b"webhook.received"), ("ce-source", source.as_bytes())];
    // Only characters that a header of CloudEvents keeps as they are were let through.
    headers.extend(id.as_ref().map(|id| ("ce-id", id.as_bytes())));
    let content_type = call.content_type()?;
    let event = Reader::new(&limits).binary(content_type, &headers, &read.bytes).map(Draft::into_owned)?;
    publish(&call, &hook, event, actor).await
}

/// Returns the keys of a hook: one per line, so that a sender can change its secret.
fn keys(secret: &str) -> Result<Vec<VerifyingKey>, Box<Problem>> {
    let lines = secret.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(VerifyingKey::parse).collect::<Result<Vec<_>, _>>().map_err(|error| {
        tracing::error!(%error, "the secret of a hook is no Standard Webhooks secret");
        unsigned("the hook's secret is none for Standard Webhooks")
    })
}

fn problem(invalid: Invalid) -> Box<Problem> {
    let malformed = |header: &'static str| {
        let detail = invalid.to_string();
        Box::new(Problem::new(Code::RequestInvalid, detail.clone()).at_header(header, detail))
    };
    match invalid {
        Invalid::Id => malformed(standard::ID),
        Invalid::Timestamp => malformed(standard::TIMESTAMP),
        Invalid::TooOld(_) | Invalid::TooNew(_) => {
            Box::new(Problem::new(Code::SignatureInvalid, invalid.to_string()).hint(
                "check the clocks of both sides; a webhook that was kept can not be sent again as it is",
            ))
        }
        other => unsigned(&other.to_string()),
    }
}
