//! One request, as handlers see it: who asks, what the URL says, what the body says.

use std::sync::{Mutex, PoisonError};

use axum::body::Body;
use axum::extract::Query;
use cantus_api::error::{Code, Problem};
use cantus_api::event::{Limits, Shape};
use cantus_api::stream::StreamQuery;
use cantus_core::Position;
use http::{HeaderMap, Method, Uri, header};
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::auth::{Caller, Peer, single};
use crate::body::{Cap, Read};
use crate::cursor;
use crate::problem::{nearest, parameter};

/// How large the JSON of a request may be that carries no events.
const JSON_BYTES_MAX: usize = 1 << 20;

/// One request.
pub(crate) struct Call {
    /// What all requests share.
    pub(crate) app: App,
    /// Who asks.
    pub(crate) caller: Caller,
    /// Between whom the connection is.
    pub(crate) peer: Peer,
    /// The parameters of the path, decoded.
    pub(crate) params: Vec<(String, String)>,
    /// The method.
    pub(crate) method: Method,
    /// The URL.
    pub(crate) uri: Uri,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body, until it is read.
    pub(crate) body: Unread,
}

/// A body that was not read yet, or was read to look at it.
pub(crate) enum Unread {
    /// Not read yet. The lock is never taken: it lets requests be looked at from several threads.
    Stream(Mutex<Body>),
    /// Read already.
    Whole(Read),
}

impl Unread {
    /// Keeps a body until it is read.
    pub(crate) fn stream(body: Body) -> Unread {
        Unread::Stream(Mutex::new(body))
    }
}

