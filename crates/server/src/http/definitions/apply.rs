//! Putting a set of definitions in force at run time, and giving out what is in force.

use cantus_api::definition::{Definitions, Exec};
use cantus_api::error::{Code, Problem};
use cantus_api::installed::{Applied, ApplyQuery, Change, ChangeKind, Export};
use cantus_core::agent::Origin;
use cantus_core::command::{self, Answer, Apply, Command, Kind, What};
use cantus_core::subscription::Action;
use cantus_core::{Refusal, Text};
use cantus_runtime::Failed;
use serde_json::Value;

use super::super::answer;
use super::super::call::Call;
use super::super::route::Answered;
use crate::body::Cap;
use crate::install;
use crate::problem::{self, Place};
use crate::snapshot::{self, Snapshot};

/// How large a set may be.
const BYTES_MAX: usize = 8 << 20;
/// How many changes an answer tells.
const CHANGES_TOLD: usize = 10_000;
/// How often a set is compared anew because definitions changed meanwhile.
const STALE_TRIES_MAX: usize = 16;
/// What stands for the value of a variable that is not shown.
const HIDDEN: &str = "***";

/// The media types of YAML.
const YAML: &[&str] = &["application/yaml", "application/x-yaml", "text/yaml"];

pub(super) async fn export(call: Call) -> Answered {
    let failed = |failed| problem::of(failed, Place::Alone);
    let snapshot = snapshot::take(&call.app.handle).await.map_err(failed)?;
    let mut definitions = snapshot.document();
    definitions["version"] = Value::from(1);
    if let Some(name) = &call.app.options.name {
        definitions["name"] = Value::from(name.as_str());
    }
    answer::ok(&Export { hash: snapshot.hash(), definitions })
}

pub(super) async fn apply(mut call: Call) -> Answered {
    let query: ApplyQuery = call.query()?;
    let value = body(&mut call).await?;
    let definitions = read(value)?;
    for _ in 0..STALE_TRIES_MAX {
        let failed = |failed| problem::of(failed, Place::Alone);
        let snapshot = snapshot::take(&call.app.handle).await.map_err(failed)?;
        let before = snapshot.hash();
        if query.expected.as_ref().is_some_and(|expected| *expected != before) {
            let detail = "other definitions are in force than those you have seen";
            let problem = Problem::new(Code::DefinitionsChanged, detail).at_parameter("expected", detail);
            return Err(Box::new(problem.hint(format!("look at a new plan; their hash is {before}"))));
        }
        let definitions = revealed(definitions.clone(), &snapshot)?;
        let source = match &query.source {
            Some(name) => format!("api:{}", name.chars().take(200).collect::<String>()),
            None => "api".to_owned(),
        };
        let (defaults, actor) = (&call.app.defaults, &call.caller.actor);
        let mut set = install::command(&definitions, &source, actor, defaults, Origin::Applied)?;
        install::look_up_starts(&call.app.handle, &mut set).await?;
        for (name, topic) in &mut set.topics {
            // How long ids are remembered is the server's to say, at its start.
            if let Some(known) = snapshot.topics.get(name) {
                (topic.dedupe_ids, topic.dedupe_age) = (known.dedupe_ids, known.dedupe_age);
            }
        }
        if !call.app.options.allow_remote_exec {
            check_programs(&set, &snapshot)?;
        }
        let apply = Apply {
            install: set,
            prune: query.prune.unwrap_or(false),
            expected: Some(snapshot.version),
            dry_run: query.dry_run.unwrap_or(false),
        };
        match call.app.handle.submit(Command::Apply(Box::new(apply))).await {
            Ok(Answer::Applied(changes)) => {
                let dry_run = query.dry_run.unwrap_or(false);
                if !dry_run && install::look_at_programs(&call.app.handle).await? && changes.is_empty() {
                    // No definition changed, and yet other programs may run: who let them is told.
                    call.app.handle.submit(Command::AcceptPrograms).await.map_err(failed)?;
                }
                let hash = if dry_run || changes.is_empty() {
                    before
                } else {
                    snapshot::take(&call.app.handle).await.map_err(failed)?.hash()
                };
                return answer::ok(&out(&changes, hash, dry_run));
            }
            Ok(_) => {
                let detail = "an apply was answered with something else";
                return Err(Box::new(Problem::new(Code::Internal, detail)));
            }
            Err(Failed::Refused(Refusal::Stale)) => {}
            Err(failed) => return Err(problem::of(failed, Place::Alone)),
        }
    }
    Err(problem::of(Failed::Overloaded, Place::Alone))
}

