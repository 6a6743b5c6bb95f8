//! Names: the words definitions are known by, each checked once when it is read.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A name that breaks its rule. The message names the text and states the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{shown}` is no {what}: {rule}")]
pub struct InvalidName {
    /// What the text should have been, such as `topic name`.
    pub what: &'static str,
    /// The rule it breaks, in words.
    pub rule: &'static str,
    shown: String,
}

impl InvalidName {
    fn new(what: &'static str, rule: &'static str, text: &str) -> Self {
        let mut shown: String =
            text.chars().take(80).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        if shown.len() < text.len() && text.chars().count() > 80 {
            shown.push('…');
        }
        Self { what, rule, shown }
    }
}

fn plain(text: &str, max: usize, extra: &[u8]) -> bool {
    !text.is_empty()
        && text.len() <= max
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-') || extra.contains(&b))
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $accept:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Reads the name, or says which rule it breaks.
            pub fn parse(text: &str) -> Result<Self, InvalidName> {
                let accept: fn(&str) -> Option<String> = $accept;
                accept(text).map(Self).ok_or_else(|| InvalidName::new($what, $rule, text))
            }

            /// Returns the name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

names! {
    /// The name of a topic that events can be published to.
    TopicName, "topic name",
    "use 1 to 200 of A-Z a-z 0-9 . _ -, and not `.` or `..` (names with `$` are views of Cantus' own facts)",
    |text| (plain(text, 200, b"") && text != "." && text != "..").then(|| text.to_owned());

    /// A topic name in which `*` matches any characters; may begin with `$` to read a view such as `$system`.
    TopicPattern, "topic or topic pattern",
    "use 1 to 200 of A-Z a-z 0-9 . _ - and `*`, with at most one `$` at the front",
    |text| (plain(text.strip_prefix('$').unwrap_or(text), 200, b"*") && text != "." && text != "..").then(|| text.to_owned());

    /// The address of an agent. The slash at the front may be left out in text; it is always there in the value.
    AgentName, "agent name",
    "use a slash and then 1 to 128 of A-Z a-z 0-9 . _ -, and not `.` or `..`",
    |text| {
        let bare = text.strip_prefix('/').unwrap_or(text);
        (plain(bare, 128, b"") && bare != "." && bare != "..").then(|| format!("/{bare}"))
    };

    /// An agent's address in which `*` matches any characters.
    AgentPattern, "agent name or pattern",
    "use a slash and then 1 to 128 of A-Z a-z 0-9 . _ - and `*`",
    |text| {
        let bare = text.strip_prefix('/').unwrap_or(text);
        plain(bare, 128, b"*").then(|| format!("/{bare}"))
    };

    /// The name of a subscription under its agent.
    SubscriptionName, "subscription name",
    "use 1 to 200 of A-Z a-z 0-9 . _ -",
    |text| (plain(text, 200, b"") && text != "." && text != "..").then(|| text.to_owned());

    /// The type of an event, such as `UserStoryApproved` or `com.github.issues.opened`.
    EventType, "event type",
    "use 1 to 4096 bytes without control characters and without space at either end",
    |text| {
        let accepted = !text.is_empty() && text.len() <= 4096 && text.trim() == text && !text.chars().any(char::is_control);
        accepted.then(|| text.to_owned())
    };

    /// The name of an incoming hook: the last part of `/hooks/github/NAME`.
    HookName, "hook name",
    "use 1 to 128 of A-Z a-z 0-9 . _ -, and not `.` or `..`",
    |text| (plain(text, 128, b"") && text != "." && text != "..").then(|| text.to_owned());
}

impl TopicPattern {
    /// Tells whether the pattern covers this topic. A `*` never reaches the views that begin with `$`.
    pub fn matches(&self, topic: &str) -> bool {
        topic.starts_with('$') == self.as_str().starts_with('$') && wildcard(self.as_str(), topic)
    }

    /// Tells whether the pattern is one plain topic.
    pub fn is_plain(&self) -> bool {
        !self.as_str().contains(['*', '$'])
    }
}

impl AgentName {
    /// Returns the address without its slash, as in URLs.
    pub fn bare(&self) -> &str {
        self.as_str().strip_prefix('/').expect("every agent name is built with its slash")
    }
}

impl AgentPattern {
    /// Tells whether the pattern covers this agent.
    pub fn matches(&self, agent: &AgentName) -> bool {
        wildcard(self.as_str(), agent.as_str())
    }
}

impl SubscriptionName {
    /// Returns the name a subscription has when it gives none: its topic, where `*` reads `any` and `$` is left out.
    pub fn for_topic(topic: &TopicPattern) -> Option<Self> {
        Self::parse(&topic.as_str().replace('*', "any").replace('$', "")).ok()
    }
}

/// Matches `*` as any characters, also none, in time linear in the text for each star.
fn wildcard(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().expect("splitting gives at least one part");
    for part in parts {
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    text.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_matches_any_characters_also_none() {
        let covers = |pattern: &str, topic: &str| TopicPattern::parse(pattern).unwrap().matches(topic);
        assert!(covers("project.*", "project.tasks"));
        assert!(covers("*", "anything"));
        assert!(covers("a*b*c", "abc"));
        assert!(covers("a*b*c", "a-b-b-c"));
        assert!(!covers("a*b*c", "a-c"));
        assert!(!covers("ab*ba", "aba"));
        assert!(!covers("project.*", "projects"));
    }

    #[test]
    fn an_agent_may_be_written_without_its_slash() {
        assert_eq!(AgentName::parse("ux").unwrap(), AgentName::parse("/ux").unwrap());
        assert_eq!(AgentName::parse("ux").unwrap().bare(), "ux");
    }

    #[test]
    fn names_that_break_their_rule_are_refused_with_it() {
        for bad in ["", ".", "..", "a b", "$system", "ü", "a/b", "a*"] {
            assert!(TopicName::parse(bad).is_err(), "{bad}");
        }
        for bad in ["", "/", "//a", "a/b", "a b"] {
            assert!(AgentName::parse(bad).is_err(), "{bad}");
        }
        for bad in ["", "$", "a$b", "$$a"] {
            assert!(TopicPattern::parse(bad).is_err(), "{bad}");
        }
        assert!(TopicName::parse(&"a".repeat(201)).is_err());
        let message = TopicName::parse("two words").unwrap_err().to_string();
        assert!(message.starts_with("`two words` is no topic name: use 1 to 200 of"), "{message}");
    }

    #[test]
    fn a_subscription_without_a_name_is_called_after_its_topic() {
        let name =
            |topic| SubscriptionName::for_topic(&TopicPattern::parse(topic).unwrap()).unwrap().to_string();
        assert_eq!(name("project.tasks"), "project.tasks");
        assert_eq!(name("project.*"), "project.any");
        assert_eq!(name("$system"), "system");
    }
}
