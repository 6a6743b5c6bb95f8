//! Actions: what a subscription does with each event. The key says which.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::confinement::{ExecLimits, Network, Sandbox};
use super::exec::{Announce, Exec, OnSuccess, Stdin};
use super::{
    AgentPattern, Duration, EventType, HeaderKey, HeaderTemplate, Subscription, Variable, Webhook,
    WebhookMode, WebhookUrl,
};

/// What a subscription does with each event: `exec`, `webhook`, `inbox`, `publish` or `pause`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(into = "Written")]
pub enum Action {
    /// Runs a program.
    Exec(Exec),
    /// Sends it to a URL.
    Webhook(Box<Webhook>),
    /// Waits until the agent comes for it.
    Inbox(Inbox),
    /// Publishes another event: routes or transforms.
    Publish(Publish),
    /// Parks other agents.
    Pause(Pause),
}

impl Default for Action {
    fn default() -> Self {
        Self::Inbox(Inbox {})
    }
}

impl Action {
    /// Returns the key the action is written under.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Exec(_) => "exec",
            Self::Webhook(_) => "webhook",
            Self::Inbox(_) => "inbox",
            Self::Publish(_) => "publish",
            Self::Pause(_) => "pause",
        }
    }

    /// Returns the number the action itself gives, if it does.
    pub fn concurrency(&self) -> Option<u32> {
        match self {
            Self::Exec(exec) => exec.concurrency,
            Self::Webhook(webhook) => webhook.concurrency,
            _ => None,
        }
    }

    /// Returns how many deliveries run at the same time when nothing is said.
    pub fn default_concurrency(&self) -> u32 {
        match self {
            Self::Exec(_) => 4,
            Self::Inbox(_) => 256,
            Self::Webhook(_) | Self::Publish(_) | Self::Pause(_) => 32,
        }
    }
}

/// The agent pulls. Nothing to set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inbox {}

/// The event to publish for each one that comes. What is left out is taken from the event that came.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// Its topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<ValueText>,
    /// Its type.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<ValueText>,
    /// Its data, as CEL over the event that came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

/// A plain name, or a CEL expression that gives one.
///
/// Text of `A-Z a-z 0-9 . _ -` alone is the name itself; anything else is CEL, so `(data.next)` is an expression and
/// `data.next` is a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ValueText(pub String);

impl ValueText {
    /// Returns the name, when the text is one.
    pub fn name(&self) -> Option<&str> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        (!self.0.is_empty() && self.0.bytes().all(plain)).then_some(self.0.as_str())
    }

    /// Returns the CEL expression, when the text is one.
    pub fn expression(&self) -> Option<&str> {
        if self.name().is_some() { None } else { Some(&self.0) }
    }
}

/// Which agents are parked, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// The agents, as patterns; never empty.
    #[serde(deserialize_with = "at_least_one")]
    pub agents: Vec<AgentPattern>,
    /// Until when.
    pub until: PauseUntil,
}

/// What ends a pause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum PauseUntil {
    /// An event of this type on a topic of the subscription.
    Event {
        /// The type.
        #[serde(rename = "type")]
        event_type: EventType,
    },
    /// So much time, counted from the event.
    After(Duration),
}

impl<'de> Deserialize<'de> for PauseUntil {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct ForType {
            #[serde(rename = "type")]
            event_type: EventType,
        }
        struct TypeOrTime;
        impl<'de> Visitor<'de> for TypeOrTime {
            type Value = PauseUntil;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("{type: X} or a duration such as 30m")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<PauseUntil, E> {
                Duration::parse(text).map(PauseUntil::After).map_err(E::custom)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<PauseUntil, A::Error> {
                let ForType { event_type } = ForType::deserialize(MapAccessDeserializer::new(map))?;
                Ok(PauseUntil::Event { event_type })
            }
        }
        deserializer.deserialize_any(TypeOrTime)
    }
}

fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<AgentPattern>, D::Error> {
    let agents = Vec::deserialize(deserializer)?;
    if agents.is_empty() {
        return Err(de::Error::custom("`agents` of a pause names at least one agent or pattern"));
    }
    Ok(agents)
}

