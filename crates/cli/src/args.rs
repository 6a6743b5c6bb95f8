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
    /// The server's URL; http://127.0.0.1:4777 unless given
    #[arg(short, long, global = true, env = "CANTUS_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// The token to send; else that of CANTUS_TOKEN_FILE, else for a server on this machine .cantus/token here or in a parent folder
    #[arg(long, global = true, env = "CANTUS_TOKEN", hide_env_values = true, value_name = "TOKEN")]
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

impl Global {
    /// Returns the URL of the server that is meant.
    pub(crate) fn server_url(&self) -> &str {
        self.server.as_deref().unwrap_or(cantus_client::DEFAULT_URL)
    }
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    /// Appends the help of a command and of everything below it.
    fn help(command: &mut clap::Command, path: &str, text: &mut String) {
        let long = command.clone().term_width(100).render_long_help().to_string();
        // The global options are the same everywhere.
        let own = long.split("\nGlobal options:").next().unwrap_or(&long).trim_end();
        let lines = own.lines().map(|line| format!("{}\n", line.trim_end()));
        text.push_str(&format!("=== {path}\n{}\n", lines.collect::<String>()));
        let names: Vec<String> = command.get_subcommands().map(|one| one.get_name().to_owned()).collect();
        for name in names {
            let below = command.find_subcommand_mut(&name).expect("its name was just read");
            help(below, &format!("{path} {name}"), text);
        }
    }

    #[test]
    fn the_help_says_what_it_said() {
        let mut command = Cli::command();
        command.build();
        let mut text = String::new();
        help(&mut command, "cantus", &mut text);
        let long = command.term_width(100).render_long_help().to_string();
        let global = long.split("Global options:").nth(1).unwrap_or("").lines();
        text.extend(global.map(|line| format!("{}\n", line.trim_end())));
        insta::assert_snapshot!(text);
    }

    fn parsed(words: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once(&"cantus").chain(words))
    }

    #[test]
    fn global_options_stand_before_or_behind_the_command() {
        for words in [["-s", "http://x", "topics", "ls"], ["topics", "ls", "-s", "http://x"]] {
            assert_eq!(parsed(&words).unwrap().global.server_url(), "http://x");
        }
        assert_eq!(parsed(&["topics", "ls"]).unwrap().global.server_url(), cantus_client::DEFAULT_URL);
    }

    #[test]
    fn what_follows_exec_belongs_to_the_program() {
        let cli =
            parsed(&["sub", "alerts", "-n", "1", "--exec", "./notify.sh", "--level", "high", "-v"]).unwrap();
        assert_eq!(cli.global.verbose, 0);
        assert!(parsed(&["sub"]).is_err());
        assert!(parsed(&["dlq", "archive", "dl_1"]).is_err(), "an archive needs a note");
        assert!(
            parsed(&["pub", "t", "--type", "T", "--expected-revision", "1"]).is_err(),
            "a revision needs a stream"
        );
    }
}
