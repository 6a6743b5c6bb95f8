//! The place where the server is started.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use cantus_api::definition::{Permission, Retention};
use cantus_api::error::Problem;
use cantus_core::coordinator::Limits;
use cantus_engine::local;
use cantus_file::Loaded;
use cantus_runtime::housekeeping;
use cantus_runtime::{Config, ExecSettings, Handle, Runtime};
use cantus_server::convert::definition::Defaults;
use cantus_server::convert::wire::CloudEvents;
use cantus_server::install::{Started, install, install_at_start};
use cantus_server::observe::{Observation, Settings};
use cantus_server::options::{Hook, Secret, ServerOptions, TokenGrant};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::options::{Mode, StartOptions, socket_address};
use super::token;
use crate::exit::Failure;

/// How long attempts may go on once the server was asked to stop; programs go on under their guardians after that.
const DRAIN: Duration = Duration::from_secs(10);
/// The name of the token that programs get: they may publish and consume.
const PROGRAMS: &str = "programs";

/// Runs a server until `stop` resolves and everything it had begun is done.
///
/// # Errors
///
/// When it cannot start, or its storage fails.
pub(super) async fn start_server(options: StartOptions, stop: impl Future<Output = ()>) -> Result<()> {
    let address = socket_address(&options.listen)?;
    // The address comes first: a second server on it must not touch anything.
    let listener = TcpListener::bind(address).await.map_err(|error| {
        let hint = "stop what listens there, or choose another port with --port";
        Failure::failed(format!("{address} cannot be listened at: {error}")).hint(hint)
    })?;
    let address = listener.local_addr().context("the address cannot be read")?;
    let opened = open(&options.data_dir, options.server.reserve)?;
    if let Some(cut) = &opened.recovered.cut {
        tracing::warn!(file = %cut.file.display(), bytes = cut.bytes, copy = %cut.copy.display(), "the torn end of the log was cut and kept aside");
    }
    exit_on_panic();
    let program_token = token::of_programs(&options.data_dir.join("programs.token"))?;
    let mut server = server_options(&options, address, &program_token)?;
    let observation = observation()?;
    server.observation = observation.clone();
    let defaults = Defaults {
        sandbox: server.sandbox,
        dedupe: options.server.dedupe,
        webhooks: server.webhooks.clone(),
    };
    let config = Config {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        auto_create: options.server.auto_create.unwrap_or(options.mode == Mode::Dev),
        limits: Limits {
            hops_max: options.server.max_hops.unwrap_or(Limits::default().hops_max),
            ..Limits::default()
        },
        wire: Arc::new(CloudEvents { limits: server.limits }),
        exec: Some(ExecSettings {
            data_dir: options.data_dir.clone(),
            guardian: None,
            url: format!("http://{}", reachable(address)),
            token: Some(program_token),
            cwd: folder_of(options.file.as_deref())?,
            hidden: secrets(&options.server, &options.definitions),
        }),
        observer: observation.clone(),
        housekeeping: Some(kept(options.server.retention.as_ref())),
        time: std::sync::Arc::new(cantus_runtime::MachineTime),
        webhooks: Some(webhook_settings(&options.server, &server)),
        on_broken: Box::new(|_| std::process::exit(cantus_runtime::EXIT_BROKEN)),
    };
    let runtime = Runtime::start(opened.engine, opened.checkpoint, config)
        .await
        .context("the state cannot be rebuilt")?;
    let handle = runtime.handle();
    observation.follow(handle.clone());
    let source = options.file.as_ref().map_or_else(|| "none".to_owned(), |file| file.display().to_string());
    match install_at_start(&handle, &options.definitions, &source, "file", &defaults).await {
        Ok(Started::Installed(_)) => {}
        Ok(Started::Kept) => tracing::warn!(
            source,
            "the file did not change since definitions were applied at run time: what was applied stays; change the file to have it take over"
        ),
        Err(problem) => {
            runtime.stop(DRAIN).await;
            return Err(refused(&problem).into());
        }
    }
    if let Some(reloads) = options.reloads {
        tokio::spawn(follow(reloads, handle.clone(), source, defaults));
    }
    (options.ready)(address);
    let served = cantus_server::run(handle, server, listener, stop).await;
    runtime.stop(DRAIN).await;
    observation.finish().await;
    served.context("the server has failed")
}

