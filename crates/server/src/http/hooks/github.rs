//! GitHub's webhooks.

use bytes::Bytes;
use cantus_api::error::{Code, Problem};
use cantus_api::github;
use cantus_api::signature;
use cantus_core::Text;
use http::HeaderName;

use super::super::call::Call;
use super::super::route::Answered;
use super::{check_unsigned, hook, publish, required, unsigned};
use crate::auth::single;
use crate::body::Cap;

pub(super) async fn receive(mut call: Call) -> Answered {
    let hook = hook(&call)?;
    // Who may not publish learns it before the body is taken.
    let free = match &hook.secret {
        Some(_) => None,
        None => Some(check_unsigned(&call, call.peer)?),
    };
    let cap = Cap { bytes: call.limits().event_bytes, code: Code::EventTooLarge };
    let read = call.read(cap).await?;
    let actor = match (&hook.secret, free) {
        (None, Some(actor)) => actor,
        (Some(secret), _) => {
            let signature = single(&call.headers, &HeaderName::from_static("x-hub-signature-256"))?;
            // One secret per line, so that it can be changed.
            let secrets: Vec<&str> = secret.reveal().lines().map(str::trim).collect();
            signature::github::verify(&secrets, signature, &read.bytes)
                .map_err(|invalid| unsigned(&invalid.to_string()))?;
            Text::from(format!("hook:github/{}", call.param("name")))
        }
        (None, None) => return Err(unsigned("the webhook is not signed")),
    };
    let payload = payload(call.content_type()?, &read.bytes)?;
    let name = required(&call, "x-github-event")?;
    let delivery = single(&call.headers, &HeaderName::from_static("x-github-delivery"))?;
    let event = github::event(name, delivery, &payload)?;
    publish(&call, &hook, event, actor).await
}

/// Returns the payload: the body, or the member `payload` of a form, which GitHub sends when it is told to.
fn payload(content_type: Option<&str>, body: &Bytes) -> Result<Bytes, Box<Problem>> {
    let media = content_type.unwrap_or("").split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    match media.as_str() {
        "application/json" => Ok(body.clone()),
        "application/x-www-form-urlencoded" => form_payload(body).ok_or_else(|| {
            let detail = "the form has no member `payload`";
            Box::new(Problem::new(Code::EventInvalid, detail).at("#", detail))
        }),
        _ => {
            let detail = "GitHub sends application/json, or a form";
            let problem = Problem::new(Code::MediaTypeUnsupported, detail).at_header("content-type", detail);
            Err(Box::new(problem.hint("set the webhook's content type to application/json")))
        }
    }
}

fn form_payload(body: &[u8]) -> Option<Bytes> {
    let fields = body.split(|byte| *byte == b'&');
    let value = fields.into_iter().find_map(|field| field.strip_prefix(b"payload="))?;
    let (mut out, mut at) = (Vec::with_capacity(value.len()), 0);
    while let Some(byte) = value.get(at) {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digit = |at: usize| value.get(at).and_then(|byte| char::from(*byte).to_digit(16));
                out.push(u8::try_from(digit(at + 1)? * 16 + digit(at + 2)?).ok()?);
                at += 2;
            }
            byte => out.push(*byte),
        }
        at += 1;
    }
    Some(Bytes::from(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_carries_the_payload_encoded() {
        let form = Bytes::from_static(b"x=1&payload=%7B%22a%22%3A%22b+c%22%7D&y=2");
        let read = payload(Some("application/x-www-form-urlencoded"), &form).unwrap();
        assert_eq!(&read[..], br#"{"a":"b c"}"#);
        assert!(payload(Some("text/plain"), &form).unwrap_err().is(Code::MediaTypeUnsupported));
    }
}
