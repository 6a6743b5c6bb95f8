//! Keys: a shared secret for HMAC, or one half of a pair of Ed25519.

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const SECRET: &str = "whsec_";
const PRIVATE: &str = "whsk_";
const PUBLIC: &str = "whpk_";
/// How many bytes a secret of ours has.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// How many bytes a secret of others may have: not everybody keeps to the specification.
const FOREIGN_BYTES_MAX: usize = 256;

/// Why a text is no key. It never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// It is no base64.
    #[error("a secret is `whsec_` and base64; a key is `whsk_` (private) or `whpk_` (public) and base64")]
    Form,
    /// The secret has too few or too many bytes.
    #[error("a secret has {min} to {max} bytes, as base64 behind `whsec_`; this one has {0}", min = SECRET_BYTES.start(), max = SECRET_BYTES.end())]
    Length(usize),
    /// The bytes are no key of Ed25519.
    #[error("a key of Ed25519 has 32 bytes, or 64 with its public half, as base64")]
    Ed25519,
    /// A public key can not sign.
    #[error("`whpk_` is a public key: it checks, and can not sign; sign with `whsk_`")]
    PublicSigns,
    /// There is nothing.
    #[error("it is empty")]
    Empty,
}

/// What webhooks are signed with.
pub struct SigningKey(Signing);

enum Signing {
    Hmac(Box<hmac::Key>),
    Ed25519(Box<Ed25519KeyPair>),
}

impl SigningKey {
    /// Reads `whsec_…` (HMAC-SHA256, 24 to 64 bytes) or `whsk_…` (Ed25519). White space around it is dropped.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<SigningKey, InvalidKey> {
        let text = text.trim();
        if text.starts_with(PUBLIC) {
            return Err(InvalidKey::PublicSigns);
        }
        if let Some(key) = text.strip_prefix(PRIVATE) {
            return Ok(SigningKey(Signing::Ed25519(Box::new(pair(&decoded(key)?)?))));
        }
        let bytes = decoded(text.strip_prefix(SECRET).ok_or(InvalidKey::Form)?)?;
        if !SECRET_BYTES.contains(&bytes.len()) {
            return Err(InvalidKey::Length(bytes.len()));
        }
        Ok(SigningKey(Signing::Hmac(Box::new(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))))
    }

    /// Returns the version of its signatures.
    pub(super) fn version(&self) -> &'static str {
        match self.0 {
            Signing::Hmac(_) => "v1",
            Signing::Ed25519(_) => "v1a",
        }
    }

    pub(super) fn sign(&self, parts: &[&[u8]]) -> Vec<u8> {
        match &self.0 {
            Signing::Hmac(key) => mac(key, parts).sign().as_ref().to_vec(),
            Signing::Ed25519(pair) => pair.sign(&parts.concat()).as_ref().to_vec(),
        }
    }

    /// Returns what others check these signatures with, when it may be told: the public key as `whpk_…`.
    pub fn public(&self) -> Option<String> {
        match &self.0 {
            Signing::Hmac(_) => None,
            Signing::Ed25519(pair) => {
                Some(format!("{PUBLIC}{}", STANDARD.encode(pair.public_key().as_ref())))
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SigningKey(***)")
    }
}

/// What webhooks are checked with.
#[derive(Clone)]
pub struct VerifyingKey(Verifying);

#[derive(Clone)]
enum Verifying {
    Hmac(Box<hmac::Key>),
    Ed25519(Vec<u8>),
}

impl VerifyingKey {
    /// Reads `whsec_…` (the prefix may be left out), `whpk_…`, or `whsk_…`, of which the public half is taken.
    ///
    /// # Errors
    /// When it is none of these.
    pub fn parse(text: &str) -> Result<VerifyingKey, InvalidKey> {
        let text = text.trim();
        if let Some(key) = text.strip_prefix(PRIVATE) {
            let pair = pair(&decoded(key)?)?;
            return Ok(VerifyingKey(Verifying::Ed25519(pair.public_key().as_ref().to_vec())));
        }
        if let Some(key) = text.strip_prefix(PUBLIC) {
            let key = decoded(key)?;
            if key.len() != 32 {
                return Err(InvalidKey::Ed25519);
            }
            return Ok(VerifyingKey(Verifying::Ed25519(key)));
        }
        let bytes = decoded(text.strip_prefix(SECRET).unwrap_or(text))?;
        if bytes.len() > FOREIGN_BYTES_MAX {
            return Err(InvalidKey::Length(bytes.len()));
        }
        Ok(VerifyingKey(Verifying::Hmac(Box::new(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))))
    }

    /// Tells whether a signature of `version` is that of these bytes. A key only ever checks its own version: the public key of a
    /// pair is no secret, and must never be taken for one.
    pub(super) fn is_signed(&self, version: &str, parts: &[&[u8]], signature: &[u8]) -> bool {
        match (&self.0, version) {
            (Verifying::Hmac(key), "v1") => hmac::verify(key, &parts.concat(), signature).is_ok(),
            (Verifying::Ed25519(key), "v1a") => {
                UnparsedPublicKey::new(&ED25519, key).verify(&parts.concat(), signature).is_ok()
            }
            _ => false,
        }
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("VerifyingKey(***)")
    }
}

fn decoded(text: &str) -> Result<Vec<u8>, InvalidKey> {
    let bytes = STANDARD.decode(text).map_err(|_| InvalidKey::Form)?;
    if bytes.is_empty() { Err(InvalidKey::Empty) } else { Ok(bytes) }
}

fn pair(bytes: &[u8]) -> Result<Ed25519KeyPair, InvalidKey> {
    let pair = match bytes.len() {
        32 => Ed25519KeyPair::from_seed_unchecked(bytes),
        64 => Ed25519KeyPair::from_seed_and_public_key(&bytes[..32], &bytes[32..]),
        _ => return Err(InvalidKey::Ed25519),
    };
    pair.map_err(|_| InvalidKey::Ed25519)
}

fn mac(key: &hmac::Key, parts: &[&[u8]]) -> hmac::Context {
    let mut mac = hmac::Context::with_key(key);
    parts.iter().for_each(|part| mac.update(part));
    mac
}