/// An action as it is written: one key says which it is, the others belong to exec or to webhook.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exec: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    webhook: Option<WebhookUrl>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inbox: Option<Inbox>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    publish: Option<Publish>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pause: Option<Pause>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cwd: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    env: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pass_env: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stdin: Option<Stdin>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prompt: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_start: Option<Box<Announce>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_success: Option<OnSuccess>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_failure: Option<Box<Announce>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sandbox: Option<Sandbox>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    network: Option<Network>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    readable: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    writable: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limits: Option<Box<ExecLimits>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    concurrency: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret: Option<Variable>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<Variable>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret_file: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<WebhookMode>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<HeaderKey, HeaderTemplate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    allow_private: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    handshake: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ca_file: Option<String>,
}

impl From<Action> for Written {
    fn from(action: Action) -> Self {
        match action {
            Action::Exec(exec) => Self {
                exec: Some(exec.argv),
                cwd: exec.cwd,
                env: exec.env,
                pass_env: exec.pass_env,
                stdin: Some(exec.stdin),
                prompt: exec.prompt,
                timeout: Some(exec.timeout),
                on_start: exec.on_start,
                on_success: exec.on_success,
                on_failure: exec.on_failure,
                sandbox: exec.sandbox,
                network: exec.network,
                readable: exec.readable,
                writable: exec.writable,
                limits: exec.limits,
                concurrency: exec.concurrency,
                ..Self::default()
            },
            Action::Webhook(webhook) => Self {
                webhook: Some(webhook.url),
                secrets: webhook.secrets,
                secret_file: webhook.secret_file,
                mode: Some(webhook.mode),
                headers: webhook.headers,
                timeout: Some(webhook.timeout),
                allow_private: webhook.allow_private.then_some(true),
                handshake: webhook.handshake.then_some(true),
                ca_file: webhook.ca_file,
                concurrency: webhook.concurrency,
                ..Self::default()
            },
            Action::Inbox(inbox) => Self { inbox: Some(inbox), ..Self::default() },
            Action::Publish(publish) => Self { publish: Some(publish), ..Self::default() },
            Action::Pause(pause) => Self { pause: Some(pause), ..Self::default() },
        }
    }
}

impl TryFrom<Written> for Action {
    type Error = String;

    fn try_from(mut written: Written) -> Result<Self, String> {
        let kinds = [
            written.exec.is_some(),
            written.webhook.is_some(),
            written.inbox.is_some(),
            written.publish.is_some(),
            written.pause.is_some(),
        ];
        if kinds.iter().filter(|given| **given).count() != 1 {
            return Err(
                "an action has exactly one of `exec`, `webhook`, `inbox`, `publish` and `pause`".to_owned()
            );
        }
        if let Some(argv) = written.exec.take() {
            if let Some(key) = written.webhook_only() {
                return Err(format!("`{key}` belongs to an action with `webhook`"));
            }
            return exec(argv, written).map(Self::Exec);
        }
        if let Some(key) = written.exec_only() {
            return Err(format!("`{key}` belongs to an action with `exec`"));
        }
        if let Some(url) = written.webhook.take() {
            return webhook(url, written).map(|webhook| Self::Webhook(Box::new(webhook)));
        }
        if let Some(key) = written.webhook_only() {
            return Err(format!("`{key}` belongs to an action with `webhook`"));
        }
        if let Some(key) = written.pushed_only() {
            return Err(format!("`{key}` belongs to an action with `exec` or `webhook`"));
        }
        Ok(match (written.inbox, written.publish, written.pause) {
            (Some(inbox), _, _) => Self::Inbox(inbox),
            (_, Some(publish), _) => Self::Publish(publish),
            (_, _, Some(pause)) => Self::Pause(pause),
            (None, None, None) => return Err("an action says what to do".to_owned()),
        })
    }
}