impl Call {
    /// Returns a parameter of the path.
    pub(crate) fn param(&self, name: &str) -> &str {
        let found = self.params.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// Reads the query.
    ///
    /// # Errors
    /// `PARAMETER_INVALID`, naming the parameter.
    pub(crate) fn query<T: DeserializeOwned>(&self) -> Result<T, Box<Problem>> {
        query(&self.uri)
    }

    /// Reads the body within a limit.
    ///
    /// # Errors
    /// As [`crate::body::Bodies::read`].
    pub(crate) async fn read(&mut self, cap: Cap) -> Result<Read, Box<Problem>> {
        match std::mem::replace(&mut self.body, Unread::stream(Body::empty())) {
            Unread::Stream(body) => {
                let body = body.into_inner().unwrap_or_else(PoisonError::into_inner);
                self.app.bodies.read(&self.headers, body, cap).await
            }
            Unread::Whole(read) if read.bytes.len() <= cap.bytes => Ok(read),
            Unread::Whole(_) => {
                Err(Box::new(Problem::new(cap.code, format!("the body has more than {} bytes", cap.bytes))))
            }
        }
    }

    /// Reads a body of JSON; an empty one counts as `{}`.
    ///
    /// # Errors
    /// `MEDIA_TYPE_UNSUPPORTED`, `JSON_INVALID`, and those of [`Call::read`].
    pub(crate) async fn json<T: DeserializeOwned>(&mut self) -> Result<T, Box<Problem>> {
        self.json_within(JSON_BYTES_MAX).await
    }

    /// Reads a body of JSON of at most so many bytes.
    ///
    /// # Errors
    /// As [`Call::json`].
    pub(crate) async fn json_within<T: DeserializeOwned>(&mut self, bytes: usize) -> Result<T, Box<Problem>> {
        let content_type = self.content_type()?.map(str::to_owned);
        let read = self.read(Cap { bytes, code: Code::BodyTooLarge }).await?;
        if let Some(content_type) = content_type.filter(|_| !read.bytes.is_empty())
            && !is_json(&content_type)
        {
            let detail = "this takes application/json";
            let problem = Problem::new(Code::MediaTypeUnsupported, detail).at_header("content-type", detail);
            return Err(Box::new(problem.hint("send `Content-Type: application/json`")));
        }
        cantus_api::json::read(&read.bytes, self.limits().depth)
    }

    /// Returns the media type of the body.
    ///
    /// # Errors
    /// `REQUEST_INVALID` when it is said twice.
    pub(crate) fn content_type(&self) -> Result<Option<&str>, Box<Problem>> {
        single(&self.headers, &header::CONTENT_TYPE)
    }

    /// Returns how large events may be.
    pub(crate) fn limits(&self) -> Limits {
        self.app.options.limits
    }

    /// Returns the shape in which events are wanted: as the query says, else as `Accept` says.
    ///
    /// # Errors
    /// `NOT_ACCEPTABLE` when none of what can be sent is wanted.
    pub(crate) fn shape(&self, format: Option<Shape>) -> Result<Shape, Box<Problem>> {
        if let Some(shape) = format {
            return Ok(shape);
        }
        let accept = self.headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        shape_of(&accept.collect::<Vec<_>>().join(","))
    }

    /// Reads what the events of one thing are asked for with: how many, in which shape, and behind which position.
    ///
    /// # Errors
    /// `PARAMETER_INVALID`, `CURSOR_INVALID`, and as [`Call::shape`].
    pub(crate) fn page(&self, query: &StreamQuery) -> Result<(usize, Shape, Position), Box<Problem>> {
        let (limit, shape) = (limit(query.limit)?, self.shape(query.format)?);
        let after = query.cursor.as_ref().map(|text| cursor::forward(text, self.durable()));
        Ok((limit, shape, after.transpose()?.unwrap_or(Position(0))))
    }

    /// Returns up to where everything is durable.
    pub(crate) fn durable(&self) -> Position {
        *self.app.handle.durable().borrow()
    }

    /// Returns the trace the request belongs to, when it says so in the right form.
    pub(crate) fn trace_parent(&self) -> Option<&str> {
        trace_parent(&self.headers)
    }
}

fn is_json(content_type: &str) -> bool {
    let media = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    media == "application/json" || (media.starts_with("application/") && media.ends_with("+json"))
}

/// Returns the shape an `Accept` header asks for.
fn shape_of(accept: &str) -> Result<Shape, Box<Problem>> {
    let (mut any, mut best) = (false, None::<(f32, Shape)>);
    for range in accept.split(',').map(str::trim).filter(|range| !range.is_empty()) {
        any = true;
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or("").to_ascii_lowercase();
        let quality = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        let quality = quality.and_then(|quality| quality.parse::<f32>().ok()).unwrap_or(1.0);
        let shape = match media.as_str() {
            "application/vnd.cantus.envelope+json" => Shape::Envelope,
            "application/json"
            | "application/cloudevents+json"
            | "application/cloudevents-batch+json"
            | "application/problem+json"
            | "application/*"
            | "*/*" => Shape::CloudEvent,
            _ => continue,
        };
        if quality > 0.0 && best.is_none_or(|(most, _)| quality > most) {
            best = Some((quality, shape));
        }
    }
    match best {
        Some((_, shape)) => Ok(shape),
        None if !any => Ok(Shape::default()),
        None => {
            let detail = "none of the formats in Accept can be sent";
            let problem = Problem::new(Code::NotAcceptable, detail).at_header("accept", detail);
            Err(Box::new(problem.hint("accept application/json or application/vnd.cantus.envelope+json")))
        }
    }
}

/// Returns the `traceparent` of a request, when there is one of the right form.
pub(crate) fn trace_parent(headers: &HeaderMap) -> Option<&str> {
    let text = single(headers, &http::HeaderName::from_static("traceparent")).ok()??;
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, span, flags] = parts.as_slice() else { return None };
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let zero = |text: &str| text.bytes().all(|byte| byte == b'0');
    let legal = *version == "00" && hex(trace, 32) && hex(span, 16) && hex(flags, 2);
    (legal && !zero(trace) && !zero(span)).then_some(text)
}

/// Checks that a query has no parameter twice, and none that the route does not know.
///
/// # Errors
/// `PARAMETER_INVALID`.
pub(crate) fn check_query(uri: &Uri, known: &[&str]) -> Result<(), Box<Problem>> {
    let mut seen: Vec<&str> = Vec::new();
    for (name, _) in pairs(uri)? {
        let Some(place) = known.iter().find(|known| **known == name) else {
            let shown: String = name.chars().take(60).collect();
            let problem = parameter(&shown, "is no parameter of this path");
            let hint = match nearest(&shown, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if known.is_empty() => "this path takes no parameters".to_owned(),
                None => format!("it takes {}", known.join(", ")),
            };
            return Err(Box::new(problem.hint(hint)));
        };
        if seen.contains(place) {
            return Err(parameter(place, "is there twice: one name, one value"));
        }
        seen.push(place);
    }
    Ok(())
}

