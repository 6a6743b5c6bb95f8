//! Webhooks against receivers as they are: kind, slow, broken, hostile, and not where they say.
//!
//! Read `given` (the sockets), then `meaning` (what answers mean), `limits` (time and size), `places` (where a webhook may lead),
//! `encryption` and `permission`.

mod encryption;
mod given;
mod limits;
mod meaning;
mod permission;
mod places;
