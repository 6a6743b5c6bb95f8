//! URLs of webhooks, read strictly: what two programs could read as two places is refused.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// The URL of a webhook: `http` or `https`, a host, no user, no fragment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebhookUrl {
    text: String,
    is_tls: bool,
    host: UrlHost,
    port: u16,
}

/// The host of a URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UrlHost {
    /// A name that is looked up: lower case, without a dot at its end.
    Name(String),
    /// An address.
    Address(IpAddr),
}

/// A text that is no URL of a webhook. It holds no part of the text that could be a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// Another scheme, or none.
    #[error("a webhook's URL begins with https:// or http://; write the whole URL")]
    Scheme,
    /// A user stands in front of the host.
    #[error("a webhook's URL names no user and no password; remove all up to the @, and sign with `secret`")]
    User,
    /// A character that readers of URLs do not agree about.
    #[error("a webhook's URL has only visible ASCII characters and no backslash; percent-encode {0:?}")]
    Character(char),
    /// Letters of other alphabets in a name.
    #[error("the host of a webhook is written in ASCII; write an international name in its xn-- form")]
    International,
    /// A part behind `#`.
    #[error("a webhook's URL has no part behind `#`; remove it: it is never sent")]
    Fragment,
    /// The host is neither name nor address.
    #[error(
        "`{0}` is neither a host name nor an address; an address is written as 192.0.2.1 or [2001:db8::1]"
    )]
    Host(String),
    /// The port is none.
    #[error("the port of a webhook's URL is a number from 1 to 65535; correct it, or leave it out")]
    Port,
    /// It is too long.
    #[error("a webhook's URL has at most 2048 bytes; shorten it")]
    Length,
}

const BYTES_MAX: usize = 2_048;

impl WebhookUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// When it is none, or one that programs read differently.
    pub fn parse(text: &str) -> Result<WebhookUrl, InvalidUrl> {
        if text.len() > BYTES_MAX {
            return Err(InvalidUrl::Length);
        }
        let (scheme, rest) = text.split_once("://").ok_or(InvalidUrl::Scheme)?;
        let is_tls = match &*scheme.to_ascii_lowercase() {
            "https" => true,
            "http" => false,
            _ => return Err(InvalidUrl::Scheme),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err(InvalidUrl::User);
        }
        if authority.chars().any(|letter| !letter.is_ascii() && letter.is_alphanumeric()) {
            return Err(InvalidUrl::International);
        }
        let odd = |letter: &char| {
            !letter.is_ascii_graphic()
                || matches!(letter, '\\' | '"' | '<' | '>' | '^' | '`' | '{' | '|' | '}')
        };
        if let Some(odd) = rest.chars().find(odd) {
            return Err(InvalidUrl::Character(odd));
        }
        if path.contains('#') {
            return Err(InvalidUrl::Fragment);
        }
        let (host, port) = split_port(authority)?;
        let host = UrlHost::parse(host)?;
        let port = match port {
            Some(port) => port,
            None if is_tls => 443,
            None => 80,
        };
        let scheme = if is_tls { "https" } else { "http" };
        let shown_port =
            if port == if is_tls { 443 } else { 80 } { String::new() } else { format!(":{port}") };
        let slash = if path.starts_with('/') { "" } else { "/" };
        let text = format!("{scheme}://{host}{shown_port}{slash}{path}");
        Ok(WebhookUrl { text, is_tls, host, port })
    }

    /// Returns the URL, in lower case as far as case does not count.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns its host.
    pub fn host(&self) -> &UrlHost {
        &self.host
    }

    /// Returns its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Tells whether it is `https`.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }
}

