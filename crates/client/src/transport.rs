//! One request and its answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use cantus_api::Problem;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::builder::Builder;
use crate::error::Error;

/// A connection pool to one server. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    settings: Arc<Settings>,
    idempotency_key: Option<HeaderValue>,
}

/// What stays the same for every request of a client.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) url: Url,
    pub(crate) token: Option<HeaderValue>,
    pub(crate) timeout: Duration,
    pub(crate) patience: Duration,
    pub(crate) answer_bytes_max: usize,
}

/// The body of a request.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    None,
    Of(&'static str, Bytes),
}

impl Body {
    pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Result<Body, Error> {
        let text = serde_json::to_vec(value)
            .map_err(|error| Error::Invalid(format!("the request cannot be written as JSON: {error}")))?;
        Ok(Body::Of("application/json", text.into()))
    }
}

impl Client {
    /// Returns a builder of clients.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(http: reqwest::Client, settings: Arc<Settings>) -> Client {
        Client { http, settings, idempotency_key: None }
    }

    /// Returns the server's URL.
    pub fn url(&self) -> &str {
        self.settings.url.as_str()
    }

    /// Returns a client that sends this idempotency key with every POST: for one call that may be made twice. The server keeps its
    /// answer for 24 h and gives it again.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a key that fits into no header.
    pub fn idempotent(&self, key: &str) -> Result<Client, Error> {
        let quoted = format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""));
        let value = HeaderValue::from_str(&quoted).map_err(|_| {
            Error::Invalid("the idempotency key has characters that fit into no header".into())
        })?;
        Ok(Client { idempotency_key: Some(value), ..self.clone() })
    }

    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &(impl Serialize + ?Sized),
    ) -> Result<T, Error> {
        self.get_waiting(path, query, Duration::ZERO).await
    }

    pub(crate) async fn get_waiting<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &(impl Serialize + ?Sized),
        wait: Duration,
    ) -> Result<T, Error> {
        let url = self.address(path, query)?;
        let answer = self.send(Method::GET, url, &Body::None, wait).await?;
        self.read_json(answer).await
    }

    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &(impl Serialize + ?Sized),
    ) -> Result<T, Error> {
        self.post_waiting(path, body, Duration::ZERO).await
    }

    /// Posts with a query beside the body.
    pub(crate) async fn post_with<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &(impl Serialize + ?Sized),
        body: &(impl Serialize + ?Sized),
    ) -> Result<T, Error> {
        let body = Body::json(body)?;
        let answer = self.send(Method::POST, self.address(path, query)?, &body, Duration::ZERO).await?;
        self.read_json(answer).await
    }

    pub(crate) async fn post_waiting<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &(impl Serialize + ?Sized),
        wait: Duration,
    ) -> Result<T, Error> {
        let answer = self.send(Method::POST, self.address(path, &())?, &Body::json(body)?, wait).await?;
        self.read_json(answer).await
    }

    /// Sends a request whose answer has no body that matters.
    pub(crate) async fn command(&self, method: Method, path: &[&str], body: &Body) -> Result<(), Error> {
        self.send(method, self.address(path, &())?, body, Duration::ZERO).await.map(drop)
    }

    /// Returns the URL of a path, each part encoded, with the query's members that are not null.
    pub(crate) fn address(&self, path: &[&str], query: &(impl Serialize + ?Sized)) -> Result<Url, Error> {
        let mut url = self.settings.url.clone();
        {
            let mut segments = url
                .path_segments_mut()
                .map_err(|()| Error::Invalid("the server's URL takes no path".into()))?;
            segments.pop_if_empty();
            for part in path {
                // URLs give these a meaning of their own, however they are encoded.
                if part.is_empty() || *part == "." || *part == ".." {
                    return Err(Error::Invalid(format!("`{part}` cannot be part of a URL")));
                }
                segments.push(part);
            }
        }
        let query = serde_json::to_value(query)
            .map_err(|error| Error::Invalid(format!("the parameters cannot be written: {error}")))?;
        for (name, value) in query.as_object().into_iter().flatten() {
            match value {
                serde_json::Value::Null => {}
                serde_json::Value::String(text) => drop(url.query_pairs_mut().append_pair(name, text)),
                other => drop(url.query_pairs_mut().append_pair(name, &other.to_string())),
            }
        }
        Ok(url)
    }

    /// Sends a request and returns its answer if that is a success. An answer of 429 with `Retry-After` is waited for and the
    /// request sent again while patience lasts.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: Url,
        body: &Body,
        wait: Duration,
    ) -> Result<Response, Error> {
        let started = Instant::now();
        loop {
            let answer = self.send_once(method.clone(), url.clone(), body, wait).await?;
            if answer.status().is_success() {
                return Ok(answer);
            }
            let (status, retry_after) = (answer.status().as_u16(), retry_after(&answer));
            if status == 429
                && let Some(pause) = retry_after
                && started.elapsed() + pause <= self.settings.patience
            {
                tokio::time::sleep(pause).await;
                continue;
            }
            return Err(self.refusal(answer, retry_after).await);
        }
    }

    pub(crate) async fn send_once(
        &self,
        method: Method,
        url: Url,
        body: &Body,
        wait: Duration,
    ) -> Result<Response, Error> {
        let timeout = self.settings.timeout.saturating_add(wait);
        let keyed = method == Method::POST;
        let mut request = self
            .http
            .request(method, url)
            .timeout(timeout)
            .header(ACCEPT, "application/json, application/cloudevents+json, application/problem+json");
        if let Some(token) = &self.settings.token {
            request = request.header(AUTHORIZATION, token);
        }
        if let Some(key) = self.idempotency_key.as_ref().filter(|_| keyed) {
            request = request.header("idempotency-key", key);
        }
        if let Body::Of(media_type, bytes) = body {
            request = request.header(CONTENT_TYPE, *media_type).body(bytes.clone());
        }
        request.send().await.map_err(|error| self.failure(error, timeout))
    }

    /// Reads an answer as JSON.
    pub(crate) async fn read_json<T: DeserializeOwned>(&self, answer: Response) -> Result<T, Error> {
        let path = answer.url().path().to_owned();
        let bytes = self.read(answer).await?;
        serde_json::from_slice(&bytes)
            .map_err(|error| self.protocol(format!("the answer of {path} cannot be read: {error}")))
    }

    /// Reads the whole body of an answer.
    pub(crate) async fn read(&self, mut answer: Response) -> Result<Bytes, Error> {
        let mut body = BytesMut::new();
        while let Some(chunk) =
            answer.chunk().await.map_err(|error| self.failure(error, self.settings.timeout))?
        {
            if body.len() + chunk.len() > self.settings.answer_bytes_max {
                let max = self.settings.answer_bytes_max;
                return Err(self.protocol(format!("the answer is larger than {max} bytes")));
            }
            if body.is_empty() {
                body = chunk.into();
            } else {
                body.extend_from_slice(&chunk);
            }
        }
        Ok(body.freeze())
    }

    async fn refusal(&self, answer: Response, retry_after: Option<Duration>) -> Error {
        let (status, path) = (answer.status(), answer.url().path().to_owned());
        let is_problem = answer
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with(Problem::MEDIA_TYPE));
        let body = match self.read(answer).await {
            Ok(body) => body,
            Err(error) => return error,
        };
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) if is_problem => Error::Refused { problem: Box::new(problem), retry_after },
            _ => self.protocol(format!("{path} answered {status} without a problem")),
        }
    }

    pub(crate) fn failure(&self, error: reqwest::Error, timeout: Duration) -> Error {
        let url = self.url().to_owned();
        if error.is_timeout() && !error.is_connect() {
            return Error::Timeout { url, after: timeout };
        }
        if error.is_builder() || error.is_decode() {
            return self.protocol(causes(&error));
        }
        Error::Unreachable { url, reason: causes(&error), before_sending: error.is_connect(), source: error }
    }

    fn protocol(&self, reason: String) -> Error {
        Error::Protocol { url: self.url().to_owned(), reason }
    }
}

fn retry_after(answer: &Response) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

// The innermost causes say what happened; the outer ones only repeat the URL.
fn causes(error: &reqwest::Error) -> String {
    let mut words = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        words.push(error.to_string());
        cause = error.source();
    }
    words.dedup();
    match words.len() {
        0 => error.to_string(),
        length => words.split_off(length.saturating_sub(2)).join(": "),
    }
}