impl Written {
    /// Returns a key that only exec understands, if one is given.
    fn exec_only(&self) -> Option<&'static str> {
        [
            (self.cwd.is_some(), "cwd"),
            (!self.env.is_empty(), "env"),
            (!self.pass_env.is_empty(), "pass_env"),
            (self.stdin.is_some(), "stdin"),
            (self.prompt.is_some(), "prompt"),
            (self.on_start.is_some(), "on_start"),
            (self.on_success.is_some(), "on_success"),
            (self.on_failure.is_some(), "on_failure"),
            (self.sandbox.is_some(), "sandbox"),
            (self.network.is_some(), "network"),
            (!self.readable.is_empty(), "readable"),
            (!self.writable.is_empty(), "writable"),
            (self.limits.is_some(), "limits"),
        ]
        .into_iter()
        .find_map(|(given, key)| given.then_some(key))
    }

    /// Returns a key that only webhook understands, if one is given.
    fn webhook_only(&self) -> Option<&'static str> {
        [
            (self.secret.is_some(), "secret"),
            (!self.secrets.is_empty(), "secrets"),
            (self.secret_file.is_some(), "secret_file"),
            (self.mode.is_some(), "mode"),
            (!self.headers.is_empty(), "headers"),
            (self.allow_private.is_some(), "allow_private"),
            (self.handshake.is_some(), "handshake"),
            (self.ca_file.is_some(), "ca_file"),
        ]
        .into_iter()
        .find_map(|(given, key)| given.then_some(key))
    }

    /// Returns a key that exec and webhook both understand, if one is given.
    fn pushed_only(&self) -> Option<&'static str> {
        [(self.timeout.is_some(), "timeout"), (self.concurrency.is_some(), "concurrency")]
            .into_iter()
            .find_map(|(given, key)| given.then_some(key))
    }
}

fn webhook(url: WebhookUrl, written: Written) -> Result<Webhook, String> {
    let timeout = written.timeout.unwrap_or(Webhook::DEFAULT_TIMEOUT);
    if timeout.is_zero() || timeout > Webhook::MAX_TIMEOUT {
        return Err(format!(
            "`timeout` of a webhook can be up to {}; a receiver that needs longer answers 202",
            Webhook::MAX_TIMEOUT
        ));
    }
    if written.concurrency.is_some_and(|number| !(1..=Subscription::MAX_CONCURRENCY).contains(&number)) {
        return Err(format!("`concurrency` can be 1 to {}", Subscription::MAX_CONCURRENCY));
    }
    let secrets: Vec<Variable> = written.secret.into_iter().chain(written.secrets).collect();
    if secrets.len() > Webhook::MAX_SECRETS {
        return Err(format!("a webhook is signed with at most {} secrets", Webhook::MAX_SECRETS));
    }
    if written.headers.len() > Webhook::MAX_HEADERS {
        return Err(format!("a webhook has at most {} further headers", Webhook::MAX_HEADERS));
    }
    for (key, value) in &written.headers {
        key.check(value).map_err(|wrong| wrong.to_string())?;
    }
    Ok(Webhook {
        url,
        secrets,
        secret_file: written.secret_file,
        mode: written.mode.unwrap_or_default(),
        headers: written.headers,
        timeout,
        allow_private: written.allow_private.unwrap_or_default(),
        handshake: written.handshake.unwrap_or_default(),
        ca_file: written.ca_file,
        concurrency: written.concurrency,
    })
}

