//! What is measured, in the text format of Prometheus. What state knows is counted when it is asked for; what only requests
//! know is counted as they pass. Labels come from definitions and from the table of routes, never from events.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, StatusCode};
use tokio::sync::watch;

/// Upper bounds of durations, in seconds, as OpenTelemetry recommends them.
pub(crate) const BOUNDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// Upper bounds of durations of appends, in seconds: a sync takes from tens of microseconds to seconds.
const APPEND_BOUNDS: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// What requests are counted in.
#[derive(Debug)]
pub(crate) struct Metrics {
    counted: Mutex<Counted>,
    active: watch::Sender<usize>,
    /// The last page that was made, and when: whoever asks more often gets it again.
    pub(crate) page: tokio::sync::Mutex<Option<(Instant, Bytes)>>,
}

#[derive(Debug, Default)]
struct Counted {
    // Bounded by the table of routes, its methods and the statuses there are.
    requests: BTreeMap<(String, &'static str, u16), Histogram>,
    append: Histogram,
    published: u64,
    connections: u64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Histogram {
    counts: [u64; 14],
    count: u64,
    sum_seconds: f64,
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics {
            counted: Mutex::default(),
            active: watch::channel(0).0,
            page: tokio::sync::Mutex::default(),
        }
    }
}

/// A request that is being worked on.
pub(crate) struct Active<'a>(&'a Metrics);

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.active.send_modify(|active| *active = active.saturating_sub(1));
    }
}

impl Metrics {
    /// Notes that a request is being worked on, until the result is dropped.
    pub(crate) fn active(&self) -> Active<'_> {
        self.active.send_modify(|active| *active += 1);
        Active(self)
    }

    /// Notes that a request was answered.
    pub(crate) fn answered(&self, method: &Method, route: Option<&str>, status: StatusCode, took: Duration) {
        let method = match method.as_str() {
            "GET" => "GET",
            "POST" => "POST",
            "DELETE" => "DELETE",
            "HEAD" => "HEAD",
            "OPTIONS" => "OPTIONS",
            _ => "OTHER",
        };
        let key = (route.unwrap_or("none").to_owned(), method, status.as_u16());
        self.lock().requests.entry(key).or_default().observe(took, &BOUNDS);
    }

    /// Notes that a publish became durable.
    pub(crate) fn appended(&self, events: usize, took: Duration) {
        let mut counted = self.lock();
        counted.published += events as u64;
        counted.append.observe(took, &APPEND_BOUNDS);
    }

    /// Notes that somebody connected.
    pub(crate) fn connected(&self) {
        self.lock().connections += 1;
    }

    /// Writes what requests were counted in.
    pub(crate) fn write(&self, page: &mut Page) {
        let counted = self.lock();
        let name = "http_server_request_duration_seconds";
        page.family(name, "histogram", "How long requests took, by route, method and status.");
        for ((route, method, status), histogram) in &counted.requests {
            let status = status.to_string();
            let labels = [
                ("http_route", route.as_str()),
                ("http_request_method", *method),
                ("http_response_status_code", &status),
            ];
            page.histogram(name, &labels, histogram, &BOUNDS);
        }
        let name = "cantus_append_duration_seconds";
        page.family(name, "histogram", "How long publishes took until they were durable.");
        page.histogram(name, &[], &counted.append, &APPEND_BOUNDS);
        let name = "messaging_client_sent_messages_total";
        page.family(name, "counter", "Events published over HTTP since the start.");
        page.line(name, &[("messaging_system", "cantus")], counted.published as f64);
        let name = "cantus_http_connections_total";
        page.family(name, "counter", "Connections accepted since the start.");
        page.line(name, &[], counted.connections as f64);
        let name = "cantus_http_requests_active";
        page.family(name, "gauge", "Requests being worked on.");
        page.line(name, &[], *self.active.borrow() as f64);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Histogram {
    /// Returns how many were observed.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn observe(&mut self, took: Duration, bounds: &[f64; 14]) {
        let seconds = took.as_secs_f64();
        for (count, bound) in self.counts.iter_mut().zip(bounds) {
            *count += u64::from(seconds <= *bound);
        }
        self.count += 1;
        self.sum_seconds += seconds;
    }
}

/// A page of metrics as text.
#[derive(Debug, Default)]
pub(crate) struct Page(String);

impl Page {
    /// The media type of such a page.
    pub(crate) const MEDIA_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// Begins a metric.
    pub(crate) fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String can not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Writes one value.
    pub(crate) fn line(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            self.0.push(if index == 0 { '{' } else { ',' });
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{label}=\"{text}\"");
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    pub(crate) fn histogram(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        histogram: &Histogram,
        bounds: &[f64; 14],
    ) {
        let bucket = format!("{name}_bucket");
        for (bound, count) in bounds.iter().zip(histogram.counts) {
            let bound = bound.to_string();
            let with_bound: Vec<(&str, &str)> = labels.iter().copied().chain([("le", &*bound)]).collect();
            self.line(&bucket, &with_bound, count as f64);
        }
        let with_bound: Vec<(&str, &str)> = labels.iter().copied().chain([("le", "+Inf")]).collect();
        self.line(&bucket, &with_bound, histogram.count as f64);
        self.line(&format!("{name}_sum"), labels, histogram.sum_seconds);
        self.line(&format!("{name}_count"), labels, histogram.count as f64);
    }

    /// Returns the text.
    pub(crate) fn into_text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_count_all_that_is_no_longer_and_labels_are_escaped() {
        let metrics = Metrics::default();
        metrics.answered(&Method::GET, Some("/v1/topics"), StatusCode::OK, Duration::from_millis(60));
        let mut page = Page::default();
        page.line("x", &[("label", "a\"b\\c\nd")], 1.5);
        metrics.write(&mut page);
        let text = page.into_text();
        assert!(text.starts_with("x{label=\"a\\\"b\\\\c\\nd\"} 1.5\n"), "{text}");
        let labels =
            "http_route=\"/v1/topics\",http_request_method=\"GET\",http_response_status_code=\"200\"";
        for (bound, count) in [("0.05", 0), ("0.075", 1), ("10", 1), ("+Inf", 1)] {
            let line =
                format!("http_server_request_duration_seconds_bucket{{{labels},le=\"{bound}\"}} {count}\n");
            assert!(text.contains(&line), "{line}\n{text}");
        }
    }
}
