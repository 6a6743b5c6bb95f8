//! Redis Streams over RESP: `XADD`, then a group that reads and `XACK`s.

use std::process::Command;

use anyhow::{Result, bail};

use super::load::{BATCH, Load, Measured, PULL, Peer, Worker};
use super::process::{Process, free_port};
use super::wire::Wire;

/// When a write is synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sync {
    Always,
    EverySecond,
}

pub(super) struct Redis {
    sync: Sync,
}

impl Redis {
    pub(super) fn new(sync: Sync) -> Redis {
        Redis { sync }
    }
}

impl Peer for Redis {
    fn ack(&self) -> &'static str {
        match self.sync {
            Sync::Always => "synced",
            Sync::EverySecond => "in memory, synced every second",
        }
    }

    fn turn(&self, load: &Load) -> Result<Measured> {
        let dir = tempfile::tempdir()?;
        let port = free_port()?;
        let fsync = if self.sync == Sync::Always { "always" } else { "everysec" };
        let mut command = Command::new("redis-server");
        command.args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "yes",
        ]);
        command.args(["--appendfsync", fsync, "--daemonize", "no", "--protected-mode", "yes"]);
        let process = Process::start(&mut command, dir.path(), port)?;
        let publishers = (0..load.publishers).map(|_| {
            let mut one = Vec::new();
            command_of(&mut one, &[b"XADD", b"bench", b"*", b"d", &load.data()]);
            Ok(Publisher {
                wire: Wire::connect(port)?,
                batch: one.repeat(BATCH as usize),
                under_way: 0,
                window: load.window(),
            })
        });
        let (publish_per_second, publish_cpu_us) =
            load.run(&process, publishers.collect::<Result<Vec<_>>>()?, BATCH)?;
        let mut wire = Wire::connect(port)?;
        let mut create = Vec::new();
        command_of(&mut create, &[b"XGROUP", b"CREATE", b"bench", b"all", b"0"]);
        wire.send(&create)?;
        reply(&mut wire)?;
        let consumers = (0..load.publishers).map(|number| {
            let name = format!("c{number}");
            let mut read = Vec::new();
            let count = PULL.to_string();
            command_of(
                &mut read,
                &[
                    b"XREADGROUP",
                    b"GROUP",
                    b"all",
                    name.as_bytes(),
                    b"COUNT",
                    count.as_bytes(),
                    b"STREAMS",
                    b"bench",
                    b">",
                ],
            );
            Ok(Consumer { wire: Wire::connect(port)?, read })
        });
        let (consume_per_second, consume_cpu_us) =
            load.run(&process, consumers.collect::<Result<Vec<_>>>()?, PULL)?;
        Ok(Measured { publish_per_second, publish_cpu_us, consume_per_second, consume_cpu_us })
    }
}

struct Publisher {
    wire: Wire,
    batch: Vec<u8>,
    under_way: u32,
    window: u32,
}

impl Worker for Publisher {
    fn step(&mut self, wanted: u32) -> Result<u32> {
        self.wire.send(&self.batch)?;
        self.under_way += wanted;
        let mut done = 0;
        while self.under_way > self.window - BATCH.min(self.window)
            || (done > 0 && self.wire.has_more() && self.under_way > 0)
        {
            reply(&mut self.wire)?;
            self.under_way -= 1;
            done += 1;
        }
        Ok(done)
    }

    fn finish(&mut self) -> Result<u32> {
        let left = std::mem::take(&mut self.under_way);
        for _ in 0..left {
            reply(&mut self.wire)?;
        }
        Ok(left)
    }
}

struct Consumer {
    wire: Wire,
    read: Vec<u8>,
}

impl Worker for Consumer {
    fn step(&mut self, _: u32) -> Result<u32> {
        self.wire.send(&self.read)?;
        let mut ids = Vec::new();
        entries(&mut self.wire, &mut ids)?;
        if ids.is_empty() {
            return Ok(0);
        }
        let mut parts: Vec<&[u8]> = vec![b"XACK", b"bench", b"all"];
        parts.extend(ids.iter().map(Vec::as_slice));
        let mut ack = Vec::new();
        command_of(&mut ack, &parts);
        self.wire.send(&ack)?;
        reply(&mut self.wire)?;
        Ok(u32::try_from(ids.len())?)
    }

    fn finish(&mut self) -> Result<u32> {
        Ok(0)
    }
}

fn command_of(out: &mut Vec<u8>, parts: &[&[u8]]) {
    out.extend_from_slice(format!("*{}\r\n", parts.len()).as_bytes());
    for part in parts {
        out.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
        out.extend_from_slice(part);
        out.extend_from_slice(b"\r\n");
    }
}

/// Reads a reply that is no array; returns its text.
fn reply(wire: &mut Wire) -> Result<Vec<u8>> {
    let line = wire.line()?;
    match line.first() {
        Some(b'$') if line == b"$-1" => Ok(Vec::new()),
        Some(b'$') => {
            let length: usize = number(&line)?;
            let text = wire.bytes(length + 2)?;
            Ok(text[..length].to_vec())
        }
        Some(b'+' | b':') => Ok(line),
        _ => bail!("Redis says {}", String::from_utf8_lossy(&line)),
    }
}

/// Reads what `XREADGROUP` answers, and keeps the ids of the entries.
fn entries(wire: &mut Wire, ids: &mut Vec<Vec<u8>>) -> Result<()> {
    let line = wire.line()?;
    if line == b"*-1" || line == b"$-1" {
        return Ok(());
    }
    if line != b"*1" {
        bail!("Redis says {}", String::from_utf8_lossy(&line));
    }
    wire.line()?; // The stream's name and its entries.
    reply(wire)?;
    let count: usize = number(&wire.line()?)?;
    for _ in 0..count {
        wire.line()?;
        ids.push(reply(wire)?);
        let fields: usize = number(&wire.line()?)?;
        for _ in 0..fields {
            reply(wire)?;
        }
    }
    Ok(())
}

fn number<T: std::str::FromStr>(line: &[u8]) -> Result<T> {
    let text = std::str::from_utf8(line.get(1..).unwrap_or_default())?;
    text.parse().map_err(|_| anyhow::anyhow!("Redis says {}", String::from_utf8_lossy(line)))
}