fn exec(argv: Vec<String>, written: Written) -> Result<Exec, String> {
    if argv.first().is_none_or(String::is_empty) {
        return Err("`exec` is a list that begins with the program".to_owned());
    }
    let timeout = written.timeout.unwrap_or(Exec::DEFAULT_TIMEOUT);
    if timeout.is_zero() {
        return Err("`timeout` can not be 0: no attempt would ever succeed".to_owned());
    }
    if written.concurrency.is_some_and(|number| !(1..=Subscription::MAX_CONCURRENCY).contains(&number)) {
        return Err(format!("`concurrency` can be 1 to {}", Subscription::MAX_CONCURRENCY));
    }
    let exec = Exec {
        argv,
        cwd: written.cwd,
        env: written.env,
        pass_env: written.pass_env,
        stdin: written.stdin.unwrap_or_default(),
        prompt: written.prompt,
        timeout,
        on_start: written.on_start,
        on_success: written.on_success,
        on_failure: written.on_failure,
        sandbox: written.sandbox,
        network: written.network,
        readable: written.readable,
        writable: written.writable,
        limits: written.limits,
        concurrency: written.concurrency,
    };
    if let (Some(Sandbox::None), Some(key)) = (exec.sandbox, exec.key_of_strict()) {
        return Err(format!("`{key}` belongs to `sandbox: strict`, and this is `sandbox: none`"));
    }
    exec.limits.as_deref().map_or(Ok(()), ExecLimits::check)?;
    Ok(exec)
}

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordOrMap;
        impl<'de> Visitor<'de> for WordOrMap {
            type Value = Action;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`inbox`, or a map with one of `exec`, `webhook`, `inbox`, `publish` and `pause`")
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<Action, E> {
                if word == "inbox" {
                    return Ok(Action::default());
                }
                Err(E::invalid_value(de::Unexpected::Str(word), &self))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Action, A::Error> {
                let written = Written::deserialize(MapAccessDeserializer::new(map))?;
                Action::try_from(written).map_err(de::Error::custom)
            }
        }
        deserializer.deserialize_any(WordOrMap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Action, String> {
        serde_json::from_str(text).map_err(|e| e.to_string())
    }

    #[test]
    fn the_key_says_which_action_it_is() {
        assert_eq!(read(r#""inbox""#).unwrap(), Action::default());
        assert_eq!(read(r#"{"inbox": {}}"#).unwrap(), Action::default());
        let Action::Exec(exec) =
            read(r#"{"exec": ["claude", "-p"], "stdin": "prompt", "timeout": "20m"}"#).unwrap()
        else {
            panic!("exec")
        };
        assert_eq!(exec.argv, ["claude", "-p"]);
        assert_eq!(exec.stdin, Stdin::Prompt);
        let Action::Pause(pause) = read(r#"{"pause": {"agents": ["/*"], "until": "30m"}}"#).unwrap() else {
            panic!("pause")
        };
        assert_eq!(pause.until, PauseUntil::After(Duration::from_secs(1800)));
    }

    #[test]
    fn what_is_written_is_read_again() {
        for text in [
            r#"{"exec":["a"],"stdin":"event","timeout":"10m"}"#,
            r#"{"inbox":{}}"#,
            r#"{"webhook":"https://x/","timeout":"15s","secrets":["${B}","${A}"],"mode":"binary","headers":{"x-a":"b"}}"#,
            r#"{"publish":{"topic":"t","type":"T","data":"data.x"}}"#,
            r#"{"pause":{"agents":["/*"],"until":{"type":"Done"}}}"#,
        ] {
            assert_eq!(serde_json::to_string(&read(text).unwrap()).unwrap(), text);
        }
    }

    #[test]
    fn actions_that_say_nothing_or_too_much_are_refused() {
        for (text, says) in [
            (r#"{}"#, "exactly one of"),
            (r#"{"exec": ["a"], "inbox": {}}"#, "exactly one of"),
            (r#"{"inbox": {}, "timeout": "1s"}"#, "belongs to an action with `exec` or `webhook`"),
            (r#"{"exec": []}"#, "begins with the program"),
            (r#"{"exec": ["a"], "timeout": "0s"}"#, "can not be 0"),
            (r#"{"exec": ["a"], "concurrency": 0}"#, "1 to 10000"),
            (r#"{"exec": ["a"], "sandbox": "none", "network": "host"}"#, "belongs to `sandbox: strict`"),
            (r#"{"exec": ["a"], "limits": {"output": "1GiB"}}"#, "1024 to 67108864 bytes"),
            (r#"{"webhook": "https://x", "sandbox": "none"}"#, "belongs to an action with `exec`"),
            (r#"{"exec": ["a"], "secret": "${A}"}"#, "belongs to an action with `webhook`"),
            (r#"{"webhook": "https://u:p@x"}"#, "no password"),
            (r#"{"webhook": "https://x", "secret": "whsec_canary"}"#, "write where it is"),
            (r#"{"webhook": "https://x", "headers": {"authorization": "canary"}}"#, "carries a secret"),
            (r#"{"webhook": "https://x", "timeout": "1h"}"#, "up to 5m"),
            (r#""outbox""#, "inbox"),
            (r#"{"pause": {"agents": [], "until": "1m"}}"#, "at least one"),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.contains(says), "{text}: {refused}");
        }
    }

    #[test]
    fn a_plain_name_is_a_name_and_anything_else_is_an_expression() {
        assert_eq!(ValueText("project.tasks".into()).name(), Some("project.tasks"));
        assert_eq!(ValueText("(data.next)".into()).expression(), Some("(data.next)"));
    }
}
