//! Making a client.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderValue;

use crate::error::Error;
use crate::transport::{Client, Settings};

/// Where a server listens unless told otherwise.
pub const DEFAULT_URL: &str = "http://127.0.0.1:4777";

/// What a client is made of.
#[derive(Debug, Clone)]
pub struct Builder {
    url: String,
    token: Option<String>,
    timeout: Duration,
    connect_timeout: Duration,
    patience: Duration,
    answer_bytes_max: usize,
    user_agent: String,
}

impl Default for Builder {
    fn default() -> Builder {
        Builder {
            url: DEFAULT_URL.to_owned(),
            token: None,
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            patience: Duration::from_secs(30),
            answer_bytes_max: 256 << 20,
            user_agent: concat!("cantus-client/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

impl Builder {
    /// Sets where the server is; [`DEFAULT_URL`] unless set. A path is kept: `https://example.com/cantus` works behind a proxy.
    #[must_use]
    pub fn url(self, url: impl Into<String>) -> Builder {
        Builder { url: url.into(), ..self }
    }

    /// Sets the token that is sent with every request.
    #[must_use]
    pub fn token(self, token: impl Into<String>) -> Builder {
        Builder { token: Some(token.into()), ..self }
    }

    /// Sets how long a whole call may take; 30 s unless set. Calls that wait have that time on top.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Builder {
        Builder { timeout, ..self }
    }

    /// Sets how long connecting may take; 5 s unless set.
    #[must_use]
    pub fn connect_timeout(self, connect_timeout: Duration) -> Builder {
        Builder { connect_timeout, ..self }
    }

    /// Sets how long a call is tried again, all in all, while the server answers 429 and says when to come back; 30 s unless set,
    /// zero for never. Such an answer means that nothing was done, so trying again is safe.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Builder {
        Builder { patience, ..self }
    }

    /// Sets the largest answer that is read, in bytes; 256 MiB unless set.
    #[must_use]
    pub fn answer_bytes_max(self, answer_bytes_max: usize) -> Builder {
        Builder { answer_bytes_max, ..self }
    }

    /// Sets what the client calls itself in the `User-Agent`.
    #[must_use]
    pub fn user_agent(self, user_agent: impl Into<String>) -> Builder {
        Builder { user_agent: user_agent.into(), ..self }
    }

    /// Returns the client. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a URL that is not http or https, or a token that fits into no header.
    pub fn build(self) -> Result<Client, Error> {
        let url = parse_url(&self.url)?;
        let token = self.token.as_deref().map(bearer).transpose()?;
        let mut http = reqwest::Client::builder();
        if is_loopback(&url) {
            // A proxy from the environment is for other machines.
            http = http.no_proxy();
        }
        http = match url.scheme() {
            // No certificate will be looked at, and loading all of the system's takes many times longer than a request.
            "http" => http.tls_backend_preconfigured(no_certificates()?),
            _ => {
                // Another part of the program may have chosen a provider before; then that one serves.
                let _already_chosen = rustls::crypto::aws_lc_rs::default_provider().install_default();
                http
            }
        };
        let http = http
            .user_agent(self.user_agent)
            .connect_timeout(self.connect_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .tcp_nodelay(true)
            .build()
            .map_err(|error| Error::Invalid(format!("the HTTP client cannot be made: {error}")))?;
        let settings = Settings {
            url,
            token,
            timeout: self.timeout,
            patience: self.patience,
            answer_bytes_max: self.answer_bytes_max,
        };
        Ok(Client::new(http, Arc::new(settings)))
    }
}

fn parse_url(text: &str) -> Result<Url, Error> {
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let wrong = |why: String| Error::Invalid(format!("`{text}` is no URL of a server: {why}"));
    let mut url = Url::parse(&with_scheme).map_err(|error| wrong(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("it must begin with http:// or https://".into()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("it must not have a user or password; give a token instead".into()));
    }
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

fn no_certificates() -> Result<rustls::ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Invalid(format!("TLS cannot be set up: {error}")))?;
    Ok(versions.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or("").trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn bearer(token: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
        .map_err(|_| Error::Invalid("the token has characters that fit into no header".into()))?;
    value.set_sensitive(true);
    Ok(value)
}
