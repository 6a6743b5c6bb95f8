//! The Rust client library of Cantus: publish events, pull deliveries, read stories, repair dead letters.
//!
//! A [`Client`] holds a pool of connections; clone it freely. Every call answers with a type of [`cantus_api`] or with an
//! [`Error`] that tells a refusal (with its code) from a server that cannot be reached.
//!
//! ```no_run
//! use cantus_client::{Client, api::Event};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder().url("http://127.0.0.1:4777").build()?;
//! let event = Event::new("/my-service", "OrderPlaced").json(&serde_json::json!({"order": 42}))?;
//! let receipt = client.publish(&event).topic("orders").send().await?.remove(0);
//! println!("{} is at {}", receipt.id, receipt.position);
//! # Ok(())
//! # }
//! ```
//!
//! An agent pulls from its inbox and answers each delivery:
//!
//! ```no_run
//! use std::time::Duration;
//! use cantus_client::{Client, api::{Event, pull::Nack}};
//!
//! # async fn run(client: Client) -> Result<(), Box<dyn std::error::Error>> {
//! loop {
//!     for delivery in client.pull("coder/tasks", 10, Duration::from_secs(30)).await? {
//!         match work(&delivery.event).await {
//!             Ok(answer) => {
//!                 client.ack(&delivery.delivery, &delivery.token, &[answer]).await?;
//!             }
//!             Err(reason) => {
//!                 let nack = Nack { token: delivery.token, reason: Some(reason), ..Nack::default() };
//!                 client.nack(&delivery.delivery, &nack).await?;
//!             }
//!         }
//!     }
//! }
//! # async fn work(_: &Event) -> Result<Event, String> { unimplemented!("an example") }
//! # }
//! ```

mod agents;
mod audit;
mod backup;
mod builder;
mod bulk_operations;
mod correlations;
mod dead_letters;
mod definitions;
mod deliveries;
mod erasures;
mod error;
mod events;
mod pages;
mod publish;
mod status;
mod subscriptions;
mod topics;
mod transport;

/// The types that go over the wire.
pub use cantus_api as api;

pub use backup::Archive;
pub use builder::{Builder, DEFAULT_URL};
pub use error::Error;
pub use events::Follow;
pub use pages::Pages;
pub use publish::Publish;
pub use transport::Client;
