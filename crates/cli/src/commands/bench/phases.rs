//! What is measured, phase by phase. Each leaves behind events of a topic of its own, and no subscription.

use std::time::{Duration, Instant};

use anyhow::Result;
use cantus_api::Code;
use cantus_api::agent::Register;
use cantus_api::subscription::Create;
use cantus_client::Client;
use clap::ValueEnum;
use serde_json::{Value, json};

use super::Bench;
use super::arrival::Arrival;
use super::consume::Consume;
use super::disk;
use super::latency::Latencies;
use super::measured::{Costs, Measured, round, with};
use super::process::Process;
use super::publish::{Publish, event};
use super::raw::{Target, texts};
use super::server::OwnServer;
use crate::exit::Failure;

const AGENT: &str = "cantus-bench";
/// How many events the correlation has whose timeline is asked for.
const STORY_EVENTS: u32 = 200;
/// How often its timeline is asked for.
const TIMELINES: u32 = 20;
/// How long an idle server is looked at.
const IDLE_FOR: Duration = Duration::from_secs(5);
/// How many connections make subscriptions, and histories.
const MAKERS: u32 = 32;

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Phase {
    /// A lone publisher, one event per request
    Lone,
    /// Many connections, one event per request
    Singles,
    /// A few connections, many events per request
    Batches,
    /// Pull and acknowledge a backlog through one inbox
    Consume,
    /// From publish to a waiting inbox, at a fixed rate
    Latency,
    /// Publish while very many subscriptions with distinct filters listen, against ten of them
    Subscriptions,
    /// Read the timeline of one correlation among a long history
    Timeline,
    /// Kill the server and start it again, with a long history
    Restart,
    /// What a server takes that has nothing to do, and its start on an empty folder
    Idle,
    /// The log alone, in this process: no server, no sockets
    Log,
}

impl Phase {
    /// What is measured when nothing is named.
    pub(super) const USUAL: [Phase; 5] =
        [Phase::Lone, Phase::Singles, Phase::Batches, Phase::Consume, Phase::Latency];

    /// Returns its name, as it is written on the command line and in the answer.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Tells whether it needs a server that may be killed or looked at while nobody else uses it.
    fn needs_own(self) -> bool {
        matches!(self, Phase::Restart | Phase::Idle)
    }
}

/// The server that is measured.
pub(super) struct Site {
    pub(super) own: Option<OwnServer>,
    pub(super) client: Client,
    pub(super) target: Target,
    /// The same, with the right to make subscriptions.
    pub(super) maker: Target,
    pub(super) process: Option<Process>,
    /// What the names of topics and subscriptions begin with.
    pub(super) run: String,
}

impl Bench {
    pub(super) async fn phase(&self, phase: Phase, site: &mut Site) -> Result<Value> {
        if phase.needs_own() && site.own.is_none() {
            return Err(Failure::usage(format!(
                "`{}` kills or watches a server of its own: leave --server out",
                phase.name()
            ))
            .into());
        }
        match phase {
            Phase::Lone => self.published(site, "lone", 1, 1, self.lone).await,
            Phase::Singles => self.published(site, "singles", self.connections, 1, self.singles).await,
            Phase::Batches => self.published(site, "batches", self.publishers, self.batch, self.events).await,
            Phase::Consume => self.consume(site).await,
            Phase::Latency => self.latency(site).await,
            Phase::Subscriptions => self.subscriptions(site).await,
            Phase::Timeline => self.timeline(site).await,
            Phase::Restart => self.restart(site).await,
            Phase::Idle => self.idle(site).await,
            Phase::Log => self.log().await,
        }
    }

    fn publish(&self, site: &Site, topic: &str, connections: u32, batch: u32, events: u32) -> Publish {
        Publish {
            target: site.target.clone(),
            topic: format!("{}.{topic}", site.run),
            size: self.size,
            connections,
            batch,
            events: events.into(),
            types: 1,
        }
    }

    async fn published(
        &self,
        site: &Site,
        topic: &str,
        connections: u32,
        batch: u32,
        events: u32,
    ) -> Result<Value> {
        let publish = self.publish(site, topic, connections, batch, events);
        // The first tenth is for everything to be warm.
        Publish { events: u64::from(events / 10).max(1), ..publish.clone() }.run().await?;
        let costs = Costs::begin(site.process);
        let measured = publish.run().await?;
        let report =
            with(measured.report("request"), [("connections", connections.into()), ("batch", batch.into())]);
        Ok(costs.end(report, measured.events))
    }

