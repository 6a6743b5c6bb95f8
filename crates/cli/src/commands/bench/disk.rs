//! What the disk alone takes: the p50 of an fdatasync, and the log without anything around it.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use cantus_core::event::{Data, Event, Form, Payload};
use cantus_core::fact::{EventPublished, Fact, Recorded};
use cantus_core::topic::TopicName;
use cantus_core::{Position, Text, Timestamp};
use cantus_engine::local;

use super::latency::Latencies;
use super::measured::Measured;

/// How often a sync is timed.
const SYNCS: usize = 500;
/// How many batches one sync of the log carries: as many as wait for one under load.
pub(super) const BATCHES_PER_SYNC: u64 = 10;

/// Writes 4 KiB into blocks that were written before, and syncs them, again and again.
pub(super) fn syncs(folder: &Path) -> Result<Latencies> {
    let file = File::create(folder.join("sync.probe")).context("a file can not be made")?;
    let block = [7u8; 4096];
    for at in 0..64 {
        file.write_all_at(&block, at * 4096)?;
    }
    file.sync_all()?;
    let mut latencies = Vec::with_capacity(SYNCS);
    for turn in 0..SYNCS as u64 {
        let begun = Instant::now();
        file.write_all_at(&block, turn % 64 * 4096)?;
        file.sync_data().context("a file can not be synced")?;
        latencies.push(begun.elapsed());
    }
    std::fs::remove_file(folder.join("sync.probe"))?;
    Ok(Latencies::of(latencies))
}

/// Appends events to a log of its own, in this process: batches as frames, some of them per sync. Returns also the processor time
/// it took.
pub(super) fn log(folder: &Path, events: u64, batch: u32, size: u32) -> Result<(Measured, Duration)> {
    let dir = tempfile::Builder::new().prefix("log-").tempdir_in(folder)?;
    let mut opened = cantus_engine::open(dir.path(), local::Options::default())?;
    let mut position = 0;
    let data = Bytes::from(format!(r#"{{"pad":"{}"}}"#, "x".repeat((size as usize).saturating_sub(10))));
    let topic = TopicName::parse("bench").map_err(|wrong| anyhow::anyhow!("{wrong}"))?;
    // What repeats is shared, as it is where events come from.
    let texts = Texts {
        source: Text::from("/cantus-bench"),
        event_type: Text::from("Bench0"),
        time: Text::from("2026-01-01T00:00:00.000Z"),
    };
    let begun = Instant::now();
    let cpu = own_cpu();
    let mut latencies = Vec::new();
    while position < events {
        let sent = Instant::now();
        for _ in 0..BATCHES_PER_SYNC {
            let facts: Vec<Recorded> = (0..u64::from(batch))
                .map(|offset| published(position + offset + 1, &topic, &texts, &data))
                .collect();
            position += u64::from(batch);
            opened.engine.append(Timestamp(i64::try_from(position).unwrap_or(i64::MAX)), &facts)?;
        }
        opened.engine.sync()?;
        latencies.push(sent.elapsed());
    }
    let elapsed = begun.elapsed();
    let cpu = own_cpu().saturating_sub(cpu);
    Ok((Measured::new(position, elapsed, latencies), cpu))
}

struct Texts {
    source: Text,
    event_type: Text,
    time: Text,
}

fn published(position: u64, topic: &TopicName, texts: &Texts, data: &Bytes) -> Recorded {
    let id = Text::from(format!("evt_{position:026}"));
    let (source, event_type) = (texts.source.clone(), texts.event_type.clone());
    let event = Event {
        data: Some(Data { form: Form::Json, bytes: Payload(data.clone()) }),
        ..Event::new(id, source, event_type, topic.clone(), texts.time.clone())
    };
    let fact = Fact::from(EventPublished {
        event: Arc::new(event),
        actor: texts.source.clone(),
        content: position,
        revision: None,
        only: None,
        answers: None,
        deferred_at: None,
    });
    Recorded { position: Position(position), at: Timestamp(0), fact }
}

/// Returns the processor time of this process.
fn own_cpu() -> Duration {
    super::process::Process(std::process::id()).cpu().unwrap_or_default()
}
