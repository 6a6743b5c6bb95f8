//! Standard Webhooks: signed is `{id}.{timestamp}.{body}`, the body as its bytes are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Invalid, SigningKey, VerifyingKey};

/// The header with the id: the same for every attempt at one delivery.
pub const ID: &str = "webhook-id";
/// The header with the time of the attempt, in seconds since 1970.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// The header with the signatures, separated by spaces.
pub const SIGNATURE: &str = "webhook-signature";
/// How far the time of a webhook may lie from ours, in seconds, either way.
pub const TOLERANCE_SECONDS: i64 = 300;
/// How many signatures are looked at: whoever changes a secret sends two.
pub const SIGNATURES_MAX: usize = 32;
const ID_BYTES_MAX: usize = 256;

/// A webhook that came, as far as its signature goes.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// The header `webhook-id`, when it is there.
    pub id: Option<&'a str>,
    /// The header `webhook-timestamp`, when it is there.
    pub timestamp: Option<&'a str>,
    /// The header `webhook-signature`, when it is there.
    pub signature: Option<&'a str>,
    /// The body's bytes.
    pub body: &'a [u8],
}

/// Returns the value of `webhook-signature`: one signature per key, in their order.
pub fn sign(keys: &[SigningKey], id: &str, timestamp: i64, body: &[u8]) -> String {
    let timestamp = timestamp.to_string();
    let parts = signed(id, &timestamp, body);
    let one = |key: &SigningKey| format!("{},{}", key.version(), STANDARD.encode(key.sign(&parts)));
    keys.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// Checks a webhook with any of the keys, by a clock that says `now`, in seconds since 1970.
///
/// # Errors
/// When a header is missing or wrong, the time is too far away, or no signature is right.
pub fn verify(keys: &[VerifyingKey], webhook: &Received<'_>, now: i64) -> Result<(), Invalid> {
    let id = check_id(webhook.id.ok_or(Invalid::Missing(ID))?)?;
    let timestamp = webhook.timestamp.ok_or(Invalid::Missing(TIMESTAMP))?;
    check_time(timestamp, now)?;
    let signatures = webhook.signature.ok_or(Invalid::Missing(SIGNATURE))?;
    let signatures: Vec<&str> =
        signatures.split(' ').filter(|one| !one.is_empty()).take(SIGNATURES_MAX + 1).collect();
    if signatures.len() > SIGNATURES_MAX {
        return Err(Invalid::TooManySignatures);
    }
    let known = |one: &&str| matches!(one.split_once(','), Some(("v1" | "v1a", _)));
    if !signatures.iter().any(known) {
        return Err(Invalid::NoKnownVersion);
    }
    let parts = signed(id, timestamp, webhook.body);
    let right = signatures.iter().any(|one| {
        let Some((version, text)) = one.split_once(',') else { return false };
        let Ok(told) = STANDARD.decode(text) else { return false };
        keys.iter().any(|key| key.is_signed(version, &parts, &told))
    });
    if right { Ok(()) } else { Err(Invalid::NoMatch) }
}

/// Checks an id. A dot would leave open where the id ends and the time begins in what is signed.
///
/// # Errors
/// When it has other characters, or too many.
pub fn check_id(id: &str) -> Result<&str, Invalid> {
    let legal = !id.is_empty()
        && id.len() <= ID_BYTES_MAX
        && id.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'.' | b'%' | b'"'));
    if legal { Ok(id) } else { Err(Invalid::Id) }
}

/// Checks that a webhook is of now: what is older may be a copy that somebody kept.
///
/// # Errors
/// When the text is no time, or one too far away.
pub fn check_time(text: &str, now: i64) -> Result<(), Invalid> {
    let digits = !text.is_empty() && text.len() <= 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    let told: i64 = text.parse().ok().filter(|_| digits).ok_or(Invalid::Timestamp)?;
    let age = now.saturating_sub(told);
    if age > TOLERANCE_SECONDS {
        return Err(Invalid::TooOld(age));
    }
    if age < -TOLERANCE_SECONDS {
        return Err(Invalid::TooNew(-age));
    }
    Ok(())
}

fn signed<'a>(id: &'a str, timestamp: &'a str, body: &'a [u8]) -> [&'a [u8]; 5] {
    [id.as_bytes(), b".", timestamp.as_bytes(), b".", body]
}
