//! `GET /metrics`: what Prometheus reads.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cantus_core::Timestamp;
use http::StatusCode;

mod attempts;
mod process;

use super::answer;
use super::call::Call;
use super::route::{Answered, Route};
use crate::app::App;
use crate::census::{self, Census};
use crate::metrics::Page;

/// For how long a page is given again: nobody needs to be told twice a second, and nobody needs a token to ask.
const FRESH: Duration = Duration::from_secs(1);
/// How many series of one name have labels of their own; the rest is summed in series whose first label is `other`, of
/// which there are few. Together they stay within 1,000.
const SERIES_MAX: usize = 990;
const OTHER: &str = "other";

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/metrics", read)
            .summary("Gives the metrics in the text format of Prometheus.")
            .gives_other(Page::MEDIA_TYPE)
            .while_stopping(),
    ]
}

async fn read(call: Call) -> Answered {
    // Whoever comes while the page is made waits for it.
    let mut last = call.app.metrics.page.lock().await;
    let fresh = last.as_ref().filter(|(made, _)| made.elapsed() < FRESH);
    let text = match fresh {
        Some((_, text)) => text.clone(),
        None => {
            let text = Bytes::from(page(&call.app).await);
            *last = Some((Instant::now(), text.clone()));
            text
        }
    };
    Ok(answer::bytes(StatusCode::OK, Page::MEDIA_TYPE, text))
}

async fn page(app: &App) -> String {
    let mut page = Page::default();
    let labels = [
        ("version", app.options.version.as_str()),
        ("mode", app.options.mode.as_str()),
        ("engine", app.options.engine.as_str()),
    ];
    page.family("cantus_build_info", "gauge", "The version that runs; always 1.");
    page.line("cantus_build_info", &labels, 1.0);
    match census::take(&app.handle).await {
        Ok(census) => {
            write(&mut page, &census, app.now());
            attempts::write(&mut page, &census, app.options.observation.counts());
        }
        // What is counted without state is still worth having.
        Err(failed) => tracing::debug!(%failed, "metrics without state"),
    }
    housekeeping(&mut page, &app.handle.housekeeping());
    space(&mut page, app.handle.space());
    process::write(&mut page);
    app.metrics.write(&mut page);
    page.into_text()
}

/// Writes what is free for the log.
fn space(page: &mut Page, space: cantus_engine::Space) {
    if space.free_bytes < u64::MAX {
        one(page, "cantus_log_free_bytes", "What is free on the disk of the log.", space.free_bytes as f64);
    }
    let reserve = space.reserve_bytes as f64;
    one(page, "cantus_log_reserve_bytes", "What has to stay free: publishes are refused below.", reserve);
    let refused = f64::from(u8::from(space.is_low));
    one(page, "cantus_log_publishes_refused", "1 while publishes are refused for want of space.", refused);
}

/// Writes what housekeeping has done since the start.
fn housekeeping(page: &mut Page, report: &cantus_runtime::housekeeping::Report) {
    let counts = [
        (
            "cantus_events_trimmed_total",
            "Events that went by the retention of their topic.",
            report.events_trimmed,
        ),
        (
            "cantus_events_compacted_total",
            "Events that a later one of their key replaced.",
            report.events_compacted,
        ),
        (
            "cantus_log_segments_rewritten_total",
            "Segments that were written anew.",
            report.segments_rewritten,
        ),
        ("cantus_log_bytes_freed_total", "Bytes that came free by that.", report.bytes_freed),
        ("cantus_log_scrubbed_bytes_total", "Bytes of the log that were looked at.", report.scrubbed_bytes),
    ];
    for (name, help, count) in counts {
        page.family(name, "counter", help);
        page.line(name, &[], count as f64);
    }
    one(
        page,
        "cantus_log_damaged_places",
        "Places of the log that were found damaged.",
        report.damage.len() as f64,
    );
    if let Some(at) = report.scrubbed_at {
        let seconds = at.0 as f64 / 1000.0;
        one(
            page,
            "cantus_log_scrubbed_timestamp_seconds",
            "When all of the log was last looked at.",
            seconds,
        );
    }
}

