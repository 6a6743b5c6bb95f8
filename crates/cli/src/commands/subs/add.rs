//! `cantus subs add`

use anyhow::Result;
use cantus_api::subscription::Create;
use clap::Args;
use serde_json::{Map, Value};

use super::get::text;
use crate::context::Context;
use crate::exit::Failure;
use crate::input;

/// Create a subscription with an inbox, or any other from JSON
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cantus subs add coder project.tasks --filter type=TaskReady --from start\n  \
    cantus subs add coder project.tasks --definition '{\"action\":{\"inbox\":{}},\"concurrency\":2}'")]
pub(crate) struct Add {
    /// The agent
    agent: String,
    /// Its topics, or patterns with *
    #[arg(required = true)]
    topics: Vec<String>,
    /// The subscription's name; the topic unless given
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Which events it wants: name=value, an expression, or JSON as in the file
    #[arg(long, value_name = "FILTER")]
    filter: Option<String>,
    /// Where it begins: start, end, a time or a position
    #[arg(long, value_name = "PLACE")]
    from: Option<String>,
    /// Everything else as in the file: JSON, @FILE, or - for stdin
    #[arg(long, value_name = "JSON")]
    definition: Option<String>,
}

impl Add {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let create = self.create()?;
        let subscription = context.client()?.create_subscription(&create).await?;
        context.screen.show(&subscription, || text(&subscription, &context.screen))
    }

    fn create(&self) -> Result<Create> {
        let mut definition: Map<String, Value> = match &self.definition {
            Some(argument) => {
                match serde_json::from_slice(&input::json(&input::content(argument)?, "--definition")?)? {
                    Value::Object(members) => members,
                    _ => return Err(Failure::usage("--definition must be a JSON object").into()),
                }
            }
            None => Map::new(),
        };
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                definition.insert(name.to_owned(), value);
            }
        };
        set("agent", Some(self.agent.as_str().into()));
        set("topics", Some(self.topics.clone().into()));
        set("name", self.name.as_deref().map(Value::from));
        set("from", self.from.as_deref().map(Value::from));
        set(
            "filter",
            self.filter.as_deref().map(|filter| match serde_json::from_str::<Value>(filter) {
                Ok(json @ (Value::Object(_) | Value::Array(_))) => json,
                _ => filter.into(),
            }),
        );
        definition.entry("action").or_insert_with(|| "inbox".into());
        serde_json::from_value(Value::Object(definition))
            .map_err(|error| Failure::usage(format!("the subscription is not valid: {error}")).into())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        add: Add,
    }

    #[test]
    fn it_is_an_inbox_unless_the_definition_says_otherwise() {
        let create = Line::parse_from(["x", "coder", "tasks", "--filter", "type=A", "--from", "start"])
            .add
            .create()
            .unwrap();
        assert_eq!(create.subscription.id(&create.agent).unwrap(), "coder/tasks");
        assert_eq!(create.subscription.filter, Some("type=A".into()));
    }

    #[test]
    fn a_definition_that_is_wrong_is_said() {
        let add = Line::parse_from(["x", "coder", "tasks", "--definition", r#"{"fliter":1}"#]).add;
        let text = crate::exit::describe(&add.create().unwrap_err());
        assert!(text.contains("fliter"), "{text}");
    }
}
