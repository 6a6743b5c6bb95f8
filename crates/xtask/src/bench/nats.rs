//! NATS JetStream over its text protocol: publishes with a reply each, and a durable pull consumer with explicit acks.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::load::{BATCH, Load, Measured, PULL, Peer, Worker};
use super::process::{Process, free_port};
use super::wire::Wire;

/// When a write is synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sync {
    Default,
    Always,
}

pub(super) struct Nats {
    sync: Sync,
}

impl Nats {
    pub(super) fn new(sync: Sync) -> Nats {
        Nats { sync }
    }
}

impl Peer for Nats {
    fn ack(&self) -> &'static str {
        match self.sync {
            Sync::Default => "written, synced every two minutes",
            Sync::Always => "synced",
        }
    }

    fn turn(&self, load: &Load) -> Result<Measured> {
        let dir = tempfile::tempdir()?;
        let port = free_port()?;
        let sync = if self.sync == Sync::Always { "sync_interval: always" } else { "" };
        let store = dir.path().join("store");
        let file = dir.path().join("nats.conf");
        let text = format!("host: 127.0.0.1\nport: {port}\njetstream {{ store_dir: {store:?}\n{sync} }}\n");
        std::fs::write(&file, text)?;
        let process = Process::start(Command::new("nats-server").arg("-c").arg(&file), dir.path(), port)?;
        let mut client = Client::connect(port, "setup")?;
        let stream = r#"{"name":"bench","subjects":["bench"],"storage":"file","num_replicas":1}"#;
        client.ask("$JS.API.STREAM.CREATE.bench", stream)?;
        let publishers = (0..load.publishers).map(|number| {
            let client = Client::connect(port, &format!("p{number}"))?;
            let mut one = format!("PUB bench {} {}\r\n", client.inbox, load.data().len()).into_bytes();
            one.extend_from_slice(&load.data());
            one.extend_from_slice(b"\r\n");
            Ok(Publisher { client, batch: one.repeat(BATCH as usize), under_way: 0, window: load.window() })
        });
        let (publish_per_second, publish_cpu_us) =
            load.run(&process, publishers.collect::<Result<Vec<_>>>()?, BATCH)?;
        let consumer = r#"{"stream_name":"bench","config":{"durable_name":"all","ack_policy":"explicit","max_ack_pending":100000}}"#;
        client.ask("$JS.API.CONSUMER.DURABLE.CREATE.bench.all", consumer)?;
        let consumers = (0..load.publishers).map(|number| {
            let client = Client::connect(port, &format!("c{number}"))?;
            let want = format!(r#"{{"batch":{PULL},"expires":500000000}}"#);
            let pull = format!(
                "PUB $JS.API.CONSUMER.MSG.NEXT.bench.all {} {}\r\n{want}\r\n",
                client.inbox,
                want.len()
            );
            Ok(Consumer { client, pull: pull.into_bytes() })
        });
        let (consume_per_second, consume_cpu_us) =
            load.run(&process, consumers.collect::<Result<Vec<_>>>()?, PULL)?;
        Ok(Measured { publish_per_second, publish_cpu_us, consume_per_second, consume_cpu_us })
    }
}

/// A connection with an inbox.
struct Client {
    wire: Wire,
    inbox: String,
}

/// What came in.
struct Message {
    reply: Option<String>,
    /// It has headers: a status, not an event.
    is_status: bool,
    text: Vec<u8>,
}

impl Client {
    fn connect(port: u16, name: &str) -> Result<Client> {
        let mut wire = Wire::connect(port)?;
        let greeting = wire.line()?;
        if !greeting.starts_with(b"INFO ") {
            bail!("NATS says {}", String::from_utf8_lossy(&greeting));
        }
        let inbox = format!("_INBOX.{name}");
        let hello = format!(
            "CONNECT {{\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true}}\r\nSUB {inbox} 1\r\nPING\r\n"
        );
        wire.send(hello.as_bytes())?;
        let answer = wire.line()?;
        if answer != b"PONG" {
            bail!("NATS says {}", String::from_utf8_lossy(&answer));
        }
        Ok(Client { wire, inbox })
    }

    fn message(&mut self) -> Result<Message> {
        loop {
            let line = self.wire.line()?;
            let line = String::from_utf8(line).context("NATS says what is no text")?;
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["PING"] => self.wire.send(b"PONG\r\n")?,
                ["PONG" | "+OK"] => {}
                ["INFO", ..] => {}
                [kind @ ("MSG" | "HMSG"), _, _, rest @ ..] => {
                    let is_status = *kind == "HMSG";
                    let numbers = if is_status { 2 } else { 1 };
                    let length: usize = rest.last().copied().unwrap_or_default().parse()?;
                    let reply = (rest.len() > numbers).then(|| rest[0].to_owned());
                    let text = self.wire.bytes(length + 2)?[..length].to_vec();
                    return Ok(Message { reply, is_status, text });
                }
                _ => bail!("NATS says {line}"),
            }
        }
    }

    fn ask(&mut self, subject: &str, text: &str) -> Result<()> {
        let request = format!("PUB {subject} {} {}\r\n{text}\r\n", self.inbox, text.len());
        self.wire.send(request.as_bytes())?;
        accepted(&self.message()?)
    }
}

fn accepted(message: &Message) -> Result<()> {
    let error = message.is_status || message.text.windows(7).any(|window| window == b"\"error\"");
    if error {
        bail!("NATS says {}", String::from_utf8_lossy(&message.text));
    }
    Ok(())
}

struct Publisher {
    client: Client,
    batch: Vec<u8>,
    under_way: u32,
    window: u32,
}

impl Worker for Publisher {
    fn step(&mut self, wanted: u32) -> Result<u32> {
        self.client.wire.send(&self.batch)?;
        self.under_way += wanted;
        let mut done = 0;
        while self.under_way > self.window - BATCH.min(self.window)
            || (done > 0 && self.client.wire.has_more() && self.under_way > 0)
        {
            accepted(&self.client.message()?)?;
            self.under_way -= 1;
            done += 1;
        }
        Ok(done)
    }

    fn finish(&mut self) -> Result<u32> {
        let left = std::mem::take(&mut self.under_way);
        for _ in 0..left {
            accepted(&self.client.message()?)?;
        }
        Ok(left)
    }
}

struct Consumer {
    client: Client,
    pull: Vec<u8>,
}

impl Worker for Consumer {
    fn step(&mut self, wanted: u32) -> Result<u32> {
        self.client.wire.send(&self.pull)?;
        let (mut acks, mut count) = (Vec::new(), 0);
        while count < wanted {
            let message = self.client.message()?;
            if message.is_status {
                break;
            }
            let reply = message.reply.context("NATS sends an event that can not be acknowledged")?;
            acks.extend_from_slice(format!("PUB {reply} 4\r\n+ACK\r\n").as_bytes());
            count += 1;
        }
        self.client.wire.send(&acks)?;
        Ok(count)
    }

    /// Acks have no answer: one more question and its answer come behind them.
    fn finish(&mut self) -> Result<u32> {
        self.client.ask("$JS.API.CONSUMER.INFO.bench.all", "")?;
        Ok(0)
    }
}
