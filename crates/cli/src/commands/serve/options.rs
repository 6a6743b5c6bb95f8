//! Everything a server is told when it starts.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use cantus_api::definition::{Definitions, Server};
use cantus_file::Loaded;
use tokio::sync::watch;

use crate::exit::Failure;

/// Where a server listens unless told otherwise.
const LISTEN: &str = "127.0.0.1:4777";

/// What a server is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Development: this machine only, publish and consume need no token, topics come to be by publishing.
    Dev,
    /// Production: every call needs a token, topics are declared.
    Serve,
}

impl Mode {
    /// Returns the word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Mode::Dev => "dev",
            Mode::Serve => "serve",
        }
    }
}

/// Everything a server is told when it starts.
pub(crate) struct StartOptions {
    /// What it is for.
    pub(crate) mode: Mode,
    /// Where it listens: `address:port`; port 0 for any that is free.
    pub(crate) listen: String,
    /// Where state is kept; a folder that is removed afterwards if `ephemeral`.
    pub(crate) data_dir: PathBuf,
    /// Whether nothing needs to survive.
    pub(crate) ephemeral: bool,
    /// The file, as it was named; none if there is none.
    pub(crate) file: Option<PathBuf>,
    /// Every file that was read.
    pub(crate) files: Vec<PathBuf>,
    /// What the file declares.
    pub(crate) definitions: Definitions,
    /// Its `server` section, with what variables and options override.
    pub(crate) server: Server,
    /// The token of `dev`: who shows it may do everything.
    pub(crate) token: Option<String>,
    /// What the file declares now, each time it was read again and is good; none if it is not watched.
    pub(crate) reloads: Option<watch::Receiver<Option<Arc<Loaded>>>>,
    /// Called once with the address it listens at, when it takes requests.
    pub(crate) ready: Box<dyn FnOnce(SocketAddr) + Send>,
}

/// Returns where to listen: what was given, else the default, with another port if one was given.
///
/// # Errors
///
/// When the text is no `address:port`.
pub(crate) fn listen_address(given: Option<&str>, port: Option<u16>) -> Result<String> {
    let listen = given.unwrap_or(LISTEN);
    let wrong = || {
        let hint = "write address:port, such as 127.0.0.1:4777";
        Failure::usage(format!("`{listen}` is no address to listen at")).hint(hint)
    };
    let (host, given_port) = listen.rsplit_once(':').ok_or_else(wrong)?;
    let given_port: u16 = given_port.parse().map_err(|_| wrong())?;
    if host.is_empty() {
        return Err(wrong().into());
    }
    Ok(format!("{host}:{}", port.unwrap_or(given_port)))
}

/// Returns the first socket address of an `address:port`.
///
/// # Errors
///
/// When the name is not known.
pub(crate) fn socket_address(listen: &str) -> Result<SocketAddr> {
    let mut addresses = listen
        .to_socket_addrs()
        .map_err(|error| Failure::usage(format!("`{listen}` is no address to listen at: {error}")))?;
    addresses.next().ok_or_else(|| Failure::usage(format!("`{listen}` names no address")).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_wins_over_the_one_in_the_address() {
        assert_eq!(listen_address(None, None).unwrap(), "127.0.0.1:4777");
        assert_eq!(listen_address(None, Some(0)).unwrap(), "127.0.0.1:0");
        assert_eq!(listen_address(Some("[::1]:80"), Some(81)).unwrap(), "[::1]:81");
        for wrong in ["4777", ":4777", "localhost", "localhost:x", "localhost:99999"] {
            assert!(listen_address(Some(wrong), None).is_err(), "{wrong}");
        }
    }
}
