//! The commands: a folder per noun, a file per verb.
//!
//! A command reads its arguments, asks the server through the client library, and prints the answer. `run` is the only place that
//! knows them all.

mod agents;
mod audit;
mod backup;
mod bench;
mod bulk;
mod check;
mod completions;
mod definitions;
mod deliveries;
mod dlq;
mod doctor;
mod event;
mod events;
mod exec_environment;
mod filter;
mod health;
mod ingest;
mod init;
mod log;
mod publish;
mod reconnect;
mod reply;
mod schedules;
mod schema;
mod serve;
mod shape;
mod subs;
mod subscribe;
mod timeline;
mod top;
mod topics;
mod version;
mod webhook;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Subcommand;

use crate::args::Cli;
use crate::context::Context;
use crate::exit;

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Dev(serve::Dev),
    Serve(serve::Serve),
    Init(init::Init),
    Check(check::Check),
    Plan(definitions::Plan),
    Apply(definitions::Apply),
    Export(definitions::Export),
    Schema(schema::Schema),
    Pub(publish::Publish),
    Sub(subscribe::Subscribe),
    Reply(reply::Reply),
    /// Read an event that is at hand, without a server: for agents' scripts
    #[command(subcommand)]
    Event(event::Verb),
    /// Read events
    #[command(subcommand)]
    Events(events::Verb),
    Timeline(timeline::Timeline),
    /// Read deliveries (one event for one subscription), try them now, give them up
    #[command(subcommand)]
    Deliveries(deliveries::Verb),
    /// Find out about dead letters, repair them, replay them
    #[command(subcommand)]
    Dlq(dlq::Verb),
    /// Follow and abort operations on many dead letters or deliveries
    #[command(subcommand)]
    Bulk(bulk::Verb),
    /// Read topics
    #[command(subcommand)]
    Topics(topics::Verb),
    /// Read and operate subscriptions
    #[command(subcommand)]
    Subs(subs::Verb),
    /// Read and operate agents
    #[command(subcommand)]
    Agents(agents::Verb),
    /// See when schedules fire
    #[command(subcommand)]
    Schedules(schedules::Verb),
    /// See who operated and defined
    #[command(subcommand)]
    Audit(audit::Verb),
    /// Try filters
    #[command(subcommand)]
    Filter(filter::Verb),
    /// Make, check, receive and test webhooks
    #[command(subcommand)]
    Webhook(webhook::Verb),
    /// Publish what is in files
    #[command(subcommand)]
    Ingest(ingest::Verb),
    /// Look at the log on disk, without a server
    #[command(subcommand)]
    Log(log::Verb),
    Backup(backup::Backup),
    Restore(backup::Restore),
    Top(top::Top),
    Doctor(doctor::Doctor),
    Health(health::Health),
    Bench(bench::Bench),
    Completions(completions::Completions),
    Version(version::Version),
}

/// Returns the folder of the attempt to guard, if this process was started as `cantus guardian FOLDER`: by a server, for itself.
pub(crate) fn guardian_folder() -> Option<PathBuf> {
    let mut words = std::env::args_os().skip(1);
    match (words.next()?, words.next(), words.next()) {
        (word, Some(folder), None) if word == "guardian" => Some(folder.into()),
        _ => None,
    }
}

/// Runs what the command line asked for, and returns the exit code.
pub(crate) fn run(cli: Cli) -> ExitCode {
    let context = Context::new(cli.global);
    match start(cli.command, &context) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(&error, &context.screen),
    }
}

fn start(command: Command, context: &Context) -> Result<()> {
    match command {
        Command::Dev(command) => command.run(context),
        Command::Serve(command) => command.run(context),
        Command::Init(command) => command.run(context),
        Command::Check(command) => command.run(context),
        Command::Log(verb) => verb.run(context),
        Command::Restore(command) => command.run(context),
        Command::Backup(command) => wait(command.run(context)),
        Command::Bench(command) => wait(command.run(context)),
        Command::Doctor(command) => wait(command.run(context)),
        Command::Top(command) => wait(command.run(context)),
        Command::Schema(command) => command.run(context),
        Command::Health(command) => wait(command.run(context)),
        Command::Completions(command) => command.run(context),
        Command::Version(command) => command.run(context),
        Command::Reply(command) => command.run(context),
        Command::Event(verb) => verb.run(context),
        Command::Filter(verb) => verb.run(context),
        Command::Schedules(verb) => verb.run(context),
        Command::Pub(command) => wait(command.run(context)),
        Command::Sub(command) => wait(command.run(context)),
        Command::Ingest(verb) => wait(verb.run(context)),
        Command::Events(verb) => wait(verb.run(context)),
        Command::Timeline(command) => wait(command.run(context)),
        Command::Deliveries(verb) => wait(verb.run(context)),
        Command::Dlq(verb) => wait(verb.run(context)),
        Command::Bulk(verb) => wait(verb.run(context)),
        Command::Plan(command) => wait(command.run(context)),
        Command::Apply(command) => wait(command.run(context)),
        Command::Export(command) => wait(command.run(context)),
        Command::Audit(verb) => wait(verb.run(context)),
        Command::Topics(verb) => wait(verb.run(context)),
        Command::Subs(verb) => wait(verb.run(context)),
        Command::Agents(verb) => wait(verb.run(context)),
        Command::Webhook(verb) => wait(verb.run(context)),
    }
}

/// Runs a command that talks to the server.
fn wait(command: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?
        .block_on(command)
}
