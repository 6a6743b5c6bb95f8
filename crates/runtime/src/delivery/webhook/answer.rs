//! What an answer means: from a status and its headers to a class, as retry policies name them.

use std::time::{Duration, SystemTime};

use cantus_core::subscription::retry::{Class, Failure};
use cantus_core::{Span, Text};
use http::{StatusCode, header};

use super::super::outcome::{TAIL_MAX, failure};
use super::client::{Answer, ExchangeError};
use super::secrets::Secrets;

/// The longest pause a receiver may ask for: one that asks for years is not obeyed for years.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);

/// Returns the class of a status that is no success.
pub(super) fn class(status: StatusCode, retry_after: bool) -> Class {
    match status.as_u16() {
        408 => Class::Timeout,
        429 | 502 | 503 | 504 if retry_after => Class::Throttled,
        429 | 502 | 503 | 504 => Class::Unavailable,
        425 | 500..=599 => Class::TemporaryFailure,
        400 | 413 | 415 | 422 => Class::InvalidPayload,
        401 | 403 => Class::Unauthorized,
        _ => Class::Rejected,
    }
}

/// Returns the failure that an answer means, which is no success.
pub(super) fn failed(answer: &Answer, secrets: &Secrets, now: SystemTime) -> Failure {
    let told = answer.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = told.and_then(|text| retry_after(text, now));
    let status = answer.status;
    let class = class(status, retry_after.is_some());
    let name = status.canonical_reason().unwrap_or("");
    let mut message = format!("the receiver answered {} {name}", status.as_u16()).trim_end().to_owned();
    if status.is_redirection() {
        message.push_str("; redirects are not followed: declare the place it should go to");
    }
    // A pause of nothing leaves the pause to the policy.
    let delay = retry_after.filter(|pause| !pause.is_zero());
    let delay = matches!(class, Class::Throttled | Class::TemporaryFailure).then_some(delay).flatten();
    Failure {
        status: Some(status.as_u16()),
        output_tail: tail(answer, secrets),
        delay: delay.map(|pause| Span(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX))),
        ..failure(class, &message)
    }
}

/// Returns the failure that a status means, with the seconds its receiver asks for; None when it is a success.
#[cfg(feature = "simulation")]
pub(crate) fn failure_of(status: u16, retry_after: Option<u64>) -> Option<Failure> {
    let status = StatusCode::from_u16(status).ok().filter(|status| !status.is_success())?;
    let pause = retry_after.map(|seconds| (header::RETRY_AFTER, http::HeaderValue::from(seconds)));
    let headers = http::HeaderMap::from_iter(pause);
    let answer = Answer { status, headers, body: bytes::Bytes::new() };
    Some(failed(&answer, &Secrets::none(), SystemTime::UNIX_EPOCH))
}

/// Returns the failure of an exchange that did not come to an end.
pub(super) fn unanswered(error: &ExchangeError) -> Failure {
    failure(error.class(), &error.to_string())
}

/// Returns the end of an answer's body, as far as it is text that may be shown.
pub(super) fn tail(answer: &Answer, secrets: &Secrets) -> Option<Text> {
    let packed = answer.headers.get(header::CONTENT_ENCODING);
    if packed.is_some_and(|encoding| encoding.as_bytes() != b"identity") || answer.body.is_empty() {
        return None;
    }
    // Secrets go before the text is cut, so that no half of one is left.
    let text = secrets.hide(String::from_utf8_lossy(&answer.body).into_owned());
    let mut from = text.len().saturating_sub(TAIL_MAX);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    Some(Text::from(&text[from..]))
}

/// Reads `Retry-After`: seconds, or a time. None when it is neither.
fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // So many digits that they are no number any more still mean very long.
        let seconds = text.parse::<u64>().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    Some(at.duration_since(now).unwrap_or_default().min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_the_class_of_the_contract() {
        for (status, retry_after, expected) in [
            (408, false, Class::Timeout),
            (429, true, Class::Throttled),
            (429, false, Class::Unavailable),
            (502, false, Class::Unavailable),
            (503, true, Class::Throttled),
            (504, false, Class::Unavailable),
            (425, true, Class::TemporaryFailure),
            (500, true, Class::TemporaryFailure),
            (507, false, Class::TemporaryFailure),
            (400, false, Class::InvalidPayload),
            (413, false, Class::InvalidPayload),
            (415, false, Class::InvalidPayload),
            (422, false, Class::InvalidPayload),
            (401, false, Class::Unauthorized),
            (403, false, Class::Unauthorized),
            (404, false, Class::Rejected),
            (410, false, Class::Rejected),
            (301, false, Class::Rejected),
            (308, false, Class::Rejected),
        ] {
            assert_eq!(class(StatusCode::from_u16(status).unwrap(), retry_after), expected, "{status}");
        }
    }

    #[test]
    fn a_pause_is_seconds_or_a_time_and_never_longer_than_a_day() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        for (text, seconds) in [
            ("7", Some(7)),
            ("0", Some(0)),
            ("1000000000000", Some(86_400)),
            ("99999999999999999999999999", Some(86_400)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(retry_after(text, now), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
