//! Who asks, and what they may: tokens, rights, and the allow-lists of hosts and origins.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use cantus_api::definition::Permission;
use cantus_api::error::{Code, Problem};
use cantus_core::Text;
use http::{HeaderMap, HeaderName, Uri, header};
use sha2::{Digest as _, Sha256};

use crate::options::{Mode, ServerOptions};

/// What a route needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    /// Nothing: health, metrics, pages of help.
    Open,
    /// To publish events.
    Publish,
    /// To read, pull and answer.
    Consume,
    /// To pause, seek, replay and the like.
    Operate,
    /// To change definitions.
    Define,
}

impl Right {
    fn permission(self) -> Option<Permission> {
        match self {
            Right::Open => None,
            Right::Publish => Some(Permission::Publish),
            Right::Consume => Some(Permission::Consume),
            Right::Operate => Some(Permission::Operate),
            Right::Define => Some(Permission::Define),
        }
    }

    /// Returns the word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Right::Open => "none",
            Right::Publish => "publish",
            Right::Consume => "consume",
            Right::Operate => "operate",
            Right::Define => "define",
        }
    }
}

/// Between whom a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Who came.
    pub(crate) remote: SocketAddr,
    /// To which of our addresses.
    pub(crate) local: SocketAddr,
}

impl Default for Peer {
    fn default() -> Self {
        let nowhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        Peer { remote: nowhere, local: nowhere }
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// As facts name them: `token:ci`, `anonymous@127.0.0.1`, `hook:github`.
    pub(crate) actor: Text,
}

/// The tokens there are, and what may be done without one.
#[derive(Debug)]
pub(crate) struct Gate {
    mode: Mode,
    tokens: Vec<Known>,
    hosts: Vec<String>,
    origins: Vec<String>,
}

#[derive(Debug)]
struct Known {
    digest: [u8; 32],
    actor: Text,
    may: Vec<Permission>,
}

impl Gate {
    /// Creates the gate that options ask for.
    pub(crate) fn new(options: &ServerOptions) -> Gate {
        let tokens = options.tokens.iter().chain(&options.programs).map(|grant| Known {
            digest: digest(grant.token.reveal()),
            actor: Text::from(format!("token:{}", grant.name)),
            may: grant.may.clone(),
        });
        Gate {
            mode: options.mode,
            tokens: tokens.collect(),
            hosts: options.hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            origins: options.origins.iter().map(|origin| origin.to_ascii_lowercase()).collect(),
        }
    }

    /// Tells who asks, if they may.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` without a token or with an unknown one, `FORBIDDEN` when the token does not have the right.
    pub(crate) fn admit(
        &self,
        right: Right,
        headers: &HeaderMap,
        peer: Peer,
    ) -> Result<Caller, Box<Problem>> {
        let anonymous = || Caller { actor: Text::from(format!("anonymous@{}", peer.remote.ip())) };
        let Some(permission) = right.permission() else { return Ok(anonymous()) };
        let Some(token) = bearer(headers)? else {
            let free = matches!(right, Right::Publish | Right::Consume);
            if self.mode == Mode::Dev && free && is_loopback(peer.remote.ip()) {
                return Ok(anonymous());
            }
            return Err(unauthenticated(self.mode, "a token is needed"));
        };
        let digest = digest(token);
        // Every token is compared, and all bytes of each: how long it takes tells nothing.
        let mut found = None;
        for known in &self.tokens {
            if same(&known.digest, &digest) {
                found = Some(known);
            }
        }
        let Some(known) = found else {
            return Err(unauthenticated(self.mode, "the token is not known"));
        };
        if known.may.contains(&permission) {
            return Ok(Caller { actor: known.actor.clone() });
        }
        let detail = format!("the token does not have the right `{}`", right.as_str());
        Err(Box::new(Problem::new(Code::Forbidden, detail).hint(format!(
            "add `{}` to `may` of that token under `server.tokens`, or use another token",
            right.as_str()
        ))))
    }

