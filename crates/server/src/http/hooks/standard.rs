//! Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature` over `{id}.{timestamp}.{body}`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cantus_api::error::{Code, Problem};
use cantus_api::event::{Draft, Reader};
use cantus_core::Text;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::super::call::Call;
use super::super::route::Answered;
use super::{check_unsigned, hook, publish, required, unsigned};
use crate::body::Cap;
use crate::convert::time;

/// How far the time of a webhook may lie from ours, in seconds, either way.
const TOLERANCE_SECONDS: i64 = 300;
/// How many signatures are looked at: a sender that changes its secret sends two.
const SIGNATURES_MAX: usize = 32;
const ID_BYTES_MAX: usize = 256;
const SECRET_PREFIX: &str = "whsec_";

pub(super) async fn receive(mut call: Call) -> Answered {
    let hook = hook(&call)?;
    let free = match &hook.secret {
        Some(_) => None,
        None => Some(check_unsigned(&call, call.peer)?),
    };
    let (id, timestamp) = match (&hook.secret, &free) {
        (Some(_), _) => {
            let id = checked_id(required(&call, "webhook-id")?)?.to_owned();
            let timestamp = required(&call, "webhook-timestamp")?.to_owned();
            check_time(&timestamp, time::wall().0 / 1000)?;
            (Some(id), timestamp)
        }
        (None, _) => {
            let id = call.headers.contains_key("webhook-id");
            (
                if id { Some(checked_id(required(&call, "webhook-id")?)?.to_owned()) } else { None },
                String::new(),
            )
        }
    };
    let cap = Cap { bytes: call.limits().event_bytes, code: Code::EventTooLarge };
    let read = call.read(cap).await?;
    let actor = match (&hook.secret, free) {
        (Some(secret), _) => {
            let signed = Signed { id: id.as_deref().unwrap_or(""), timestamp: &timestamp, body: &read.bytes };
            verify(secret.reveal(), required(&call, "webhook-signature")?, &signed)?;
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

fn checked_id(id: &str) -> Result<&str, Box<Problem>> {
    let legal = !id.is_empty()
        && id.len() <= ID_BYTES_MAX
        && id.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'.' | b'%' | b'"'));
    if legal {
        return Ok(id);
    }
    let detail = "must be 1 to 256 visible characters without . % and \"";
    let problem = Problem::new(Code::RequestInvalid, format!("the header webhook-id {detail}"));
    Err(Box::new(problem.at_header("webhook-id", detail)))
}

/// Checks that the webhook is of now: what is older may be a copy somebody kept.
fn check_time(text: &str, now_seconds: i64) -> Result<(), Box<Problem>> {
    let digits = !text.is_empty() && text.len() <= 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    let told: i64 = text.parse().ok().filter(|_| digits).ok_or_else(|| {
        let detail = "must be seconds since 1970, in digits";
        let problem = Problem::new(Code::RequestInvalid, format!("the header webhook-timestamp {detail}"));
        Box::new(problem.at_header("webhook-timestamp", detail))
    })?;
    if (told - now_seconds).abs() <= TOLERANCE_SECONDS {
        return Ok(());
    }
    let problem =
        Problem::new(Code::SignatureInvalid, "the time of the webhook is more than 5 minutes from ours");
    Err(Box::new(
        problem
            .hint("check the clocks of both sides; a webhook that was kept can not be sent again as it is"),
    ))
}

/// What a signature is over.
struct Signed<'a> {
    id: &'a str,
    timestamp: &'a str,
    body: &'a [u8],
}

/// Checks that one of the signatures is right, in constant time.
fn verify(secret: &str, signatures: &str, signed: &Signed<'_>) -> Result<(), Box<Problem>> {
    let key = secret.strip_prefix(SECRET_PREFIX).and_then(|key| STANDARD.decode(key).ok());
    let Some(key) = key.filter(|key| !key.is_empty()) else {
        tracing::error!("the secret of a hook is no Standard Webhooks secret: whsec_ and base64");
        return Err(unsigned("the hook's secret is none for Standard Webhooks"));
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
    for part in [signed.id.as_bytes(), b".", signed.timestamp.as_bytes(), b".", signed.body] {
        mac.update(part);
    }
    let right = signatures.split(' ').filter(|one| !one.is_empty()).take(SIGNATURES_MAX).any(|one| {
        let told = one.strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok());
        told.is_some_and(|told| mac.clone().verify_slice(&told).is_ok())
    });
    if right {
        Ok(())
    } else {
        Err(unsigned("none of the signatures in webhook-signature is that of the body"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The vector of the specification's reference libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn signed(body: &[u8]) -> Signed<'_> {
        Signed { id: "msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp: "1614265330", body }
    }

    #[test]
    fn the_signature_is_that_of_the_specification() {
        let body = signed(br#"{"test": 2432232314}"#);
        assert!(verify(SECRET, SIGNATURE, &body).is_ok());
        assert!(verify(SECRET, &format!("v1a,AAAA v1, {SIGNATURE}"), &body).is_ok());
        for wrong in [
            "",
            "v1,",
            "v0,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE",
            "v1,g0hM9SsE",
        ] {
            assert!(verify(SECRET, wrong, &body).unwrap_err().is(Code::SignatureInvalid), "{wrong}");
        }
        assert!(verify(SECRET, SIGNATURE, &signed(br#"{"test":2432232314}"#)).is_err());
        assert!(verify("plain", SIGNATURE, &body).is_err());
    }

    #[test]
    fn a_webhook_is_of_now_or_is_refused() {
        let now = 1_614_265_330;
        for seconds in [-300, 0, 300] {
            assert!(check_time(&(now + seconds).to_string(), now).is_ok());
        }
        for wrong in
            ["1614265029", "1614265631", "1614265330000", "1614265330.5", "-1", "", "9223372036854775808"]
        {
            assert!(check_time(wrong, now).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_id_with_a_dot_is_refused() {
        assert!(checked_id("msg_1").is_ok());
        for wrong in ["", "a.b", "a b", "é", &"x".repeat(257)] {
            assert!(checked_id(wrong).is_err(), "{wrong}");
        }
    }
}
