//! Bodies: read within a limit, a time and a budget that all requests share.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use cantus_api::error::{Code, Problem};
use http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use crate::auth::single;

/// The budget is handed out in pieces of this size.
const PIECE_BYTES: usize = 16 * 1024;

/// Reads bodies.
#[derive(Clone, Debug)]
pub(crate) struct Bodies {
    budget: Arc<Semaphore>,
    time: Duration,
}

/// A body that was read. Its part of the budget is given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Read {
    /// The bytes.
    pub(crate) bytes: Bytes,
    _held: Option<OwnedSemaphorePermit>,
}

/// How much of a refused body is read and thrown away, and for how long: a client that only sends would else never see
/// why it was refused.
const DISCARDED_BYTES_MAX: usize = 16 << 20;
const DISCARDED_FOR: Duration = Duration::from_secs(5);

async fn discard(mut body: Body) {
    let reading = async {
        let mut left = DISCARDED_BYTES_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            if bytes >= left {
                return;
            }
            left -= bytes;
        }
    };
    // A client that is slower than that has to do without an answer.
    let _ = tokio::time::timeout(DISCARDED_FOR, reading).await;
}

/// How large a body may be, and what is said when it is larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cap {
    /// Bytes.
    pub(crate) bytes: usize,
    /// The code of a larger one.
    pub(crate) code: Code,
}

impl Bodies {
    /// Returns a reader that holds so many bytes at once over all requests, and gives each body so much time.
    pub(crate) fn new(bytes_in_flight: usize, time: Duration) -> Bodies {
        let pieces = (bytes_in_flight / PIECE_BYTES).clamp(1, Semaphore::MAX_PERMITS);
        Bodies { budget: Arc::new(Semaphore::new(pieces)), time }
    }

    /// Reads a body. One that says that it is too large is refused before anything of it is read.
    ///
    /// # Errors
    /// The code of the cap, `MEDIA_TYPE_UNSUPPORTED` for a compressed body, `REQUEST_TIMEOUT`, `OVERLOADED` when too many
    /// bytes are being read already, and `REQUEST_INVALID` when the body breaks off.
    pub(crate) async fn read(&self, headers: &HeaderMap, body: Body, cap: Cap) -> Result<Read, Box<Problem>> {
        if let Some(encoding) = single(headers, &header::CONTENT_ENCODING)?
            && !encoding.trim().eq_ignore_ascii_case("identity")
        {
            let detail = "compressed bodies are not read";
            let problem =
                Problem::new(Code::MediaTypeUnsupported, detail).at_header("content-encoding", detail);
            return Err(Box::new(problem.hint("send the body as it is")));
        }
        let told = single(headers, &header::CONTENT_LENGTH)?.and_then(|length| length.parse::<u64>().ok());
        if told.is_some_and(|length| length > cap.bytes as u64) {
            // Who waits for our word before sending gets it at once.
            if !headers.contains_key(header::EXPECT) {
                discard(body).await;
            }
            return Err(too_large(cap));
        }
        match tokio::time::timeout(self.time, self.collect(body, cap)).await {
            Ok(read) => read,
            Err(_) => {
                let detail = format!("the body was not complete after {} s", self.time.as_secs());
                Err(Box::new(Problem::new(Code::RequestTimeout, detail)))
            }
        }
    }

