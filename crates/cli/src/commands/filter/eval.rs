//! `cantus filter eval`

use anyhow::Result;
use cantus_api::Event;
use cantus_core::filter::{Explanation, Filter, InvalidFilter};
use clap::Args;
use serde_json::{Value, json};

use super::lines;
use super::subject::EventSubject;
use crate::commands::event::read_event;
use crate::context::Context;
use crate::exit::Failure;
use crate::input;
use crate::output::{Screen, Tone};

/// Say whether an event matches a filter, and if not, why
///
/// The event comes from --event or from stdin. With --stdin, each line {"filter": …, "event": …} is answered by a line
/// {"matches": true} or {"error": "…"}.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cantus filter eval 'type=TaskCompleted' --event @event.json\n  \
    cantus filter eval 'data.amount > 100.0 && priority == \"high\"' <event.json\n  \
    cantus filter eval '{\"type\":\"TaskCompleted\",\"data.severity\":\"high\"}' --event @event.json")]
pub(crate) struct Eval {
    /// The filter: name=value, an expression, or JSON as in the file
    #[arg(value_name = "EXPR", required_unless_present = "stdin", conflicts_with = "stdin")]
    filter: Option<String>,
    /// The event: JSON, @FILE, or - for stdin
    #[arg(long, value_name = "EVENT", default_value = "-", conflicts_with = "stdin")]
    event: String,
    /// Read lines of filters and events from stdin
    #[arg(long)]
    stdin: bool,
}

impl Eval {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        if self.stdin {
            return lines::answer(std::io::stdin().lock(), &mut |line| context.screen.print(line));
        }
        let declared = declared(self.filter.as_deref().unwrap_or(""));
        let filter = Filter::compile(&declared).map_err(refused)?;
        let event = read_event(&input::content(&self.event)?)?;
        show(&filter, &event, &context.screen)
    }
}

/// Returns the filter a word on the command line stands for: JSON if it is an object or a list, else the text itself.
fn declared(word: &str) -> Value {
    match serde_json::from_str::<Value>(word) {
        Ok(json @ (Value::Object(_) | Value::Array(_) | Value::Null)) => json,
        _ => Value::String(word.to_owned()),
    }
}

fn refused(invalid: InvalidFilter) -> Failure {
    let failure = Failure::usage(format!("the filter is wrong: {invalid}"));
    match invalid.hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn show(filter: &Filter, event: &Event, screen: &Screen) -> Result<()> {
    let explanation = filter.explain(&EventSubject::new(event));
    let answer = match &explanation {
        Explanation::Matched => json!({"matches": true}),
        Explanation::Unmatched(unmatched) => json!({
            "matches": false,
            "clause": unmatched.clause,
            "found": unmatched.found,
            "evaluation_error": unmatched.error,
        }),
    };
    screen.show(&answer, || match &explanation {
        Explanation::Matched => screen.paint(Tone::Good, "matches"),
        Explanation::Unmatched(unmatched) => {
            format!("{}: {unmatched}", screen.paint(Tone::Held, "does not match"))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_json_only_if_it_is_an_object_or_a_list() {
        assert_eq!(declared(r#"{"type":"A"}"#), json!({"type": "A"}));
        assert_eq!(declared(r#"["type=A"]"#), json!(["type=A"]));
        assert_eq!(declared("type=A"), json!("type=A"));
        assert_eq!(declared("[1, 2].exists(x, x == 1)"), json!("[1, 2].exists(x, x == 1)"));
        assert_eq!(declared("true"), json!("true"));
    }

    #[test]
    fn a_wrong_filter_is_refused_with_its_place() {
        let invalid = Filter::compile(&declared("type == ")).unwrap_err();
        let text = crate::exit::describe(&refused(invalid).into());
        assert!(text.contains("line 1, column"), "{text}");
    }
}
