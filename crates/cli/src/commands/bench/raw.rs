//! One connection that speaks as much HTTP/1.1 as a load needs: requests are bytes made beforehand, answers are looked at as
//! bytes. It shares the machine with the server it measures, so it must cost little.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::exit::Failure;

/// The head of an answer is no longer than this.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How long to wait when the server has too much to do, and how often.
const AGAIN_AFTER: Duration = Duration::from_millis(10);
const TRIES_MAX: u32 = 1_000;

/// Whom to talk to.
#[derive(Debug, Clone)]
pub(super) struct Target {
    authority: String,
    token: Option<String>,
}

impl Target {
    /// Takes the URL of a server without a path, and the token to show.
    pub(super) fn new(url: &str, token: Option<String>) -> Result<Target> {
        let Some(authority) = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/')) else {
            return Err(
                Failure::usage(format!("`{url}` can not be measured: bench speaks plain http only")).into()
            );
        };
        if authority.contains('/') {
            return Err(Failure::usage(format!("`{url}` can not be measured: it has a path")).into());
        }
        let authority =
            if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
        Ok(Target { authority, token })
    }

    /// Connects.
    pub(super) async fn connect(&self) -> Result<Connection> {
        let stream = TcpStream::connect(&self.authority).await.context("the server can not be reached")?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, buffer: Vec::with_capacity(64 * 1024), body: 0..0 })
    }

    /// Returns the bytes of a request.
    pub(super) fn request(&self, method: &str, path: &str, media_type: &str, body: &[u8]) -> Vec<u8> {
        let mut request = Vec::with_capacity(256 + body.len());
        self.begin(&mut request, method, path, media_type, body.len());
        request.extend_from_slice(body);
        request
    }

    /// Writes the head of a request whose body has so many bytes.
    pub(super) fn begin(
        &self,
        out: &mut Vec<u8>,
        method: &str,
        path: &str,
        media_type: &str,
        body_bytes: usize,
    ) {
        let authorization = match &self.token {
            Some(token) => format!("authorization: Bearer {token}\r\n"),
            None => String::new(),
        };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\n{authorization}content-type: {media_type}\r\ncontent-length: {body_bytes}\r\n\r\n",
            self.authority
        );
        out.extend_from_slice(head.as_bytes());
    }
}

/// A connection with one request under way at a time.
pub(super) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    body: std::ops::Range<usize>,
}

impl Connection {
    /// Sends a request and returns the body of its answer. Waits and sends it again when the server has too much to do.
    pub(super) async fn call(&mut self, request: &[u8]) -> Result<&[u8]> {
        for _ in 0..TRIES_MAX {
            self.stream.write_all(request).await.context("the server does not listen")?;
            match self.answer().await? {
                200..=299 => return Ok(&self.buffer[self.body.clone()]),
                429 => tokio::time::sleep(AGAIN_AFTER).await,
                status => {
                    let text = String::from_utf8_lossy(&self.buffer[self.body.clone()]);
                    let shown: String = text.chars().take(400).collect();
                    return Err(
                        Failure::failed(format!("a request was answered with {status}: {shown}")).into()
                    );
                }
            }
        }
        Err(Failure::timeout("the server has had too much to do for too long".to_owned()).into())
    }

    async fn answer(&mut self) -> Result<u16> {
        self.buffer.clear();
        let (status, begin, length) = loop {
            self.more().await?;
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let (status, length) = head(&self.buffer[..end])?;
                break (status, end + 4, length);
            }
            if self.buffer.len() > HEAD_BYTES_MAX {
                bail!("the server's answer has no end of its head");
            }
        };
        self.buffer.reserve((begin + length).saturating_sub(self.buffer.len()));
        while self.buffer.len() < begin + length {
            self.more().await?;
        }
        self.body = begin..begin + length;
        Ok(status)
    }

    async fn more(&mut self) -> Result<()> {
        let read = self.stream.read_buf(&mut self.buffer).await.context("the server's answer broke off")?;
        if read == 0 {
            bail!("the server has closed the connection");
        }
        Ok(())
    }
}

/// Returns status and length of the body.
fn head(head: &[u8]) -> Result<(u16, usize)> {
    let text = std::str::from_utf8(head).context("the server's answer has a head that is no text")?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|word| word.parse().ok());
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    match (status, length) {
        (Some(status), length) => Ok((status, length.unwrap_or(0))),
        _ => bail!("the server's answer is no HTTP"),
    }
}

/// Returns where `needle` first stands in `text`.
pub(super) fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, needle)
}

/// Returns the text of every member with this name: what stands between `"name":"` and the next quote.
pub(super) fn texts<'t>(text: &'t [u8], name: &str) -> impl Iterator<Item = &'t [u8]> {
    let opening = memchr::memmem::Finder::new(format!("\"{name}\":\"").as_bytes()).into_owned();
    let mut rest = text;
    std::iter::from_fn(move || {
        let begin = opening.find(rest)? + opening.needle().len();
        let end = begin + memchr::memchr(b'"', &rest[begin..])?;
        let found = &rest[begin..end];
        rest = &rest[end..];
        Some(found)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_tells_status_and_length_in_any_case() {
        assert_eq!(
            head(b"HTTP/1.1 202 Accepted\r\ncontent-type: x\r\nContent-Length: 17").unwrap(),
            (202, 17)
        );
        assert_eq!(head(b"HTTP/1.1 204 No Content").unwrap(), (204, 0));
        assert!(head(b"nonsense").is_err());
    }

    #[test]
    fn members_are_found_one_after_the_other() {
        let text = br#"[{"delivery":"a","token":"1"},{"delivery":"b","token":"2"}]"#;
        let found: Vec<_> = texts(text, "delivery").map(|text| std::str::from_utf8(text).unwrap()).collect();
        assert_eq!(found, ["a", "b"]);
        assert_eq!(texts(text, "absent").count(), 0);
    }

    #[test]
    fn only_plain_http_without_a_path_can_be_measured() {
        assert!(Target::new("https://x", None).is_err());
        assert!(Target::new("http://x/y", None).is_err());
        let request =
            Target::new("http://x:1/", Some("t".into())).unwrap().request("POST", "/p", "a/b", b"{}");
        let text = String::from_utf8(request).unwrap();
        assert!(text.starts_with("POST /p HTTP/1.1\r\nhost: x:1\r\nauthorization: Bearer t\r\n"), "{text}");
        assert!(text.ends_with("content-length: 2\r\n\r\n{}"), "{text}");
    }
}
