//! RabbitMQ over AMQP 0-9-1: a quorum queue, publisher confirms, and consumers with a prefetch that acknowledge several at once.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::load::{BATCH, Load, Measured, PULL, Peer, Worker};
use super::process::{Process, free_port};
use super::wire::Wire;

/// How long a node may take until it lets somebody in.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(100);
const QUEUE: &str = "bench";
const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const END: u8 = 0xCE;

pub(super) struct RabbitMq;

impl Peer for RabbitMq {
    fn ack(&self) -> &'static str {
        "synced by a quorum of one"
    }

    fn turn(&self, load: &Load) -> Result<Measured> {
        let dir = tempfile::tempdir()?;
        let (port, names, nodes) = (free_port()?, free_port()?, free_port()?);
        let names = Names(names);
        let process = Process::start(&mut server(dir.path(), port, names.0, nodes)?, dir.path(), port)?;
        let mut channel = Channel::open_patiently(port)?;
        channel.declare()?;
        let publishers = (0..load.publishers).map(|_| {
            let mut channel = Channel::open(port)?;
            channel.ask(85, 10, &[0], (85, 11))?;
            let data = load.data();
            let mut one = Vec::new();
            let mut arguments = vec![0, 0];
            short_text(&mut arguments, "");
            short_text(&mut arguments, QUEUE);
            arguments.push(0);
            method(&mut one, 1, 60, 40, &arguments);
            let mut header = Vec::new();
            header.extend_from_slice(&60u16.to_be_bytes());
            header.extend_from_slice(&0u16.to_be_bytes());
            header.extend_from_slice(&(data.len() as u64).to_be_bytes());
            // One property: the delivery mode, which is to keep it.
            header.extend_from_slice(&0x1000u16.to_be_bytes());
            header.push(2);
            frame(&mut one, HEADER, 1, &header);
            frame(&mut one, BODY, 1, &data);
            let batch = one.repeat(BATCH as usize);
            Ok(Publisher { channel, batch, sent: 0, confirmed: 0, window: load.window() })
        });
        let (publish_per_second, publish_cpu_us) =
            load.run(&process, publishers.collect::<Result<Vec<_>>>()?, BATCH)?;
        let consumers = (0..load.publishers).map(|_| {
            let mut channel = Channel::open(port)?;
            let mut limits = 0u32.to_be_bytes().to_vec();
            limits.extend_from_slice(&(PULL as u16 * 2).to_be_bytes());
            limits.push(0);
            channel.ask(60, 10, &limits, (60, 11))?;
            let mut arguments = vec![0, 0];
            short_text(&mut arguments, QUEUE);
            short_text(&mut arguments, "");
            arguments.extend_from_slice(&[0, 0, 0, 0, 0]);
            channel.ask(60, 20, &arguments, (60, 21))?;
            Ok(Consumer { channel })
        });
        let (consume_per_second, consume_cpu_us) =
            load.run(&process, consumers.collect::<Result<Vec<_>>>()?, PULL)?;
        Ok(Measured { publish_per_second, publish_cpu_us, consume_per_second, consume_cpu_us })
    }
}

/// Erlang's name server, which each node starts and none ends.
struct Names(u16);

