//! GitHub's webhooks as events: one mapping for the server's hook and for files that are ingested.
//!
//! | event | from |
//! |---|---|
//! | type | `com.github.<event>.<action>`, or `com.github.<event>` without an action |
//! | id | the delivery id, so that a delivery sent twice is stored once |
//! | source | the URL of the repository, else of the organization, else `https://github.com` |
//! | subject | what it happened to, as a path below the source where there is one: `pull/12`, `refs/heads/main` |
//! | data | the payload, byte for byte |

use bytes::Bytes;
use serde_json::Value;

use crate::error::{Code, Problem};
use crate::event::{Data, Event};
use crate::json;

/// Where what belongs to no repository and no organization comes from.
pub const SOURCE: &str = "https://github.com";
/// What every type begins with.
pub const TYPE_PREFIX: &str = "com.github.";

/// The deepest payload: one level is left for the event around it.
const DEPTH_MAX: u32 = 127;
const NAME_BYTES_MAX: usize = 100;
const ID_BYTES_MAX: usize = 256;
const URL_BYTES_MAX: usize = 2048;
const SUBJECT_BYTES_MAX: usize = 1024;

/// Returns the event a webhook of GitHub stands for. `name` is what `X-GitHub-Event` says, `delivery` what `X-GitHub-Delivery`
/// says; without a delivery id the server chooses the event's id.
///
/// # Errors
///
/// `EVENT_INVALID` for a name, action or delivery id that can be none, or a payload that is no JSON object; `JSON_INVALID` and
/// `JSON_TOO_DEEP` for a payload that is no JSON.
pub fn event(name: &str, delivery: Option<&str>, payload: &Bytes) -> Result<Event, Box<Problem>> {
    if !is_word(name) {
        let detail = format!("`{}` is no name of an event of GitHub, such as pull_request", shown(name));
        return Err(invalid_header("x-github-event", detail));
    }
    if payload.trim_ascii().is_empty() {
        return Err(invalid("the payload is empty: GitHub sends a JSON object"));
    }
    let content: Value = json::read(payload, DEPTH_MAX)?;
    if !content.is_object() {
        let hint = "set the webhook's content type to application/json";
        let problem = Problem::new(Code::EventInvalid, "the payload is not a JSON object");
        return Err(Box::new(problem.at("#", "is not a JSON object").hint(hint)));
    }
    let id = match delivery {
        Some(id) if is_id(id) => Some(id.to_owned()),
        Some(id) => {
            let detail =
                format!("`{}` is no delivery id: it is printable ASCII, 256 bytes at most", shown(id));
            return Err(invalid_header("x-github-delivery", detail));
        }
        None => None,
    };
    let event_type = match content["action"].as_str() {
        None => format!("{TYPE_PREFIX}{name}"),
        Some(action) if is_word(action) => format!("{TYPE_PREFIX}{name}.{action}"),
        Some(action) => {
            let detail = format!("the action `{}` is no word", shown(action));
            let problem = Problem::new(Code::EventInvalid, detail);
            return Err(Box::new(problem.at("#/action", "is no word such as opened")));
        }
    };
    let mut event = Event::new(source(&content), event_type);
    event.id = id;
    event.subject = subject(&content);
    event.content_type = Some("application/json".to_owned());
    event.data = Some(Data::json(payload.clone()));
    Ok(event)
}

fn invalid(detail: impl Into<String>) -> Box<Problem> {
    Box::new(Problem::new(Code::EventInvalid, detail))
}

fn invalid_header(header: &str, detail: String) -> Box<Problem> {
    Box::new(Problem::new(Code::EventInvalid, detail.clone()).at_header(header, detail))
}

fn shown(text: &str) -> String {
    text.chars().take(60).map(|one| if one.is_control() { '\u{fffd}' } else { one }).collect()
}

fn is_word(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(legal)
}

fn is_id(text: &str) -> bool {
    (1..=ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn source(payload: &Value) -> String {
    let of = |owner: &str| {
        let owner = &payload[owner];
        [&owner["html_url"], &owner["url"]].into_iter().find_map(|url| url.as_str().filter(|url| is_url(url)))
    };
    of("repository").or_else(|| of("organization")).unwrap_or(SOURCE).to_owned()
}

// What is no plain URL could not be an event's source; then the next best one is.
fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=".contains(&byte);
    text.len() <= URL_BYTES_MAX && rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(legal))
}

