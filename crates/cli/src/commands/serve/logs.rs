//! Logs: on stdout, as text on a terminal and as JSON otherwise.

use std::io::{self, IsTerminal as _};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people
    Text,
    /// One JSON object per line
    Json,
}

/// Begins to write logs. `CANTUS_LOG` says how much, as `info,cantus_runtime=debug`; else the number of -v does.
pub(super) fn start(format: Option<LogFormat>, verbosity: i8) {
    let terminal = io::stdout().is_terminal();
    let format = format.unwrap_or(if terminal { LogFormat::Text } else { LogFormat::Json });
    let level = match verbosity {
        ..0 => "error",
        0 => "info",
        1 => {
            "info,cantus=debug,cantus_core=debug,cantus_engine=debug,cantus_runtime=debug,cantus_server=debug"
        }
        2.. => {
            "debug,cantus=trace,cantus_core=trace,cantus_engine=trace,cantus_runtime=trace,cantus_server=trace"
        }
    };
    let filter = EnvFilter::try_from_env("CANTUS_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stdout);
    // Fails only when logs were begun before, and then they go on as they are.
    let _ = match format {
        LogFormat::Text => {
            let colors = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            logs.with_ansi(colors).with_target(false).try_init()
        }
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
    };
}
