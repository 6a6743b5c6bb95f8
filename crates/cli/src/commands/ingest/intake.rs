//! The intake: lines become events, events become batches, and what is wrong with one line stops nothing else.

use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result};
use cantus_api::Event;
use cantus_api::receipt::{Receipt, Status};
use cantus_client::{Client, Error};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::context::Context;
use crate::exit::Failure;
use crate::input::{self, LINE_BYTES_MAX, Line, Lines};
use crate::output::Screen;

/// Below the server's limits, also when they are set lower than usual.
const BATCH_EVENTS_MAX: usize = 500;
const BATCH_BYTES_MAX: usize = 4 << 20;
/// After so many errors the lines are only counted.
const ERRORS_SAID_MAX: u64 = 20;

/// Publishes the events of files.
pub(super) struct Intake<'a> {
    client: Client,
    topic: Option<&'a str>,
    screen: &'a Screen,
    batch: Vec<Numbered>,
    batch_bytes: usize,
    progress: ProgressBar,
    counts: Counts,
    said: u64,
}

/// An event and the line it came from.
struct Numbered {
    place: String,
    event: Event,
}

/// What became of the lines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Counts {
    /// Stored now.
    accepted: u64,
    /// Stored before.
    duplicates: u64,
    /// Wrong, or refused by the server.
    failed: u64,
}

