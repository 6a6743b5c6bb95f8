//! Reading: from the tree to definitions, collecting every fault on the way.
//!
//! Read `reader` (single values), `fields` (the keys of a map), then `document` (the whole) and one file per thing
//! that can be declared. A reader gives `None` for what it could not read, after saying why.

mod action;
mod agent;
mod confinement;
mod document;
mod fields;
mod places;
mod reader;
mod retry;
mod section;
mod server;
mod subscription;
mod topic;
mod webhook;

pub(crate) use agent::markdown_agent;
pub(crate) use document::{Draft, SchemaFiles, document};
pub(crate) use places::{AgentPlaces, SubscriptionPlaces};
pub(crate) use reader::Reader;
pub(crate) use server::overrides;

use fields::Fields;

/// Every key that is read, by what it belongs to, for comparing with the JSON Schema.
#[cfg(test)]
pub(crate) const KEYS: [(&str, &[&str]); 14] = [
    ("/properties", &document::SECTIONS),
    ("/$defs/topic/properties", &topic::TOPIC_KEYS),
    ("/$defs/agent/properties", &agent::AGENT_KEYS),
    ("/$defs/subscription/properties", &subscription::SUBSCRIPTION_KEYS),
    ("/$defs/subscription/properties/breaker/anyOf/1/properties", &subscription::BREAKER_KEYS),
    ("/$defs/action/anyOf/1/properties", &action::ACTION_KEYS),
    ("/$defs/retry_policy/properties", &retry::RETRY_KEYS),
    ("/$defs/server/properties", &server::SERVER_KEYS),
    ("/$defs/hook/properties", &server::HOOK_KEYS),
    ("/$defs/token/properties", &server::TOKEN_KEYS),
    ("/$defs/server/properties/dedupe/properties", &server::DEDUPE_KEYS),
    ("/$defs/server/properties/limits/properties", &server::LIMIT_KEYS),
    ("/$defs/server/properties/retention/properties", &server::RETENTION_KEYS),
    ("/$defs/server/properties/webhooks/properties", &server::WEBHOOK_KEYS),
];
