//! Webhooks: a declared one becomes what the core installs, within what the server allows.

use std::net::IpAddr;

use cantus_api::definition as wire;
use cantus_api::error::{Code, Problem};
use cantus_core::agent::Origin;
use cantus_core::subscription::{Mode, WebhookAction};
use cantus_core::{Span, Text};
use cantus_runtime::delivery::webhook::Guard;
use serde_json::{Map, Value};

use super::time;

/// What the server allows webhooks.
#[derive(Clone, Debug, Default)]
pub struct WebhookRules {
    /// Where they may lead.
    pub guard: Guard,
    /// Variables that definitions which come over the network may name.
    pub env: Vec<String>,
}

/// Returns a webhook for the core. What can be seen now of where it leads is checked now; names are checked when they are resolved.
///
/// # Errors
/// `SUBSCRIPTION_INVALID`, with a pointer into the subscription.
pub fn action(
    it: &wire::Webhook,
    origin: Origin,
    rules: &WebhookRules,
) -> Result<WebhookAction, Box<Problem>> {
    let barred = |barred: cantus_runtime::delivery::webhook::Barred| invalid("webhook", &barred.to_string());
    rules.guard.check_port(it.url.port()).map_err(barred)?;
    if let wire::UrlHost::Address(address) = it.url.host() {
        rules.guard.check(&it.url.host().to_string(), *address, it.allow_private).map_err(barred)?;
    }
    if origin == Origin::Api {
        check_remote(it, rules)?;
    }
    let variables = it.secrets.iter().map(|variable| Text::from(format!("env:{}", variable.name())));
    let file = it.secret_file.iter().map(|path| Text::from(format!("file:{path}")));
    Ok(WebhookAction {
        url: Text::from(it.url.as_str()),
        secrets: variables.chain(file).collect(),
        mode: match it.mode {
            wire::WebhookMode::Binary => Mode::Binary,
            wire::WebhookMode::Structured => Mode::Structured,
        },
        headers: it
            .headers
            .iter()
            .map(|(key, value)| (Text::from(key.as_str()), Text::from(value.as_str())))
            .collect(),
        timeout: Span(it.timeout.as_millis()),
        allow_private: it.allow_private,
        handshake: it.handshake,
        ca_file: it.ca_file.as_deref().map(Text::from),
    })
}

/// Who may define over the network may not thereby read variables and files of the server, or reach its neighbours.
fn check_remote(it: &wire::Webhook, rules: &WebhookRules) -> Result<(), Box<Problem>> {
    let secrets = it.secrets.iter().map(|variable| ("secret", variable.name()));
    for (key, name) in secrets.chain(it.header_variables().map(|name| ("headers", name))) {
        if !rules.env.iter().any(|known| known == name) {
            let detail =
                format!("a definition that comes over the network may not name the variable `{name}`");
            let hint =
                format!("allow it with `server.webhooks.env: [{name}]`, or declare the webhook in the file");
            return Err(Box::new(invalid(key, &detail).hint(hint)));
        }
    }
    for (key, given) in [("secret_file", it.secret_file.is_some()), ("ca_file", it.ca_file.is_some())] {
        if given {
            let detail =
                format!("a definition that comes over the network names no file of the server: `{key}`");
            return Err(Box::new(invalid(key, &detail).hint("declare the webhook in the file")));
        }
    }
    if it.allow_private && !rules.guard.allow_private {
        let detail = "a definition that comes over the network can not allow itself private addresses";
        let hint = "name them in `server.webhooks.allow_private`, or declare the webhook in the file";
        return Err(Box::new(invalid("allow_private", detail).hint(hint)));
    }
    Ok(())
}

fn invalid(key: &str, detail: &str) -> Box<Problem> {
    Box::new(Problem::new(Code::SubscriptionInvalid, detail).at(format!("#/action/{key}"), detail))
}

/// Returns what is declared of a webhook. Secrets are not in it: it says where they are.
pub fn declared(action: &WebhookAction) -> Value {
    let mut out = Map::new();
    out.insert("webhook".to_owned(), Value::from(action.url.as_str()));
    let variables: Vec<Value> = action
        .secrets
        .iter()
        .filter_map(|secret| secret.strip_prefix("env:"))
        .map(|name| Value::from(format!("${{{name}}}")))
        .collect();
    if !variables.is_empty() {
        out.insert("secrets".to_owned(), Value::from(variables));
    }
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            out.insert(key.to_owned(), value);
        }
    };
    let file = action.secrets.iter().find_map(|secret| secret.strip_prefix("file:"));
    set("secret_file", file.map(Value::from));
    set("mode", (action.mode != Mode::Binary).then(|| Value::from(action.mode.as_str())));
    let headers = action.headers.iter().map(|(key, value)| (key.to_string(), Value::from(value.as_str())));
    set("headers", (!action.headers.is_empty()).then(|| Value::Object(headers.collect())));
    set("timeout", Some(Value::from(time::span_text(action.timeout).to_string())));
    set("allow_private", action.allow_private.then_some(Value::Bool(true)));
    set("handshake", action.handshake.then_some(Value::Bool(true)));
    set("ca_file", action.ca_file.as_deref().map(Value::from));
    Value::Object(out)
}

/// Returns where a webhook leads, for lists: scheme and host. Paths of some receivers are as good as passwords.
pub fn place(action: &WebhookAction) -> String {
    let url = action.url.as_str();
    let end = url.find("://").map_or(0, |at| at + 3);
    url[end..].find('/').map_or(url, |slash| &url[..end + slash]).to_owned()
}

/// Returns the networks and hosts a `server.webhooks.allow_private` names.
pub fn reach(list: &[wire::Reach]) -> (Vec<cantus_runtime::delivery::webhook::Network>, Vec<String>) {
    let (mut networks, mut hosts) = (Vec::new(), Vec::new());
    for one in list {
        match one {
            wire::Reach::Network(address, bits) => {
                let address: IpAddr = *address;
                networks.push(cantus_runtime::delivery::webhook::Network { address, bits: *bits });
            }
            wire::Reach::Host(host) => hosts.push(host.clone()),
        }
    }
    (networks, hosts)
}
