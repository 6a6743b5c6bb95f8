//! `cargo xtask check`: every rule that a machine can judge, in one command that changes nothing.
//!
//! The snapshots of OpenAPI and of the command line, and the table of error codes against its pages, are tests: they run with
//! the others.

use anyhow::{Result, bail};
use clap::Args;

use crate::step::{Step, run_all, shown};
use crate::workspace::{Workspace, cargo};
use crate::{borders, campaign, deny};

/// What `check` is told.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Go on after a failure, and fail at the end
    #[arg(long)]
    keep_going: bool,
    /// Install cargo-deny beside the build's files if it is missing; so too where CI=true
    #[arg(long)]
    install: bool,
    /// Run only these steps: format, borders, clippy, test, sim, doc, deny
    #[arg(long, value_name = "STEP", value_delimiter = ',', conflicts_with = "skip")]
    only: Vec<String>,
    /// Leave these steps out
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    skip: Vec<String>,
}

/// Every step, the quick ones first.
const STEPS: &[Step<Options>] = &[
    Step { name: "format", what: "cargo fmt --all --check", run: format },
    Step { name: "borders", what: "what each crate may depend on", run: borders },
    Step {
        name: "clippy",
        what: "cargo clippy --workspace --all-targets --locked -- -D warnings",
        run: clippy,
    },
    Step { name: "test", what: "cargo test --workspace --locked", run: test },
    Step { name: "sim", what: "2,000 seeds of the simulation", run: sim },
    Step {
        name: "doc",
        what: "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps --workspace --locked",
        run: doc,
    },
    Step { name: "deny", what: "cargo deny check bans licenses sources", run: deny },
];

/// Runs the steps that were asked for.
///
/// # Errors
/// When a step fails, or a name is none of a step.
pub(crate) fn run(options: &Options) -> Result<()> {
    let known = |name: &String| STEPS.iter().any(|step| step.name == name);
    if let Some(unknown) = options.only.iter().chain(&options.skip).find(|name| !known(name)) {
        let names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        bail!("`{unknown}` is no step; there are {}", names.join(", "));
    }
    let is_wanted = |step: &&Step<Options>| {
        let named = |names: &[String]| names.iter().any(|name| name == step.name);
        (options.only.is_empty() || named(&options.only)) && !named(&options.skip)
    };
    let steps: Vec<_> = STEPS.iter().filter(is_wanted).collect();
    run_all(&steps, options, options.keep_going)
}

fn format(_: &Options) -> Result<()> {
    shown(cargo().args(["fmt", "--all", "--check"]))
}

fn borders(_: &Options) -> Result<()> {
    borders::check(&Workspace::read()?)
}

fn clippy(_: &Options) -> Result<()> {
    shown(cargo().args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))
}

fn test(_: &Options) -> Result<()> {
    // A snapshot that differs fails its test; none is written.
    shown(cargo().args(["test", "--workspace", "--locked"]).env("INSTA_UPDATE", "no"))
}

fn sim(_: &Options) -> Result<()> {
    campaign::seeds(2_000)
}

fn doc(_: &Options) -> Result<()> {
    shown(cargo().args(["doc", "--no-deps", "--workspace", "--locked"]).env("RUSTDOCFLAGS", "-D warnings"))
}

fn deny(options: &Options) -> Result<()> {
    let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    deny::check(&Workspace::read()?, options.install || in_ci)
}
