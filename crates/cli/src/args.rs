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

    /// Takes a line of a page apart as a shell would; none where a shell would do more than start one program.
    fn words(line: &str) -> Option<Vec<String>> {
        let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
        let mut characters = line.chars().peekable();
        while let Some(one) = characters.next() {
            match (quote, one) {
                (Some(mark), one) if one == mark => quote = None,
                (None, '\'' | '"') => {
                    quote = Some(one);
                    word.get_or_insert_default();
                }
                (None, '#') if word.is_none() => break,
                (None, '|' | '<' | '>' | '&' | ';') => break,
                (None, '$' | '`') => return None,
                (Some('"') | None, '\\') => word.get_or_insert_default().extend(characters.next()),
                (None, one) if one.is_whitespace() => words.extend(word.take()),
                (_, one) => word.get_or_insert_default().push(one),
            }
        }
        words.extend(word);
        quote.is_none().then_some(words)
    }

    /// Returns every line within a fenced block of a page that starts this program, joined where it goes on.
    fn commands_in(page: &str) -> Vec<String> {
        let mut fenced = false;
        let mut lines = Vec::new();
        let joined = page.replace("\\\n", " ");
        for line in joined.lines() {
            if line.trim_start().starts_with("```") {
                fenced = !fenced;
            }
            let line = line.trim().trim_start_matches("$ ");
            if fenced && line.starts_with("cantus ") {
                lines.push(line.to_owned());
            }
        }
        lines
    }

    fn pages(folder: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                pages(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }

    #[test]
    fn every_command_on_a_page_is_understood() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut found =
            vec![root.join("README.md"), root.join("ARCHITECTURE.md"), root.join("CONTRIBUTING.md")];
        pages(&root.join("docs"), &mut found);
        pages(&root.join("examples"), &mut found);
        let (mut understood, mut wrong) = (0, Vec::new());
        for page in found {
            let text = std::fs::read_to_string(&page).unwrap_or_default();
            for line in commands_in(&text) {
                let Some(words) = words(&line) else { continue };
                understood += 1;
                if let Err(error) = Cli::try_parse_from(&words)
                    && error.use_stderr()
                {
                    let first = error.to_string().lines().next().unwrap_or_default().to_owned();
                    wrong.push(format!("{}: {line}: {first}", page.display()));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(understood > 20, "the pages have moved");
    }
}
