//! HTTP: one file per noun, and the table of routes.
//!
//! Read `route` (what a route is), `call` (what a handler gets), `answer` (what it gives), then this file: how the table
//! becomes a router, and what every request passes on its way. The rest is one file per noun, named as in the URLs.

mod agents;
mod answer;
mod audit;
mod backup;
mod bulk_operations;
mod call;
mod correlations;
mod dead_letters;
mod definitions;
mod deliveries;
mod erasures;
mod events;
mod health;
mod hooks;
mod metrics;
mod openapi;
mod problems;
mod publish;
mod route;
mod status;
mod streams;
mod subscriptions;
mod topics;
mod why;

use std::time::Instant;

use axum::Router;
use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter};
use cantus_api::error::{Code, Problem};
use cantus_core::Text;
use cantus_runtime::AuditedCall;
use http::{HeaderValue, Method, StatusCode, Uri, header};

use crate::app::App;
use crate::auth::{Caller, Peer, Right, single};
use crate::body::Cap;
use crate::idempotency::{self, Kept};
use crate::problem::nearest_path;
use answer::refuse;
use call::{Call, Unread, check_query, trace_parent};
use route::{Answered, Route};

/// How long the target of a call is told in the audit.
const TARGET_CHARS_MAX: usize = 400;

/// Returns every route there is.
pub(crate) fn routes() -> Vec<Route> {
    let rooms = [
        publish::routes(),
        events::routes(),
        why::routes(),
        topics::routes(),
        streams::routes(),
        correlations::routes(),
        subscriptions::routes(),
        deliveries::routes(),
        dead_letters::routes(),
        bulk_operations::routes(),
        erasures::routes(),
        backup::routes(),
        agents::routes(),
        definitions::routes(),
        audit::routes(),
        status::routes(),
        hooks::routes(),
        health::routes(),
        metrics::routes(),
        openapi::routes(),
        problems::routes(),
    ];
    rooms.into_iter().flatten().collect()
}

/// Makes the router of a server.
pub(crate) fn router(app: App) -> Router {
    let routes = routes();
    let mut paths: Vec<&'static str> = routes.iter().map(|route| route.path).collect();
    paths.sort_unstable();
    paths.dedup();
    let mut router = Router::new();
    for path in &paths {
        let here: Vec<&Route> = routes.iter().filter(|route| route.path == *path).collect();
        router = router.route(path, methods(&app, &here));
    }
    router
        .fallback(move |uri: Uri| async move { refuse(unknown(&uri, &paths)) })
        .layer(from_fn_with_state(app, guard))
}

/// Makes the methods of one path. What is not among them is told which are.
fn methods(app: &App, routes: &[&Route]) -> MethodRouter {
    let mut allowed: Vec<&str> = routes.iter().map(|route| route.method.as_str()).collect();
    if allowed.contains(&"GET") {
        allowed.push("HEAD");
    }
    allowed.push("OPTIONS");
    let allow = HeaderValue::from_str(&allowed.join(", ")).expect("methods are plain text");
    let mut methods =
        MethodRouter::new().fallback(move |method: Method| async move { other_method(&method, &allow) });
    for route in routes {
        let filter =
            MethodFilter::try_from(route.method.clone()).expect("the table has ordinary methods only");
        let (app, route) = (app.clone(), (*route).clone());
        methods = methods.on(filter, async move |params: Result<RawPathParams, _>, request: Request| {
            let params = params.map_err(|_: axum::extract::rejection::RawPathParamsRejection| {
                Box::new(Problem::new(
                    Code::RequestInvalid,
                    "the path is not UTF-8 once its percent-encoding is undone",
                ))
            });
            let answered = match params {
                Ok(params) => dispatch(app, route, &params, request).await,
                Err(problem) => Err(problem),
            };
            answered.unwrap_or_else(refuse)
        });
    }
    methods
}

fn other_method(method: &Method, allow: &HeaderValue) -> Response {
    let mut response = if method == Method::OPTIONS {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        response
    } else {
        let allowed = allow.to_str().unwrap_or_default();
        let detail = format!("{method} is not possible here, {allowed} is");
        refuse(Box::new(Problem::new(Code::MethodNotAllowed, detail)))
    };
    response.headers_mut().insert(header::ALLOW, allow.clone());
    response
}

fn unknown(uri: &Uri, paths: &[&str]) -> Box<Problem> {
    let path: String = uri.path().chars().take(120).collect();
    let hint = match nearest_path(&path, paths) {
        Some(near) => format!("did you mean {near}? GET /openapi.json lists every path"),
        None => "GET /openapi.json lists every path".to_owned(),
    };
    Box::new(Problem::new(Code::RouteUnknown, format!("there is nothing at {path}")).hint(hint))
}

