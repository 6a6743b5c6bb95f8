//! Backups: everything that is durable, sent as an archive while the server goes on.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use cantus_api::archive::{BLOCK, Member};
use cantus_api::error::{Code, Problem};
use cantus_core::command::Command;
use cantus_engine::{Housekeeping, HousekeepingError, Links};
use http::StatusCode;
use hyper::body::Frame;
use tokio::sync::mpsc;

use super::answer;
use super::call::Call;
use super::route::{Answered, Route};
use crate::auth::Right;

const TAR: &str = "application/x-tar";
/// How many bytes are read and sent at once, and how many such pieces wait for a slow reader.
const PIECE: usize = 256 * 1024;
const PIECES: usize = 4;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post("/v1/backup", backup)
            .right(Right::Operate)
            .summary("Sends everything that is durable now as a tar archive; the server goes on meanwhile.")
            .gives_other(TAR),
    ]
}

async fn backup(call: Call) -> Answered {
    let Some(folder) = call.app.options.backups.clone() else {
        let detail = "this server keeps nothing that could be backed up";
        return Err(Box::new(Problem::new(Code::NotAvailableYet, detail)));
    };
    // Who took everything is written down before anything is taken.
    super::subscriptions::submit(&call.app, Command::TakeBackup).await?;
    let log = call.app.handle.log();
    let aside = Aside(folder.join(ulid::Ulid::generate().to_string()));
    let made = tokio::task::spawn_blocking(move || copy(log.as_ref(), aside)).await;
    let aside = made.map_err(|_| failed("the copy was interrupted"))??;
    let (send, receive) = mpsc::channel(PIECES);
    tokio::task::spawn_blocking(move || {
        // The folder goes when everything is sent, or the reader has gone.
        if let Err(error) = pack(&aside.0, &send) {
            tracing::warn!(%error, "a backup was not sent to its end");
            let _ = send.blocking_send(Err(error));
        }
    });
    Ok(answer::bytes(StatusCode::OK, TAR, Body::new(Archive(receive))))
}

fn failed(detail: &str) -> Box<Problem> {
    Box::new(Problem::new(Code::Internal, detail).hint("the server's log says why"))
}

/// A folder beside the log that holds a backup while it is sent.
struct Aside(PathBuf);

impl Drop for Aside {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(folder = %self.0.display(), %error, "a backup's folder could not be removed; the next start does it");
        }
    }
}

fn copy(log: &dyn Housekeeping, aside: Aside) -> Result<Aside, Box<Problem>> {
    let made = fs::create_dir_all(&aside.0).map_err(|error| error.to_string());
    let made = made.map_err(|error| {
        tracing::error!(error, "the folder for a backup could not be made");
        failed("the folder for a backup could not be made")
    });
    made?;
    match log.backup(&aside.0, Links::Allowed) {
        Ok(copied) => {
            tracing::info!(up_to = %copied.up_to, copied = copied.copied, linked = copied.linked, files = copied.files, "backup made");
            Ok(aside)
        }
        Err(HousekeepingError::Full(_)) => Err(Box::new(
            Problem::new(Code::StorageFull, "there is no room for the copy that is sent")
                .hint("free space on the disk of the data directory"),
        )),
        Err(error) => {
            tracing::error!(error = cantus_runtime::telemetry::chain(&error), "a backup could not be made");
            Err(failed("the backup could not be made"))
        }
    }
}

/// Sends every file below a folder, then the end of the archive.
fn pack(folder: &Path, send: &mpsc::Sender<io::Result<Bytes>>) -> io::Result<()> {
    let mut files = Vec::new();
    list(folder, "", &mut files)?;
    files.sort();
    for name in files {
        let mut file = File::open(folder.join(&name))?;
        let member = Member { path: name, size: file.metadata()?.len() };
        let header = member.header().map_err(io::Error::other)?;
        hand_on(send, Bytes::copy_from_slice(&header))?;
        let mut left = member.size;
        while left > 0 {
            let mut piece = vec![0; PIECE.min(usize::try_from(left).unwrap_or(PIECE))];
            file.read_exact(&mut piece)?;
            left -= piece.len() as u64;
            hand_on(send, piece.into())?;
        }
        hand_on(send, vec![0; member.padding()].into())?;
    }
    hand_on(send, vec![0; 2 * BLOCK].into())
}

fn hand_on(send: &mpsc::Sender<io::Result<Bytes>>, bytes: Bytes) -> io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    send.blocking_send(Ok(bytes)).map_err(|_| io::Error::other("the reader has gone"))
}

/// Lists the files below a folder, with the names that lead to them.
fn list(folder: &Path, below: &str, files: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().ok_or_else(|| io::Error::other("a file's name is no text"))?;
        let path = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
        match entry.file_type()? {
            kind if kind.is_dir() => list(&entry.path(), &path, files)?,
            kind if kind.is_file() => files.push(path),
            _ => return Err(io::Error::other("a backup holds plain files only")),
        }
    }
    Ok(())
}

/// The body of the answer: what comes from the thread that reads the files.
struct Archive(mpsc::Receiver<io::Result<Bytes>>);

impl hyper::body::Body for Archive {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
