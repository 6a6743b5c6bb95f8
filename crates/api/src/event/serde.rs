//! Events inside other answers: read from either shape, written in one.

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::value::RawValue;

use super::limits::Limits;
use super::model::{Draft, Event};
use super::read::Reader;
use super::write::{Shape, View, write};

impl Serialize for Event {
    /// Writes it in the CloudEvents shape.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Text::of(&self.view(), Shape::CloudEvent).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Event {
    /// Reads either shape, without limits: for clients, which read what their server sends.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Event, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Reader::new(&Limits::generous()).raw(&raw).map(Draft::into_owned).map_err(D::Error::custom)
    }
}

/// An event that is written as an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope(pub Event);

impl Serialize for Envelope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Text::of(&self.0.view(), Shape::Envelope).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Envelope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Envelope, D::Error> {
        Event::deserialize(deserializer).map(Envelope)
    }
}

/// An event that is already JSON text, in whichever shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(Bytes);

impl Text {
    /// Returns the text of an event in this shape.
    pub fn of(event: &View<'_>, shape: Shape) -> Text {
        let mut out = Vec::new();
        write(&mut out, event, shape);
        Text(out.into())
    }

    /// Returns the text's bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_slice(&self.0).map_err(S::Error::custom)?;
        raw.serialize(serializer)
    }
}
