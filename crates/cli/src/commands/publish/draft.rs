//! The event as the command line describes it.

use anyhow::Result;
use cantus_api::Event;
use cantus_api::event::{Data, Extension, Kind, Priority, is_json};
use clap::Args;

use crate::exit::Failure;
use crate::input;

/// What an event says, without its place in a story.
#[derive(Debug, Clone, Args)]
pub(crate) struct Draft {
    /// What happened, such as TaskCompleted
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) event_type: String,
    /// Who says so: an agent's address or another URI-reference
    #[arg(long, value_name = "SOURCE")]
    pub(crate) source: Option<String>,
    /// What it happened to
    #[arg(long, value_name = "SUBJECT")]
    pub(crate) subject: Option<String>,
    /// The data: JSON, @FILE, or - for stdin
    #[arg(long, value_name = "DATA", allow_hyphen_values = true)]
    pub(crate) data: Option<String>,
    /// The media type of data that is not JSON, such as text/plain
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
    /// A further attribute; may be given several times
    #[arg(long = "ext", value_name = "NAME=VALUE", value_parser = input::name_value)]
    pub(crate) extensions: Vec<(String, String)>,
    /// The partition key: what is kept in order
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// How urgent it is
    #[arg(long, value_name = "PRIORITY", value_parser = ["critical", "high", "normal", "low"])]
    pub(crate) priority: Option<String>,
    /// The entity whose event it is, such as task/42
    #[arg(long, value_name = "STREAM")]
    pub(crate) stream: Option<String>,
    /// The agent it is for
    #[arg(long, value_name = "AGENT")]
    pub(crate) to: Option<String>,
    /// What sort of event it is
    #[arg(long, value_name = "KIND", value_parser = ["event", "command", "query", "notification"])]
    pub(crate) kind: Option<String>,
}

impl Draft {
    /// Returns the event. Files and stdin are read here.
    pub(crate) fn event(&self, default_source: &str) -> Result<Event> {
        let mut event = Event::new(self.source.as_deref().unwrap_or(default_source), &self.event_type);
        event.subject.clone_from(&self.subject);
        event.content_type.clone_from(&self.content_type);
        event.partition_key.clone_from(&self.key);
        event.priority = self.priority.as_deref().and_then(Priority::parse);
        event.stream.clone_from(&self.stream);
        event.to.clone_from(&self.to);
        event.kind = self.kind.as_deref().and_then(Kind::parse);
        for (name, value) in &self.extensions {
            self.extend(&mut event, name, value)?;
        }
        event.data = self.data.as_deref().map(|data| self.read_data(data)).transpose()?;
        Ok(event)
    }

    fn extend(&self, event: &mut Event, name: &str, value: &str) -> Result<()> {
        if let Some(option) = option_of(name) {
            let hint = format!("use {option}");
            return Err(Failure::usage(format!("`{name}` is not a further attribute")).hint(hint).into());
        }
        let legal = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if !legal || name == "data" {
            let message = format!("`{name}` is no name of an attribute: use lower-case letters and digits");
            return Err(Failure::usage(message).into());
        }
        if event.extension(name).is_some() {
            return Err(Failure::usage(format!("`{name}` is given twice")).into());
        }
        event.extensions.push(Extension::text(name, value));
        Ok(())
    }

    fn read_data(&self, argument: &str) -> Result<Data> {
        let bytes = input::content(argument)?;
        if is_json(self.content_type.as_deref()) {
            return match input::json(&bytes, "the data") {
                Ok(json) => Ok(Data::json(json)),
                Err(error) if self.content_type.is_none() => {
                    let hint = "data is JSON unless --content-type says otherwise, such as --content-type text/plain";
                    Err(Failure::usage(error.to_string()).hint(hint).into())
                }
                Err(error) => Err(error),
            };
        }
        Ok(match String::from_utf8(bytes) {
            Ok(text) => Data::text(text),
            Err(error) => Data::binary(error.into_bytes()),
        })
    }
}

/// Returns the option that sets an attribute which is no extension.
fn option_of(name: &str) -> Option<&'static str> {
    Some(match name {
        "id" => "--id",
        "type" => "--type",
        "source" => "--source",
        "subject" => "--subject",
        "time" | "specversion" => "nothing: it is filled in",
        "datacontenttype" => "--content-type",
        "partitionkey" => "--key",
        "priority" => "--priority",
        "stream" => "--stream",
        "to" => "--to",
        "kind" => "--kind",
        "topic" => "the argument TOPIC",
        "correlationid" => "--correlation",
        "causationid" => "--causation",
        "hops" => "--causation",
        "expirytime" => "--expires",
        "deliverat" => "--delay",
        "data" => "--data",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        draft: Draft,
    }

    fn draft(words: &str) -> Result<Event> {
        let words = ["x", "--type", "T"].into_iter().chain(words.split_whitespace());
        Line::parse_from(words).draft.event("/me")
    }

    #[test]
    fn options_become_attributes_and_data_keeps_its_digits() {
        let event =
            draft(r#"--data {"n":1.10e400} --ext team=red --key k --priority high --kind command"#).unwrap();
        assert_eq!(
            serde_json::to_string(&event).unwrap(),
            r#"{"specversion":"1.0","type":"T","source":"/me","kind":"command","partitionkey":"k","priority":"high","team":"red","data":{"n":1.10e400}}"#
        );
    }

    #[test]
    fn text_is_data_when_the_media_type_says_so() {
        let event = draft("--data hello --content-type text/plain").unwrap();
        assert_eq!(event.data, Some(Data::text("hello")));
    }

    #[test]
    fn text_that_is_not_json_is_refused_with_what_to_do() {
        let error = draft("--data hello").unwrap_err();
        let text = crate::exit::describe(&error);
        assert!(text.starts_with("the data is not JSON: column 1"), "{text}");
        assert!(text.contains("--content-type text/plain"), "{text}");
    }

    #[test]
    fn an_attribute_with_an_option_of_its_own_is_no_extension() {
        let text = crate::exit::describe(&draft("--ext correlationid=c").unwrap_err());
        assert_eq!(text, "`correlationid` is not a further attribute\n  hint: use --correlation");
        assert!(draft("--ext Team=red").is_err());
        assert!(draft("--ext team=red --ext team=blue").is_err());
    }
}
