//! One look at the server.

use std::collections::HashMap;
use std::time::Instant;

use anyhow::Result;
use cantus_api::agent::Agent;
use cantus_api::dead_letter::{Group, GroupsQuery};
use cantus_api::list::Page;
use cantus_api::status::{Health, Status};
use cantus_api::subscription::{Subscription, SubscriptionsQuery};
use cantus_api::topic::Topic;
use cantus_client::Client;

use crate::output::{ListOptions, gather};

/// How many of each are looked at.
const LOOKED_AT_MAX: u32 = 1_000;

/// What one look saw.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    pub(super) at: Instant,
    pub(super) status: Status,
    pub(super) ready: Health,
    pub(super) topics: Vec<Topic>,
    pub(super) subscriptions: Vec<Subscription>,
    pub(super) agents: Vec<Agent>,
    pub(super) groups: Vec<Group>,
    pub(super) metrics: Metrics,
}

impl Snapshot {
    /// Asks the server.
    pub(super) async fn take(client: &Client) -> Result<Snapshot> {
        let all = ListOptions { limit: LOOKED_AT_MAX, cursor: None };
        let status = client.status().await?;
        let ready = client.readiness().await?;
        let topics =
            gather(&all, async |limit, cursor| client.topics(&Page { limit: Some(limit), cursor }).await);
        let topics = topics.await?.items;
        let subscriptions = gather(&all, async |limit, cursor| {
            let query = SubscriptionsQuery { limit: Some(limit), cursor, ..Default::default() };
            client.subscriptions(&query).await
        });
        let subscriptions = subscriptions.await?.items;
        let agents =
            gather(&all, async |limit, cursor| client.agents(&Page { limit: Some(limit), cursor }).await);
        let agents = agents.await?.items;
        let groups = gather(&all, async |limit, cursor| {
            let query = GroupsQuery { limit: Some(limit), cursor, ..Default::default() };
            client.dead_letter_groups(&query).await
        });
        let groups = groups.await?.items;
        let metrics = Metrics::read(&client.metrics().await?);
        Ok(Snapshot { at: Instant::now(), status, ready, topics, subscriptions, agents, groups, metrics })
    }
}

/// What is taken from the page of metrics.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Metrics {
    /// Events appended.
    pub(super) appended: f64,
    /// Deliveries acknowledged, by subscription.
    pub(super) acked: HashMap<String, f64>,
    /// Attempts that did not end in an acknowledgement.
    pub(super) failed: f64,
    /// Age of the oldest event that is not done with, by subscription.
    pub(super) lag_seconds: HashMap<String, f64>,
    pub(super) resident_bytes: Option<f64>,
    pub(super) cpu_seconds: Option<f64>,
}

impl Metrics {
    /// Reads the text format of Prometheus. What is not there stays as it is when nothing happened.
    pub(super) fn read(text: &str) -> Metrics {
        let mut metrics = Metrics::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse::<f64>() else { continue };
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let subscription = || label(labels, "subscription").unwrap_or_default();
            match name {
                "cantus_events_appended_total" => metrics.appended += value,
                "cantus_deliveries_total" if label(labels, "outcome").as_deref() == Some("acked") => {
                    metrics.acked.insert(subscription(), value);
                }
                "cantus_attempts_total" if label(labels, "outcome").as_deref() != Some("acked") => {
                    metrics.failed += value;
                }
                "cantus_consumer_lag_seconds" => drop(metrics.lag_seconds.insert(subscription(), value)),
                "process_resident_memory_bytes" => metrics.resident_bytes = Some(value),
                "process_cpu_seconds_total" => metrics.cpu_seconds = Some(value),
                _ => {}
            }
        }
        metrics
    }
}

/// Returns a label's text. Our labels hold names, in which no quotes can be.
fn label(labels: &str, name: &str) -> Option<String> {
    let start = labels.find(&format!("{name}=\""))? + name.len() + 2;
    Some(labels[start..].split('"').next()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_read_by_name_and_label() {
        let metrics = Metrics::read(
            "# HELP x y\ncantus_events_appended_total{topic=\"a\"} 2\ncantus_events_appended_total{topic=\"b\"} 3\n\
             cantus_deliveries_total{subscription=\"w/a\",outcome=\"acked\"} 7\n\
             cantus_deliveries_total{subscription=\"w/a\",outcome=\"dead\"} 1\n\
             cantus_attempts_total{subscription=\"w/a\",outcome=\"failed\",class=\"timeout\"} 4\n\
             cantus_consumer_lag_seconds{subscription=\"w/a\"} 1.5\nprocess_resident_memory_bytes 1024\nbroken\n",
        );
        assert_eq!((metrics.appended, metrics.acked["w/a"], metrics.failed), (5.0, 7.0, 4.0));
        assert_eq!((metrics.lag_seconds["w/a"], metrics.resident_bytes), (1.5, Some(1024.0)));
    }
}