fn pairs(uri: &Uri) -> Result<Vec<(String, String)>, Box<Problem>> {
    let wrong = |_| Box::new(Problem::new(Code::ParameterInvalid, "the query of the URL can not be read"));
    Query::<Vec<(String, String)>>::try_from_uri(uri).map(|Query(pairs)| pairs).map_err(wrong)
}

fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Box<Problem>> {
    let error = match Query::<T>::try_from_uri(uri) {
        Ok(Query(query)) => return Ok(query),
        Err(error) => error,
    };
    // Which one it was is found by trying each alone.
    for part in uri.query().unwrap_or("").split('&') {
        let Ok(alone) = Uri::try_from(format!("/?{part}")) else { continue };
        if let Err(error) = Query::<T>::try_from_uri(&alone)
            && let Some((name, _)) = pairs(&alone)?.into_iter().next()
        {
            return Err(parameter(&name, words(&error.body_text())));
        }
    }
    Err(Box::new(Problem::new(Code::ParameterInvalid, words(&error.body_text()))))
}

// What the parser says, without what it says it was doing.
fn words(text: &str) -> String {
    let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(text);
    text.split_once(": ").map_or(text, |(_, rest)| rest).to_owned()
}

/// Returns how many items a list may have: the wish, within 1 to 1000.
///
/// # Errors
/// `PARAMETER_INVALID`.
pub(crate) fn limit(wish: Option<u32>) -> Result<usize, Box<Problem>> {
    match wish.unwrap_or(100) {
        wish @ 1..=1000 => Ok(wish as usize),
        other => Err(parameter("limit", format!("is {other}; it can be 1 to 1000"))),
    }
}

/// Returns how long an answer may be held: the wish, 30 s at most.
///
/// # Errors
/// `PARAMETER_INVALID`.
pub(crate) fn wait(wish: Option<cantus_api::time::Span>) -> Result<std::time::Duration, Box<Problem>> {
    let wish = wish.unwrap_or_default().duration();
    if wish > std::time::Duration::from_secs(30) {
        return Err(parameter("wait", "is longer than 30s: ask again instead"));
    }
    Ok(wish)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cantus_api::stream::EventsQuery;

    #[test]
    fn a_parameter_that_is_not_known_or_there_twice_is_refused() {
        let check =
            |query: &str| check_query(&Uri::try_from(format!("/x?{query}")).unwrap(), &["limit", "cursor"]);
        assert!(check("limit=1&cursor=x").is_ok());
        let problem = check("limt=1").unwrap_err();
        assert_eq!(problem.hint.as_deref(), Some("did you mean `limit`?"));
        assert_eq!(problem.errors[0].parameter.as_deref(), Some("limt"));
        assert!(check("limit=1&limit=2").unwrap_err().detail.contains("twice"));
    }

    #[test]
    fn a_wrong_value_names_its_parameter() {
        let read = |text: &str| query::<EventsQuery>(&Uri::try_from(format!("/x?{text}")).unwrap());
        let right = read("topic=a*&limit=5&wait=30s&direction=back&format=envelope").unwrap();
        assert_eq!((right.limit, right.format), (Some(5), Some(Shape::Envelope)));
        for (text, name) in [
            ("topic=a&limit=x", "limit"),
            ("wait=soon", "wait"),
            ("direction=up", "direction"),
            ("limit=", "limit"),
        ] {
            let problem = read(text).unwrap_err();
            assert_eq!(problem.errors[0].parameter.as_deref(), Some(name), "{problem}");
        }
    }

    #[test]
    fn accept_chooses_the_shape() {
        assert_eq!(shape_of("").unwrap(), Shape::CloudEvent);
        assert_eq!(shape_of("text/html, */*;q=0.8").unwrap(), Shape::CloudEvent);
        let envelope = "application/json;q=0.5, application/vnd.cantus.envelope+json";
        assert_eq!(shape_of(envelope).unwrap(), Shape::Envelope);
        for none in ["text/plain", "application/json;q=0", "image/*"] {
            assert!(shape_of(none).unwrap_err().is(Code::NotAcceptable), "{none}");
        }
    }

    #[test]
    fn only_a_trace_of_the_right_form_is_taken() {
        let of = |text: &str| {
            let headers = HeaderMap::from_iter([("traceparent".parse().unwrap(), text.parse().unwrap())]);
            trace_parent(&headers).is_some()
        };
        assert!(of("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
        for bad in [
            "",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        ] {
            assert!(!of(bad), "{bad}");
        }
    }
}
