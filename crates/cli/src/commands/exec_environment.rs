//! What the environment says inside an agent's program: which event it handles, and as whom.

use cantus_api::Event;

/// The event that is being handled, as far as the environment says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ExecEnvironment {
    /// The agent's address.
    pub(crate) agent: Option<String>,
    /// The event's id.
    pub(crate) event_id: Option<String>,
    /// The event's story.
    pub(crate) correlation_id: Option<String>,
    /// How many events are in the event's chain of causes.
    pub(crate) hops: Option<u32>,
    /// The event's topic.
    pub(crate) topic: Option<String>,
    /// The event's partition key.
    pub(crate) partition_key: Option<String>,
    /// The trace of this attempt, as in the W3C headers.
    pub(crate) trace_parent: Option<String>,
    /// More on that trace.
    pub(crate) trace_state: Option<String>,
}

impl ExecEnvironment {
    /// Reads it from this process's environment.
    pub(crate) fn of_this_process() -> ExecEnvironment {
        ExecEnvironment::read(|name| std::env::var(name).ok())
    }

    fn read(variable: impl Fn(&str) -> Option<String>) -> ExecEnvironment {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        ExecEnvironment {
            agent: variable("CANTUS_AGENT"),
            event_id: variable("CE_ID"),
            correlation_id: variable("CE_CORRELATIONID"),
            hops: variable("CE_HOPS").and_then(|hops| hops.parse().ok()),
            topic: variable("CE_TOPIC"),
            partition_key: variable("CE_PARTITIONKEY"),
            trace_parent: variable("TRACEPARENT"),
            trace_state: variable("TRACESTATE"),
        }
    }

    /// Makes an event a consequence of the one that is being handled, where it does not say otherwise itself.
    pub(crate) fn inherit(&self, event: &mut Event) {
        let Some(cause) = &self.event_id else { return };
        event.causation_id.get_or_insert_with(|| cause.clone());
        if event.correlation_id.is_none() {
            // An event's own id starts a story, so the cause's id is the story when nothing else is said.
            event.correlation_id = Some(self.correlation_id.clone().unwrap_or_else(|| cause.clone()));
        }
        event.hops.get_or_insert(self.hops.unwrap_or(0).saturating_add(1));
        if event.trace_parent.is_none() && self.trace_parent.is_some() {
            event.trace_parent.clone_from(&self.trace_parent);
            event.trace_state.clone_from(&self.trace_state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> ExecEnvironment {
        ExecEnvironment::read(|name| {
            pairs.iter().find(|(one, _)| *one == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn an_answer_names_its_cause_and_has_one_hop_more() {
        let handled = environment(&[("CE_ID", "e-2"), ("CE_CORRELATIONID", "c-1"), ("CE_HOPS", "4")]);
        let mut event = Event::new("/coder", "Done");
        handled.inherit(&mut event);
        assert_eq!(
            (event.causation_id.as_deref(), event.correlation_id.as_deref(), event.hops),
            (Some("e-2"), Some("c-1"), Some(5))
        );
    }

    #[test]
    fn what_the_event_says_itself_stays() {
        let handled = environment(&[("CE_ID", "e-2"), ("CE_CORRELATIONID", "c-1")]);
        let mut event = Event { correlation_id: Some("mine".into()), ..Event::new("/coder", "Done") };
        handled.inherit(&mut event);
        assert_eq!(event.correlation_id.as_deref(), Some("mine"));
        assert_eq!(event.hops, Some(1));
    }

    #[test]
    fn outside_of_an_attempt_nothing_is_added() {
        let mut event = Event::new("/coder", "Done");
        environment(&[("CE_CORRELATIONID", "c-1")]).inherit(&mut event);
        assert_eq!(event, Event::new("/coder", "Done"));
    }
}
