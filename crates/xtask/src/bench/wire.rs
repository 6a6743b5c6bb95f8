//! A socket that is read line by line and in pieces.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// How long to wait for what may never come.
const PATIENCE: Duration = Duration::from_millis(200);

/// A connection to a system on this machine.
pub(super) struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    at: usize,
}

impl Wire {
    pub(super) fn connect(port: u16) -> Result<Wire> {
        let stream = TcpStream::connect(("127.0.0.1", port)).context("the system does not listen")?;
        stream.set_nodelay(true)?;
        Ok(Wire { stream, buffer: Vec::new(), at: 0 })
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).context("the system does not listen any more")
    }

    /// Returns the next line, without its end.
    pub(super) fn line(&mut self) -> Result<Vec<u8>> {
        let mut searched = self.at;
        loop {
            if let Some(end) = self.buffer[searched..].windows(2).position(|pair| pair == b"\r\n") {
                let line = self.buffer[self.at..searched + end].to_vec();
                self.at = searched + end + 2;
                return Ok(line);
            }
            let known = self.buffer.len() - self.at;
            self.more()?;
            searched = self.at + known.saturating_sub(1);
        }
    }

    /// Returns the next so many bytes.
    pub(super) fn bytes(&mut self, count: usize) -> Result<&[u8]> {
        while self.buffer.len() - self.at < count {
            self.more()?;
        }
        self.at += count;
        Ok(&self.buffer[self.at - count..self.at])
    }

    /// Waits a moment for something to read, and tells whether there is.
    pub(super) fn waits(&mut self) -> Result<bool> {
        if self.has_more() {
            return Ok(true);
        }
        self.stream.set_read_timeout(Some(PATIENCE))?;
        let found = self.stream.peek(&mut [0]);
        self.stream.set_read_timeout(None)?;
        match found {
            Ok(0) => bail!("the system has closed the connection"),
            Ok(_) => Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(false),
            Err(error) => Err(error).context("the system's answer broke off"),
        }
    }

    /// Tells whether something was read that nobody has looked at.
    pub(super) fn has_more(&self) -> bool {
        self.at < self.buffer.len()
    }

    fn more(&mut self) -> Result<()> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let before = self.buffer.len();
        self.buffer.resize(before + 64 * 1024, 0);
        let read = self.stream.read(&mut self.buffer[before..]).context("the system's answer broke off")?;
        self.buffer.truncate(before + read);
        if read == 0 {
            bail!("the system has closed the connection");
        }
        Ok(())
    }
}