    async fn consume(&self, site: &Site) -> Result<Value> {
        let publish = self.publish(site, "consume", self.publishers, self.batch, self.events);
        let published = publish.run().await?;
        let subscription = site.subscribe("consume", &publish.topic, json!({"from": "start"})).await?;
        let consume = Consume {
            target: site.target.clone(),
            subscription: subscription.clone(),
            connections: self.publishers,
            pull: self.pull,
            events: published.events,
        };
        let costs = Costs::begin(site.process);
        let measured = consume.run().await;
        site.unsubscribe(&subscription).await?;
        let measured = measured?;
        let report = with(
            measured.report("pull and acknowledgement"),
            [("connections", self.publishers.into()), ("pull_max", self.pull.into())],
        );
        Ok(costs.end(report, measured.events))
    }

    async fn latency(&self, site: &Site) -> Result<Value> {
        let topic = format!("{}.latency", site.run);
        // The topic is there before anybody waits for it.
        self.publish(site, "latency", 1, 1, 1).run().await?;
        let subscription = site.subscribe("latency", &topic, json!({"from": "end"})).await?;
        let arrival = Arrival {
            target: site.target.clone(),
            topic,
            subscription: subscription.clone(),
            size: self.size,
            rate: self.rate,
            events: self.deliveries,
        };
        let costs = Costs::begin(site.process);
        let measured = arrival.run().await;
        site.unsubscribe(&subscription).await?;
        let measured = measured?;
        let report = with(measured.report("due to delivered"), [("rate_per_second", self.rate.into())]);
        Ok(costs.end(report, measured.events))
    }

    /// Few and many subscriptions take turns on topics of their own, so that a machine that slows down slows both.
    async fn subscriptions(&self, site: &Site) -> Result<Value> {
        const ROUNDS: u32 = 3;
        let sizes = [("few", self.filters.min(10)), ("many", self.filters)];
        let mut made = Vec::new();
        for (name, count) in sizes {
            made.extend(site.subscribe_many(name, count, &format!("{}.{name}", site.run)).await?);
        }
        let (mut rates, mut reports) = ([Vec::new(), Vec::new()], Vec::new());
        for _ in 0..ROUNDS {
            for (index, (name, count)) in sizes.into_iter().enumerate() {
                let publish = Publish {
                    types: 2 * self.filters,
                    ..self.publish(site, name, self.publishers, self.batch, self.events / ROUNDS)
                };
                let costs = Costs::begin(site.process);
                let measured = publish.run().await?;
                rates[index].push(measured.rate());
                let report = with(measured.report("request"), [("subscriptions", count.into())]);
                reports.push(costs.end(report, measured.events));
            }
        }
        for id in &made {
            site.unsubscribe(id).await?;
        }
        let median = |rates: &mut Vec<f64>| {
            rates.sort_by(f64::total_cmp);
            rates[rates.len() / 2]
        };
        let [few, many] = &mut rates;
        let ratio = median(many) / median(few).max(f64::MIN_POSITIVE);
        Ok(json!({"rounds": reports, "median_many_to_few": round(ratio)}))
    }

