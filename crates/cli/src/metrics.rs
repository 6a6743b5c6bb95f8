//! What commands take from the page of metrics.

use std::collections::HashMap;

/// What is taken from the page of metrics.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Metrics {
    /// Events appended.
    pub(crate) appended: f64,
    /// Deliveries acknowledged, by subscription.
    pub(crate) acked: HashMap<String, f64>,
    /// Attempts that did not end in an acknowledgement.
    pub(crate) failed: f64,
    /// Age of the oldest event that is not done with, by subscription.
    pub(crate) lag_seconds: HashMap<String, f64>,
    /// Age of the oldest open dead letter.
    pub(crate) dead_letter_oldest_seconds: Option<f64>,
    /// Memory the server has.
    pub(crate) resident_bytes: Option<f64>,
    /// Processor time the server took.
    pub(crate) cpu_seconds: Option<f64>,
    /// What is free on the disk of the server's log.
    pub(crate) free_bytes: Option<f64>,
    /// What has to stay free there.
    pub(crate) reserve_bytes: Option<f64>,
}

impl Metrics {
    /// Reads the text format of Prometheus. What is not there stays as it is when nothing happened.
    pub(crate) fn read(text: &str) -> Metrics {
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
                "cantus_dead_letter_oldest_seconds" => metrics.dead_letter_oldest_seconds = Some(value),
                "process_resident_memory_bytes" => metrics.resident_bytes = Some(value),
                "cantus_log_free_bytes" => metrics.free_bytes = Some(value),
                "cantus_log_reserve_bytes" => metrics.reserve_bytes = Some(value),
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
