//! Reading the topics: while servers come and go, and once more at the end.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use cantus_client::Client;
use cantus_client::api::dead_letter::{DeadLettersQuery, StatusFilter};
use cantus_client::api::stream::EventsQuery;
use tokio::sync::watch;
use tokio::time::sleep;

use super::plan::TOPICS;
use super::record::Stored;

/// A page of events.
const PAGE: u32 = 1_000;
/// How many pages and dead letters are read at most: more than any campaign makes.
const PAGES_MAX: usize = 10_000;

fn from_start() -> EventsQuery {
    EventsQuery {
        topic: Some(TOPICS.to_owned()),
        since: Some("start".to_owned()),
        limit: Some(PAGE),
        ..EventsQuery::default()
    }
}

/// Follows the topics until told to stop. What it returns was read before the last kill, or after.
pub(super) async fn follow(client: Client, stop: watch::Receiver<bool>) -> Vec<Stored> {
    let mut follow = client.follow(from_start()).hold(Duration::from_secs(1));
    let mut followed = Vec::new();
    while !*stop.borrow() {
        match follow.next_page().await {
            Ok(page) => followed.extend(page.items.iter().map(Stored::of)),
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
    followed
}

/// Reads all there is, in the order of the log.
///
/// # Errors
/// When a page cannot be read, or a part of the log is lost.
pub(super) async fn all(client: &Client) -> Result<Vec<Stored>> {
    let mut query = from_start();
    let mut stored = Vec::new();
    for _ in 0..PAGES_MAX {
        let page = client.events(&query).await.context("the topics cannot be read")?;
        if let Some(gap) = page.gaps.first() {
            bail!("the log lost {} to {}: {}", gap.from, gap.to, gap.reason);
        }
        stored.extend(page.items.iter().map(Stored::of));
        if page.at_end || (page.items.is_empty() && query.cursor.as_ref() == Some(&page.next_cursor)) {
            return Ok(stored);
        }
        query.since = None;
        query.cursor = Some(page.next_cursor);
    }
    bail!("the topics have no end")
}

/// Returns the events that are dead letters, each with its subscription.
///
/// # Errors
/// When they cannot be read.
pub(super) async fn dead_letters(client: &Client) -> Result<Vec<(String, String)>> {
    let query = DeadLettersQuery {
        status: Some(StatusFilter::All),
        limit: Some(PAGE),
        ..DeadLettersQuery::default()
    };
    let letters = client
        .all_dead_letters(&query)
        .collect(PAGES_MAX)
        .await
        .context("the dead letters cannot be read")?;
    let pairs = letters
        .into_iter()
        .map(|letter| (letter.event.id.unwrap_or_default(), letter.subscription.unwrap_or_default()));
    Ok(pairs.collect())
}