    /// Publishes a history with one story spread over it, unless that was done before.
    async fn history(&self, site: &Site) -> Result<(String, Measured)> {
        let story = format!("{}.story", site.run);
        let mut connection = site.target.connect().await?;
        let (mut events, mut latencies, begun) = (0, Vec::new(), Instant::now());
        let piece = self.history / STORY_EVENTS;
        for _ in 0..STORY_EVENTS {
            let body = event(0, self.size, &format!(r#""correlationid":"{story}","#));
            let path = format!("/v1/topics/{}.history/events", site.run);
            let request = site.target.request("POST", &path, "application/cloudevents+json", body.as_bytes());
            connection.call(&request).await?;
            events += 1;
            if piece > 1 {
                let publish = self.publish(site, "history", self.publishers, self.batch, piece - 1);
                let measured = publish.run().await?;
                events += measured.events;
                latencies.push(measured.elapsed);
            }
        }
        Ok((story, Measured::new(events, begun.elapsed(), latencies)))
    }

    async fn timeline(&self, site: &Site) -> Result<Value> {
        let (story, history) = self.history(site).await?;
        let mut connection = site.target.connect().await?;
        let path = format!("/v1/correlations/{story}?limit=1000");
        let request = site.target.request("GET", &path, "application/json", b"");
        let mut took = Vec::new();
        for _ in 0..TIMELINES {
            let begun = Instant::now();
            let answer = connection.call(&request).await?;
            took.push(begun.elapsed());
            let found = texts(answer, "correlationid").filter(|text| *text == story.as_bytes()).count();
            if found != STORY_EVENTS as usize {
                return Err(
                    Failure::failed(format!("the timeline has {found} of {STORY_EVENTS} events")).into()
                );
            }
        }
        let first = took.first().map(|took| round(took.as_secs_f64() * 1e3));
        Ok(json!({
            "history_events": history.events,
            "story_events": STORY_EVENTS,
            "first_ms": first,
            "latency_ms": Latencies::of(took).report("the whole timeline"),
            "stored_bytes": site.own.as_ref().map(OwnServer::stored_bytes),
        }))
    }

    async fn restart(&self, site: &mut Site) -> Result<Value> {
        let (_, history) = self.history(site).await?;
        let Some(own) = &mut site.own else { return Ok(Value::Null) };
        let mut took = Vec::new();
        for _ in 0..3 {
            took.push(own.kill_and_start().await?);
        }
        site.process = own.process();
        Ok(json!({
            "history_events": history.events,
            "stored_bytes": own.stored_bytes(),
            "latency_ms": Latencies::of(took).report("process started to ready, after kill -9"),
        }))
    }

    /// Must be the first phase of its server: what was published before is in its memory.
    async fn idle(&self, site: &Site) -> Result<Value> {
        let costs = Costs::begin(site.process);
        tokio::time::sleep(IDLE_FOR).await;
        let started = site.own.as_ref().map(|own| round(own.started_in().as_secs_f64() * 1e3));
        Ok(costs.end(json!({"start_on_empty_folder_ms": started}), 1))
    }

    async fn log(&self) -> Result<Value> {
        let folder = self.folder.clone().unwrap_or_else(std::env::temp_dir);
        let (events, batch, size) = (u64::from(self.events), self.batch, self.size);
        let (measured, cpu) =
            tokio::task::spawn_blocking(move || disk::log(&folder, events, batch, size)).await??;
        Ok(with(
            measured.report("batches up to their sync"),
            [
                ("batch", batch.into()),
                ("batches_per_sync", disk::BATCHES_PER_SYNC.into()),
                ("cpu_us_per_event", round(cpu.as_secs_f64() * 1e6 / measured.events.max(1) as f64).into()),
            ],
        ))
    }
}

impl Site {
    fn create(&self, name: &str, topic: &str, further: Value) -> Result<Create> {
        let mut create = json!({
            "agent": AGENT, "name": format!("{}.{name}", self.run), "topic": topic, "action": "inbox",
            "concurrency": 10_000, "max_in_flight": 65_536,
        });
        if let (Some(create), Value::Object(further)) = (create.as_object_mut(), further) {
            create.extend(further);
        }
        Ok(serde_json::from_value(create)?)
    }

    async fn subscribe(&self, name: &str, topic: &str, further: Value) -> Result<String> {
        self.client.register_agent(&Register { agent: AGENT.to_owned(), ..Register::default() }).await?;
        self.client.create_subscription(&self.create(name, topic, further)?).await?;
        Ok(format!("{AGENT}/{}.{name}", self.run))
    }

    /// Makes so many subscriptions, each for a type of its own.
    async fn subscribe_many(&self, name: &str, count: u32, topic: &str) -> Result<Vec<String>> {
        self.client.register_agent(&Register { agent: AGENT.to_owned(), ..Register::default() }).await?;
        let mut makers = tokio::task::JoinSet::new();
        for maker in 0..MAKERS.min(count) {
            let mut requests = Vec::new();
            for number in (maker..count).step_by(MAKERS as usize) {
                let filter = json!({"from": "end", "filter": {"type": format!("Bench{number}")}});
                let create = self.create(&format!("{name}.{number}"), topic, filter)?;
                let body = serde_json::to_vec(&create)?;
                requests.push(self.maker.request("POST", "/v1/subscriptions", "application/json", &body));
            }
            let target = self.maker.clone();
            makers.spawn(async move {
                let mut connection = target.connect().await?;
                for request in requests {
                    connection.call(&request).await?;
                }
                Ok::<_, anyhow::Error>(())
            });
        }
        while let Some(made) = makers.join_next().await {
            made??;
        }
        Ok((0..count).map(|number| format!("{AGENT}/{}.{name}.{number}", self.run)).collect())
    }

    async fn unsubscribe(&self, id: &str) -> Result<()> {
        match self.client.delete_subscription(id).await {
            Err(error) if error.code() != Some(Code::SubscriptionUnknown) => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Removes the agent that was made.
    pub(super) async fn clean_up(&self) -> Result<()> {
        match self.client.delete_agent(AGENT).await {
            Err(error) if error.code() != Some(Code::AgentUnknown) => Err(error.into()),
            _ => Ok(()),
        }
    }
}
