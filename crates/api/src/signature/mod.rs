//! Signatures of webhooks: how ours are signed, and how those of others are checked.
//!
//! Read `key` (what is signed with), `standard` (Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`), `github`
//! (`X-Hub-Signature-256`), then `invalid` (why one is not taken). All comparisons take the same time whatever is wrong.

pub mod github;
mod invalid;
mod key;
pub mod standard;

pub use invalid::Invalid;
pub use key::{InvalidKey, SigningKey, VerifyingKey};
