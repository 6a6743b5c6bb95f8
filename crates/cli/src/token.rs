//! The token a command sends, and where it is found.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::exit::Failure;

/// Where `cantus dev` leaves its token, below the current folder or one above it.
const DEV_TOKEN: &str = ".cantus/token";
/// A token is one line; a longer file is something else.
const TOKEN_BYTES_MAX: u64 = 4096;

/// Returns the token for this server: the one given, that of `CANTUS_TOKEN_FILE`, or the one `dev` left. The last is sent to
/// servers on this machine only, so that a URL somebody pasted does not get it.
pub(crate) fn find(given: Option<&str>, server: &str) -> Result<Option<String>> {
    if let Some(token) = given.map(str::trim).filter(|token| !token.is_empty()) {
        return Ok(Some(token.to_owned()));
    }
    if let Some(file) = std::env::var_os("CANTUS_TOKEN_FILE").filter(|file| !file.is_empty()) {
        return read(Path::new(&file)).map(Some);
    }
    if !is_this_machine(server) {
        return Ok(None);
    }
    let Ok(folder) = std::env::current_dir() else { return Ok(None) };
    match dev_token_file(&folder) {
        // Someone else's server may be running with a file this user cannot read; most commands need no token then.
        Some(file) => Ok(read(&file).ok()),
        None => Ok(None),
    }
}

/// Returns the token file of the `dev` server that is kept in this folder or one above it.
pub(crate) fn dev_token_file(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().map(|folder| folder.join(DEV_TOKEN)).find(|file| file.is_file())
}

fn read(file: &Path) -> Result<String> {
    let named = || format!("the token file {}", file.display());
    let length = std::fs::metadata(file).with_context(named)?.len();
    if length > TOKEN_BYTES_MAX {
        return Err(Failure::usage(format!("{} is too large to hold a token", file.display())).into());
    }
    let text = std::fs::read_to_string(file).with_context(named)?;
    let token = text.trim();
    if token.is_empty() {
        return Err(Failure::usage(format!("the token file {} is empty", file.display())).into());
    }
    Ok(token.to_owned())
}

/// Returns whether a URL names this machine.
pub(crate) fn is_this_machine(server: &str) -> bool {
    let rest = server.split_once("://").map_or(server, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    // `http://127.0.0.1@elsewhere` is elsewhere; the client refuses such URLs anyway.
    if authority.contains('@') {
        return false;
    }
    let host = match authority.strip_prefix('[') {
        Some(six) => six.split(']').next().unwrap_or(""),
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    };
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_are_this_machine() {
        for here in [
            "http://127.0.0.1:4777",
            "localhost:4777",
            "http://LOCALHOST/x",
            "http://[::1]:4777",
            "127.8.0.1",
        ] {
            assert!(is_this_machine(here), "{here}");
        }
        for elsewhere in [
            "http://example.com",
            "http://127.0.0.1.example.com",
            "http://127.0.0.1@example.com:4777",
            "https://localhost.example.com/",
            "http://10.0.0.1",
        ] {
            assert!(!is_this_machine(elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn the_token_of_dev_is_found_from_a_folder_below() {
        let root = tempfile::tempdir().unwrap();
        let below = root.path().join("a/b");
        std::fs::create_dir_all(&below).unwrap();
        std::fs::create_dir(root.path().join(".cantus")).unwrap();
        std::fs::write(root.path().join(".cantus/token"), "secret\n").unwrap();
        let file = dev_token_file(&below).unwrap();
        assert_eq!(file, root.path().join(".cantus/token"));
        assert_eq!(read(&file).unwrap(), "secret");
    }
}
