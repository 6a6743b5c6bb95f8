//! `cantus events get`

use anyhow::Result;
use cantus_api::event::Form;
use cantus_api::stream::{EventQuery, Recorded};
use clap::Args;

use crate::commands::shape::ShapeOption;
use crate::context::Context;
use crate::output::{Format, Screen, compact, fields, pretty};

/// Print one event
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The event's id
    id: String,
    /// Its source, where several sources used the id
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    #[command(flatten)]
    shape: ShapeOption,
}

impl Get {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let query = EventQuery { source: self.source, format: None };
        let recorded = context.client()?.event(&self.id, &query).await?;
        let screen = &context.screen;
        if screen.format == Format::Table {
            return screen.print(&text(&recorded, screen));
        }
        let event = self.shape.line(&recorded.event)?;
        let place = serde_json::json!({"position": recorded.position, "recorded_at": recorded.recorded_at});
        let place = place.to_string();
        let json = format!("{{\"event\":{event},{}", place.trim_start_matches('{'));
        match screen.format {
            Format::Json => screen.print(&pretty(json.as_bytes())),
            _ => screen.print(&compact(json.as_bytes())),
        }
    }
}

/// Returns an event, a field per line, its data laid out below.
pub(super) fn text(recorded: &Recorded, screen: &Screen) -> String {
    let event = &recorded.event;
    let or_empty = |value: &Option<String>| value.clone().unwrap_or_default();
    let mut rows = vec![
        ("id", or_empty(&event.id)),
        ("type", event.event_type.clone()),
        ("source", event.source.clone()),
        ("topic", or_empty(&event.topic)),
        ("position", recorded.position.clone()),
        ("recorded", screen.time(&recorded.recorded_at)),
        ("time", event.time.as_deref().map(|time| screen.time(time)).unwrap_or_default()),
        ("subject", or_empty(&event.subject)),
        ("kind", event.kind.map(|kind| kind.to_string()).unwrap_or_default()),
        ("correlation", or_empty(&event.correlation_id)),
        ("causation", or_empty(&event.causation_id)),
        ("hops", event.hops.map(|hops| hops.to_string()).unwrap_or_default()),
        ("to", or_empty(&event.to)),
        ("partition key", or_empty(&event.partition_key)),
        ("priority", event.priority.map(|priority| priority.to_string()).unwrap_or_default()),
        ("stream", or_empty(&event.stream)),
        ("expires", event.expires_at.as_deref().map(|time| screen.time(time)).unwrap_or_default()),
        ("deliver at", event.deliver_at.as_deref().map(|time| screen.time(time)).unwrap_or_default()),
        ("version", or_empty(&event.version)),
        ("schema", or_empty(&event.data_schema)),
        ("content type", or_empty(&event.content_type)),
        ("trace", or_empty(&event.trace_parent)),
    ];
    for extension in &event.extensions {
        rows.push((&extension.name, extension.canonical().into_owned()));
    }
    if let Some(data) = &event.data {
        rows.push((
            "data",
            match data.form {
                Form::Json => pretty(&data.bytes),
                Form::Text => String::from_utf8_lossy(&data.bytes).into_owned(),
                Form::Binary => format!("{} bytes that are no text (see -o json)", data.bytes.len()),
            },
        ));
    }
    fields(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::TimeStyle;

    #[test]
    fn an_event_is_its_attributes_and_its_data_laid_out() {
        let recorded: Recorded = serde_json::from_str(
            r#"{"event":{"specversion":"1.0","id":"e-1","source":"/s","type":"T","topic":"tasks","team":"red","priority":"high",
                "data":{"a":[1,2]}},"position":"0:4","recorded_at":"2026-01-01T00:00:00.000Z"}"#,
        )
        .unwrap();
        insta::assert_snapshot!(text(&recorded, &Screen::fixed(TimeStyle::Relative, "2026-01-01T00:00:05Z")), @r#"
        id        e-1
        type      T
        source    /s
        topic     tasks
        position  0:4
        recorded  5s ago
        priority  high
        team      red
        data      {
                    "a": [
                      1,
                      2
                    ]
                  }
        "#);
    }
}
