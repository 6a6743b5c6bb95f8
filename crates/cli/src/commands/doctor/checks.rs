//! The checks: of this machine, then of the server.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::Result;
use cantus_api::agent::{Agent, State as AgentState};
use cantus_api::list::Page;
use cantus_api::status::Status;
use cantus_api::subscription::{State, Subscription, SubscriptionsQuery};
use cantus_api::time::Instant;
use cantus_api::topic::Topic;
use cantus_client::{Client, Error};

use super::finding::Finding;
use super::{load, machine};
use crate::context::Context;
use crate::metrics::Metrics;
use crate::output::{ListOptions, gather};
use crate::token::{dev_token_file, is_this_machine};

/// Below this much free space the disk is a worry.
const FREE_BYTES_WANTED: u64 = 2 << 30;
/// Below this much it is a fault.
const FREE_BYTES_BAD: u64 = 200 << 20;
/// A clock further away than this makes times confusing.
const CLOCK_OFFSET_MS_MAX: i64 = 5000;
/// How many subscriptions and agents are looked at.
const LOOKED_AT_MAX: u32 = 10_000;
/// How many of them are named.
const NAMED_MAX: usize = 5;

/// Looks at this machine: the token's file, the disk. Only what concerns a server on this machine.
pub(super) fn here(data_dir: &Path, server: &str) -> Vec<Finding> {
    if !is_this_machine(server) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let token_file = std::env::current_dir().ok().and_then(|folder| dev_token_file(&folder));
    findings.extend(token_file.map(|file| token(&file)));
    if data_dir.is_dir() {
        findings.push(disk(data_dir));
    }
    findings.extend(machine::look(data_dir));
    findings
}

fn token(file: &Path) -> Finding {
    let shown = file.display();
    match std::fs::metadata(file) {
        Ok(metadata) => match metadata.permissions().mode() & 0o777 {
            mode if mode & 0o077 == 0 => Finding::ok("token", format!("{shown} is for its owner only")),
            mode => Finding::fail(
                "token",
                format!(
                    "{shown} can be used by others (mode {mode:o}): whoever reads it may change everything"
                ),
                format!("chmod 600 {shown}"),
            ),
        },
        Err(error) => {
            Finding::warn("token", format!("{shown} cannot be looked at: {error}"), "check who owns it")
        }
    }
}

fn disk(folder: &Path) -> Finding {
    let shown = folder.display();
    let free = match rustix::fs::statvfs(folder) {
        Ok(stat) => stat.f_bavail.saturating_mul(stat.f_frsize),
        Err(error) => {
            let remedy = "check that the folder is there and can be read";
            return Finding::warn("disk", format!("{shown}: {error}"), remedy);
        }
    };
    let detail = format!("{} free for {shown}", size(free));
    let remedy = "make room: when the disk is full, nothing is accepted any more";
    match free {
        0..FREE_BYTES_BAD => Finding::fail("disk", detail, remedy),
        FREE_BYTES_BAD..FREE_BYTES_WANTED => Finding::warn("disk", detail, remedy),
        _ => Finding::ok("disk", detail),
    }
}

pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{} KiB", bytes >> 10),
        1_048_576..1_073_741_824 => format!("{} MiB", bytes >> 20),
        _ => format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)),
    }
}

/// Looks at the server: whether it answers, takes requests, and is of this version; what needs somebody.
pub(super) async fn server(context: &Context) -> Result<Vec<Finding>> {
    let client = context.client()?;
    let url = client.url().trim_end_matches('/').to_owned();
    let mut findings = Vec::new();
    let health = match client.readiness().await {
        Ok(health) => health,
        Err(error) => {
            let remedy = "start one with `cantus dev`, or name another with --server URL";
            return Ok(vec![Finding::fail("server", error.to_string(), remedy)]);
        }
    };
    findings.push(Finding::ok("server", format!("{url} answers")));
    findings.extend(load::degraded(&health));
    findings.push(match health.ok {
        true => Finding::ok("ready", "it takes requests"),
        false => Finding::fail("ready", health.text.trim().replace('\n', ", "), "see the server's log"),
    });
    let status = match client.status().await {
        Ok(status) => status,
        Err(error) => {
            findings.push(refused(&error));
            return Ok(findings);
        }
    };
    findings.push(version(&status));
    findings.push(clock(&status, context.screen.now_ms()));
    findings.push(dead_letters(&status));
    let metrics = Metrics::read(&client.metrics().await?);
    findings.extend(load::space(&metrics));
    findings.extend(load::oldest_dead_letter(&metrics));
    findings.push(load::lag(&metrics));
    findings.push(load::unheard(&all_topics(&client).await?));
    findings.extend(load::unconfined(&status, &client.definitions().await?));
    findings.push(subscriptions(&all_subscriptions(&client).await?));
    findings.push(agents(&all_agents(&client).await?));
    Ok(findings)
}

fn refused(error: &Error) -> Finding {
    let remedy = match error.problem().and_then(|problem| problem.hint.clone()) {
        Some(hint) => hint,
        None => "give a token that may consume: --token, CANTUS_TOKEN or CANTUS_TOKEN_FILE".to_owned(),
    };
    Finding::fail("state", error.to_string(), remedy)
}

fn version(status: &Status) -> Finding {
    let ours = env!("CARGO_PKG_VERSION");
    if status.version == ours {
        return Finding::ok(
            "version",
            format!("{ours}, here and there ({} on {})", status.mode, status.engine),
        );
    }
    let detail = format!("the server is {}, this program is {ours}", status.version);
    Finding::warn(
        "version",
        detail,
        "use the same version for both, or expect new words to be missing in the older one",
    )
}

