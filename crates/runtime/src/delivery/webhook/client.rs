//! One exchange: a request goes out, an answer comes back within its limits. Connections are kept per host and used again.

use std::collections::HashMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use cantus_core::Text;
use cantus_core::subscription::WebhookAction;
use cantus_core::subscription::retry::Class;
use http::{HeaderMap, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::WebhookSettings;
use super::connect::{ConnectError, Connector, Stream};

/// How large the head of an answer may be, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How many headers an answer may have.
const HEADERS_MAX: usize = 100;
/// How much of an answer is read that holds no events.
const PLAIN_BYTES_MAX: usize = 64 * 1024;
/// How large an answer with events may be, in bytes.
const EVENTS_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How many connections per host are kept that do nothing, and for how long.
const IDLE_MAX: usize = 32;
const IDLE_TIME: Duration = Duration::from_secs(60);
/// How many sets of connections there may be, one per file of certificates.
const CLIENTS_MAX: usize = 64;

type Connecting = Pin<Box<dyn Future<Output = Result<TokioIo<Stream>, ConnectError>> + Send>>;
type Dial = Arc<dyn Fn(Uri) -> Connecting + Send + Sync>;

/// Makes connections for a pool.
#[derive(Clone)]
struct Dialer(Dial);

impl tower::Service<Uri> for Dialer {
    type Response = TokioIo<Stream>;
    type Error = ConnectError;
    type Future = Connecting;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), ConnectError>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Connecting {
        (self.0)(uri)
    }
}

type Client = Pool<Dialer, Full<Bytes>>;

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// The body as far as it was read: all of it when it holds events.
    pub(super) body: Bytes,
}

impl Answer {
    /// Tells whether the answer is one event or several, in any of the modes of CloudEvents.
    pub(super) fn holds_events(&self) -> bool {
        holds_events(&self.headers)
    }
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExchangeError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("there was no answer after {0} ms")]
    Timeout(u128),
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("the head of the answer is larger than 64 KiB or has more than 100 headers")]
    Head,
    #[error("the answer holds events and is larger than 8 MiB")]
    TooLarge,
    #[error("the certificates in `{path}` can not be read: {reason}")]
    Certificates { path: String, reason: String },
}

impl ExchangeError {
    /// Returns the class a retry policy names it by.
    pub(super) fn class(&self) -> Class {
        match self {
            ExchangeError::Connect(error) => match error {
                ConnectError::Barred(_) | ConnectError::Url(_) => Class::Rejected,
                _ => Class::Unavailable,
            },
            ExchangeError::Timeout(_) => Class::Timeout,
            ExchangeError::Broken(_) | ExchangeError::Certificates { .. } => Class::Unavailable,
            ExchangeError::Head | ExchangeError::TooLarge => Class::Rejected,
        }
    }
}

/// Which connections a webhook shares with others.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Kept {
    allow_private: bool,
    ca_file: Option<Text>,
}

/// All connections.
pub(super) struct Clients {
    settings: WebhookSettings,
    kept: Mutex<HashMap<Kept, Client>>,
}

impl Clients {
    pub(super) fn new(settings: WebhookSettings) -> Clients {
        Clients { settings, kept: Mutex::new(HashMap::new()) }
    }

    /// Sends a request and reads the answer, all within `timeout`.
    pub(super) async fn exchange(
        &self,
        action: &WebhookAction,
        request: Request<Full<Bytes>>,
        timeout: Duration,
    ) -> Result<Answer, ExchangeError> {
        let client = self.client(action).await?;
        match tokio::time::timeout(timeout, exchange(&client, request)).await {
            Ok(answer) => answer,
            Err(_) => Err(ExchangeError::Timeout(timeout.as_millis())),
        }
    }