impl UrlHost {
    fn parse(text: &str) -> Result<UrlHost, InvalidUrl> {
        let wrong = || InvalidUrl::Host(text.chars().take(60).collect());
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or_else(wrong)?;
            // A zone belongs to one machine alone; the parser of the standard library does not take it.
            return inner.parse::<Ipv6Addr>().map(|it| UrlHost::Address(it.into())).map_err(|_| wrong());
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if let Ok(address) = name.parse::<Ipv4Addr>() {
            return Ok(UrlHost::Address(address.into()));
        }
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        if name.len() > 253 || !name.split('.').all(label) {
            return Err(wrong());
        }
        // What ends in a number is an address in one of its old forms: 127.1, 0x7f000001, 2130706433, 0177.0.0.1.
        let last = name.rsplit('.').next().unwrap_or_default();
        if last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x") {
            return Err(wrong());
        }
        Ok(UrlHost::Name(name))
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), InvalidUrl> {
    let (host, port) = match authority.rfind(']') {
        Some(end) => match authority[end + 1..].strip_prefix(':') {
            Some(port) => (&authority[..=end], Some(port)),
            None if end + 1 == authority.len() => (authority, None),
            None => return Err(InvalidUrl::Host(authority.chars().take(60).collect())),
        },
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = match port {
        None => None,
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(port.parse().ok().filter(|port| *port > 0).ok_or(InvalidUrl::Port)?)
        }
        Some(_) => return Err(InvalidUrl::Port),
    };
    Ok((host, port))
}

impl fmt::Display for UrlHost {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UrlHost::Name(name) => out.write_str(name),
            UrlHost::Address(IpAddr::V4(address)) => write!(out, "{address}"),
            UrlHost::Address(IpAddr::V6(address)) => write!(out, "[{address}]"),
        }
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl TryFrom<String> for WebhookUrl {
    type Error = InvalidUrl;
    fn try_from(text: String) -> Result<Self, InvalidUrl> {
        Self::parse(&text)
    }
}

impl From<WebhookUrl> for String {
    fn from(url: WebhookUrl) -> String {
        url.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, InvalidUrl> {
        WebhookUrl::parse(text).map(String::from)
    }

    #[test]
    fn what_is_meant_the_same_is_written_the_same() {
        for (text, url) in [
            ("https://agents.example.com/frontend", "https://agents.example.com/frontend"),
            ("HTTPS://Agents.Example.COM:443", "https://agents.example.com/"),
            ("http://localhost.:80/?a=b", "http://localhost/?a=b"),
            ("http://[::FFFF:7f00:1]:8080/x", "http://[::ffff:127.0.0.1]:8080/x"),
            ("https://x.example?q=%20", "https://x.example/?q=%20"),
            ("http://192.0.2.1:81/@b", "http://192.0.2.1:81/@b"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(url), "{text}");
        }
    }

    #[test]
    fn odd_forms_of_addresses_are_refused() {
        for host in
            ["0x7f000001", "2130706433", "0177.0.0.1", "127.1", "0x7f.0.0.1", "1.2.3.4.5", "999.1.1.1", "0"]
        {
            let refused = read(&format!("http://{host}/")).unwrap_err();
            assert!(matches!(refused, InvalidUrl::Host(_)), "{host}: {refused:?}");
        }
        for host in ["", ".", "a..b", "-a.example", "[::1", "[::1]x", "[fe80::1%25eth0]", "a_b.c d"] {
            assert!(read(&format!("http://{host}/")).is_err(), "{host}");
        }
    }

    #[test]
    fn what_two_readers_could_read_as_two_places_is_refused() {
        for (text, wrong) in [
            ("https://user:pass@example.com/", InvalidUrl::User),
            ("http://a@b@c", InvalidUrl::User),
            ("gopher://example.com/", InvalidUrl::Scheme),
            ("file:///etc/passwd", InvalidUrl::Scheme),
            ("unix:/run/x.sock", InvalidUrl::Scheme),
            ("example.com", InvalidUrl::Scheme),
            ("http://good.example\\@evil.example/", InvalidUrl::User),
            ("http://good.example\\.evil.example/", InvalidUrl::Character('\\')),
            ("http://example.com/\r\nx: y", InvalidUrl::Character('\r')),
            ("http://example.com/#@evil.example", InvalidUrl::Fragment),
            ("http://example.com#@evil.example", InvalidUrl::Fragment),
            ("http://exаmple.com/", InvalidUrl::International),
            ("http://example.com:0/", InvalidUrl::Port),
            ("http://example.com:65536/", InvalidUrl::Port),
            ("http://example.com:8a/", InvalidUrl::Port),
        ] {
            assert_eq!(read(text), Err(wrong), "{text}");
        }
        assert!(!read("https://canary:canary@x/").unwrap_err().to_string().contains("canary"));
    }
}
