//! Connections: the name is resolved, every address is checked, then one of the checked addresses is connected to.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::guard::{Barred, Guard};
use super::resolve::Resolve;

/// How long it may take until a connection stands, its encryption included.
pub(super) const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How many addresses of one name are looked at. A name with more is not trusted.
const ADDRESSES_MAX: usize = 64;

/// Why there is no connection.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum ConnectError {
    /// It may not be.
    #[error(transparent)]
    Barred(#[from] Barred),
    /// The name has no address.
    #[error("`{host}` can not be resolved: {reason}")]
    Resolve { host: String, reason: String },
    /// Nobody listens, or nobody answers.
    #[error("{address} can not be connected to: {reason}")]
    Connect { address: SocketAddr, reason: String },
    /// The other side is not who it should be, or speaks no TLS that is safe.
    #[error("the encryption with `{host}` failed: {reason}")]
    Tls { host: String, reason: String },
    /// It took too long.
    #[error("there was no connection with `{host}` after {} s", CONNECT_MAX.as_secs())]
    Timeout { host: String },
    /// The URL is none.
    #[error("the URL can not be connected to: {0}")]
    Url(&'static str),
}

/// Makes connections.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) guard: Guard,
    pub(super) resolver: Arc<dyn Resolve>,
    pub(super) tls: Arc<rustls::ClientConfig>,
    /// Whether the webhooks that use it may lead to private addresses.
    pub(super) allow_private: bool,
}

impl Connector {
    pub(super) async fn connect(self, uri: Uri) -> Result<TokioIo<Stream>, ConnectError> {
        let host = uri.host().ok_or(ConnectError::Url("it has no host"))?.to_owned();
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        match tokio::time::timeout(CONNECT_MAX, self.establish(&uri, &bare)).await {
            Ok(stream) => stream,
            Err(_) => Err(ConnectError::Timeout { host }),
        }
    }

    async fn establish(&self, uri: &Uri, host: &str) -> Result<TokioIo<Stream>, ConnectError> {
        let is_tls = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        self.guard.check_port(port)?;
        let addresses = self.addresses(host).await?;
        let mut last =
            ConnectError::Resolve { host: host.to_owned(), reason: "it has no address".to_owned() };
        for address in addresses {
            let address = SocketAddr::new(address, port);
            let stream = match TcpStream::connect(address).await {
                Ok(stream) => stream,
                Err(error) => {
                    last = ConnectError::Connect { address, reason: error.to_string() };
                    continue;
                }
            };
            // Small requests go out at once; where that can not be had, they go out later.
            let _slower = stream.set_nodelay(true);
            if !is_tls {
                return Ok(TokioIo::new(Stream::Plain(stream)));
            }
            let failed = |reason: String| ConnectError::Tls { host: host.to_owned(), reason };
            let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(error.to_string()))?;
            let connector = TlsConnector::from(self.tls.clone());
            let stream = connector.connect(name, stream).await.map_err(|error| failed(error.to_string()))?;
            return Ok(TokioIo::new(Stream::Tls(Box::new(stream))));
        }
        Err(last)
    }

    /// Returns the addresses of a host, all of them checked: one that may not be reached bars the name.
    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, ConnectError> {
        let failed = |reason: String| ConnectError::Resolve { host: host.to_owned(), reason };
        let addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => self.resolver.resolve(host).await.map_err(|error| failed(error.to_string()))?,
        };
        if addresses.len() > ADDRESSES_MAX {
            return Err(failed(format!("it has more than {ADDRESSES_MAX} addresses")));
        }
        for address in &addresses {
            self.guard.check(host, *address, self.allow_private)?;
        }
        Ok(addresses)
    }
}

/// A connection, encrypted or not.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, into),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, from),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, from),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
