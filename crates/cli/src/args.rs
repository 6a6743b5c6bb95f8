//! What the command line understands: the options every command takes, and the commands.

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser};

use crate::commands::Command;
use crate::exit;
use crate::output::{Format, TimeStyle};

/// Cantus: an event-driven coordinator for agents and services.
#[derive(Debug, Parser)]
#[command(
    name = "cantus",
    version,
    propagate_version = false,
    max_term_width = 110,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 conflict, 5 unreachable, 124 timeout.\n\
                  Start here: cantus init, cantus dev, cantus pub TOPIC --type T --data '{}'"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The options every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The server's URL
    #[arg(short, long, global = true, env = "CANTUS_URL", value_name = "URL", default_value = cantus_client::DEFAULT_URL)]
    pub(crate) server: String,
    /// The token to send; else that of CANTUS_TOKEN_FILE, else for a server on this machine .cantus/token here or in a parent folder
    #[arg(long, global = true, env = "CANTUS_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// How data is printed
    #[arg(short, long, global = true, value_enum, value_name = "FORMAT", default_value_t = Format::Table)]
    pub(crate) output: Format,
    /// How times are printed in tables
    #[arg(long, global = true, value_enum, value_name = "STYLE", default_value_t = TimeStyle::Relative)]
    pub(crate) time: TimeStyle,
    /// No colours, even on a terminal (also: NO_COLOR=1)
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
    /// Say less on stderr: errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more; twice for even more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// Reads the command line. Help and version are printed here.
///
/// # Errors
///
/// The exit code: 0 after help, 2 for a command line that is wrong.
pub(crate) fn parse() -> Result<Cli, ExitCode> {
    Cli::try_parse().map_err(|error| {
        // Nobody is left to be told when the stream is closed.
        let _ = error.print();
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
            _ => exit::code(cantus_api::error::ExitCode::Usage),
        }
    })
}