/// What every request passes: is it meant for us, may it come from there; and what every answer gets.
async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let _active = app.metrics.active();
    let peer = request.extensions().get::<Peer>().copied().unwrap_or_default();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let trace_id = trace_parent(request.headers()).and_then(|parent| parent.get(3..35)).map(str::to_owned);
    let origin = single(request.headers(), &header::ORIGIN).ok().flatten().map(str::to_owned);
    let preflight = method == Method::OPTIONS;
    let mut response = match app.gate.check_site(request.uri(), request.headers(), peer) {
        Ok(()) => next.run(request).await,
        Err(problem) => refuse(problem),
    };
    let shown: String = path.chars().take(200).collect();
    let code = answer::finish(&mut response, &shown, trace_id.as_deref());
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(origin) = origin.filter(|origin| app.gate.shares_with(origin)) {
        share(headers, &origin, preflight);
    }
    if app.is_stopping() {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let status = response.status();
    app.metrics.answered(&method, route.as_deref(), status, began.elapsed());
    if status.is_server_error() {
        tracing::warn!(%method, path = ?shown, status = status.as_u16(), code, peer = %peer.remote.ip(), "a request failed");
    } else {
        tracing::debug!(%method, path = ?shown, status = status.as_u16(), code, peer = %peer.remote.ip(), "answered");
    }
    response
}

/// Lets pages of an origin that somebody wrote down read the answer.
fn share(headers: &mut http::HeaderMap, origin: &str, preflight: bool) {
    if let Ok(origin) = HeaderValue::from_str(origin) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
    if preflight {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, DELETE"));
        let names =
            HeaderValue::from_static("authorization, content-type, idempotency-key, traceparent, tracestate");
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
    }
}

/// Carries out one request: rights, parameters, then the handler.
async fn dispatch(app: App, route: Route, params: &RawPathParams, request: Request) -> Answered {
    let peer = request.extensions().get::<Peer>().copied().unwrap_or_default();
    let (parts, body) = request.into_parts();
    let caller = app.gate.admit(route.right, &parts.headers, peer)?;
    check_query(&parts.uri, route.query)?;
    if app.is_stopping() && !route.while_stopping && route.right != Right::Open {
        return Err(crate::problem::of(cantus_runtime::Failed::Stopping, crate::problem::Place::Alone));
    }
    let app = if route.is_audited() { app.for_call(audited(&route, &caller, peer, params)) } else { app };
    let call = Call {
        app,
        caller,
        peer,
        params: params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        method: parts.method,
        uri: parts.uri,
        headers: parts.headers,
        body: Unread::stream(body),
    };
    let repeatable = call.method == Method::POST && route.right != Right::Open && !route.own_idempotency;
    if repeatable && call.headers.contains_key(idempotency::HEADER) {
        return once(call, &route).await;
    }
    (route.handler)(call).await
}

/// What the audit says of a call.
fn audited(route: &Route, caller: &Caller, peer: Peer, params: &RawPathParams) -> AuditedCall {
    let ids: Vec<&str> = params.iter().map(|(_, value)| value).collect();
    let target: String = ids.join("/").chars().take(TARGET_CHARS_MAX).collect();
    AuditedCall {
        actor: caller.actor.clone(),
        from: Text::from(peer.remote.ip().to_string()),
        action: Text::from(route.action()),
        target: Text::from(target),
    }
}

/// Carries out a request with an idempotency key, unless it was carried out before.
async fn once(mut call: Call, route: &Route) -> Answered {
    let Some(key) = idempotency::key(&call.headers)? else { return (route.handler)(call).await };
    let cap = Cap { bytes: call.limits().batch_bytes.saturating_add(1 << 20), code: Code::BodyTooLarge };
    let read = call.read(cap).await?;
    let request = idempotency::identity(&call.caller.actor, &key, &call.method, &call.uri, &[&read.bytes]);
    call.body = Unread::Whole(read);
    let answers = call.app.answers.clone();
    let working = match answers.begin(request, Instant::now())? {
        Ok(working) => working,
        Err(kept) => return Ok(again(kept)),
    };
    let response = (route.handler)(call).await?;
    if !response.status().is_success() {
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let size = usize::try_from(body.size_hint().upper().unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    let body = to_bytes(body, size)
        .await
        .map_err(|_| Box::new(Problem::new(Code::Internal, "the answer could not be kept")))?;
    let headers = parts.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    working.answered(Kept { status: parts.status, headers, body: body.clone() }, Instant::now());
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn again(kept: Kept) -> Response {
    let mut response = Response::new(Body::from(kept.body));
    *response.status_mut() = kept.status;
    response.headers_mut().extend(kept.headers);
    response.headers_mut().insert(idempotency::REPLAYED, HeaderValue::from_static("true"));
    response
}
