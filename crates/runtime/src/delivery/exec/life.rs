//! `alive` and `bell`: two FIFOs between the server and a guardian.
//!
//! `alive` has one writer, handed from the launcher to the guardian without ever being closed in between. A reader sees
//! the end of file exactly when the guardian is gone, however it went. `bell` goes the other way: the guardian reads
//! it, and one byte makes it look at the folder again.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags};
use tokio::net::unix::pipe;

const ALIVE: &str = "alive";
const BELL: &str = "bell";
const CANCEL: &str = "cancel";

/// Makes both FIFOs in a folder under construction and returns the end of `alive` that means life.
pub(super) fn make(folder: &Path) -> io::Result<File> {
    for name in [ALIVE, BELL] {
        rustix::fs::mknodat(CWD, folder.join(name), FileType::Fifo, Mode::from_raw_mode(0o600), 0)?;
    }
    // A FIFO can be opened for writing without waiting only while somebody reads it.
    let reader = open_reader(folder)?;
    let life = OpenOptions::new().write(true).open(folder.join(ALIVE))?;
    drop(reader);
    Ok(life)
}

/// Says whether the guardian of this folder, or the launcher about to start it, lives.
pub(super) fn is_alive(folder: &Path) -> bool {
    let Ok(mut reader) = open_reader(folder) else { return false };
    loop {
        match reader.read(&mut [0]) {
            Ok(0) => return false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Nothing to read and a writer: alive. Nobody writes, so bytes would be a stranger's.
            Ok(_) | Err(_) => return true,
        }
    }
}

fn open_reader(folder: &Path) -> io::Result<File> {
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).expect("open flags fit in an int");
    OpenOptions::new().read(true).custom_flags(nonblocking).open(folder.join(ALIVE))
}

/// Waits for a guardian's end.
pub(super) struct Watch(pipe::Receiver);

impl Watch {
    /// Begins to watch; `None` if there is nobody to watch.
    pub(super) fn begin(folder: &Path) -> Option<Self> {
        let receiver = pipe::OpenOptions::new().open_receiver(folder.join(ALIVE)).ok()?;
        // The kernel announces an end only to readers that were there before it; one that came first is asked for.
        is_alive(folder).then_some(Self(receiver))
    }

    /// Returns when the guardian is gone. Never returns if that can not be told any more, such as while the runtime
    /// is shutting down: no answer is right, a wrong one would start the program twice.
    pub(super) async fn ended(&self) {
        loop {
            if self.0.readable().await.is_err() {
                return std::future::pending().await;
            }
            match self.0.try_read(&mut [0; 16]) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(error) => {
                    tracing::error!(%error, "a guardian can not be watched any more");
                    return std::future::pending().await;
                }
            }
        }
    }
}

/// Asks the guardian to end its program now. The file is the request, the byte only makes it look.
pub(super) fn cancel(folder: &Path) -> io::Result<()> {
    super::spec::private_file(&folder.join(CANCEL))?;
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).expect("open flags fit in an int");
    // Fails without a reader: then the guardian has ended, or will look for the file when it begins.
    if let Ok(mut bell) = OpenOptions::new().write(true).custom_flags(nonblocking).open(folder.join(BELL)) {
        let _ = bell.write(b"!");
    }
    Ok(())
}

/// The guardian's end of `bell`.
pub(super) struct Bell {
    pub(super) file: File,
    cancel: std::path::PathBuf,
}

impl Bell {
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).expect("open flags fit in an int");
        // Opened for both, so that it never reads as ended while nobody rings.
        let file =
            OpenOptions::new().read(true).write(true).custom_flags(nonblocking).open(folder.join(BELL))?;
        Ok(Self { file, cancel: folder.join(CANCEL) })
    }

    /// Takes what was rung and says whether the attempt is to end.
    pub(super) fn cancelled(&mut self) -> bool {
        let _ = self.file.read(&mut [0; 64]);
        self.cancel.exists()
    }
}
