//! The life of a server: it takes connections, serves them, and lets them finish when it is asked to stop.

use std::fs::File;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::Router;
use cantus_runtime::Handle;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::app::App;
use crate::auth::Peer;
use crate::http::router;
use crate::options::{Mode, ServerOptions};
use crate::patient::Patient;

/// How large the head of a request may be, in bytes. hyper itself takes at most 100 headers. Beyond either: 431.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How long nobody is accepted after the machine refused a connection.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);
/// How often it is said that the machine refuses connections.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// Why a server did not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// In production whoever asks shows a token, and there is none.
    #[error(
        "`serve` needs tokens: without one nobody could use it; write `server.tokens: [{{ name, token_file, may }}]`"
    )]
    NoTokens,
}

/// Serves requests that come to `listener` until `stop` resolves, then lets those that have begun finish for at most
/// `options.drain`: meanwhile `/readyz` answers 503, long polls end, and nothing new is begun.
///
/// # Errors
/// When the options do not make a server.
pub async fn run(
    handle: Handle,
    options: ServerOptions,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> Result<(), RunError> {
    if options.mode == Mode::Serve && options.tokens.is_empty() {
        return Err(RunError::NoTokens);
    }
    let drain = options.drain;
    let mut door = Door::new(listener, options.connections_max);
    let app = App::new(handle, options);
    let room = Room { router: router(app.clone()), app };
    let mut stop = pin!(stop);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = &mut stop => break,
            entered = door.next() => drop(connections.spawn(room.clone().serve(entered))),
            Some(_) = connections.join_next() => {}
        }
    }
    room.app.draining.send_replace(true);
    tracing::info!(connections = connections.len(), "stopping: what was begun may finish");
    let mut late = JoinSet::new();
    let finish = async {
        // Until then the door stays open: workers answer what they have in hand, and probes learn that it stops.
        while !connections.is_empty() {
            tokio::select! {
                entered = door.next() => drop(late.spawn(room.clone().serve(entered))),
                _ = connections.join_next() => {}
                Some(_) = late.join_next() => {}
            }
        }
        drop(door);
        while late.join_next().await.is_some() {}
    };
    if tokio::time::timeout(drain, finish).await.is_err() {
        let left = connections.len() + late.len();
        tracing::warn!(left, after = ?drain, "requests that did not finish are cut off");
        connections.shutdown().await;
        late.shutdown().await;
    }
    Ok(())
}

/// Returns the routes over a running coordinator, to be asked without a socket. Every request counts as one from this machine.
pub fn in_process(handle: Handle, options: ServerOptions) -> Router {
    let local = options.listen;
    let app = App::new(handle, options);
    router(app).layer(axum::Extension(Peer { remote: local, local }))
}

/// Where connections come in, a bounded number at once.
struct Door {
    listener: TcpListener,
    places: Arc<Semaphore>,
    /// A descriptor kept back: given up when there is no other, to take a connection and close it.
    reserve: Option<File>,
    warned: Option<Instant>,
}

/// A connection that came in, and its place.
struct Entered {
    stream: TcpStream,
    peer: Peer,
    _place: OwnedSemaphorePermit,
}

impl Door {
    fn new(listener: TcpListener, connections_max: usize) -> Door {
        let places = Arc::new(Semaphore::new(connections_max.clamp(1, Semaphore::MAX_PERMITS)));
        Door { listener, places, reserve: None, warned: None }
    }

    /// Waits for a place and for somebody to take it. May be dropped and called again at any time.
    async fn next(&mut self) -> Entered {
        let place = self.places.clone().acquire_owned().await.expect("the places are never closed");
        loop {
            if self.reserve.is_none() {
                self.reserve = File::open("/dev/null").ok();
            }
            let (stream, remote) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) if is_of_connection(&error) => continue,
                Err(error) => {
                    self.warn(&error);
                    self.shed().await;
                    continue;
                }
            };
            // Small answers go out at once.
            if let (Ok(local), Ok(())) = (stream.local_addr(), stream.set_nodelay(true)) {
                return Entered { stream, peer: Peer { remote, local }, _place: place };
            }
        }
    }

    /// Turns one connection away, so that its client knows instead of waiting. Only one that is there already: the next one
    /// may find a descriptor.
    async fn shed(&mut self) {
        self.reserve = None;
        match poll_fn(|context| Poll::Ready(self.listener.poll_accept(context))).await {
            Poll::Ready(Ok(shed)) => drop(shed),
            Poll::Ready(Err(_)) => tokio::time::sleep(REFUSED_PAUSE).await,
            Poll::Pending => {}
        }
    }

    fn warn(&mut self, error: &io::Error) {
        if self.warned.is_none_or(|warned| warned.elapsed() > WARN_EVERY) {
            self.warned = Some(Instant::now());
            tracing::warn!(%error, "connections are turned away; raise the limit of open files");
        }
    }
}

/// Tells whether it is the connection's own fault, and says nothing about the next one.
fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionAborted | Kind::ConnectionRefused | Kind::ConnectionReset | Kind::Interrupted
    )
}

/// What every connection is served with.
#[derive(Clone)]
struct Room {
    app: App,
    router: Router,
}

impl Room {
    async fn serve(self, entered: Entered) {
        let Entered { stream, peer, _place } = entered;
        self.app.metrics.connected();
        let options = &self.app.options;
        let router = TowerToHyperService::new(self.router.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            router.call(request)
        });
        let mut draining = self.app.draining.subscribe();
        let is_draining = *draining.borrow_and_update();
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .max_header_size(HEAD_BYTES_MAX)
            // It runs while nothing comes at all as well: idle connections end by it.
            .header_read_timeout(options.header_timeout)
            .keep_alive(!is_draining)
            .serve_connection(TokioIo::new(Patient::new(stream, options.write_timeout)), service);
        let mut connection = pin!(connection);
        let asked_to_stop = async { draining.wait_for(|draining| *draining).await.is_ok() };
        let served = tokio::select! {
            served = connection.as_mut() => served,
            true = asked_to_stop, if !is_draining => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = served {
            tracing::debug!(%error, peer = %peer.remote.ip(), "a connection ended badly");
        }
    }
}