    async fn client(&self, action: &WebhookAction) -> Result<Client, ExchangeError> {
        let key = Kept { allow_private: action.allow_private, ca_file: action.ca_file.clone() };
        if let Some(client) = self.lock().get(&key) {
            return Ok(client.clone());
        }
        let files: Vec<PathBuf> = self
            .settings
            .ca_file
            .iter()
            .cloned()
            .chain(action.ca_file.as_deref().map(PathBuf::from))
            .collect();
        let loaded = tokio::task::spawn_blocking(move || tls(&files)).await;
        let tls = loaded.map_err(|error| ExchangeError::Broken(error.to_string()))??;
        let connector = Connector {
            guard: self.settings.guard.clone(),
            resolver: self.settings.resolver.clone(),
            tls: Arc::new(tls),
            allow_private: action.allow_private,
        };
        let dial: Dial = Arc::new(move |uri| Box::pin(connector.clone().connect(uri)));
        let client: Client = Pool::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIME)
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(IDLE_MAX)
            .http1_max_buf_size(HEAD_BYTES_MAX)
            .http1_max_headers(HEADERS_MAX)
            .build(Dialer(dial));
        let mut kept = self.lock();
        if kept.len() >= CLIENTS_MAX {
            // They are made anew when they are needed; what is under way keeps its own.
            kept.clear();
        }
        Ok(kept.entry(key).or_insert(client).clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Kept, Client>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn exchange(client: &Client, request: Request<Full<Bytes>>) -> Result<Answer, ExchangeError> {
    let response = client.request(request).await.map_err(failed)?;
    let (parts, mut body) = response.into_parts();
    // What was at hand with one read is parsed however large it is.
    let head: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if head > HEAD_BYTES_MAX || parts.headers.len() > HEADERS_MAX {
        return Err(ExchangeError::Head);
    }
    let events = holds_events(&parts.headers) && parts.status.is_success();
    let most = if events { EVENTS_BYTES_MAX } else { PLAIN_BYTES_MAX };
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| ExchangeError::Broken(chain(&error)))?;
        let Ok(data) = frame.into_data() else { continue };
        let room = most - read.len();
        if data.len() > room {
            if events {
                return Err(ExchangeError::TooLarge);
            }
            // The status has said it all. The rest is not taken, and the connection is not used again.
            read.extend_from_slice(&data[..room]);
            break;
        }
        read.extend_from_slice(&data);
    }
    Ok(Answer { status: parts.status, headers: parts.headers, body: read.freeze() })
}

fn holds_events(headers: &HeaderMap) -> bool {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let structured = media.trim_start().to_ascii_lowercase().starts_with("application/cloudevents");
    structured || headers.contains_key("ce-specversion")
}

fn failed(error: hyper_util::client::legacy::Error) -> ExchangeError {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(inner) = source {
        if let Some(hyper) = inner.downcast_ref::<hyper::Error>()
            && hyper.is_parse_too_large()
        {
            return ExchangeError::Head;
        }
        if let Some(connect) = inner.downcast_ref::<ConnectError>() {
            return ExchangeError::Connect(connect.clone());
        }
        source = inner.source();
    }
    ExchangeError::Broken(chain(&error))
}

/// Returns an error with all that lies behind it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

fn tls(files: &[PathBuf]) -> Result<rustls::ClientConfig, ExchangeError> {
    let mut roots = rustls::RootCertStore::empty();
    // A machine without authorities of its own can still use those of a file, and plain HTTP.
    let native = rustls_native_certs::load_native_certs();
    let (_added, _ignored) = roots.add_parsable_certificates(native.certs);
    for file in files {
        for certificate in certificates(file)? {
            let added = roots.add(certificate);
            added.map_err(|error| unreadable(file, &error.to_string()))?;
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ExchangeError::Broken(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, ExchangeError> {
    let pem = std::fs::read(file).map_err(|error| unreadable(file, &error.to_string()))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.map_err(|error| unreadable(file, &error.to_string()))?;
    if certificates.is_empty() {
        return Err(unreadable(file, "it holds no certificate in PEM"));
    }
    Ok(certificates)
}

fn unreadable(file: &Path, reason: &str) -> ExchangeError {
    ExchangeError::Certificates { path: file.display().to_string(), reason: reason.to_owned() }
}