/// Counts attempts, and sends traces where the standard variables of OpenTelemetry say so.
fn observation() -> Result<Arc<Observation>> {
    let failed = |error: &dyn std::error::Error| {
        Failure::failed(cantus_runtime::telemetry::chain(error))
            .hint("unset the OTEL_ variables to send no traces")
    };
    let settings = Settings::read(env!("CARGO_PKG_VERSION"), |name| std::env::var(name).ok());
    let settings = settings.map_err(|error| failed(&error))?;
    Ok(Arc::new(Observation::new(settings).map_err(|error| failed(&error))?))
}

fn open(data_dir: &Path, reserve: Option<cantus_api::definition::Size>) -> Result<cantus_engine::Opened> {
    let mut options = local::Options::default();
    options.reserve_bytes = reserve.map_or(options.reserve_bytes, |size| size.bytes());
    cantus_engine::open(data_dir, options).map_err(|error| {
        let text = cantus_runtime::telemetry::chain(&error);
        Failure::failed(text).into()
    })
}

/// Returns the folder that backups lie in while they are sent. What an interrupted one left goes.
fn backups(data_dir: &Path) -> PathBuf {
    let folder = data_dir.join("backups");
    if let Err(error) = std::fs::remove_dir_all(&folder)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(folder = %folder.display(), %error, "an interrupted backup could not be removed");
    }
    folder
}

/// Returns how housekeeping is done.
fn kept(given: Option<&Retention>) -> housekeeping::Settings {
    let mut settings = housekeeping::Settings::default();
    let span = |duration: cantus_api::definition::Duration| cantus_core::Span(duration.as_millis());
    if let Some(given) = given {
        settings.hold_age = given.max_hold.map_or(settings.hold_age, span);
        settings.hold_bytes = given.max_hold_bytes.map_or(settings.hold_bytes, |size| size.bytes());
        settings.history = given.history.map_or(settings.history, span);
    }
    settings
}

/// Half-alive servers are the worst kind: a panic in any thread ends the process.
fn exit_on_panic() {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        told(panic);
        std::process::exit(cantus_runtime::EXIT_BROKEN);
    }));
}

fn server_options(
    options: &StartOptions,
    address: std::net::SocketAddr,
    program_token: &str,
) -> Result<ServerOptions> {
    let given = &options.server;
    let mut server = match options.mode {
        Mode::Dev => ServerOptions::dev(address),
        Mode::Serve => ServerOptions::serve(address),
    };
    server.name = options.definitions.name.clone();
    server.backups = Some(backups(&options.data_dir));
    server.hosts = given.allowed_hosts.clone();
    server.origins = given.allowed_origins.clone();
    server.dedupe = given.dedupe;
    server.allow_remote_exec = given.allow_remote_exec.unwrap_or(false);
    server.sandbox = given.sandbox;
    for declared in &given.tokens {
        let token = secret(&declared.token_file)?;
        server.tokens.push(TokenGrant { name: declared.name.clone(), token, may: declared.may.clone() });
    }
    if let Some(token) = &options.token {
        let may = vec![Permission::Publish, Permission::Consume, Permission::Operate, Permission::Define];
        server.tokens.push(TokenGrant { name: "dev".to_owned(), token: Secret::new(token), may });
    }
    let may = vec![Permission::Publish, Permission::Consume];
    server.programs = Some(TokenGrant { name: PROGRAMS.to_owned(), token: Secret::new(program_token), may });
    for (name, hook) in &given.hooks {
        let secret = hook.secret_file.as_deref().map(secret).transpose()?;
        let hook = Hook { topic: hook.topic.as_str().to_owned(), secret };
        server.hooks.insert(name.as_str().to_owned(), hook);
    }
    if let Some(webhooks) = &given.webhooks {
        let (networks, hosts) = cantus_server::convert::webhook::reach(&webhooks.allow_private);
        let rules = &mut server.webhooks;
        (rules.guard.networks, rules.guard.hosts) = (networks, hosts);
        rules.guard.ports = webhooks.allow_ports.clone();
        rules.env = webhooks.env.clone();
    }
    if let Some(limits) = &given.limits {
        let usize_of =
            |size: cantus_api::definition::Size| usize::try_from(size.bytes()).unwrap_or(usize::MAX);
        let out = &mut server.limits;
        out.event_bytes = limits.event_bytes.map_or(out.event_bytes, usize_of);
        out.batch_bytes = limits.batch_bytes.map_or(out.batch_bytes, usize_of);
        out.attribute_bytes = limits.attribute_bytes.map_or(out.attribute_bytes, usize_of);
        out.batch_events = limits.batch_events.map_or(out.batch_events, |events| events as usize);
        out.depth = limits.json_depth.unwrap_or(out.depth);
    }
    Ok(server)
}

