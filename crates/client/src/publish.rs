//! Publishing.

use std::time::Duration;

use cantus_api::Event;
use cantus_api::event::{Shape, write};
use cantus_api::receipt::{PublishQuery, Receipt, Receipts};
use reqwest::Method;

use crate::error::Error;
use crate::transport::{Body, Client};

/// A publish that is being put together; `send` sends it.
#[derive(Debug)]
#[must_use = "nothing is published before `send`"]
pub struct Publish<'a> {
    client: &'a Client,
    topic: Option<&'a str>,
    query: PublishQuery,
    idempotency_key: Option<&'a str>,
    body: Body,
}

impl Client {
    /// Publishes one event.
    pub fn publish<'a>(&'a self, event: &Event) -> Publish<'a> {
        let mut text = Vec::new();
        write(&mut text, &event.view(), Shape::CloudEvent);
        self.publish_body(Body::Of("application/cloudevents+json", text.into()))
    }

    /// Publishes several events, all or none. Their number and size are limited by the server: 10,000 events or 8 MiB unless it was
    /// told otherwise.
    pub fn publish_all<'a>(&'a self, events: &[Event]) -> Publish<'a> {
        let mut text = vec![b'['];
        for (index, event) in events.iter().enumerate() {
            if index > 0 {
                text.push(b',');
            }
            write(&mut text, &event.view(), Shape::CloudEvent);
        }
        text.push(b']');
        self.publish_body(Body::Of("application/cloudevents-batch+json", text.into()))
    }

    /// Publishes events that are JSON text already: one of either shape, an array, or with `application/x-ndjson` one per line.
    pub fn publish_text(&self, media_type: &'static str, text: impl Into<bytes::Bytes>) -> Publish<'_> {
        self.publish_body(Body::Of(media_type, text.into()))
    }

    fn publish_body(&self, body: Body) -> Publish<'_> {
        Publish { client: self, topic: None, query: PublishQuery::default(), idempotency_key: None, body }
    }
}

impl<'a> Publish<'a> {
    /// Sets the topic, for events that name none or name the same one.
    pub fn topic(self, topic: &'a str) -> Publish<'a> {
        Publish { topic: Some(topic), ..self }
    }

    /// Publishes only if the stream of the events has this revision; 0 means that it must not exist.
    pub fn expected_revision(self, revision: u64) -> Publish<'a> {
        Publish { query: PublishQuery { expected_revision: Some(revision), ..self.query }, ..self }
    }

    /// Sets a key that makes it safe to send the same publish again.
    pub fn idempotency_key(self, key: &'a str) -> Publish<'a> {
        Publish { idempotency_key: Some(key), ..self }
    }

    /// Publishes, and returns one receipt per event once all of them are durable.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] when any event is refused: then none is published.
    pub async fn send(self) -> Result<Vec<Receipt>, Error> {
        let keyed = self.idempotency_key.map(|key| self.client.idempotent(key)).transpose()?;
        let client = keyed.as_ref().unwrap_or(self.client);
        let path: &[&str] = match self.topic {
            Some(topic) => &["v1", "topics", topic, "events"],
            None => &["v1", "events"],
        };
        let url = client.address(path, &self.query)?;
        let answer = client.send(Method::POST, url, &self.body, Duration::ZERO).await?;
        let receipts: Receipts = client.read_json(answer).await?;
        Ok(receipts.results)
    }
}
