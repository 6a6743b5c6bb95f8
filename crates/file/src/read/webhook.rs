//! The webhook action, as it stands in the file. Variables in secrets and headers are not replaced: the definition says where a
//! secret is, and only the server looks there.

use std::collections::BTreeMap;

use cantus_api::definition::{
    Duration, HeaderKey, HeaderTemplate, Subscription, Variable, Webhook, WebhookMode, WebhookUrl,
};
use cantus_api::signature::SigningKey;

use crate::diagnostic::Fault;
use crate::yaml::Node;

use super::{Fields, Reader};

pub(super) fn webhook(reader: &Reader<'_>, fields: &Fields<'_, '_>) -> Option<Webhook> {
    let url = reader.parsed(fields.get("webhook")?, WebhookUrl::parse);
    let modes = [("binary", WebhookMode::Binary), ("structured", WebhookMode::Structured)];
    let boolean = |key| fields.get(key).and_then(|node| reader.boolean(node)).unwrap_or_default();
    let path = |key| Some(existing(reader, fields.get(key)?)?.to_string_lossy().into_owned());
    let mut secrets: Vec<Variable> =
        fields.get("secret").and_then(|node| secret(reader, node)).into_iter().collect();
    if let Some(node) = fields.get("secrets") {
        secrets.extend(reader.list(node, |item| secret(reader, item)));
        if secrets.len() > Webhook::MAX_SECRETS {
            let message = format!("a webhook is signed with at most {} secrets", Webhook::MAX_SECRETS);
            reader.say(Fault::error(node.span, message).hint("keep the new one and the one it replaces"));
        }
    }
    Some(Webhook {
        secrets,
        secret_file: path("secret_file"),
        mode: fields.get("mode").and_then(|node| reader.word(node, &modes)).unwrap_or_default(),
        headers: fields.get("headers").map(|node| headers(reader, node)).unwrap_or_default(),
        timeout: fields
            .get("timeout")
            .and_then(|node| timeout(reader, node))
            .unwrap_or(Webhook::DEFAULT_TIMEOUT),
        allow_private: boolean("allow_private"),
        handshake: boolean("handshake"),
        ca_file: path("ca_file"),
        concurrency: fields
            .get("concurrency")
            .and_then(|node| reader.whole(node, "concurrency", 1..=Subscription::MAX_CONCURRENCY)),
        url: url?,
    })
}

/// Reads `${NAME}` as it stands. The variable must hold a secret already: an error of an hour later costs more.
fn secret(reader: &Reader<'_>, node: &Node) -> Option<Variable> {
    let variable = match Variable::parse(reader.raw_text(node)?) {
        Ok(variable) => variable,
        Err(error) => {
            reader.refuse(node.span, &error);
            return None;
        }
    };
    let name = variable.name();
    match reader.environment.get(name).map(SigningKey::parse) {
        Some(Ok(_)) => {}
        Some(Err(error)) => {
            let hint = "make one with `cantus webhook secret`, and give it to the receiver too";
            reader.say(
                Fault::error(node.span, format!("the variable `{name}` holds no secret: {error}")).hint(hint),
            );
        }
        None => {
            let fault = Fault::error(node.span, format!("the variable `{name}` is not set"));
            reader.say(fault.hint(format!(
                "set it to a secret for the server: `export {name}=$(cantus webhook secret)`"
            )));
        }
    }
    Some(variable)
}

fn headers(reader: &Reader<'_>, node: &Node) -> BTreeMap<HeaderKey, HeaderTemplate> {
    let mut headers = BTreeMap::new();
    let entries = reader.entries(node, "a map of headers").unwrap_or_default();
    if entries.len() > Webhook::MAX_HEADERS {
        let message = format!("a webhook has at most {} further headers", Webhook::MAX_HEADERS);
        reader.say(Fault::error(node.span, message).hint("remove some"));
    }
    for entry in entries.iter().take(Webhook::MAX_HEADERS) {
        let key = HeaderKey::parse(&entry.key).map_err(|error| reader.refuse(entry.key_span, &error));
        let Some(text) = reader.raw_text(&entry.value) else { continue };
        let value = HeaderTemplate::parse(text).map_err(|error| reader.refuse(entry.value.span, &error));
        let (Ok(key), Ok(value)) = (key, value) else { continue };
        if let Err(error) = key.check(&value) {
            reader.refuse(entry.value.span, &error);
            continue;
        }
        for name in value.variables().filter(|name| reader.environment.get(name).is_none_or(str::is_empty)) {
            let fault = Fault::error(entry.value.span, format!("the variable `{name}` is not set"));
            reader.say(fault.hint("set it for the server"));
        }
        headers.insert(key, value);
    }
    headers
}

fn timeout(reader: &Reader<'_>, node: &Node) -> Option<Duration> {
    let timeout = reader.duration(node, "timeout", Duration::from_millis(1))?;
    if timeout > Webhook::MAX_TIMEOUT {
        let message = format!("`timeout` of a webhook is {timeout}; the most is {}", Webhook::MAX_TIMEOUT);
        reader.say(
            Fault::error(node.span, message)
                .hint("let the receiver answer 202 at once, and publish when it is done"),
        );
        return None;
    }
    Some(timeout)
}

/// Reads the path of a file that the server opens later; a missing one is worth a word now.
fn existing(reader: &Reader<'_>, node: &Node) -> Option<std::path::PathBuf> {
    let path = reader.path(node)?;
    if !path.is_file() {
        reader.say(
            Fault::warning(node.span, "there is no such file")
                .hint("the path is relative to this file; the server will ask for it"),
        );
    }
    Some(path)
}
