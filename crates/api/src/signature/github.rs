//! GitHub's signature: `sha256=` and the HMAC of the body in hexadecimal digits. Its secret is any text.

use aws_lc_rs::hmac;

use super::Invalid;

/// The header with the signature.
pub const SIGNATURE: &str = "x-hub-signature-256";

/// Returns the value of `X-Hub-Signature-256`.
pub fn sign(secret: &str, body: &[u8]) -> String {
    let tag = hmac::sign(&key(secret), body);
    let digits: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={digits}")
}

/// Checks the value of `X-Hub-Signature-256` over the body's bytes, with any of the secrets.
///
/// # Errors
/// When it is missing, not in its form, or not that of the body.
pub fn verify(secrets: &[&str], signature: Option<&str>, body: &[u8]) -> Result<(), Invalid> {
    let signature = signature.ok_or(Invalid::Missing(SIGNATURE))?;
    let told = signature.strip_prefix("sha256=").and_then(from_hex).ok_or(Invalid::HubForm)?;
    let right = secrets.iter().any(|secret| hmac::verify(&key(secret), body, &told).is_ok());
    if right { Ok(()) } else { Err(Invalid::HubNoMatch) }
}

fn key(secret: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 {
        return None;
    }
    let digits: Option<Vec<u8>> =
        text.chars().map(|letter| letter.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    Some(digits?.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}
