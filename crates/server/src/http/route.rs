//! A route: what it is called, who may, what it takes and gives. Router, rights, parameter checks and the OpenAPI document
//! are made from the same table, so none of them can forget one.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::response::Response;
use cantus_api::error::Problem;
use http::Method;

use super::call::Call;
use crate::auth::Right;

/// What a handler gives.
pub(crate) type Answered = Result<Response, Box<Problem>>;

type Handler = Arc<dyn Fn(Call) -> Pin<Box<dyn Future<Output = Answered> + Send>> + Send + Sync>;

/// A route.
#[derive(Clone)]
pub(crate) struct Route {
    /// Its method.
    pub(crate) method: Method,
    /// Its path, with parameters in braces.
    pub(crate) path: &'static str,
    /// What it needs.
    pub(crate) right: Right,
    /// What it does, in a sentence.
    pub(crate) summary: &'static str,
    /// The parameters of its query.
    pub(crate) query: &'static [&'static str],
    /// What its body is: a schema of the OpenAPI document, and the media types.
    pub(crate) body: Option<(&'static str, &'static [&'static str])>,
    /// What it answers when all goes well: the status and the schema, or the media type of what is no JSON.
    pub(crate) answer: (u16, Content),
    /// Whether an `Idempotency-Key` is kept by the route itself.
    pub(crate) own_idempotency: bool,
    /// Whether it is answered while the server stops: what ends work that was begun.
    pub(crate) while_stopping: bool,
    pub(super) handler: Handler,
}

/// What an answer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Nothing.
    Nothing,
    /// JSON of this schema.
    Json(&'static str),
    /// Something else, of this media type.
    Other(&'static str),
}

/// The media type of most bodies.
pub(crate) const JSON: &[&str] = &["application/json"];

impl Route {
    fn new<F>(method: Method, path: &'static str, handler: fn(Call) -> F) -> Route
    where
        F: Future<Output = Answered> + Send + 'static,
    {
        Route {
            method,
            path,
            right: Right::Open,
            summary: "",
            query: &[],
            body: None,
            answer: (200, Content::Nothing),
            own_idempotency: false,
            while_stopping: false,
            handler: Arc::new(move |call| Box::pin(handler(call))),
        }
    }

    /// Returns a route that reads.
    pub(crate) fn get<F>(path: &'static str, handler: fn(Call) -> F) -> Route
    where
        F: Future<Output = Answered> + Send + 'static,
    {
        Route::new(Method::GET, path, handler)
    }

    /// Returns a route that changes something.
    pub(crate) fn post<F>(path: &'static str, handler: fn(Call) -> F) -> Route
    where
        F: Future<Output = Answered> + Send + 'static,
    {
        Route::new(Method::POST, path, handler)
    }

    /// Returns a route that takes something away.
    pub(crate) fn delete<F>(path: &'static str, handler: fn(Call) -> F) -> Route
    where
        F: Future<Output = Answered> + Send + 'static,
    {
        Route::new(Method::DELETE, path, handler)
    }

    /// Tells whether its calls leave entries in the audit: those that operate or define and may change something.
    pub(crate) fn is_audited(&self) -> bool {
        self.method != Method::GET && matches!(self.right, Right::Operate | Right::Define)
    }

    /// Returns what its calls are called in the audit: the noun of its path and what is done to it, such as
    /// `dead-letters.replay`, `subscriptions.delete`, `bulk-operations.create`.
    pub(crate) fn action(&self) -> String {
        let mut words = self.path.trim_start_matches("/v1/").split('/').filter(|word| !word.starts_with('{'));
        let noun = words.next().unwrap_or_default();
        let verb = match (words.next_back(), &self.method) {
            (Some(verb), _) => verb,
            (None, &Method::DELETE) => "delete",
            (None, _) => "create",
        };
        format!("{noun}.{verb}")
    }

    /// Says what it needs.
    pub(crate) fn right(self, right: Right) -> Route {
        Route { right, ..self }
    }

    /// Says what it does.
    pub(crate) fn summary(self, summary: &'static str) -> Route {
        Route { summary, ..self }
    }

    /// Says which parameters it takes.
    pub(crate) fn query(self, query: &'static [&'static str]) -> Route {
        Route { query, ..self }
    }

    /// Says what its body is.
    pub(crate) fn body(self, schema: &'static str) -> Route {
        Route { body: Some((schema, JSON)), ..self }
    }

    /// Says what its body is, in which media types.
    pub(crate) fn body_of(self, schema: &'static str, media_types: &'static [&'static str]) -> Route {
        Route { body: Some((schema, media_types)), ..self }
    }

    /// Says what it answers.
    pub(crate) fn gives(self, status: u16, schema: &'static str) -> Route {
        Route { answer: (status, Content::Json(schema)), ..self }
    }

    /// Says that it answers with this status and nothing else.
    pub(crate) fn gives_nothing(self, status: u16) -> Route {
        Route { answer: (status, Content::Nothing), ..self }
    }

    /// Says that it answers with something that is no JSON of ours.
    pub(crate) fn gives_other(self, media_type: &'static str) -> Route {
        Route { answer: (200, Content::Other(media_type)), ..self }
    }

    /// Says that it keeps an `Idempotency-Key` itself.
    pub(crate) fn own_idempotency(self) -> Route {
        Route { own_idempotency: true, ..self }
    }

    /// Says that it is answered while the server stops.
    pub(crate) fn while_stopping(self) -> Route {
        Route { while_stopping: true, ..self }
    }
}