/// Writes what state knows.
fn write(page: &mut Page, census: &Census, now: Timestamp) {
    let topics = || census.topics.iter();
    Series::of(["topic"], topics().map(|it| ([it.name.as_str()], it.appended as f64))).write(
        page,
        "cantus_events_appended_total",
        "counter",
        "Events in the topic since it began.",
    );
    Series::of(["topic"], topics().map(|it| ([it.name.as_str()], it.bytes as f64))).write(
        page,
        "cantus_topic_bytes",
        "gauge",
        "Bytes of payload in the topic.",
    );

    let ids: BTreeMap<u32, String> =
        census.subscriptions.iter().map(|(number, it)| (*number, it.id.to_string())).collect();
    let id = |number: &u32| ids.get(number).map_or(OTHER, String::as_str);
    let lags = census.lags().into_iter().map(|(topics, id, lag)| (topics, id.to_string(), lag));
    let lags: Vec<(String, String, u64)> = lags.collect();
    let lags = lags.iter().map(|(topics, id, lag)| ([topics.as_str(), id.as_str()], *lag as f64));
    Series::of(["topic", "subscription"], lags).write(
        page,
        "cantus_consumer_lag_events",
        "gauge",
        "Events that wait for the subscription, or that it has not looked at; no more than these.",
    );
    let living = || census.subscriptions.iter().filter(|(_, it)| !it.removed);
    let waited = living().map(|(number, it)| {
        let oldest = it.oldest.map_or(0.0, |oldest| now.since(oldest).0 as f64 / 1000.0);
        ([id(number)], oldest)
    });
    // Of the rest, the longest counts.
    Series::with(["subscription"], waited, f64::max).write(
        page,
        "cantus_consumer_lag_seconds",
        "gauge",
        "Age of the oldest event that the subscription has not done with.",
    );
    let waiters = census.sum(|it| if it.removed { 0 } else { it.waiters });
    page.family("cantus_agents_connected", "gauge", "Workers that wait for deliveries, by how.");
    page.line("cantus_agents_connected", &[("transport", "http")], waiters as f64);
    let outcomes = census.subscriptions.iter().flat_map(|(number, it)| {
        [([id(number), "acked"], it.acked as f64), ([id(number), "dead"], it.died as f64)]
    });
    Series::of(["subscription", "outcome"], outcomes).write(
        page,
        "cantus_deliveries_total",
        "counter",
        "Deliveries that have come to an end, by how.",
    );
    one(
        page,
        "cantus_deliveries_in_flight",
        "Deliveries somebody works on.",
        census.sum(|it| it.leased) as f64,
    );
    let retrying = census.sum(|it| it.retrying) as f64;
    one(page, "cantus_retries_pending", "Deliveries that wait for their next attempt.", retrying);

    let living = || census.subscriptions.iter().filter(|(_, it)| !it.removed);
    let broken = living().map(|(number, it)| ([id(number)], f64::from(u8::from(it.broken))));
    Series::of(["subscription"], broken).write(
        page,
        "cantus_breaker_open",
        "gauge",
        "Whether the circuit breaker of the subscription holds deliveries back.",
    );
    let held = living().filter(|(_, it)| it.held_keys > 0);
    Series::of(["subscription"], held.map(|(number, it)| ([id(number)], it.held_keys as f64))).write(
        page,
        "cantus_held_keys",
        "gauge",
        "Order keys that wait for a person because of a dead letter.",
    );

    let dead_letters = || census.dead_letters.iter();
    Series::of(
        ["subscription"],
        dead_letters().map(|((number, _), counted)| ([id(number)], counted.open as f64)),
    )
    .write(page, "cantus_dead_letters", "gauge", "Dead letters that are open.");
    let by_reason =
        dead_letters().map(|((number, reason), counted)| ([id(number), *reason], counted.all as f64));
    Series::of(["subscription", "reason"], by_reason).write(
        page,
        "cantus_dead_letters_total",
        "counter",
        "Dead letters there ever were, by why they died last.",
    );
    let oldest = census.oldest_open.map_or(0.0, |opened| now.since(opened).0 as f64 / 1000.0);
    one(page, "cantus_dead_letter_oldest_seconds", "Age of the oldest open dead letter.", oldest);

    let seen =
        census.agents.iter().filter_map(|(name, seen)| Some(([name.as_str()], (*seen)?.0 as f64 / 1000.0)));
    // A sum of times means nothing: of the rest, the one heard of last counts.
    Series::with(["agent"], seen, f64::max).write(
        page,
        "cantus_agent_last_seen_timestamp_seconds",
        "gauge",
        "When the agent was last heard of, to within half a minute.",
    );
}

fn one(page: &mut Page, name: &str, help: &str, value: f64) {
    page.family(name, "gauge", help);
    page.line(name, &[], value);
}

/// The series of one name, a bounded number of them.
struct Series<'a, const N: usize> {
    labels: [&'static str; N],
    values: BTreeMap<[&'a str; N], f64>,
}

impl<'a, const N: usize> Series<'a, N> {
    /// Sums the values of equal labels.
    fn of(labels: [&'static str; N], all: impl Iterator<Item = ([&'a str; N], f64)>) -> Self {
        Series::with(labels, all, |one, other| one + other)
    }

    /// Joins the values of equal labels.
    fn with(
        labels: [&'static str; N],
        all: impl Iterator<Item = ([&'a str; N], f64)>,
        join: impl Fn(f64, f64) -> f64,
    ) -> Self {
        let put = |values: &mut BTreeMap<[&'a str; N], f64>, texts, value| {
            values.entry(texts).and_modify(|known| *known = join(*known, value)).or_insert(value);
        };
        let mut values = BTreeMap::new();
        all.for_each(|(texts, value)| put(&mut values, texts, value));
        if values.len() > SERIES_MAX {
            let last = values.keys().nth(SERIES_MAX).copied().expect("there are more than that");
            for (mut texts, value) in values.split_off(&last) {
                texts[0] = OTHER;
                put(&mut values, texts, value);
            }
        }
        Series { labels, values }
    }

    fn write(self, page: &mut Page, name: &str, kind: &str, help: &str) {
        page.family(name, kind, help);
        for (texts, value) in self.values {
            let labels: Vec<(&str, &str)> = self.labels.into_iter().zip(texts).collect();
            page.line(name, &labels, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_limit_series_are_summed_and_nothing_is_lost() {
        let names: Vec<String> = (0..3_000).map(|number| format!("topic-{number:04}")).collect();
        let all =
            names.iter().flat_map(|name| [([name.as_str(), "acked"], 1.0), ([name.as_str(), "dead"], 2.0)]);
        let series = Series::of(["subscription", "outcome"], all);
        assert!(series.values.len() <= 1_000, "{}", series.values.len());
        assert_eq!(series.values.values().sum::<f64>(), 9_000.0);
        assert_eq!(series.values[&[OTHER, "acked"]] + SERIES_MAX as f64 / 2.0, 3_000.0);
    }

    #[test]
    fn what_is_really_called_other_is_not_there_twice() {
        let names: Vec<String> = (0..2_000).map(|number| format!("a{number:04}")).collect();
        let all = names.iter().map(|name| ([name.as_str()], 1.0)).chain([([OTHER], 5.0)]);
        let series = Series::of(["topic"], all);
        assert_eq!(series.values[&[OTHER]], 2_000.0 - SERIES_MAX as f64 + 5.0);
    }
}