/// Returns the files that hold secrets of the server.
fn secrets(
    server: &cantus_api::definition::Server,
    definitions: &cantus_api::definition::Definitions,
) -> Vec<PathBuf> {
    let tokens = server.tokens.iter().map(|token| token.token_file.clone());
    let hooks = server.hooks.values().filter_map(|hook| hook.secret_file.clone());
    let webhooks = definitions.subscriptions().filter_map(|(_, one)| match &one.action {
        cantus_api::definition::Action::Webhook(webhook) => webhook.secret_file.as_deref().map(PathBuf::from),
        _ => None,
    });
    tokens.chain(hooks).chain(webhooks).collect()
}

fn webhook_settings(
    given: &cantus_api::definition::Server,
    server: &ServerOptions,
) -> cantus_runtime::delivery::webhook::WebhookSettings {
    let given = given.webhooks.clone().unwrap_or_default();
    let mut settings = cantus_runtime::delivery::webhook::WebhookSettings::new(
        server.webhooks.guard.clone(),
        Arc::new(CloudEvents { limits: server.limits }),
    );
    settings.ca_file = given.ca_file;
    let of_machine = || rustix::system::uname().nodename().to_string_lossy().into_owned();
    settings.origin = given.origin.unwrap_or_else(of_machine);
    settings
}

fn secret(file: &Path) -> Result<Secret> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("the secret file {} cannot be read", file.display()))?;
    if text.trim().is_empty() {
        let hint = "put a long random text into it";
        return Err(Failure::failed(format!("the secret file {} is empty", file.display()))
            .hint(hint)
            .into());
    }
    Ok(Secret::new(&text))
}

/// Returns where programs on this machine reach an address.
fn reachable(address: std::net::SocketAddr) -> std::net::SocketAddr {
    let mut reachable = address;
    if address.ip().is_unspecified() {
        reachable.set_ip(match address {
            std::net::SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    reachable
}

/// Returns the folder programs run in that say nothing else: the file's, else this one.
fn folder_of(file: Option<&Path>) -> Result<PathBuf> {
    let here = std::env::current_dir().context("the current folder cannot be read")?;
    let folder = file.and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty());
    Ok(folder.map_or_else(|| here.clone(), |folder| here.join(folder)))
}

fn refused(problem: &Problem) -> Failure {
    let failure = Failure::failed(format!("the definitions were refused: {}", said(problem)));
    match &problem.hint {
        Some(hint) => failure.hint(hint.clone()),
        None => failure,
    }
}

fn said(problem: &Problem) -> &str {
    if problem.detail.is_empty() { &problem.title } else { &problem.detail }
}

/// Installs the file again whenever it was read again; what is refused leaves the last good state in force.
async fn follow(
    mut reloads: watch::Receiver<Option<Arc<Loaded>>>,
    handle: Handle,
    source: String,
    defaults: Defaults,
) {
    while reloads.changed().await.is_ok() {
        let Some(loaded) = reloads.borrow_and_update().clone() else { continue };
        match install(&handle, &loaded.definitions, &source, "file", &defaults).await {
            Ok(done) => tracing::info!(
                added = done.added,
                changed = done.changed,
                removed = done.removed,
                "the file was installed again"
            ),
            Err(problem) => {
                let (code, detail) = (&*problem.code, said(&problem));
                tracing::error!(code, detail, "the file was not installed; what was in force stays");
            }
        }
    }
}
