//! How the definitions of a file are put in force.

use cantus_api::definition::Definitions;
use cantus_api::error::{Code, Problem};
use cantus_core::agent::Origin;
use cantus_core::command::{Answer, Command, Install};
use cantus_core::subscription::Place as Start;
use cantus_core::{Text, hash};
use cantus_runtime::Handle;

use crate::convert::definition::{self, Around, Defaults};
use crate::problem::{Place, of};

/// What an installation changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Definitions that are new.
    pub added: u32,
    /// Definitions that say something else now.
    pub changed: u32,
    /// Definitions that are gone.
    pub removed: u32,
}

/// Puts a file's definitions in force, all or none. What the file declared before and does not any more goes; events,
/// dead letters and the places of subscriptions that stay are untouched.
///
/// # Errors
/// When a definition can not be, or the runtime does not take it.
pub async fn install(
    handle: &Handle,
    definitions: &Definitions,
    source: &str,
    actor: &str,
    defaults: &Defaults,
) -> Result<Installed, Box<Problem>> {
    let mut command = command(definitions, source, actor, defaults, Origin::File)?;
    look_up_starts(handle, &mut command).await?;
    match handle.submit(Command::Install(Box::new(command))).await {
        Ok(Answer::Installed(added, changed, removed)) => {
            look_at_programs(handle).await?;
            Ok(Installed { added, changed, removed })
        }
        Ok(other) => {
            let detail = format!("an installation was answered with {other:?}");
            Err(Box::new(Problem::new(Code::Internal, detail)))
        }
        Err(failed) => Err(of(failed, Place::Alone)),
    }
}

/// What became of the file at a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// It was put in force.
    Installed(Installed),
    /// What was applied at run time since stays: the file is the one that was installed before it.
    Kept,
}

/// Puts a file's definitions in force when the server starts. A file that did not change since it was last installed does
/// not undo what was applied after that; one that did is the newer word.
///
/// # Errors
/// As [`install`].
pub async fn install_at_start(
    handle: &Handle,
    definitions: &Definitions,
    source: &str,
    actor: &str,
    defaults: &Defaults,
) -> Result<Started, Box<Problem>> {
    let meta = handle.read(|coordinator, _| coordinator.state.meta.clone()).await;
    let meta = meta.map_err(|failed| of(failed, Place::Alone))?;
    let applied = meta.definitions_source.starts_with("api");
    if applied && meta.file_hash == Some(hash_of(definitions)) {
        look_at_programs(handle).await?;
        return Ok(Started::Kept);
    }
    if applied {
        let before = meta.definitions_source.as_str();
        tracing::warn!(
            before,
            source,
            "the file has changed since definitions were applied at run time: what it declares is as it says again"
        );
    }
    install(handle, definitions, source, actor, defaults).await.map(Started::Installed)
}

/// A script that is edited later runs once somebody has put the definitions in force again. Tells whether one was.
pub(crate) async fn look_at_programs(handle: &Handle) -> Result<bool, Box<Problem>> {
    handle.look_at_programs().await.map_err(|failed| of(failed, Place::Alone))
}

/// Finds the places of subscriptions that begin at a time.
pub(crate) async fn look_up_starts(handle: &Handle, install: &mut Install) -> Result<(), Box<Problem>> {
    for (_, subscription, start) in &mut install.subscriptions {
        if let Start::Time(time) = subscription.from {
            let before = handle.read_log(move |reader| reader.before_time(time)).await;
            *start = Some(before.map_err(|failed| of(failed, Place::Alone))?);
        }
    }
    Ok(())
}

/// The hash that tells two sets apart; serde writes maps in the order of their keys.
fn hash_of(definitions: &Definitions) -> Text {
    let canonical = serde_json::to_vec(definitions).unwrap_or_default();
    Text::from(format!("{:032x}", hash::parts(&[&canonical])))
}

/// Makes the command that installs a set.
///
/// # Errors
/// When a definition can not be.
pub(crate) fn command(
    definitions: &Definitions,
    source: &str,
    actor: &str,
    defaults: &Defaults,
    origin: Origin,
) -> Result<Install, Box<Problem>> {
    let (mut topics, mut agents, mut subscriptions) = (Vec::new(), Vec::new(), Vec::new());
    for (name, topic) in &definitions.topics {
        topics.push((definition::topic_name(name.as_str())?, definition::topic(topic, defaults)?));
    }
    for (name, agent) in &definitions.agents {
        agents.push((definition::agent_name(name.as_str())?, definition::agent(agent, origin)));
        for subscription in &agent.subscriptions {
            let Some(retry) = definitions.retry_policy(subscription) else {
                let detail = format!("a subscription of {name} names a retry policy that is not declared");
                return Err(Box::new(Problem::new(Code::SubscriptionInvalid, detail)));
            };
            let prompt = agent.prompt.as_deref();
            let around = Around { agent: name, retry: &retry, prompt, origin, defaults };
            let (id, made) = definition::subscription(subscription, &around)?;
            subscriptions.push((id, made, None));
        }
    }
    Ok(Install {
        hash: hash_of(definitions),
        source: Text::from(source),
        actor: Text::from(actor),
        topics,
        agents,
        subscriptions,
    })
}
