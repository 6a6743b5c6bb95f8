//! Asking a receiver for its permission first, as the CloudEvents specification of webhooks says: `OPTIONS` with who asks, answered
//! with who may and how often.
//!
//! A permission is remembered until the definition changes or the server stops, and asked for again then: a receiver may have
//! changed its mind meanwhile, and one question per start costs less than a promise that is out of date. How often is obeyed:
//! attempts wait for their turn.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use cantus_core::subscription::WebhookAction;
use cantus_core::subscription::retry::{Class, Failure};
use http::{HeaderMap, Method, Request};
use http_body_util::Full;
use tokio::time::Instant;

use super::super::outcome::failure;
use super::answer;
use super::client::Clients;
use super::secrets::Secrets;

/// The header that says who asks.
pub(super) const REQUEST_ORIGIN: &str = "webhook-request-origin";
/// The header that says how many attempts a minute are wished for.
const REQUEST_RATE: &str = "webhook-request-rate";
const ALLOWED_ORIGIN: &str = "webhook-allowed-origin";
const ALLOWED_RATE: &str = "webhook-allowed-rate";

/// What receivers have permitted, by the number of the subscription.
#[derive(Default)]
pub(super) struct Permissions(Mutex<HashMap<u32, Arc<tokio::sync::Mutex<Option<Permission>>>>>);

/// What a receiver has permitted.
struct Permission {
    /// For which definition.
    action: WebhookAction,
    /// For how many attempts a minute.
    wished: Option<u64>,
    /// How long lies between two attempts.
    pace: Option<Duration>,
    /// When the next attempt may go.
    next: Instant,
}

impl Permissions {
    /// Asks, unless that was done before, and returns how long this attempt has to wait for its turn.
    ///
    /// # Errors
    /// When the receiver does not permit it, or does not answer.
    pub(super) async fn turn(
        &self,
        number: u32,
        action: &WebhookAction,
        wished: Option<u64>,
        ask: impl AsyncFnOnce() -> Result<Option<Duration>, Failure>,
    ) -> Result<Duration, Failure> {
        let place = self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(number).or_default().clone();
        // One asks, the others wait for the answer.
        let mut place = place.lock().await;
        let known = place.take().filter(|known| known.action == *action && known.wished == wished);
        let mut permission = match known {
            Some(known) => known,
            None => {
                let pace = ask().await?;
                Permission { action: action.clone(), wished, pace, next: Instant::now() }
            }
        };
        let now = Instant::now();
        let turn = permission.next.max(now);
        permission.next = turn + permission.pace.unwrap_or_default();
        *place = Some(permission);
        Ok(turn - now)
    }
}

/// Asks a receiver, `wished` attempts a minute if that many are set. Returns how long has to lie between two attempts.
pub(super) async fn ask(
    clients: &Clients,
    action: &WebhookAction,
    secrets: &Secrets,
    origin: &str,
    wished: Option<u64>,
) -> Result<Option<Duration>, Failure> {
    let mut request =
        Request::builder().method(Method::OPTIONS).uri(action.url.as_str()).header(REQUEST_ORIGIN, origin);
    if let Some(wished) = wished {
        request = request.header(REQUEST_RATE, wished);
    }
    for (name, value) in &secrets.headers {
        request = request.header(name.as_str(), value.as_str());
    }
    let request = request.body(Full::new(Bytes::new())).map_err(|error| {
        failure(Class::Rejected, &format!("the receiver can not be asked for its permission: {error}"))
    })?;
    let timeout = Duration::from_millis(action.timeout.0);
    let asked = clients.exchange(action, request, timeout).await;
    let answered = asked.map_err(|error| answer::unanswered(&error))?;
    if !answered.status.is_success() {
        let mut failed = answer::failed(&answered, secrets, std::time::SystemTime::now());
        failed.message =
            format!("asked for its permission (`handshake: true`), {}", failed.message).as_str().into();
        return Err(failed);
    }
    let permitted = header(&answered.headers, ALLOWED_ORIGIN);
    if permitted != Some("*") && permitted.is_none_or(|permitted| !permitted.eq_ignore_ascii_case(origin)) {
        let message = format!(
            "the receiver does not permit events from `{origin}`: it answered OPTIONS without WebHook-Allowed-Origin for it; \
             let it answer so, or remove `handshake: true`"
        );
        return Err(failure(Class::Rejected, &message));
    }
    Ok(pace(header(&answered.headers, ALLOWED_RATE)))
}

/// Returns how long lies between two attempts when so many are allowed per minute.
fn pace(rate: Option<&str>) -> Option<Duration> {
    let per_minute: u32 = rate?.trim().parse().ok().filter(|rate| *rate > 0)?;
    Some(Duration::from_secs(60) / per_minute)
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_attempts_per_minute_and_a_star_is_none() {
        for (text, expected) in [
            (Some("120"), Some(Duration::from_millis(500))),
            (Some("1"), Some(Duration::from_secs(60))),
            (Some("*"), None),
            (Some("0"), None),
            (Some("-3"), None),
            (None, None),
        ] {
            assert_eq!(pace(text), expected, "{text:?}");
        }
    }
}
