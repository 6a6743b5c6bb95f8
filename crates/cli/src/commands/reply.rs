//! `cantus reply`: prints the event an agent's program answers with. The server reads it from the program's stdout.

use anyhow::Result;
use cantus_api::Event;
use cantus_api::event::{Shape, write_line};
use clap::Args;

use super::exec_environment::ExecEnvironment;
use super::publish::Draft;
use crate::context::Context;
use crate::exit::Failure;

/// Print the event that an agent's program answers with, as one line
///
/// For programs that Cantus runs: what they print is published when they end well, all of it or nothing. The source is the agent;
/// topic, correlation, causation, hops and partition key are those of the event being handled, unless given. Nothing is sent.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cantus reply --type APIDesignCompleted --data '{\"endpoints\":4}'\n  \
    cantus event get data | cantus reply --type TaskAccepted --data -")]
pub(crate) struct Reply {
    #[command(flatten)]
    draft: Draft,
    /// The topic; that of the event being handled unless given
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// The same as --data -
    #[arg(long, conflicts_with = "data")]
    data_from_stdin: bool,
}

impl Reply {
    pub(crate) fn run(mut self, context: &Context) -> Result<()> {
        if self.data_from_stdin {
            self.draft.data = Some("-".to_owned());
        }
        let event = self.event(&ExecEnvironment::of_this_process())?;
        let mut line = Vec::new();
        write_line(&mut line, &event.view(), Shape::CloudEvent);
        line.push(b'\n');
        context.screen.print_raw(&line)
    }

    fn event(&self, handled: &ExecEnvironment) -> Result<Event> {
        let Some(agent) = self.draft.source.as_ref().or(handled.agent.as_ref()) else {
            let hint =
                "to try a script by hand, set CANTUS_AGENT or give --source; to publish, use `cantus pub`";
            let message = "`reply` is for programs that Cantus runs: CANTUS_AGENT is not set";
            return Err(Failure::usage(message).hint(hint).into());
        };
        let mut event = self.draft.event(agent)?;
        event.topic = self.topic.clone().or_else(|| handled.topic.clone());
        event.partition_key = event.partition_key.or_else(|| handled.partition_key.clone());
        handled.inherit(&mut event);
        Ok(event)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        reply: Reply,
    }

    fn reply(words: &[&str], handled: &ExecEnvironment) -> Result<String> {
        let words = ["x", "--type", "Done"].iter().chain(words);
        Ok(serde_json::to_string(&Line::parse_from(words).reply.event(handled)?).unwrap())
    }

    fn handled() -> ExecEnvironment {
        ExecEnvironment {
            agent: Some("/coder".into()),
            event_id: Some("e-1".into()),
            correlation_id: Some("c-1".into()),
            hops: Some(0),
            topic: Some("tasks".into()),
            partition_key: Some("p".into()),
            ..ExecEnvironment::default()
        }
    }

    #[test]
    fn the_answer_continues_the_story_of_what_is_handled() {
        assert_eq!(
            reply(&["--data", r#"{"n": 1}"#], &handled()).unwrap(),
            r#"{"specversion":"1.0","type":"Done","source":"/coder","correlationid":"c-1","causationid":"e-1","hops":1,"topic":"tasks","partitionkey":"p","data":{"n": 1}}"#
        );
    }

    #[test]
    fn topic_and_key_can_be_others() {
        let line = reply(&["--topic", "alerts", "--key", "q"], &handled()).unwrap();
        assert!(line.contains(r#""topic":"alerts","partitionkey":"q""#), "{line}");
    }

    #[test]
    fn without_an_agent_it_says_what_to_do() {
        let text = crate::exit::describe(&reply(&[], &ExecEnvironment::default()).unwrap_err());
        assert!(text.contains("CANTUS_AGENT") && text.contains("cantus pub"), "{text}");
    }
}
