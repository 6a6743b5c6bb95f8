//! Answers: JSON, nothing, or a problem.

use axum::body::Body;
use axum::response::Response;
use cantus_api::error::Problem;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::route::Answered;
use crate::problem::retry_after_seconds;

/// Answers with JSON.
///
/// # Errors
/// Never for the types of the wire, whose keys are texts.
pub(crate) fn json<T: Serialize>(status: StatusCode, value: &T) -> Answered {
    let body = serde_json::to_vec(value).map_err(|error| {
        tracing::error!(%error, "an answer could not be written as JSON");
        Box::new(Problem::new(cantus_api::Code::Internal, "the answer could not be written"))
    })?;
    Ok(bytes(status, "application/json", body))
}

/// Answers 200 with JSON.
///
/// # Errors
/// As [`json`].
pub(crate) fn ok<T: Serialize>(value: &T) -> Answered {
    json(StatusCode::OK, value)
}

/// Answers with bytes of a media type.
pub(crate) fn bytes(status: StatusCode, media_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// Answers that it is done and that there is nothing to say.
pub(crate) fn nothing() -> Answered {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// A problem on its way out: the outermost layer writes it, with path and trace.
#[derive(Clone)]
struct Pending(Box<Problem>);

/// Answers with a problem.
pub(crate) fn refuse(problem: Box<Problem>) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() =
        StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if let Some(seconds) = retry_after_seconds(&problem) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if response.status() == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Bearer realm=\"cantus\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response.extensions_mut().insert(Pending(problem));
    response
}

/// Writes the problem an answer holds, if it holds one. Returns its code.
pub(crate) fn finish(response: &mut Response, path: &str, trace_id: Option<&str>) -> Option<String> {
    let Pending(problem) = response.extensions_mut().remove::<Pending>()?;
    let mut problem = problem.instance(path);
    if let Some(trace_id) = trace_id {
        problem = problem.traceid(trace_id);
    }
    *response.body_mut() = Body::from(problem.to_json());
    let media_type = HeaderValue::from_static(Problem::MEDIA_TYPE);
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    Some(problem.code.into_owned())
}