impl Drop for Names {
    fn drop(&mut self) {
        // It may never have been started.
        let _ = Command::new("epmd")
            .args(["-port", &self.0.to_string(), "-relaxed_command_check", "-kill"])
            .env("ERL_EPMD_RELAXED_COMMAND_CHECK", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

/// Returns the command that runs a node of its own. Debian's wrapper changes the user and is passed by.
fn server(dir: &Path, port: u16, names: u16, nodes: u16) -> Result<Command> {
    let own = Path::new("/usr/lib/rabbitmq/bin/rabbitmq-server");
    let mut command = Command::new(if own.exists() { own } else { Path::new("rabbitmq-server") });
    let plugins = dir.join("enabled_plugins");
    std::fs::write(&plugins, "[].\n")?;
    command
        .env("HOME", dir)
        .env("RABBITMQ_NODENAME", format!("bench{port}@localhost"))
        .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODE_PORT", port.to_string())
        .env("RABBITMQ_DIST_PORT", nodes.to_string())
        .env("RABBITMQ_MNESIA_BASE", dir.join("data"))
        .env("RABBITMQ_LOG_BASE", dir.join("log"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", plugins)
        .env("RABBITMQ_CONFIG_FILE", dir.join("none"))
        .env("ERL_EPMD_PORT", names.to_string())
        .env("ERL_EPMD_ADDRESS", "127.0.0.1");
    Ok(command)
}

/// A connection with one channel.
struct Channel {
    wire: Wire,
}

/// A frame that came in.
struct Frame {
    kind: u8,
    payload: Vec<u8>,
}

impl Channel {
    /// Opens the first one: a node listens a moment before it lets anybody in.
    fn open_patiently(port: u16) -> Result<Channel> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match Channel::open(port) {
                Err(_) if Instant::now() < deadline => std::thread::sleep(LOOK_EVERY),
                opened => return opened,
            }
        }
    }

    fn open(port: u16) -> Result<Channel> {
        let mut channel = Channel { wire: Wire::connect(port)? };
        channel.wire.send(b"AMQP\0\0\x09\x01")?;
        channel.expect((10, 10))?;
        let mut hello = 0u32.to_be_bytes().to_vec();
        short_text(&mut hello, "PLAIN");
        let response = b"\0guest\0guest";
        hello.extend_from_slice(&(response.len() as u32).to_be_bytes());
        hello.extend_from_slice(response);
        short_text(&mut hello, "en_US");
        channel.say(0, 10, 11, &hello)?;
        channel.expect((10, 30))?;
        // As many channels as RabbitMQ allows at most, frames of 128 KiB, no heartbeats.
        channel.say(0, 10, 31, &[7, 0xFF, 0, 2, 0, 0, 0, 0])?;
        let mut place = Vec::new();
        short_text(&mut place, "/");
        place.extend_from_slice(&[0, 0]);
        channel.say(0, 10, 40, &place)?;
        channel.expect((10, 41))?;
        channel.ask(20, 10, &[0], (20, 11))?;
        Ok(channel)
    }

    fn declare(&mut self) -> Result<()> {
        let mut arguments = vec![0, 0];
        short_text(&mut arguments, QUEUE);
        arguments.push(0b10); // It lasts.
        let mut table = Vec::new();
        short_text(&mut table, "x-queue-type");
        table.push(b'S');
        table.extend_from_slice(&6u32.to_be_bytes());
        table.extend_from_slice(b"quorum");
        arguments.extend_from_slice(&(table.len() as u32).to_be_bytes());
        arguments.extend_from_slice(&table);
        self.ask(50, 10, &arguments, (50, 11))
    }

    fn say(&mut self, number: u16, class: u16, name: u16, arguments: &[u8]) -> Result<()> {
        let mut bytes = Vec::new();
        method(&mut bytes, number, class, name, arguments);
        self.wire.send(&bytes)
    }

    fn ask(&mut self, class: u16, name: u16, arguments: &[u8], answer: (u16, u16)) -> Result<()> {
        self.say(1, class, name, arguments)?;
        self.expect(answer)
    }

    fn expect(&mut self, answer: (u16, u16)) -> Result<()> {
        let frame = self.frame()?;
        let found = frame.method();
        if found != Some(answer) {
            bail!("RabbitMQ says {found:?} where {answer:?} was expected: {}", frame.shown());
        }
        Ok(())
    }

    fn frame(&mut self) -> Result<Frame> {
        let head = self.wire.bytes(7)?;
        let kind = head[0];
        let length = u32::from_be_bytes([head[3], head[4], head[5], head[6]]) as usize;
        let rest = self.wire.bytes(length + 1)?;
        if rest[length] != END {
            bail!("RabbitMQ sends a frame without an end");
        }
        Ok(Frame { kind, payload: rest[..length].to_vec() })
    }
}

impl Frame {
    fn method(&self) -> Option<(u16, u16)> {
        let [a, b, c, d, ..] = self.payload.as_slice() else { return None };
        (self.kind == METHOD).then(|| (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d])))
    }

    fn number(&self, at: usize) -> Result<u64> {
        let bytes = self.payload.get(at..at + 8).context("RabbitMQ sends a frame that is too short")?;
        Ok(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.payload).chars().filter(|it| !it.is_control()).take(200).collect()
    }
}

struct Publisher {
    channel: Channel,
    batch: Vec<u8>,
    sent: u64,
    confirmed: u64,
    window: u32,
}

impl Publisher {
    /// Reads one confirmation, which may be for several; returns for how many.
    fn confirmation(&mut self) -> Result<u32> {
        let frame = self.channel.frame()?;
        if frame.method() != Some((60, 80)) {
            bail!("RabbitMQ says {:?}: {}", frame.method(), frame.shown());
        }
        // A quorum queue confirms in the order of the publishes, one or several at once: the tag says up to where.
        let count = frame.number(4)?.saturating_sub(self.confirmed);
        self.confirmed += count;
        Ok(u32::try_from(count)?)
    }
}

impl Worker for Publisher {
    fn step(&mut self, wanted: u32) -> Result<u32> {
        self.channel.wire.send(&self.batch)?;
        self.sent += u64::from(wanted);
        let mut done = 0;
        let most = u64::from(self.window - BATCH.min(self.window));
        while self.sent - self.confirmed > most {
            done += self.confirmation()?;
        }
        Ok(done)
    }

    fn finish(&mut self) -> Result<u32> {
        let mut done = 0;
        while self.confirmed < self.sent {
            done += self.confirmation()?;
        }
        Ok(done)
    }
}

struct Consumer {
    channel: Channel,
}

impl Worker for Consumer {
    fn step(&mut self, wanted: u32) -> Result<u32> {
        let (mut count, mut last) = (0, 0);
        while count < wanted && self.channel.wire.waits()? {
            let frame = self.channel.frame()?;
            match frame.method() {
                Some((60, 60)) => {
                    let name = usize::from(frame.payload.get(4).copied().unwrap_or_default());
                    last = frame.number(5 + name)?;
                }
                None if frame.kind == BODY => count += 1,
                None => {}
                Some(other) => bail!("RabbitMQ says {other:?}: {}", frame.shown()),
            }
        }
        if count > 0 {
            let mut arguments = u64::to_be_bytes(last).to_vec();
            arguments.push(1);
            self.channel.say(1, 60, 80, &arguments)?;
        }
        Ok(count)
    }

    fn finish(&mut self) -> Result<u32> {
        Ok(0)
    }
}

fn method(out: &mut Vec<u8>, channel: u16, class: u16, name: u16, arguments: &[u8]) {
    let mut payload = Vec::with_capacity(4 + arguments.len());
    payload.extend_from_slice(&class.to_be_bytes());
    payload.extend_from_slice(&name.to_be_bytes());
    payload.extend_from_slice(arguments);
    frame(out, METHOD, channel, &payload);
}

fn frame(out: &mut Vec<u8>, kind: u8, channel: u16, payload: &[u8]) {
    out.push(kind);
    out.extend_from_slice(&channel.to_be_bytes());
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes());
    out.extend_from_slice(payload);
    out.push(END);
}

fn short_text(out: &mut Vec<u8>, text: &str) {
    out.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(text.as_bytes());
}
