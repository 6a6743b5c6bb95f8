//! Reading several events: an array, lines, a part of a larger request. All of them are good, or none is taken.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::model::Draft;
use super::read::Reader;
use crate::error::{Code, Problem};
use crate::json::request::{syntax, text};
use crate::json::scan::Scanner;

// For so many events room is made at once.
const EXPECTED_MAX: usize = 1_024;
// A refusal names at most this many places.
const FAULTS_MAX: usize = 16;

impl Reader<'_> {
    /// Reads one event, or an array of events: never none but for `[]`.
    ///
    /// # Errors
    ///
    /// Those of [`Reader::event`] and [`Reader::batch`].
    pub fn events<'b>(&self, body: &'b Bytes) -> Result<Vec<Draft<'b>>, Box<Problem>> {
        let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
        if first == Some(&b'[') { self.batch(body) } else { Ok(vec![self.event(body)?]) }
    }

    /// Reads an array of events, each of either shape. `[]` is one.
    ///
    /// # Errors
    ///
    /// `BATCH_INVALID`, `BATCH_TOO_LARGE`, and those of [`Reader::event`] with the first event's code and every place that is
    /// wrong, sixteen at most.
    pub fn batch<'b>(&self, body: &'b Bytes) -> Result<Vec<Draft<'b>>, Box<Problem>> {
        self.check_batch_bytes(body.len())?;
        let all = text(body)?;
        if !all.trim_start().starts_with('[') {
            // What is no JSON at all is called so.
            Scanner::new(all, self.limits.depth).whole().map_err(|wrong| syntax(all, wrong))?;
            let detail = "a batch is a JSON array of events";
            return Err(Box::new(Problem::new(Code::BatchInvalid, detail).at("#", detail)));
        }
        let wrong = |wrong| syntax(all, wrong);
        let bytes_of = |data: &str| body.slice_ref(data.as_bytes());
        let mut scanner = Scanner::new(all, self.limits.depth.saturating_add(1));
        let (mut several, mut members) = (Several::default(), Vec::with_capacity(16));
        scanner.enter_array().map_err(wrong)?;
        while let Some(start) = scanner.next_item(several.count == 0).map_err(wrong)? {
            if several.count == self.limits.batch_events {
                return Err(self.too_many());
            }
            members.clear();
            let fit = scanner.object_members(&mut members, self.members_max()).map_err(wrong)?;
            let event = self
                .check_event_bytes(scanner.offset() - start)
                .and_then(|()| self.check_members(&members, fit, "#"))
                .and_then(|()| self.assemble(&members, &bytes_of));
            several.add(event, None);
            if several.count == 1 {
                // The others are likely to be as long.
                several.expect(all.len() / (scanner.offset() - start).max(1));
            }
        }
        several.finish()
    }

    /// Reads JSON Lines: one event of either shape per line. Empty lines are skipped; pointers begin with the event's number, from
    /// 0 as in an array.
    ///
    /// # Errors
    ///
    /// Those of [`Reader::batch`].
    pub fn lines<'b>(&self, body: &'b Bytes) -> Result<Vec<Draft<'b>>, Box<Problem>> {
        self.check_batch_bytes(body.len())?;
        let bytes_of = |data: &str| body.slice_ref(data.as_bytes());
        let mut several = Several::default();
        for (number, line) in body.split(|byte| *byte == b'\n').enumerate() {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            if several.count == self.limits.batch_events {
                return Err(self.too_many());
            }
            let event = self
                .check_event_bytes(line.len())
                .and_then(|()| text(line))
                .and_then(|line| self.object(line, &bytes_of));
            several.add(event, Some(number + 1));
        }
        several.finish()
    }

    /// Reads the events of a larger request; pointers begin with `pointer`, such as `#/publish`.
    ///
    /// # Errors
    ///
    /// Those of [`Reader::batch`].
    pub fn raws<'b>(&self, raws: &'b [Box<RawValue>], pointer: &str) -> Result<Vec<Draft<'b>>, Box<Problem>> {
        if raws.len() > self.limits.batch_events {
            return Err(Box::new(self.too_many().under(pointer)));
        }
        let mut several = Several::default();
        for raw in raws {
            several.add(self.raw(raw), None);
        }
        several.finish().map_err(|problem| Box::new(problem.under(pointer)))
    }

    fn check_batch_bytes(&self, length: usize) -> Result<(), Box<Problem>> {
        if length <= self.limits.batch_bytes {
            return Ok(());
        }
        let detail = format!("the batch has {length} bytes, the limit is {}", self.limits.batch_bytes);
        Err(Box::new(
            Problem::new(Code::BatchTooLarge, detail.clone()).at("#", detail).hint("send several batches"),
        ))
    }

    fn too_many(&self) -> Box<Problem> {
        let detail = format!("the batch has more than {} events", self.limits.batch_events);
        Box::new(
            Problem::new(Code::BatchTooLarge, detail.clone()).at("#", detail).hint("send several batches"),
        )
    }
}

/// The events read so far, or what is wrong with those that were refused.
#[derive(Default)]
struct Several<'b> {
    count: usize,
    events: Vec<Draft<'b>>,
    refused: Option<Problem>,
}

impl<'b> Several<'b> {
    fn add(&mut self, event: Result<Draft<'b>, Box<Problem>>, line: Option<usize>) {
        let index = self.count;
        self.count += 1;
        let problem = match event {
            Ok(event) => {
                if self.refused.is_none() {
                    self.events.push(event);
                }
                return;
            }
            Err(problem) => problem.under(&format!("#/{index}")),
        };
        match &mut self.refused {
            None => {
                self.events = Vec::new();
                let line = line.map(|line| format!(" (line {line})")).unwrap_or_default();
                let detail = format!("event {index}{line}: {}", problem.detail);
                self.refused = Some(Problem { detail, ..problem });
            }
            Some(first) if first.errors.len() < FAULTS_MAX => first.errors.extend(problem.errors),
            Some(_) => {}
        }
    }

    /// Makes room for about so many more, within reason.
    fn expect(&mut self, events: usize) {
        self.events.reserve(events.min(EXPECTED_MAX));
    }

    fn finish(self) -> Result<Vec<Draft<'b>>, Box<Problem>> {
        match self.refused {
            None => Ok(self.events),
            Some(mut problem) => {
                problem.errors.truncate(FAULTS_MAX);
                Err(Box::new(problem))
            }
        }
    }
}
