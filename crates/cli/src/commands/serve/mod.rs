//! `cantus dev` and `cantus serve`: the server, in this process.
//!
//! Read `load` (the file), `safety` (what `serve` refuses), `options` (everything a server is told), `start` (where it is
//! started), then `banner`, `watch`, `stop`, `logs` and `token`.

mod banner;
mod example;
mod load;
mod logs;
mod options;
mod safety;
mod start;
mod stop;
mod token;
mod watch;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use cantus_api::definition::{Sandbox, Size};
use clap::{Args, ValueEnum};

use crate::context::Context;
use crate::exit::Failure;
use load::Configured;
pub(crate) use load::say;
use options::{Mode, StartOptions};

/// Run a server for development: on this machine only, state kept in .cantus, publish and consume free
///
/// Reads cantus.yaml in the current folder if there is one.
#[derive(Debug, Args)]
pub(crate) struct Dev {
    #[command(flatten)]
    common: Common,
    /// Keep nothing: all state is gone when the server ends
    #[arg(long)]
    ephemeral: bool,
    /// Install the file again whenever it changes; while it is wrong, the last good state stays
    #[arg(long)]
    watch: bool,
}

/// Run a server for production: tokens needed, refuses to start unsafe
///
/// Needs a file with `server.tokens`. Topics must be declared unless `server.auto_create` is set.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    common: Common,
}

/// What both take.
#[derive(Debug, Args)]
struct Common {
    /// The file; cantus.yaml unless given
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The port to listen on; 0 for any that is free
    #[arg(short, long, value_name = "PORT")]
    port: Option<u16>,
    /// Where to listen, instead of `server.listen`
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with = "port")]
    listen: Option<String>,
    /// Where state is kept
    #[arg(
        long,
        value_name = "FOLDER",
        env = "CANTUS_DATA_DIR",
        hide_env_values = true,
        default_value = ".cantus"
    )]
    data_dir: PathBuf,
    /// How much of the disk has to stay free, such as 512MiB, instead of `server.reserve`; 1GiB unless given
    #[arg(long, value_name = "SIZE", value_parser = Size::parse)]
    reserve: Option<Size>,
    /// How programs are confined when neither their action nor the file says; strict in serve, none in dev
    #[arg(long, value_enum, value_name = "SANDBOX")]
    sandbox: Option<SandboxOption>,
    /// How logs are written; text on a terminal, else JSON
    #[arg(long, value_enum, value_name = "FORMAT")]
    log_format: Option<logs::LogFormat>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SandboxOption {
    /// Not at all, except for environment, time and output
    None,
    /// To the system's programs, their own file, and what their actions declare
    Strict,
}

/// The file that is read when none is named.
const FILE: &str = "cantus.yaml";

impl Dev {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let file = self.common.file.clone().or_else(|| Path::new(FILE).is_file().then(|| FILE.into()));
        if self.watch && file.is_none() {
            let hint = "write one with `cantus init`";
            return Err(Failure::usage(format!("--watch needs a file, and there is no {FILE} here"))
                .hint(hint)
                .into());
        }
        let configured = load::load(file.as_deref(), context)?;
        let listen = self.common.listen(&configured)?;
        safety::dev_listens_here_only(&listen)?;
        let temporary = self
            .ephemeral
            .then(tempfile::tempdir)
            .transpose()
            .context("a temporary folder cannot be made")?;
        let token_file = self.common.data_dir.join("token");
        let token = token::of_dev(&token_file)?;
        let mut options = self.common.options(Mode::Dev, configured, listen, context);
        if let Some(folder) = &temporary {
            options.data_dir = folder.path().to_owned();
            options.ephemeral = true;
        }
        options.token = Some(token);
        let watched = self.watch.then(|| options.file.clone()).flatten();
        run(options, watched, context)
    }
}

impl Serve {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let file = self.common.file.clone().unwrap_or_else(|| FILE.into());
        if self.common.file.is_none() && !file.is_file() {
            let hint =
                "name it with -f, or write one with `cantus init`; to try things out, use `cantus dev`";
            return Err(Failure::usage(format!("`serve` needs a file, and there is no {FILE} here"))
                .hint(hint)
                .into());
        }
        let configured = load::load(Some(&file), context)?;
        let listen = self.common.listen(&configured)?;
        let options = self.common.options(Mode::Serve, configured, listen, context);
        safety::serve_is_safe(&options.server)?;
        run(options, None, context)
    }
}

impl Common {
    fn listen(&self, configured: &Configured) -> Result<String> {
        let listen = self.listen.as_ref().or(configured.server.listen.as_ref());
        options::listen_address(listen.map(String::as_str), self.port)
    }

    fn options(&self, mode: Mode, configured: Configured, listen: String, context: &Context) -> StartOptions {
        let mut server = configured.server;
        server.sandbox = Some(match (self.sandbox, server.sandbox) {
            (Some(SandboxOption::None), _) => Sandbox::None,
            (Some(SandboxOption::Strict), _) => Sandbox::Strict,
            (None, Some(declared)) => declared,
            (None, None) if mode == Mode::Serve => Sandbox::Strict,
            (None, None) => Sandbox::None,
        });
        server.reserve = self.reserve.or(server.reserve);
        logs::start(self.log_format, context.screen.verbosity());
        StartOptions {
            mode,
            listen,
            data_dir: self.data_dir.clone(),
            ephemeral: false,
            file: configured.file,
            files: configured.files,
            definitions: configured.definitions,
            server,
            token: None,
            reloads: None,
            ready: Box::new(|_| ()),
        }
    }
}

fn run(mut options: StartOptions, watched: Option<PathBuf>, context: &Context) -> Result<()> {
    if !options.ephemeral {
        token::private_folder(&options.data_dir)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    let banner = banner::Banner::of(&options);
    let screen = context.screen.clone();
    options.ready = Box::new(move |address| screen.note(&banner.text(address, &screen)));
    runtime.block_on(async {
        safety::programs_can_be_confined(&options).await?;
        if let Some(file) = watched {
            options.reloads = Some(watch::start(file, &options, context.screen.clone()));
        }
        start::start_server(options, stop::first_signal()).await
    })
}