impl<'a> Intake<'a> {
    /// Returns an intake into this topic; none where the events name their own.
    pub(super) fn new(context: &'a Context, topic: Option<&'a str>, files: &[PathBuf]) -> Result<Intake<'a>> {
        Ok(Intake {
            client: context.client()?,
            topic,
            screen: &context.screen,
            batch: Vec::new(),
            batch_bytes: 0,
            progress: progress(files, context.screen.verbosity() >= 0),
            counts: Counts::default(),
            said: 0,
        })
    }

    /// Takes the lines of a file, each turned into an event by `read`.
    pub(super) async fn lines(&mut self, file: &Path, read: impl Fn(&[u8]) -> Result<Event>) -> Result<()> {
        let taken = Arc::new(AtomicU64::new(self.progress.position()));
        let source: Box<dyn Read> =
            if file == Path::new("-") { Box::new(io::stdin()) } else { Box::new(input::open(file)?) };
        let counted = Counted { from: source, taken: Arc::clone(&taken) };
        let mut lines = Lines::new(BufReader::with_capacity(1 << 16, counted), LINE_BYTES_MAX);
        loop {
            let line = lines.next().with_context(|| format!("{} cannot be read", file.display()))?;
            self.progress.set_position(taken.load(Ordering::Relaxed));
            match line {
                None => return Ok(()),
                Some(Line::TooLong(number)) => {
                    let text = format!("is longer than {} MiB", LINE_BYTES_MAX >> 20);
                    self.wrong(&place(file, number), &text);
                }
                Some(Line::Text(_, text)) if text.trim_ascii().is_empty() => {}
                Some(Line::Text(number, text)) => match read(&text) {
                    Ok(event) => self.take(place(file, number), event).await?,
                    Err(error) => self.wrong(&place(file, number), &crate::exit::describe(&error)),
                },
            }
        }
    }

    /// Takes one event.
    pub(super) async fn take(&mut self, place: String, event: Event) -> Result<()> {
        let bytes = event.data.as_ref().map_or(0, |data| data.bytes.len()) + 1024;
        if self.batch.len() == BATCH_EVENTS_MAX || self.batch_bytes + bytes > BATCH_BYTES_MAX {
            self.publish().await?;
        }
        self.batch_bytes += bytes;
        self.batch.push(Numbered { place, event });
        Ok(())
    }

    /// Counts what is wrong with one line, and says it.
    pub(super) fn wrong(&mut self, place: &str, text: &str) {
        self.counts.failed += 1;
        self.said += 1;
        if self.said <= ERRORS_SAID_MAX {
            self.progress.suspend(|| self.screen.error(&format!("{place}: {text}")));
        } else if self.said == ERRORS_SAID_MAX + 1 {
            self.progress
                .suspend(|| self.screen.error("there are more lines that are wrong; they are only counted"));
        }
    }

    /// Publishes what is left, prints the counts, and fails if anything failed.
    pub(super) async fn end(mut self) -> Result<()> {
        let published = self.publish().await;
        self.progress.finish_and_clear();
        let counts = &self.counts;
        self.screen.show(counts, || {
            format!(
                "{} accepted, {} duplicates, {} failed",
                counts.accepted, counts.duplicates, counts.failed
            )
        })?;
        published?;
        match counts.failed {
            0 => Ok(()),
            1 => Err(Failure::failed("1 line was not published").into()),
            failed => Err(Failure::failed(format!("{failed} lines were not published")).into()),
        }
    }

    async fn publish(&mut self) -> Result<()> {
        let mut batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        // A batch is stored as a whole or not at all. What the server finds wrong is taken out, and the rest is sent again.
        while !batch.is_empty() {
            match self.send(&batch).await {
                Ok(receipts) => {
                    self.count(&receipts);
                    return Ok(());
                }
                Err(Error::Refused { problem, .. }) if batch.len() == 1 => {
                    let error = Error::Refused { problem, retry_after: None }.into();
                    self.wrong(&batch[0].place.clone(), &crate::exit::describe(&error));
                    return Ok(());
                }
                Err(Error::Refused { problem, .. }) if concerns_events(&problem) => {
                    let wrong = faults(&problem, batch.len());
                    if wrong.is_empty() {
                        return self.one_by_one(batch).await;
                    }
                    for (index, detail) in wrong.iter().rev() {
                        let out = batch.remove(*index);
                        self.wrong(&out.place, &format!("{}: {detail}", problem.code));
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn one_by_one(&mut self, batch: Vec<Numbered>) -> Result<()> {
        for one in batch {
            match self.send(std::slice::from_ref(&one)).await {
                Ok(receipts) => self.count(&receipts),
                Err(error @ Error::Refused { .. }) => {
                    let fatal = error.problem().is_some_and(|problem| !concerns_events(problem));
                    let error = anyhow::Error::from(error);
                    if fatal {
                        return Err(error);
                    }
                    self.wrong(&one.place, &crate::exit::describe(&error));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn send(&self, batch: &[Numbered]) -> Result<Vec<Receipt>, Error> {
        let events: Vec<Event> = batch.iter().map(|one| one.event.clone()).collect();
        let publish = match events.as_slice() {
            [one] => self.client.publish(one),
            many => self.client.publish_all(many),
        };
        match self.topic {
            Some(topic) => publish.topic(topic).send().await,
            None => publish.send().await,
        }
    }

    fn count(&mut self, receipts: &[Receipt]) {
        for receipt in receipts {
            match receipt.status {
                Status::Accepted => self.counts.accepted += 1,
                Status::Duplicate => self.counts.duplicates += 1,
            }
            for warning in &receipt.warnings {
                self.progress.suspend(|| self.screen.warn(&format!("{}: {warning}", receipt.id)));
            }
        }
    }
}

/// Returns whether a refusal is about what the events say: not about who asks, the topic, or the server's own state.
fn concerns_events(problem: &cantus_api::Problem) -> bool {
    use cantus_api::Code as C;
    matches!(
        problem.known_code(),
        Some(
            C::EventInvalid
                | C::AttributeInvalid
                | C::EventTooLarge
                | C::BatchTooLarge
                | C::BodyTooLarge
                | C::JsonInvalid
                | C::JsonTooDeep
                | C::TopicInvalid
                | C::EventIdReused
                | C::EventExpired
                | C::LoopDetected
                | C::SchemaViolation
                | C::HandlerUnknown
                | C::HandlerAmbiguous
                | C::RevisionConflict
                | C::ParameterInvalid
        )
    )
}

/// Returns which events of a batch a problem is about, by its pointers `#/<index>…`, in order.
fn faults(problem: &cantus_api::Problem, length: usize) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    for fault in &problem.errors {
        let index = fault
            .pointer
            .as_deref()
            .and_then(|pointer| pointer.strip_prefix("#/"))
            .and_then(|rest| rest.split('/').next()?.parse::<usize>().ok())
            .filter(|index| *index < length);
        if let Some(index) = index
            && !found.iter().any(|(known, _)| *known == index)
        {
            found.push((index, fault.detail.clone()));
        }
    }
    found.sort();
    found
}

/// Returns where a line is, for messages.
pub(super) fn place(file: &Path, number: usize) -> String {
    match file == Path::new("-") {
        true => format!("stdin:{number}"),
        false => format!("{}:{number}", file.display()),
    }
}

/// Shows on a terminal how much of the files is read.
fn progress(files: &[PathBuf], wanted: bool) -> ProgressBar {
    let sizes: Option<Vec<u64>> =
        files.iter().map(|file| Some(std::fs::metadata(file).ok()?.len())).collect();
    if !wanted {
        return ProgressBar::hidden();
    }
    let bar = match sizes {
        Some(sizes) => ProgressBar::new(sizes.iter().sum()),
        None => ProgressBar::no_length(),
    };
    // Draws nothing when stderr is no terminal.
    bar.set_draw_target(ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {elapsed}");
    bar.with_style(style.expect("the template is well formed"))
}

/// Counts the bytes that are read.
struct Counted<R> {
    from: R,
    taken: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.taken.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use cantus_api::{Code, Problem};

    use super::*;

    #[test]
    fn the_events_a_refusal_is_about_are_found_by_its_pointers() {
        let problem = Problem::new(Code::SchemaViolation, "two events do not satisfy their schemas")
            .at("#/3/data/amount", "\"ten\" is not a number")
            .at("#/3/data/name", "is missing")
            .at("#/0/data", "is no object")
            .at("#/99", "beyond")
            .at("#/x", "no index");
        assert_eq!(
            faults(&problem, 10),
            [(0, "is no object".to_owned()), (3, "\"ten\" is not a number".to_owned())]
        );
    }

    #[test]
    fn a_refusal_of_the_caller_is_not_about_the_events() {
        assert!(!concerns_events(&Problem::new(Code::Unauthenticated, "x")));
        assert!(!concerns_events(&Problem::new(Code::TopicUnknown, "x")));
        assert!(concerns_events(&Problem::new(Code::SchemaViolation, "x")));
    }
}
