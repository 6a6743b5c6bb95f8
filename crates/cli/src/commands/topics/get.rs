//! `cantus topics get`

use anyhow::Result;
use cantus_api::topic::Topic;
use clap::Args;

use crate::context::Context;
use crate::output::{Screen, fields};

/// Print one topic
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The topic's name
    name: String,
}

impl Get {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let topic = context.client()?.topic(&self.name).await?;
        context.screen.show(&topic, || text(&topic, &context.screen))
    }
}

fn text(topic: &Topic, screen: &Screen) -> String {
    let schemas: Vec<String> = topic
        .schemas
        .iter()
        .map(|schema| format!("{} ({}, {})", schema.event_type, schema.format, schema.validation))
        .collect();
    fields(&[
        ("name", topic.name.clone()),
        ("description", topic.description.clone().unwrap_or_default()),
        ("declared", if topic.declared { "yes" } else { "no, it came to be by a publish" }.to_owned()),
        ("events", topic.events.to_string()),
        ("bytes", topic.bytes.map(|bytes| bytes.to_string()).unwrap_or_default()),
        ("first", topic.first_position.clone().unwrap_or_default()),
        ("last", topic.last_position.clone().unwrap_or_default()),
        ("last event", screen.time_or_dash(topic.last_event_at.as_deref())),
        ("subscriptions", topic.subscriptions.join("\n")),
        ("schemas", schemas.join("\n")),
        ("publishers", topic.publishers.join(", ")),
        ("subscribers", topic.subscribers.join(", ")),
    ])
}
