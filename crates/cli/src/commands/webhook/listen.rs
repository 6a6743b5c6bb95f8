//! `cantus webhook listen`

use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cantus_api::signature::VerifyingKey;
use clap::Args;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};

use super::lines::{self, Headers};
use super::{Scheme, Secrets, now_seconds};
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Screen, Tone};

/// The largest body that is taken.
const BODY_BYTES_MAX: usize = 8 << 20;
/// How many connections are held at once; further ones wait.
const CONNECTIONS_MAX: usize = 256;
/// How long nobody is accepted after the machine refused a connection.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);
/// How many requests may wait to be printed.
const WAITING_MAX: usize = 256;

/// Receive webhooks, print them and say whether they are signed as they should be
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cantus webhook listen --secret @secret\n  \
    cantus webhook listen --fail 2 -o jsonl    answer 503 twice, then 204")]
pub(crate) struct Listen {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:4780")]
    listen: String,
    /// How they are signed
    #[arg(long, value_enum, value_name = "SCHEME", default_value = "standard")]
    scheme: Scheme,
    #[command(flatten)]
    secrets: Secrets,
    /// The status that is answered to what is signed as it should be
    #[arg(long, value_name = "STATUS", default_value_t = 204, value_parser = clap::value_parser!(u16).range(200..=599))]
    status: u16,
    /// Answer 503 to the first N
    #[arg(long, value_name = "N", default_value_t = 0)]
    fail: u64,
    /// Ask for a pause of so many seconds with each 503
    #[arg(long, value_name = "SECONDS")]
    retry_after: Option<u32>,
    /// End after N
    #[arg(short = 'n', value_name = "N")]
    count: Option<u64>,
}

/// What is answered, and with what it is judged.
struct Rules {
    scheme: Scheme,
    secrets: Vec<String>,
    status: StatusCode,
    failures: Cell<u64>,
    retry_after: Option<u32>,
    told: mpsc::Sender<Value>,
}

impl Listen {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let secrets = self.secrets.all()?;
        if self.scheme == Scheme::Standard {
            for secret in &secrets {
                VerifyingKey::parse(secret).map_err(|error| Failure::usage(error.to_string()))?;
            }
        }
        let listener = TcpListener::bind(&self.listen).await.map_err(|error| {
            Failure::failed(format!("{} cannot be listened at: {error}", self.listen))
                .hint("choose another place with --listen")
        })?;
        let address = listener.local_addr().context("the address cannot be read")?;
        let judged = if secrets.is_empty() { "signatures are not checked" } else { "signatures are checked" };
        context
            .screen
            .note(&format!("webhooks are received at http://{address}/ ({judged}); end with Ctrl-C\n"));
        let (told, mut tellings) = mpsc::channel(WAITING_MAX);
        let rules = Rc::new(Rules {
            scheme: self.scheme,
            secrets,
            status: StatusCode::from_u16(self.status).context("the status is none")?,
            failures: Cell::new(self.fail),
            retry_after: self.retry_after,
            told,
        });
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                let served = tokio::task::spawn_local(serve(listener, rules));
                let mut seen = 0;
                while let Some(told) = tellings.recv().await {
                    show(&told, context)?;
                    seen += 1;
                    if self.count.is_some_and(|count| seen >= count) {
                        break;
                    }
                }
                served.abort();
                Ok(())
            })
            .await
    }
}

async fn serve(listener: TcpListener, rules: Rc<Rules>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let place = places.clone().acquire_owned().await.expect("the places are never closed");
        let Ok((stream, _)) = listener.accept().await else {
            // Without descriptors it is of no use to try again at once.
            tokio::time::sleep(REFUSED_PAUSE).await;
            continue;
        };
        let rules = rules.clone();
        tokio::task::spawn_local(async move {
            let _place = place;
            let service = service_fn(move |request| {
                let rules = rules.clone();
                async move { Ok::<_, Infallible>(answer(&rules, request).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(30))
                .serve_connection(TokioIo::new(stream), service);
            // Whoever breaks off has been told about, or has said nothing.
            let _broken_off = connection.await;
        });
    }
}

async fn answer(rules: &Rules, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    if parts.method == Method::OPTIONS {
        let mut response = Response::new(Full::default());
        response.headers_mut().insert("webhook-allowed-origin", HeaderValue::from_static("*"));
        response.headers_mut().insert("webhook-allowed-rate", HeaderValue::from_static("*"));
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST, OPTIONS"));
        return response;
    }
    let body = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return plain(StatusCode::PAYLOAD_TOO_LARGE),
    };
    let judged = (!rules.secrets.is_empty()).then(|| {
        let checked = lines::check(rules.scheme, &rules.secrets, &Came(&parts.headers), &body, now_seconds());
        checked.unwrap_or(Err(cantus_api::signature::Invalid::NoMatch))
    });
    let failures = rules.failures.get();
    let status = match &judged {
        Some(Err(_)) => StatusCode::UNAUTHORIZED,
        _ if failures > 0 => {
            rules.failures.set(failures - 1);
            StatusCode::SERVICE_UNAVAILABLE
        }
        _ => rules.status,
    };
    let mut headers = Map::new();
    for (name, value) in &parts.headers {
        headers.insert(name.to_string(), Value::from(String::from_utf8_lossy(value.as_bytes()).into_owned()));
    }
    let (text, packed) = match std::str::from_utf8(&body) {
        Ok(text) => (Some(text.to_owned()), None),
        Err(_) => (None, Some(STANDARD.encode(&body))),
    };
    let verified = judged.as_ref().map(Result::is_ok);
    let reason = judged.and_then(Result::err).map(|invalid| invalid.to_string());
    let told = json!({
        "at": cantus_api::time::format_ms(now_seconds() * 1000),
        "method": parts.method.as_str(),
        "path": parts.uri.path(),
        "status": status.as_u16(),
        "verified": verified,
        "reason": reason,
        "headers": headers,
        "body": text,
        "body_base64": packed,
    });
    // Whoever no longer prints needs no answer either.
    let _ended = rules.told.send(told).await;
    let mut response = plain(status);
    if let (StatusCode::SERVICE_UNAVAILABLE, Some(seconds)) = (status, rules.retry_after) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

struct Came<'a>(&'a HeaderMap);

impl Headers for Came<'_> {
    fn all(&self, name: &str) -> Vec<&str> {
        // What is no text is there all the same, and is none that anybody signed.
        self.0.get_all(name).iter().map(|value| value.to_str().unwrap_or("\u{fffd}")).collect()
    }
}

fn show(told: &Value, context: &Context) -> Result<()> {
    context.screen.show(told, || line(told, &context.screen))
}

fn line(told: &Value, screen: &Screen) -> String {
    let text = |name: &str| told[name].as_str().unwrap_or("-");
    let header = |name: &str| told["headers"][name].as_str().unwrap_or("-");
    let (tone, word) = match told["verified"].as_bool() {
        Some(true) => (Tone::Good, "signed"),
        Some(false) => (Tone::Bad, "NOT SIGNED"),
        None => (Tone::Dim, "unchecked"),
    };
    let mut line = format!(
        "{}  {} {}  {}  {}  {}  attempt {}  answered {}",
        text("at"),
        text("method"),
        text("path"),
        screen.paint(tone, word),
        header("ce-type"),
        header("webhook-id"),
        header("cantus-attempt"),
        told["status"],
    );
    for more in ["reason", "body"] {
        if let Some(text) = told[more].as_str().filter(|text| !text.is_empty()) {
            line.push_str(&format!("\n  {text}"));
        }
    }
    line
}
