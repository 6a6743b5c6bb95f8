//! The standard variables of OpenTelemetry that say whether, where and how many spans are sent.
//!
//! Those of the exporter itself (`OTEL_EXPORTER_OTLP_HEADERS`, `…_TIMEOUT`) and of the resource (`OTEL_SERVICE_NAME`,
//! `OTEL_RESOURCE_ATTRIBUTES`) are read by the libraries that implement them.

use std::time::Duration;

use opentelemetry::trace::TraceId;

/// How spans are sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The version of the service that is told.
    pub(crate) version: String,
    /// Set unless the resource's variables name the service.
    pub(crate) service_name: Option<&'static str>,
    pub(crate) sampler: Sampler,
    /// How many spans may wait.
    pub(crate) queue_max: usize,
    /// How many are sent at once.
    pub(crate) batch_max: usize,
    /// How long a span waits at most.
    pub(crate) delay: Duration,
}

/// Why the standard variables can not be followed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SettingsError {
    /// Only OTLP is spoken.
    #[error("OTEL_TRACES_EXPORTER is `{0}`; only `otlp` and `none` are understood")]
    Exporter(String),
    /// Only HTTP with protobuf is spoken.
    #[error(
        "{name} is `{protocol}`; only `http/protobuf` is spoken: set it so, and the endpoint to the collector's port for OTLP over HTTP (4318)"
    )]
    Protocol {
        /// The variable.
        name: &'static str,
        /// What it says.
        protocol: String,
    },
    /// A value that is none.
    #[error("{name} is `{value}`; it must be {wanted}")]
    Value {
        /// The variable.
        name: &'static str,
        /// What it says.
        value: String,
        /// What it could say.
        wanted: &'static str,
    },
}

impl Settings {
    /// Reads the standard variables through `variable`. None when no endpoint is named, or tracing is switched off.
    ///
    /// # Errors
    /// When a variable asks for what is not there.
    pub fn read(
        version: &str,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Settings>, SettingsError> {
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        if variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        match variable("OTEL_TRACES_EXPORTER").as_deref() {
            None | Some("otlp") => {}
            Some("none") => return Ok(None),
            Some(other) => return Err(SettingsError::Exporter(other.to_owned())),
        }
        let endpoints = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
        if endpoints.iter().all(|name| variable(name).is_none()) {
            return Ok(None);
        }
        let protocols = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
        let protocol = protocols.iter().find_map(|name| Some((*name, variable(name)?)));
        if let Some((name, protocol)) = protocol.filter(|(_, protocol)| protocol != "http/protobuf") {
            return Err(SettingsError::Protocol { name, protocol });
        }
        let named = variable("OTEL_SERVICE_NAME").is_some()
            || variable("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|all| all.contains("service.name="));
        let queue_max = number(&variable, "OTEL_BSP_MAX_QUEUE_SIZE", 2_048)?;
        let batch_max = number(&variable, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512)?.min(queue_max);
        let delay = number(&variable, "OTEL_BSP_SCHEDULE_DELAY", 5_000)?;
        Ok(Some(Settings {
            version: version.to_owned(),
            service_name: (!named).then_some("cantus"),
            sampler: Sampler::read(&variable)?,
            queue_max,
            batch_max,
            delay: Duration::from_millis(delay as u64),
        }))
    }
}

fn number(
    variable: &impl Fn(&str) -> Option<String>,
    name: &'static str,
    default: usize,
) -> Result<usize, SettingsError> {
    let Some(value) = variable(name) else { return Ok(default) };
    match value.trim().parse::<usize>() {
        Ok(number @ 1..=1_000_000) => Ok(number),
        _ => Err(SettingsError::Value { name, value, wanted: "a whole number from 1 to 1000000" }),
    }
}

/// Which traces are told of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sampler {
    /// What the caller decided counts.
    parent_based: bool,
    /// The share of traces, from 0 to 1.
    ratio: f64,
}

impl Sampler {
    fn read(variable: &impl Fn(&str) -> Option<String>) -> Result<Sampler, SettingsError> {
        let name = "OTEL_TRACES_SAMPLER";
        let word = variable(name).unwrap_or_else(|| "parentbased_always_on".to_owned());
        let (parent_based, root) = match word.strip_prefix("parentbased_") {
            Some(root) => (true, root),
            None => (false, &*word),
        };
        let ratio = match root {
            "always_on" => 1.0,
            "always_off" => 0.0,
            "traceidratio" => share(variable)?,
            _ => {
                let wanted = "always_on, always_off, traceidratio, or one of them behind parentbased_";
                return Err(SettingsError::Value { name, value: word, wanted });
            }
        };
        Ok(Sampler { parent_based, ratio })
    }

    /// Decides for a trace whose caller has decided already, or not.
    pub(crate) fn samples(self, trace: TraceId, parent: Option<bool>) -> bool {
        if let Some(parent) = parent.filter(|_| self.parent_based) {
            return parent;
        }
        // As the SDKs do it: the upper half of the id's low 64 bits, as a share of all there are.
        let low = u128::from_be_bytes(trace.to_bytes()) as u64;
        self.ratio >= 1.0 || ((low >> 1) as f64) < self.ratio * (1u64 << 63) as f64
    }
}

fn share(variable: &impl Fn(&str) -> Option<String>) -> Result<f64, SettingsError> {
    let name = "OTEL_TRACES_SAMPLER_ARG";
    let Some(value) = variable(name) else { return Ok(1.0) };
    match value.trim().parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err(SettingsError::Value { name, value, wanted: "a number from 0 to 1" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<Settings>, SettingsError> {
        let find = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        Settings::read("1", find)
    }

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");

    #[test]
    fn without_an_endpoint_or_when_switched_off_nothing_is_sent() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[ENDPOINT, ("OTEL_SDK_DISABLED", "true")]), Ok(None));
        assert_eq!(read(&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")]), Ok(None));
        assert!(read(&[ENDPOINT]).unwrap().is_some());
    }

    #[test]
    fn what_is_not_spoken_is_refused_with_what_to_do() {
        let grpc = read(&[ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).unwrap_err().to_string();
        assert!(grpc.contains("http/protobuf") && grpc.contains("4318"), "{grpc}");
        for wrong in [
            ("OTEL_TRACES_EXPORTER", "zipkin"),
            ("OTEL_TRACES_SAMPLER", "sometimes"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
        ] {
            let error = read(&[ENDPOINT, wrong]).unwrap_err().to_string();
            assert!(error.contains(wrong.0) && error.contains(wrong.1), "{error}");
        }
    }

    #[test]
    fn a_ratio_takes_its_share_and_a_parent_decides_when_it_may() {
        let sampler = |word| {
            let arg = ("OTEL_TRACES_SAMPLER_ARG", "0.25");
            read(&[ENDPOINT, ("OTEL_TRACES_SAMPLER", word), arg]).unwrap().unwrap().sampler
        };
        let traces = || (0..1_000u64).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let taken = |sampler: Sampler, parent| {
            traces().filter(|low| sampler.samples(TraceId::from(u128::from(*low) | 1 << 64), parent)).count()
        };
        assert!((200..300).contains(&taken(sampler("traceidratio"), Some(true))));
        assert_eq!(taken(sampler("parentbased_traceidratio"), Some(true)), 1_000);
        assert_eq!(taken(sampler("parentbased_always_on"), Some(false)), 0);
        assert_eq!(taken(sampler("always_off"), Some(true)), 0);
    }
}
