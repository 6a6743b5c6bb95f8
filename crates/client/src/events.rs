//! Reading events: one, by topic, live, by stream, and why they went where they went.

use std::time::Duration;

use cantus_api::stream::{EventQuery, Events, EventsQuery, Recorded, Stream, StreamQuery};
use cantus_api::time::Span;
use cantus_api::why::{Why, WhyQuery};

use crate::error::Error;
use crate::transport::Client;

impl Client {
    /// Returns a page of events. Its cursor says where to go on, also at the end.
    ///
    /// # Errors
    ///
    /// Those of every call: see [`Error`].
    pub async fn events(&self, query: &EventsQuery) -> Result<Events, Error> {
        self.get_waiting(&["v1", "events"], query, wait_of(query)).await
    }

    /// Returns a page of one topic's events; the query names no topic.
    ///
    /// # Errors
    ///
    /// `TOPIC_UNKNOWN`, and those of every call.
    pub async fn topic_events(&self, topic: &str, query: &EventsQuery) -> Result<Events, Error> {
        self.get_waiting(&["v1", "topics", topic, "events"], query, wait_of(query)).await
    }

    /// Follows events from where the query begins, past the live end: see [`Follow`].
    pub fn follow(&self, query: EventsQuery) -> Follow {
        Follow { client: self.clone(), query, hold: Duration::from_secs(25) }
    }

    /// Returns one event.
    ///
    /// # Errors
    ///
    /// `EVENT_UNKNOWN`; `EVENT_ID_AMBIGUOUS` when several sources used the id and the query names none.
    pub async fn event(&self, id: &str, query: &EventQuery) -> Result<Recorded, Error> {
        self.get(&["v1", "events", id], query).await
    }

    /// Returns what became of an event with every subscription.
    ///
    /// # Errors
    ///
    /// Those of [`Client::event`].
    pub async fn why(&self, id: &str, query: &WhyQuery) -> Result<Why, Error> {
        self.get(&["v1", "events", id, "why"], query).await
    }

    /// Returns a page of one stream's events.
    ///
    /// # Errors
    ///
    /// `STREAM_UNKNOWN`, and those of every call.
    pub async fn stream(&self, stream: &str, query: &StreamQuery) -> Result<Stream, Error> {
        self.get(&["v1", "streams", stream], query).await
    }
}

/// Follows events by long polls. Whoever keeps [`Follow::cursor`] can go on there later.
///
/// ```no_run
/// # async fn run(client: cantus_client::Client) -> Result<(), cantus_client::Error> {
/// use cantus_client::api::stream::EventsQuery;
///
/// let query = EventsQuery { topic: Some("project.*".into()), since: Some("start".into()), ..EventsQuery::default() };
/// let mut follow = client.follow(query);
/// loop {
///     for recorded in follow.next_page().await?.items {
///         println!("{} {}", recorded.position, recorded.event.event_type);
///     }
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Follow {
    client: Client,
    query: EventsQuery,
    hold: Duration,
}

impl Follow {
    /// Sets how long one poll is held open; 25 s unless set, 30 s at most.
    #[must_use]
    pub fn hold(self, hold: Duration) -> Follow {
        Follow { hold: hold.min(Duration::from_secs(30)), ..self }
    }

    /// Returns the next page; empty when nothing came while the poll was held. After an error it may be called again: nothing is
    /// skipped and nothing comes twice.
    ///
    /// # Errors
    ///
    /// Those of every call: see [`Error`].
    pub async fn next_page(&mut self) -> Result<Events, Error> {
        self.query.wait = Some(Span::from(self.hold));
        let page = self.client.events(&self.query).await?;
        self.query.since = None;
        self.query.cursor = Some(page.next_cursor.clone());
        Ok(page)
    }

    /// Returns where it would go on; none before the first page if it began without a cursor.
    pub fn cursor(&self) -> Option<&str> {
        self.query.cursor.as_deref()
    }
}

fn wait_of(query: &EventsQuery) -> Duration {
    query.wait.map_or(Duration::ZERO, Span::duration)
}