    /// Checks that the request is meant for this server and comes from no foreign page.
    ///
    /// # Errors
    /// `HOST_NOT_ALLOWED`, `ORIGIN_NOT_ALLOWED`, and `REQUEST_INVALID` for headers that contradict themselves.
    pub(crate) fn check_site(&self, uri: &Uri, headers: &HeaderMap, peer: Peer) -> Result<(), Box<Problem>> {
        let host = match single(headers, &header::HOST)? {
            Some(host) => host,
            None => return Err(host_refused("the request names no host")),
        };
        self.check_host(host, peer)?;
        if let Some(authority) = uri.authority() {
            self.check_host(authority.as_str(), peer)?;
        }
        let Some(origin) = single(headers, &header::ORIGIN)? else { return Ok(()) };
        let origin = origin.to_ascii_lowercase();
        if self.origins.contains(&origin) || is_loopback_origin(&origin) {
            return Ok(());
        }
        let shown: String = origin.chars().take(80).collect();
        let problem =
            Problem::new(Code::OriginNotAllowed, format!("pages of `{shown}` may not call this server"));
        Err(Box::new(problem.hint("add the origin to `server.allowed_origins` if you trust it")))
    }

    fn check_host(&self, host: &str, peer: Peer) -> Result<(), Box<Problem>> {
        let host = host.to_ascii_lowercase();
        let Some(name) = host_name(&host) else { return Err(host_refused("the host is malformed")) };
        let listed = self.hosts.iter().any(|allowed| *allowed == host || *allowed == name);
        if listed || is_loopback_name(name) || literal(name).is_some_and(|ip| ip == peer.local.ip()) {
            return Ok(());
        }
        Err(host_refused(&format!("`{}` is not this server", name.chars().take(80).collect::<String>())))
    }

    /// Returns whether pages of this origin may read answers: only origins somebody wrote down.
    pub(crate) fn shares_with(&self, origin: &str) -> bool {
        self.origins.contains(&origin.to_ascii_lowercase())
    }
}

fn unauthenticated(mode: Mode, detail: &str) -> Box<Problem> {
    let hint = match mode {
        Mode::Dev => {
            "send `Authorization: Bearer …` with the token in .cantus/token; the command line reads it by itself there, else set CANTUS_TOKEN"
        }
        Mode::Serve => {
            "send `Authorization: Bearer …` with one of the tokens of `server.tokens`; the command line takes CANTUS_TOKEN"
        }
    };
    Box::new(Problem::new(Code::Unauthenticated, detail).hint(hint))
}

fn host_refused(detail: &str) -> Box<Problem> {
    let problem = Problem::new(Code::HostNotAllowed, detail);
    Box::new(problem.hint("use the name the server is known by, or add it to `server.allowed_hosts`"))
}

/// Returns the one value of a header.
///
/// # Errors
/// `REQUEST_INVALID` when it is there twice or is no text.
pub(crate) fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Box<Problem>> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let refused = |detail: &str| {
        let problem = Problem::new(Code::RequestInvalid, format!("the header {name} {detail}"));
        Box::new(problem.at_header(name.as_str(), detail))
    };
    if values.next().is_some() {
        return Err(refused("is there twice"));
    }
    value.to_str().map(Some).map_err(|_| refused("is no plain text"))
}

fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Box<Problem>> {
    let Some(value) = single(headers, &header::AUTHORIZATION)? else { return Ok(None) };
    let token = value
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .filter(|token| !token.is_empty());
    token.map(Some).ok_or_else(|| {
        let problem =
            Problem::new(Code::Unauthenticated, "the header Authorization is not of the form `Bearer TOKEN`");
        Box::new(problem.at_header("authorization", "must be `Bearer TOKEN`"))
    })
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Compares in a time that depends on the length alone.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && std::hint::black_box(a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b))) == 0
}

/// Returns the name of a `host[:port]`, or none when it is malformed.
fn host_name(host: &str) -> Option<&str> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let end = rest.find(']')?;
            (&host[..end + 2], &rest[end + 1..])
        }
        None => match host.split_once(':') {
            Some((name, _)) => (name, &host[name.len()..]),
            None => (host, ""),
        },
    };
    let port_fits = port.is_empty()
        || port.strip_prefix(':').is_some_and(|port| port.is_empty() || port.parse::<u16>().is_ok());
    (!name.is_empty() && port_fits).then_some(name)
}