/// Returns what it happened to. The order decides where a payload has several: a comment on a pull request is about that.
fn subject(payload: &Value) -> Option<String> {
    const BY: [(&str, &str, &str); 12] = [
        ("pull_request", "number", "pull"),
        ("issue", "number", "issues"),
        ("discussion", "number", "discussions"),
        ("comment", "commit_id", "commit"),
        ("workflow_run", "id", "actions/runs"),
        ("check_run", "id", "runs"),
        ("deployment", "id", "deployments"),
        ("release", "tag_name", "releases/tag"),
        ("milestone", "number", "milestone"),
        ("label", "name", "labels"),
        ("team", "slug", "teams"),
        ("security_advisory", "ghsa_id", "advisories"),
    ];
    let found = BY.iter().find_map(|(object, member, folder)| {
        Some(format!("{folder}/{}", scalar(&payload[*object][*member])?))
    });
    let found = found.or_else(|| payload["ref"].as_str().map(str::to_owned));
    let found = found.or_else(|| Some(format!("commit/{}", payload["sha"].as_str()?)));
    found.filter(|subject| {
        (1..=SUBJECT_BYTES_MAX).contains(&subject.len()) && !subject.chars().any(char::is_control)
    })
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, payload: &str) -> Event {
        event(name, Some("72d3162e-cc78-11e3-81ab-4c9367dc0958"), &Bytes::copy_from_slice(payload.as_bytes()))
            .unwrap()
    }

    fn refused(name: &str, delivery: &str, payload: &str) -> Problem {
        *event(name, Some(delivery), &Bytes::copy_from_slice(payload.as_bytes())).unwrap_err()
    }

    #[test]
    fn the_type_is_the_event_and_its_action_if_it_has_one() {
        assert_eq!(of("issues", r#"{"action":"opened"}"#).event_type, "com.github.issues.opened");
        assert_eq!(of("push", r#"{"ref":"refs/heads/main"}"#).event_type, "com.github.push");
        assert_eq!(of("x", r#"{"action":null}"#).event_type, "com.github.x");
    }

    #[test]
    fn the_source_is_the_repository_else_the_organization_else_github() {
        let both = r#"{"repository":{"html_url":"https://github.com/a/b","url":"https://api.github.com/repos/a/b"},
            "organization":{"url":"https://api.github.com/orgs/a"}}"#;
        assert_eq!(of("x", both).source, "https://github.com/a/b");
        assert_eq!(
            of("x", r#"{"repository":{"url":"https://github.com/a/b"}}"#).source,
            "https://github.com/a/b"
        );
        let organization = r#"{"organization":{"url":"https://api.github.com/orgs/a"}}"#;
        assert_eq!(of("x", organization).source, "https://api.github.com/orgs/a");
        assert_eq!(of("x", "{}").source, "https://github.com");
    }

    #[test]
    fn a_url_that_could_not_be_a_source_is_passed_over() {
        for odd in ["javascript:alert(1)", "https://", "https://a b", "https://a\\u0000b", "https://a/%zz"] {
            let payload = format!(r#"{{"repository":{{"html_url":"{odd}"}}}}"#);
            assert_eq!(of("x", &payload).source, SOURCE, "{odd}");
        }
    }

    #[test]
    fn the_subject_is_what_it_happened_to() {
        for (payload, subject) in [
            (r#"{"pull_request":{"number":12},"comment":{"id":1}}"#, Some("pull/12")),
            (r#"{"issue":{"number":3},"label":{"name":"bug"}}"#, Some("issues/3")),
            (r#"{"ref":"refs/heads/main","sha":"abc"}"#, Some("refs/heads/main")),
            (r#"{"sha":"abc"}"#, Some("commit/abc")),
            (r#"{"release":{"tag_name":"v1.0"}}"#, Some("releases/tag/v1.0")),
            (r#"{"issue":"a text"}"#, None),
            (r#"{"ref":""}"#, None),
        ] {
            assert_eq!(of("x", payload).subject.as_deref(), subject, "{payload}");
        }
    }

    #[test]
    fn the_payload_is_kept_byte_for_byte() {
        let payload = "{ \"n\": 9007199254740993.10 }";
        assert_eq!(of("x", payload).data, Some(Data::json(payload)));
    }

    #[test]
    fn what_cannot_be_a_webhook_is_refused_with_the_place() {
        assert_eq!(refused("a b", "d", "{}").errors[0].header.as_deref(), Some("x-github-event"));
        assert_eq!(refused("", "d", "{}").code, "EVENT_INVALID");
        assert_eq!(refused("x", "d d", "{}").errors[0].header.as_deref(), Some("x-github-delivery"));
        assert_eq!(refused("x", "d", r#"{"action":"a b"}"#).errors[0].pointer.as_deref(), Some("#/action"));
        assert_eq!(refused("x", "d", "[]").code, "EVENT_INVALID");
        assert_eq!(refused("x", "d", "").code, "EVENT_INVALID");
        assert_eq!(refused("x", "d", "payload=%7B%7D").code, "JSON_INVALID");
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        assert_eq!(refused("x", "d", &deep).code, "JSON_TOO_DEEP");
    }
}
