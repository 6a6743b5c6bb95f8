//! The `prompt` template: `Review {{data.diff_url}}`.
//!
//! A name between `{{` and `}}` is an attribute of the event, `data`, or a path into it (`data.files.0.name`). Values
//! are inserted as they are, in one pass: what an event contains is never read as a template.

use std::borrow::Cow;

use serde_json::Value;

/// Longest template, and longest text made from one.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// A template whose syntax has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Path(String),
}

/// Says what is wrong with a template, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTemplate {
    /// A `{{` has no `}}`.
    #[error("`{{{{` at byte {offset} is not closed: write `}}}}` after the name")]
    NotClosed {
        /// Where the `{{` stands.
        offset: usize,
    },
    /// What stands between `{{` and `}}` is no name.
    #[error(
        "`{path}` at byte {offset} is no name: write an attribute, `data`, or a path such as `data.author.name`"
    )]
    NotAName {
        /// Where the `{{` stands.
        offset: usize,
        /// What was found.
        path: String,
    },
    /// The template is larger than 1 MiB.
    #[error("the template has {bytes} bytes, and may have {TEXT_BYTES_MAX}")]
    TooLong {
        /// How large it is.
        bytes: usize,
    },
}

/// Says that a rendered text would be larger than 1 MiB.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("with `{path}` the text is larger than {TEXT_BYTES_MAX} bytes: name a smaller part of the data")]
pub struct TextTooLong {
    path: String,
}

/// A finished text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The text.
    pub text: String,
    /// Paths that the event does not have, each once; they became empty text.
    pub unknown: Vec<String>,
}

impl Template {
    /// Reads a template; refuses unclosed braces and what is no name.
    pub fn parse(text: &str) -> Result<Self, InvalidTemplate> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(InvalidTemplate::TooLong { bytes: text.len() });
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find("{{") {
            let offset = text.len() - rest.len() + at;
            let (before, opened) = rest.split_at(at);
            let Some((path, after)) = opened[2..].split_once("}}") else {
                return Err(InvalidTemplate::NotClosed { offset });
            };
            let path = path.trim();
            if !is_name(path) {
                return Err(InvalidTemplate::NotAName { offset, path: path.chars().take(80).collect() });
            }
            parts.extend([Part::Text(before.to_owned()), Part::Path(path.to_owned())]);
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self { parts })
    }

    /// Returns the text for one event.
    pub fn render(
        &self,
        attributes: &[(String, String)],
        data: Option<&Value>,
    ) -> Result<Rendered, TextTooLong> {
        let mut rendered = Rendered { text: String::new(), unknown: Vec::new() };
        for part in &self.parts {
            let (path, piece) = match part {
                Part::Text(text) => ("", Some(Cow::Borrowed(text.as_str()))),
                Part::Path(path) => (path.as_str(), value(path, attributes, data)),
            };
            let Some(piece) = piece else {
                if !rendered.unknown.iter().any(|known| known == path) {
                    rendered.unknown.push(path.to_owned());
                }
                continue;
            };
            if rendered.text.len() + piece.len() > TEXT_BYTES_MAX {
                return Err(TextTooLong { path: path.to_owned() });
            }
            rendered.text.push_str(&piece);
        }
        Ok(rendered)
    }
}

/// Segments between dots; none is empty, and none has blanks or braces.
fn is_name(path: &str) -> bool {
    let allowed =
        |character: char| !character.is_whitespace() && !character.is_control() && !"{}".contains(character);
    path.split('.').all(|segment| !segment.is_empty() && segment.chars().all(allowed))
}

fn value<'a>(
    path: &str,
    attributes: &'a [(String, String)],
    data: Option<&'a Value>,
) -> Option<Cow<'a, str>> {
    let mut segments = path.split('.');
    if segments.next() != Some("data") {
        return attributes
            .iter()
            .find(|(name, _)| name == path)
            .map(|(_, value)| Cow::Borrowed(value.as_str()));
    }
    let found = segments.try_fold(data?, |value, segment| match value {
        Value::Object(members) => members.get(segment),
        Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
        _ => None,
    })?;
    Some(match found {
        Value::String(text) => Cow::Borrowed(text),
        Value::Null => Cow::Borrowed(""),
        other => Cow::Owned(other.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rendered(template: &str, data: &Value) -> Rendered {
        let attributes = [("type".to_owned(), "ReviewRequested".to_owned())];
        Template::parse(template).unwrap().render(&attributes, Some(data)).unwrap()
    }

    #[test]
    fn names_become_the_values_of_the_event() {
        let data = json!({"diff_url": "https://x/1", "author": {"name": "Ada"}, "files": [{"n": 1}], "ok": true, "no": null});
        let text = |template: &str| rendered(template, &data).text;
        assert_eq!(text("Review {{data.diff_url}} of {{ data.author.name }}"), "Review https://x/1 of Ada");
        assert_eq!(text("{{type}} {{data.files.0.n}} {{data.ok}}[{{data.no}}]"), "ReviewRequested 1 true[]");
        assert_eq!(text("{{data.author}}"), r#"{"name":"Ada"}"#);
        assert_eq!(serde_json::from_str::<Value>(&text("{{data}}")).unwrap(), data);
        assert_eq!(text("a } b { c }} d"), "a } b { c }} d");
    }

    #[test]
    fn an_unknown_name_is_empty_and_reported_once() {
        let rendered = rendered("[{{data.x.y}}{{data.x.y}}{{subject}}{{type.a}}]", &json!({"x": 3}));
        assert_eq!(rendered.text, "[]");
        assert_eq!(rendered.unknown, ["data.x.y", "subject", "type.a"]);
    }

    #[test]
    fn a_value_is_never_read_as_a_template() {
        let data = json!({"a": "{{data.b}}", "b": "secret", "open": "{{", "rest": "data.b}}"});
        assert_eq!(rendered("{{data.a}} {{data.open}}{{data.rest}}", &data).text, "{{data.b}} {{data.b}}");
    }

    #[test]
    fn wrong_templates_are_refused_with_their_place() {
        assert_eq!(Template::parse("ab {{type"), Err(InvalidTemplate::NotClosed { offset: 3 }));
        for wrong in ["{{}}", "{{ }}", "{{data..a}}", "{{a b}}", "{{.data}}"] {
            assert!(
                matches!(Template::parse(wrong), Err(InvalidTemplate::NotAName { offset: 0, .. })),
                "{wrong}"
            );
        }
        let error = Template::parse("{{type").unwrap_err().to_string();
        assert_eq!(error, "`{{` at byte 0 is not closed: write `}}` after the name");
    }

    #[test]
    fn a_text_larger_than_a_mebibyte_is_refused() {
        let data = json!({"big": "x".repeat(TEXT_BYTES_MAX / 2 + 1)});
        let template = Template::parse("{{data.big}}{{data.big}}").unwrap();
        assert_eq!(template.render(&[], Some(&data)), Err(TextTooLong { path: "data.big".into() }));
    }
}