    async fn collect(&self, mut body: Body, cap: Cap) -> Result<Read, Box<Problem>> {
        let mut held: Option<OwnedSemaphorePermit> = None;
        let mut first: Option<Bytes> = None;
        let mut rest = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame =
                frame.map_err(|_| Box::new(Problem::new(Code::RequestInvalid, "the body broke off")))?;
            let Ok(data) = frame.into_data() else { continue };
            let length = first.as_ref().map_or(0, Bytes::len) + rest.len() + data.len();
            if length > cap.bytes {
                drop((first, rest, held));
                discard(body).await;
                return Err(too_large(cap));
            }
            self.hold(&mut held, length)?;
            // A body that comes in one piece is not copied.
            match &first {
                None if rest.is_empty() => first = Some(data),
                _ => {
                    if let Some(first) = first.take() {
                        rest.reserve(length.max(PIECE_BYTES));
                        rest.extend_from_slice(&first);
                    }
                    rest.extend_from_slice(&data);
                }
            }
        }
        let bytes = first.unwrap_or_else(|| rest.freeze());
        Ok(Read { bytes, _held: held })
    }

    fn hold(&self, held: &mut Option<OwnedSemaphorePermit>, length: usize) -> Result<(), Box<Problem>> {
        let has = held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = length.div_ceil(PIECE_BYTES).saturating_sub(has);
        if missing == 0 {
            return Ok(());
        }
        let missing = u32::try_from(missing).unwrap_or(u32::MAX);
        match self.budget.clone().try_acquire_many_owned(missing) {
            Ok(more) => match held {
                Some(held) => held.merge(more),
                None => *held = Some(more),
            },
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => {
                return Err(Box::new(
                    Problem::new(Code::Overloaded, "too many bytes are being received at once")
                        .hint("send it again after the time in Retry-After"),
                ));
            }
        }
        Ok(())
    }
}

fn too_large(cap: Cap) -> Box<Problem> {
    let detail = format!("the body has more than {} bytes", cap.bytes);
    let problem = Problem::new(cap.code, detail.clone()).at("#", detail);
    Box::new(match cap.code {
        Code::EventTooLarge => {
            problem.hint("store the data elsewhere and send its address in the extension `dataref`")
        }
        Code::BatchTooLarge => problem.hint("send several batches"),
        _ => problem,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAP: Cap = Cap { bytes: 10, code: Code::BodyTooLarge };

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(future)
    }

    fn length(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_LENGTH, value.parse().unwrap())])
    }

    #[test]
    fn a_body_that_says_it_is_too_large_is_not_read() {
        let bodies = Bodies::new(1 << 20, Duration::from_secs(1));
        // This body never ends: reading it would time out instead.
        let endless = || Body::new(Never);
        let problem = block_on(bodies.read(&length("11"), endless(), CAP)).unwrap_err();
        assert!(problem.is(Code::BodyTooLarge));
        let problem = block_on(bodies.read(&length("9"), endless(), CAP)).unwrap_err();
        assert!(problem.is(Code::RequestTimeout));
    }

    #[test]
    fn a_body_without_a_length_is_cut_off_at_the_limit() {
        let bodies = Bodies::new(1 << 20, Duration::from_secs(1));
        let read = block_on(bodies.read(&HeaderMap::new(), Body::from("0123456789"), CAP)).unwrap();
        assert_eq!(&read.bytes[..], b"0123456789");
        let problem = block_on(bodies.read(&HeaderMap::new(), Body::from("0123456789a"), CAP)).unwrap_err();
        assert!(problem.is(Code::BodyTooLarge));
    }

    #[test]
    fn the_budget_is_shared_and_given_back() {
        let bodies = Bodies::new(PIECE_BYTES, Duration::from_secs(1));
        let first = block_on(bodies.read(&HeaderMap::new(), Body::from("a"), CAP)).unwrap();
        let problem = block_on(bodies.read(&HeaderMap::new(), Body::from("b"), CAP)).unwrap_err();
        assert!(problem.is(Code::Overloaded));
        drop(first);
        assert!(block_on(bodies.read(&HeaderMap::new(), Body::from("b"), CAP)).is_ok());
    }

    #[test]
    fn compressed_bodies_are_refused() {
        let bodies = Bodies::new(1 << 20, Duration::from_secs(1));
        let gzip = HeaderMap::from_iter([(header::CONTENT_ENCODING, "gzip".parse().unwrap())]);
        let problem = block_on(bodies.read(&gzip, Body::from("x"), CAP)).unwrap_err();
        assert!(problem.is(Code::MediaTypeUnsupported));
    }

    /// Gives nothing, for ever.
    struct Never;

    impl hyper::body::Body for Never {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
            std::task::Poll::Pending
        }
    }
}
