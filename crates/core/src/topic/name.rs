//! What a topic may be called, and patterns over such names.

use minicbor::{Decode, Encode};

use crate::text::{Text, name_type};

name_type! {
    /// The name of a topic: 1 to 200 of `A-Z a-z 0-9 . _ -`, not `.` or `..`; views of our own facts begin with `$`.
    TopicName
}

/// A name or pattern that breaks the rules, and which rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what}: {rule}")]
pub struct InvalidName {
    /// What it should have been.
    pub what: &'static str,
    /// What was given, cut at 80 characters.
    pub text: String,
    /// The rule it breaks.
    pub rule: &'static str,
}

impl InvalidName {
    pub(crate) fn new(what: &'static str, text: &str, rule: &'static str) -> Self {
        Self { what, text: text.chars().take(80).collect(), rule }
    }
}

impl TopicName {
    /// Checks a name that users may publish to.
    ///
    /// # Errors
    /// When the name is empty, too long, has another character, or begins with `$`.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let invalid = |rule| InvalidName::new("topic name", text, rule);
        if text.is_empty() || text.len() > 200 {
            return Err(invalid("it must have 1 to 200 characters"));
        }
        if text.starts_with('$') {
            return Err(invalid("names that begin with `$` are views of Cantus' own facts"));
        }
        if text == "." || text == ".." {
            return Err(invalid("`.` and `..` are not allowed"));
        }
        if !text.bytes().all(is_name_byte) {
            return Err(invalid("only A-Z a-z 0-9 . _ - are allowed"));
        }
        Ok(Self(Text::from(text)))
    }
}

pub(crate) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

/// A topic name in which `*` matches any characters, also none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Pattern(#[n(0)] Text);

impl Pattern {
    /// Checks a topic pattern.
    ///
    /// # Errors
    /// When it is empty, too long or has a character that no topic has.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let invalid = |rule| InvalidName::new("topic pattern", text, rule);
        if text.is_empty() || text.len() > 200 {
            return Err(invalid("it must have 1 to 200 characters"));
        }
        let body = text.strip_prefix('$').unwrap_or(text);
        if !body.bytes().all(|byte| is_name_byte(byte) || byte == b'*') {
            return Err(invalid("only A-Z a-z 0-9 . _ - and * are allowed"));
        }
        Ok(Self(Text::from(text)))
    }

    /// Returns the pattern as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Returns the one topic this pattern names when it has no `*`.
    pub fn literal(&self) -> Option<&str> {
        (!self.0.contains('*')).then_some(self.0.as_str())
    }

    /// Tells whether a topic is meant. `*` never reaches the views that begin with `$`.
    pub fn matches(&self, topic: &str) -> bool {
        if topic.starts_with('$') != self.0.starts_with('$') {
            return false;
        }
        glob(self.0.as_str(), topic)
    }
}

/// Matches `*` against any characters, in time linear in the product of both lengths at worst.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && pattern[p] == text[t] {
            p += 1;
            t += 1;
        } else if let Some((star_p, star_t)) = star {
            p = star_p + 1;
            t = star_t + 1;
            star = Some((star_p, t));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_at_the_door() {
        for good in ["a", "project.tasks", "A-b_c.9", "..."] {
            assert!(TopicName::parse(good).is_ok(), "{good}");
        }
        let long = "x".repeat(201);
        for bad in ["", ".", "..", "$system", "a b", "a/b", "../x", "é", "a*", &long] {
            assert!(TopicName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_star_matches_any_characters() {
        let matches = |pattern: &str, topic: &str| Pattern::parse(pattern).expect("legal").matches(topic);
        assert!(matches("project.*", "project.tasks"));
        assert!(matches("*", "a"));
        assert!(matches("*.tasks", "project.tasks"));
        assert!(matches("a*b*c", "a12b34c"));
        assert!(!matches("a*b*c", "a12b34"));
        assert!(!matches("project.*", "projects"));
        assert!(!matches("*", "$system"));
        assert!(matches("$sys*", "$system"));
    }
}
