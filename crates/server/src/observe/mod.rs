//! What is told of attempts and publishes: counts for metrics, spans for traces. Both are folds of durable facts.
//!
//! Read `attempts` (counting), then `settings` (the standard variables), `span` (what a span says) and `traces` (who puts spans
//! together and sends them).

mod attempts;
mod settings;
mod span;
mod traces;

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use cantus_core::Text;
use cantus_core::fact::{Receipt, Recorded};
use cantus_runtime::observe::{AttemptOf, Observer};
use cantus_runtime::{Draft, Handle};

pub(crate) use attempts::{Attempts, Counts, OTHER as OTHER_SUBSCRIPTIONS};
pub use settings::{Settings, SettingsError};
pub use traces::TracesError;

use traces::Traces;

/// What is told of attempts and publishes.
#[derive(Default)]
pub struct Observation {
    attempts: Mutex<Attempts>,
    traces: Option<Traces>,
}

impl fmt::Debug for Observation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Observation").field("traces", &self.traces.is_some()).finish()
    }
}

/// A publish that is under way and will be told of.
pub(crate) struct Sending {
    context: span::Context,
    parent: Option<span::Context>,
    began: SystemTime,
}

impl Sending {
    /// Returns the context the events are created in, as a `traceparent`.
    pub(crate) fn trace_parent(&self) -> String {
        self.context.to_string()
    }
}

impl Observation {
    /// Returns an observation that counts, and sends spans when there are settings. Must be called within the asynchronous
    /// runtime that shall send them.
    ///
    /// # Errors
    /// When the settings name a receiver that can not be used.
    pub fn new(settings: Option<Settings>) -> Result<Observation, TracesError> {
        let traces = settings.map(Traces::start).transpose()?;
        Ok(Observation { attempts: Mutex::default(), traces })
    }

    /// Says of which coordinator the facts are: names and events that were not seen are looked up there.
    pub fn follow(&self, handle: Handle) {
        if let Some(traces) = &self.traces {
            traces.follow(handle);
        }
    }

    /// Sends what is left.
    pub async fn finish(&self) {
        if let Some(traces) = &self.traces {
            traces.finish().await;
        }
    }

    /// Returns what was counted since the start.
    pub(crate) fn counts(&self) -> Counts {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).counts()
    }

    /// Begins a publish. None when nobody wants to know of it.
    pub(crate) fn begin_send(&self, trace_parent: Option<&str>) -> Option<Sending> {
        let traces = self.traces.as_ref()?;
        let parent = trace_parent.and_then(span::Context::parse);
        let context = traces.context_of_send(parent);
        Some(Sending { context, parent, began: SystemTime::now() })
    }

    /// Ends a publish: with its receipts, or the code it was refused with.
    pub(crate) fn end_send(&self, sending: Sending, sent: &Sent, ended: Result<&[Receipt], &str>) {
        if let Some(traces) = &self.traces
            && sending.context.sampled
        {
            traces.send(span::of_send(sending, sent, ended));
        }
    }
}

/// What a publish was about.
pub(crate) struct Sent {
    topic: Text,
    count: usize,
    /// Set when it was one event.
    one: Option<span::About>,
}

impl Sent {
    /// Returns what events are about; None when there are none.
    pub(crate) fn of(drafts: &[Draft]) -> Option<Sent> {
        let first = drafts.first()?;
        let one = (drafts.len() == 1).then(|| span::About::of(&first.event));
        Some(Sent { topic: first.event.topic.text().clone(), count: drafts.len(), one })
    }
}

impl Observer for Observation {
    fn durable(&self, facts: &[Recorded]) {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).note(facts);
        if let Some(traces) = &self.traces {
            traces.note(facts);
        }
    }

    fn trace_parent(&self, attempt: &AttemptOf<'_>) -> Option<Text> {
        match &self.traces {
            Some(traces) => {
                let about = span::About::of(attempt.event);
                let context = traces.context_of_attempt(
                    &about,
                    attempt.subscription,
                    attempt.delivery,
                    attempt.attempt,
                );
                Some(Text::from(context.to_string()))
            }
            None => attempt.event.trace_parent.clone(),
        }
    }
}
