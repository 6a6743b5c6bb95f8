//! Deliveries: answering them, and reading what became of them.

use std::time::Duration;

use cantus_api::Event;
use cantus_api::delivery::{DeliveriesQuery, Delivery, DeliveryList, LogChunk, LogsQuery};
use cantus_api::pull::{Ack, AckMany, AckOne, Acked, AckedMany, Nack, Nacked, Progress, Progressed};
use cantus_api::time::Span;

use crate::error::Error;
use crate::pages::Pages;
use crate::transport::Client;

impl Client {
    /// Says that a delivery is done, and publishes events with it: all of it happens, or nothing.
    ///
    /// # Errors
    ///
    /// `DELIVERY_UNKNOWN`, `DELIVERY_SETTLED`, and those of a publish: then the lease is kept.
    pub async fn ack(&self, delivery: &str, token: &str, publish: &[Event]) -> Result<Acked, Error> {
        let ack = Ack { token: token.to_owned(), publish: publish.to_vec() };
        self.post(&["v1", "deliveries", delivery, "ack"], &ack).await
    }

    /// Says that several deliveries are done; each stands for itself.
    ///
    /// # Errors
    ///
    /// Those of every call: see [`Error`]. Refusals of single ones are in the answer.
    pub async fn ack_many(&self, acks: Vec<AckOne>) -> Result<AckedMany, Error> {
        self.post(&["v1", "deliveries", "ack"], &AckMany { acks }).await
    }

    /// Says that a delivery failed.
    ///
    /// # Errors
    ///
    /// `DELIVERY_UNKNOWN`, `DELIVERY_SETTLED`.
    pub async fn nack(&self, delivery: &str, nack: &Nack) -> Result<Nacked, Error> {
        self.post(&["v1", "deliveries", delivery, "nack"], nack).await
    }

    /// Says that somebody still works on a delivery, and returns until when its lease holds now.
    ///
    /// # Errors
    ///
    /// `DELIVERY_UNKNOWN`, `LEASE_LOST`.
    pub async fn progress(&self, delivery: &str, token: &str) -> Result<Progressed, Error> {
        self.post(&["v1", "deliveries", delivery, "progress"], &Progress { token: token.to_owned() }).await
    }

    /// Returns a page of deliveries, newest first.
    ///
    /// # Errors
    ///
    /// Those of every call: see [`Error`].
    pub async fn deliveries(&self, query: &DeliveriesQuery) -> Result<DeliveryList, Error> {
        self.get(&["v1", "deliveries"], query).await
    }

    /// Goes through all deliveries, newest first.
    pub fn all_deliveries(&self, query: &DeliveriesQuery) -> Pages<Delivery> {
        Pages::new(self, &["v1", "deliveries"], query)
    }

    /// Returns one delivery with its attempts.
    ///
    /// # Errors
    ///
    /// `DELIVERY_UNKNOWN`.
    pub async fn delivery(&self, id: &str) -> Result<Delivery, Error> {
        self.get(&["v1", "deliveries", id], &()).await
    }

    /// Returns a piece of what an attempt's process wrote. Ask again from `next_offset` until `ended`.
    ///
    /// # Errors
    ///
    /// `DELIVERY_UNKNOWN`, `PARAMETER_INVALID`.
    pub async fn delivery_logs(&self, id: &str, query: &LogsQuery) -> Result<LogChunk, Error> {
        let wait = query.wait.map_or(Duration::ZERO, Span::duration);
        self.get_waiting(&["v1", "deliveries", id, "logs"], query, wait).await
    }
}
