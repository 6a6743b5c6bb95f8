//! Requests that may come again: the key, what it stands for, and the answers of requests that publish nothing.
//!
//! Publishes are remembered in the log, so that a key holds across restarts. What the other requests were answered is kept
//! in memory, bounded, for 24 hours: they change one thing by its id, and doing that twice is refused or harmless.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cantus_api::error::{Code, Problem};
use cantus_core::command::Idempotency;
use cantus_core::hash;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};

use crate::auth::single;

/// The header with the key.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// The header of an answer that was given before.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

const KEY_BYTES_MAX: usize = 256;
const KEPT_MAX: usize = 10_000;
const KEPT_BYTES_MAX: usize = 16 << 20;
const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads the key of a request: a structured string `"…"`, or bare.
///
/// # Errors
/// `IDEMPOTENCY_KEY_INVALID`.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<String>, Box<Problem>> {
    let refused = |detail: &str| {
        let problem =
            Problem::new(Code::IdempotencyKeyInvalid, format!("the header Idempotency-Key {detail}"));
        let problem = problem.at_header("idempotency-key", detail);
        Box::new(problem.hint("send 1 to 256 visible characters, such as a UUID, in quotes or bare"))
    };
    let value = single(headers, &HEADER).map_err(|_| refused("is there twice, or is no plain text"))?;
    let Some(value) = value.map(str::trim) else { return Ok(None) };
    let key = match value.strip_prefix('"') {
        Some(inner) => {
            unquoted(inner).ok_or_else(|| refused("begins with a quote and is no quoted string"))?
        }
        None => value.to_owned(),
    };
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(refused("must have 1 to 256 bytes"));
    }
    if key.chars().any(|letter| letter.is_control()) {
        return Err(refused("must not have control characters"));
    }
    Ok(Some(key))
}

// The content of a quoted string, given without its first quote.
fn unquoted(inner: &str) -> Option<String> {
    let (mut out, mut letters) = (String::with_capacity(inner.len()), inner.chars());
    loop {
        match letters.next()? {
            '"' => return letters.next().is_none().then_some(out),
            '\\' => match letters.next()? {
                letter @ ('"' | '\\') => out.push(letter),
                _ => return None,
            },
            letter => out.push(letter),
        }
    }
}

/// Returns what a key stands for: who asks, and what exactly.
pub(crate) fn identity(actor: &str, key: &str, method: &Method, uri: &Uri, content: &[&[u8]]) -> Idempotency {
    let path = uri.path_and_query().map_or(uri.path(), |path| path.as_str());
    let mut parts: Vec<&[u8]> = vec![method.as_str().as_bytes(), path.as_bytes()];
    parts.extend(content);
    Idempotency {
        key: hash::parts(&[actor.as_bytes(), key.as_bytes()]),
        fingerprint: hash::parts(&parts) as u64,
    }
}

/// The answer of a request that came before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Its status.
    pub(crate) status: StatusCode,
    /// Its headers.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Its body.
    pub(crate) body: Bytes,
}

/// The answers that are remembered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers(Arc<Mutex<Store>>);

#[derive(Debug, Default)]
struct Store {
    by_key: HashMap<u128, Entry>,
    order: VecDeque<(u128, Instant)>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    fingerprint: u64,
    /// None while the first request is still being worked on.
    kept: Option<Kept>,
}

/// The right to work on a request; given up when dropped without an answer.
#[derive(Debug)]
pub(crate) struct Working {
    answers: Answers,
    key: u128,
    done: bool,
}

