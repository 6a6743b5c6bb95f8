//! One look at the server.

use std::time::Instant;

use anyhow::Result;
use cantus_api::agent::Agent;
use cantus_api::dead_letter::{Group, GroupsQuery};
use cantus_api::list::Page;
use cantus_api::status::{Health, Status};
use cantus_api::subscription::{Subscription, SubscriptionsQuery};
use cantus_api::topic::Topic;
use cantus_client::Client;

use crate::metrics::Metrics;
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