fn clock(status: &Status, now_ms: i64) -> Finding {
    let Ok(started) = Instant::parse(&status.started_at) else {
        let detail = format!("the server started at `{}`, which is no time", status.started_at);
        return Finding::warn("clock", detail, "report this");
    };
    let ahead = started.unix_ms().saturating_sub(now_ms);
    if ahead <= CLOCK_OFFSET_MS_MAX {
        return Finding::ok("clock", format!("the server started at {}", status.started_at));
    }
    let detail = format!(
        "the server's clock is {} ahead of this one",
        crate::output::duration_ms(ahead.unsigned_abs())
    );
    Finding::warn("clock", detail, "set both clocks by NTP: due times and what is shown here depend on them")
}

fn dead_letters(status: &Status) -> Finding {
    match status.counts.dead_letters {
        0 => Finding::ok("dead letters", "none are open"),
        1 => Finding::warn("dead letters", "1 is open", "cantus dlq ls"),
        open => Finding::warn("dead letters", format!("{open} are open"), "cantus dlq groups"),
    }
}

fn subscriptions(all: &[Subscription]) -> Finding {
    let paused: Vec<&str> =
        all.iter().filter(|one| one.state == State::Paused).map(|one| one.id.as_str()).collect();
    if paused.is_empty() {
        return Finding::ok("subscriptions", format!("{}, none is paused", all.len()));
    }
    let remedy = format!("cantus subs get {} says why; cantus subs resume {} goes on", paused[0], paused[0]);
    Finding::warn("subscriptions", format!("{} paused: {}", paused.len(), named(&paused)), remedy)
}

fn agents(all: &[Agent]) -> Finding {
    let in_state = |state: AgentState| -> Vec<&str> {
        all.iter().filter(|agent| agent.state == state).map(|agent| agent.address.as_str()).collect()
    };
    let (dead, silent, slow) =
        (in_state(AgentState::Dead), in_state(AgentState::Silent), in_state(AgentState::Slow));
    let words: Vec<String> = [("dead", &dead), ("silent", &silent), ("slow", &slow)]
        .iter()
        .filter(|(_, agents)| !agents.is_empty())
        .map(|(word, agents)| format!("{} {word}: {}", agents.len(), named(agents)))
        .collect();
    let Some(first) = dead.first().or(silent.first()).or(slow.first()) else {
        return Finding::ok("agents", format!("{}, none is silent, slow or dead", all.len()));
    };
    Finding::warn("agents", words.join("; "), format!("cantus agents get {first}"))
}

pub(super) fn named(names: &[&str]) -> String {
    let shown = names.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(NAMED_MAX) {
        Some(more @ 1..) => format!("{shown} and {more} more"),
        _ => shown,
    }
}

async fn all_subscriptions(client: &Client) -> Result<Vec<Subscription>> {
    let options = ListOptions { limit: LOOKED_AT_MAX, cursor: None };
    let all = gather(&options, async |limit, cursor| {
        client.subscriptions(&SubscriptionsQuery { limit: Some(limit), cursor, ..Default::default() }).await
    });
    Ok(all.await?.items)
}

async fn all_topics(client: &Client) -> Result<Vec<Topic>> {
    let options = ListOptions { limit: LOOKED_AT_MAX, cursor: None };
    let all =
        gather(&options, async |limit, cursor| client.topics(&Page { limit: Some(limit), cursor }).await);
    Ok(all.await?.items)
}

async fn all_agents(client: &Client) -> Result<Vec<Agent>> {
    let options = ListOptions { limit: LOOKED_AT_MAX, cursor: None };
    let all =
        gather(&options, async |limit, cursor| client.agents(&Page { limit: Some(limit), cursor }).await);
    Ok(all.await?.items)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    fn status(version: &str, started_at: &str, dead_letters: u64) -> Status {
        serde_json::from_value(serde_json::json!({
            "version": version, "mode": "dev", "node": "n", "engine": "local", "started_at": started_at,
            "durable": "0:1", "counts": {"topics": 0, "events": 0, "agents": 0, "subscriptions": 0, "in_flight": 0,
            "retrying": 0, "dead_letters": dead_letters}
        }))
        .unwrap()
    }

    #[test]
    fn another_version_a_clock_ahead_and_dead_letters_are_warnings() {
        let now = Instant::parse("2026-01-01T00:00:00Z").unwrap().unix_ms();
        let odd = status("9.9.9", "2026-01-01T00:01:00Z", 3);
        assert_eq!(version(&odd).level, Level::Warn);
        assert_eq!(clock(&odd, now).level, Level::Warn);
        assert_eq!(dead_letters(&odd).level, Level::Warn);
        let good = status(env!("CARGO_PKG_VERSION"), "2025-12-31T00:00:00Z", 0);
        assert_eq!(
            [version(&good), clock(&good, now), dead_letters(&good)].map(|one| one.level),
            [Level::Ok; 3]
        );
    }

    #[test]
    fn a_token_that_others_can_read_is_a_fault_with_its_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "x").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        let finding = token(&file);
        assert_eq!(finding.level, Level::Fail);
        assert!(finding.remedy.unwrap().starts_with("chmod 600 "));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(token(&file).level, Level::Ok);
    }

    #[test]
    fn agents_that_are_away_are_named_up_to_a_few() {
        assert_eq!(named(&["a", "b"]), "a, b");
        assert_eq!(named(&["a", "b", "c", "d", "e", "f", "g"]), "a, b, c, d, e and 2 more");
    }
}