impl Answers {
    /// Begins a request: either it is new, or its answer is known.
    ///
    /// # Errors
    /// `IDEMPOTENCY_KEY_REUSED` for another request, `IDEMPOTENCY_IN_PROGRESS` while the first one is worked on,
    /// `OVERLOADED` when too many are.
    pub(crate) fn begin(
        &self,
        request: Idempotency,
        now: Instant,
    ) -> Result<Result<Working, Kept>, Box<Problem>> {
        let mut store = self.lock();
        store.forget(now);
        match store.by_key.get(&request.key) {
            Some(entry) if entry.fingerprint != request.fingerprint => {
                let problem = Problem::new(
                    Code::IdempotencyKeyReused,
                    "the idempotency key was used for another request",
                );
                Err(Box::new(problem.hint("use a new Idempotency-Key for every new request")))
            }
            Some(Entry { kept: Some(kept), .. }) => Ok(Err(kept.clone())),
            Some(_) => Err(Box::new(Problem::new(
                Code::IdempotencyInProgress,
                "the first request with this idempotency key is still being worked on",
            ))),
            None if store.by_key.len() >= 2 * KEPT_MAX => {
                Err(Box::new(Problem::new(Code::Overloaded, "too many requests are being worked on")))
            }
            None => {
                let entry = Entry { fingerprint: request.fingerprint, kept: None };
                store.by_key.insert(request.key, entry);
                Ok(Ok(Working { answers: self.clone(), key: request.key, done: false }))
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Working {
    /// Keeps the answer.
    pub(crate) fn answered(mut self, kept: Kept, now: Instant) {
        self.done = true;
        let mut store = self.answers.lock();
        let bytes = kept.body.len();
        if let Some(entry) = store.by_key.get_mut(&self.key) {
            entry.kept = Some(kept);
            store.bytes += bytes;
            store.order.push_back((self.key, now));
            store.forget(now);
        }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        if !self.done {
            // It failed or was given up: the next one with this key is a first one again.
            self.answers.lock().by_key.remove(&self.key);
        }
    }
}

impl Store {
    fn forget(&mut self, now: Instant) {
        while let Some((key, since)) = self.order.front().copied() {
            let old = now.duration_since(since) >= KEPT_FOR;
            if !old && self.order.len() <= KEPT_MAX && self.bytes <= KEPT_BYTES_MAX {
                return;
            }
            self.order.pop_front();
            if let Some(Entry { kept: Some(kept), .. }) = self.by_key.remove(&key) {
                self.bytes -= kept.body.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str) -> Result<Option<String>, Box<Problem>> {
        key(&HeaderMap::from_iter([(HEADER, HeaderValue::from_str(value).unwrap())]))
    }

    #[test]
    fn a_key_is_read_quoted_or_bare() {
        assert_eq!(of("abc-1").unwrap().as_deref(), Some("abc-1"));
        assert_eq!(of("\"abc-1\"").unwrap().as_deref(), Some("abc-1"));
        assert_eq!(of(r#""a\"b\\c""#).unwrap().as_deref(), Some(r#"a"b\c"#));
        for bad in ["", "\"\"", "\"open", "\"a\" b", &"x".repeat(257)] {
            assert!(of(bad).unwrap_err().is(Code::IdempotencyKeyInvalid), "{bad}");
        }
    }

    fn request(key: u128, fingerprint: u64) -> Idempotency {
        Idempotency { key, fingerprint }
    }

    fn kept() -> Kept {
        Kept { status: StatusCode::OK, headers: Vec::new(), body: Bytes::from_static(b"{}") }
    }

    #[test]
    fn the_second_request_gets_the_first_ones_answer() {
        let (answers, now) = (Answers::default(), Instant::now());
        let working = answers.begin(request(1, 7), now).unwrap().unwrap();
        assert!(answers.begin(request(1, 7), now).unwrap_err().is(Code::IdempotencyInProgress));
        working.answered(kept(), now);
        assert_eq!(answers.begin(request(1, 7), now).unwrap().unwrap_err(), kept());
        assert!(answers.begin(request(1, 8), now).unwrap_err().is(Code::IdempotencyKeyReused));
        assert!(answers.begin(request(1, 8), now + KEPT_FOR).unwrap().is_ok());
    }

    #[test]
    fn a_request_that_failed_may_come_again() {
        let (answers, now) = (Answers::default(), Instant::now());
        drop(answers.begin(request(1, 7), now).unwrap().unwrap());
        assert!(answers.begin(request(1, 8), now).unwrap().is_ok());
    }
}
