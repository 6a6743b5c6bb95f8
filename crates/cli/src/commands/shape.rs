//! The option that chooses the shape of events in JSON.

use anyhow::Result;
use cantus_api::Event;
use cantus_api::event::{Shape, write_line};
use clap::{Args, ValueEnum};

/// The shape of events in JSON.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ShapeOption {
    /// The shape of events in JSON
    #[arg(long, value_enum, value_name = "SHAPE", default_value_t = Choice::Cloudevent)]
    format: Choice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Choice {
    /// CloudEvents
    Cloudevent,
    /// The envelope: event, payload, routing
    Envelope,
}

impl ShapeOption {
    /// Returns the shape.
    pub(crate) fn shape(self) -> Shape {
        match self.format {
            Choice::Cloudevent => Shape::CloudEvent,
            Choice::Envelope => Shape::Envelope,
        }
    }

    /// Returns an event as one line of JSON, without the line end.
    pub(crate) fn line(self, event: &Event) -> Result<String> {
        let mut line = Vec::new();
        write_line(&mut line, &event.view(), self.shape());
        Ok(String::from_utf8(line)?)
    }
}