fn literal(name: &str) -> Option<IpAddr> {
    name.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

fn is_loopback_name(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost") || literal(name).is_some_and(is_loopback)
}

fn is_loopback_origin(origin: &str) -> bool {
    let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    host.and_then(host_name).is_some_and(is_loopback_name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Secret, TokenGrant};

    fn gate(mode: Mode) -> Gate {
        let listen = "127.0.0.1:4777".parse().unwrap();
        let token = TokenGrant {
            name: "ci".into(),
            token: Secret::new("s3cret\n"),
            may: vec![Permission::Publish, Permission::Operate],
        };
        Gate::new(&ServerOptions {
            mode,
            tokens: vec![token],
            hosts: vec!["cantus.example.com".into()],
            origins: vec!["https://ops.example.com".into()],
            ..ServerOptions::dev(listen)
        })
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn peer(remote: &str) -> Peer {
        Peer { remote: remote.parse().unwrap(), local: "10.0.0.5:4777".parse().unwrap() }
    }

    #[test]
    fn on_loopback_in_dev_publishing_and_consuming_are_free_and_nothing_else() {
        let (none, here, there) = (HeaderMap::new(), peer("127.0.0.1:9"), peer("10.0.0.9:9"));
        let code =
            |mode, right, peer| gate(mode).admit(right, &none, peer).err().map(|it| it.code.into_owned());
        assert_eq!(code(Mode::Dev, Right::Publish, here), None);
        assert_eq!(code(Mode::Dev, Right::Consume, here), None);
        for (mode, right, peer) in [
            (Mode::Dev, Right::Operate, here),
            (Mode::Dev, Right::Define, here),
            (Mode::Dev, Right::Publish, there),
            (Mode::Serve, Right::Publish, here),
            (Mode::Serve, Right::Consume, here),
        ] {
            assert_eq!(code(mode, right, peer).as_deref(), Some("UNAUTHENTICATED"), "{mode:?} {right:?}");
        }
        assert_eq!(code(Mode::Serve, Right::Open, there), None);
    }

    #[test]
    fn a_token_opens_what_it_may_and_names_its_holder() {
        let (gate, there) = (gate(Mode::Serve), peer("10.0.0.9:9"));
        let with = |value| headers(&[("authorization", value)]);
        let caller = gate.admit(Right::Publish, &with("Bearer s3cret"), there).unwrap();
        assert_eq!(&*caller.actor, "token:ci");
        assert!(gate.admit(Right::Operate, &with("bearer s3cret"), there).is_ok());
        assert!(gate.admit(Right::Define, &with("Bearer s3cret"), there).unwrap_err().is(Code::Forbidden));
        for wrong in ["Bearer s3cre", "Bearer s3cret2", "Basic s3cret", "s3cret", "Bearer "] {
            let problem = gate.admit(Right::Publish, &with(wrong), there).unwrap_err();
            assert!(problem.is(Code::Unauthenticated), "{wrong}");
        }
    }

    #[test]
    fn only_hosts_that_are_this_server_are_answered() {
        let gate = gate(Mode::Dev);
        let check = |host: &str| {
            gate.check_site(&Uri::from_static("/"), &headers(&[("host", host)]), peer("127.0.0.1:9"))
        };
        for good in [
            "localhost",
            "LOCALHOST:4777",
            "127.0.0.1:4777",
            "[::1]:4777",
            "10.0.0.5",
            "cantus.example.com:80",
        ] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in [
            "evil.com",
            "127.0.0.1.evil.com",
            "10.0.0.6",
            "localhost:99999",
            "[::1",
            "",
            "cantus.example.com.evil.com",
        ] {
            assert!(check(bad).unwrap_err().is(Code::HostNotAllowed), "{bad}");
        }
        let none = gate.check_site(&Uri::from_static("/"), &HeaderMap::new(), peer("127.0.0.1:9"));
        assert!(none.unwrap_err().is(Code::HostNotAllowed));
        let absolute = Uri::from_static("http://evil.com/livez");
        let wrong = gate.check_site(&absolute, &headers(&[("host", "localhost")]), peer("127.0.0.1:9"));
        assert!(wrong.unwrap_err().is(Code::HostNotAllowed));
    }

    #[test]
    fn only_pages_that_are_known_may_call() {
        let gate = gate(Mode::Dev);
        let check = |origin: &str| {
            let headers = headers(&[("host", "localhost"), ("origin", origin)]);
            gate.check_site(&Uri::from_static("/"), &headers, peer("127.0.0.1:9"))
        };
        for good in ["http://localhost:3000", "https://127.0.0.1", "https://ops.example.com"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in [
            "null",
            "https://ops.example.com.evil.io",
            "http://ops.example.com",
            "https://localhost.evil.io",
            "file://localhost",
        ] {
            assert!(check(bad).unwrap_err().is(Code::OriginNotAllowed), "{bad}");
        }
        assert!(gate.shares_with("https://ops.example.com") && !gate.shares_with("http://localhost:3000"));
    }
}