async fn body(call: &mut Call) -> Result<Value, Box<Problem>> {
    let media = call.content_type()?.unwrap_or("application/json");
    let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !YAML.contains(&media.as_str()) {
        return call.json_within(BYTES_MAX).await;
    }
    let read = call.read(Cap { bytes: BYTES_MAX, code: Code::BodyTooLarge }).await?;
    let text = std::str::from_utf8(&read.bytes)
        .map_err(|_| Box::new(Problem::new(Code::DefinitionsInvalid, "the body is not UTF-8")))?;
    cantus_file::yaml_to_json("the body", text).map_err(|diagnostics| {
        let words: Vec<String> = diagnostics.iter().map(|one| one.render(false)).collect();
        let problem = Problem::new(Code::DefinitionsInvalid, words.join("\n\n"));
        Box::new(problem.hint("`cantus check` tells the same of a file"))
    })
}

/// Reads a set in the file's shape. The server's own section is not for the network.
fn read(mut value: Value) -> Result<Definitions, Box<Problem>> {
    let invalid = |pointer: &str, detail: String| {
        Box::new(Problem::new(Code::DefinitionsInvalid, detail.clone()).at(pointer, detail))
    };
    if let Some(members) = value.as_object_mut() {
        match members.remove("version") {
            None => {}
            Some(version) if version == 1 => {}
            Some(version) => {
                return Err(invalid(
                    "#/version",
                    format!("`version` is {version}; this server knows version 1"),
                ));
            }
        }
        if members.contains_key("server") {
            let detail =
                "the `server` section is read from the file when the server starts, not from the network";
            return Err(invalid("#/server", detail.to_owned()));
        }
        if members.contains_key("include") {
            let detail = "`include` is read where the file is: load it with `cantus apply`";
            return Err(invalid("#/include", detail.to_owned()));
        }
    }
    serde_json::from_value(value).map_err(|error| invalid("#", error.to_string()))
}

/// Puts the values back that an export does not show: those of the same variable of the same subscription.
fn revealed(mut definitions: Definitions, snapshot: &Snapshot) -> Result<Definitions, Box<Problem>> {
    for (name, agent) in &mut definitions.agents {
        for subscription in &mut agent.subscriptions {
            let id = subscription.id(name);
            let cantus_api::definition::Action::Exec(exec) = &mut subscription.action else { continue };
            let known =
                id.as_deref().and_then(|id| cantus_core::subscription::SubscriptionId::parse(id).ok());
            let known = known.and_then(|id| snapshot.subscriptions.get(&id));
            reveal(exec, known.map(|it| &it.action), id.as_deref().unwrap_or_default())?;
        }
    }
    Ok(definitions)
}

fn reveal(exec: &mut Exec, known: Option<&Action>, id: &str) -> Result<(), Box<Problem>> {
    for (name, value) in exec.env.iter_mut().filter(|(_, value)| **value == *HIDDEN) {
        let known = match known {
            Some(Action::Exec(known)) => known.env.iter().find(|(other, _)| **other == **name),
            _ => None,
        };
        let Some((_, known)) = known else {
            let detail =
                format!("the variable `{name}` of {id} is `{HIDDEN}`, and no value of it is in force");
            let problem = Problem::new(Code::DefinitionsInvalid, detail);
            return Err(Box::new(problem.hint("write its value; an export does not show it")));
        };
        *value = known.to_string();
    }
    Ok(())
}

/// Programs come from the file: over the network only those that are in force already.
fn check_programs(set: &command::Install, snapshot: &Snapshot) -> Result<(), Box<Problem>> {
    for (id, it, _) in &set.subscriptions {
        let Action::Exec(_) = &it.action else { continue };
        if snapshot.subscriptions.get(id).is_some_and(|known| known.action == it.action) {
            continue;
        }
        let detail =
            format!("the program of {id} is not the one in force, and exec actions come from the file");
        let hint = "change the file and restart, or use `cantus dev --watch`; `server.allow_remote_exec: true` lets every holder of `define` run programs";
        return Err(Box::new(Problem::new(Code::ExecNotAllowed, detail).hint(hint)));
    }
    Ok(())
}

fn out(changes: &[command::Change], hash: String, dry_run: bool) -> Applied {
    let count = |what: What| changes.iter().filter(|change| change.what == what).count() as u64;
    let text = |text: &Text| text.to_string();
    Applied {
        dry_run,
        hash,
        added: count(What::Added),
        changed: count(What::Changed),
        removed: count(What::Removed),
        changes: changes
            .iter()
            .take(CHANGES_TOLD)
            .map(|change| Change {
                kind: match change.kind {
                    Kind::Topic => "topic".to_owned(),
                    Kind::Agent => "agent".to_owned(),
                    Kind::Subscription => "subscription".to_owned(),
                },
                id: change.id.to_string(),
                change: match change.what {
                    What::Added => ChangeKind::Added,
                    What::Changed => ChangeKind::Changed,
                    What::Removed => ChangeKind::Removed,
                },
                effects: change.effects.iter().map(text).collect(),
            })
            .collect(),
    }
}
