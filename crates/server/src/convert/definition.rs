//! Definitions: the file's words into the core's.
//!
//! What is read here was checked when it was read; what can still go wrong is what only the core knows.

use cantus_api::definition as wire;
use cantus_core::agent::{Agent, AgentName, AgentPattern, Origin};
use cantus_core::command::Install;
use cantus_core::ids::Position;
use cantus_core::subscription::{
    Action, AfterDeadLetter, ExecAction, Feed, OnSuccess, Order, PauseAction, Place, Produced, PublishAction, Sandbox,
    Subscription, SubscriptionId, Until, retry,
};
use cantus_core::topic::{InvalidName, Pattern, Schema, Topic, TopicName, Validation};
use cantus_core::{Span, Text, Timestamp};

/// A definition that the core can not take.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    /// A name breaks its rule.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// A subscription has several topics and no name.
    #[error("a subscription of `{agent}` has several topics and no `name`; give it one")]
    Unnamed {
        /// Whose.
        agent: String,
    },
    /// A named retry policy is missing.
    #[error("retry policy `{name}` of a subscription of `{agent}` is not declared under `retry_policies`")]
    Policy {
        /// Whose.
        agent: String,
        /// Which.
        name: String,
    },
    /// A cursor is none of ours.
    #[error("`{cursor}` is no cursor of this server")]
    Cursor {
        /// The text.
        cursor: String,
    },
}

/// How many leases an inbox gives out when nothing is said, and how long they last.
const LEASE_INBOX: Span = Span::minutes(5);
const LEASE_PUSH: Span = Span::seconds(30);

/// Makes of a file's definitions what the core installs. `dedupe` are the window's ids and age for every topic.
///
/// # Errors
/// When a name, a policy or a cursor is not legal.
pub fn install(
    definitions: &wire::Definitions,
    source: &str,
    actor: &str,
    dedupe: (Option<u64>, Option<Span>),
) -> Result<Install, DefinitionError> {
    let mut topics = Vec::new();
    for (name, definition) in &definitions.topics {
        let mut definition = topic(definition)?;
        (definition.dedupe_ids, definition.dedupe_age) = dedupe;
        topics.push((TopicName::parse(name.as_str())?, definition));
    }
    let (mut agents, mut subscriptions) = (Vec::new(), Vec::new());
    for (name, definition) in &definitions.agents {
        let address = AgentName::parse(name.as_str())?;
        agents.push((address.clone(), agent(definition, Origin::File)));
        for declared in &definition.subscriptions {
            let Some(policy) = definitions.retry_policy(declared) else {
                let policy = declared.retry.as_ref();
                let named = policy.and_then(|retry| match retry {
                    wire::Retry::Named(name) => Some(name.to_string()),
                    wire::Retry::Inline(_) => None,
                });
                let (agent, name) = (name.to_string(), named.unwrap_or_default());
                return Err(DefinitionError::Policy { agent, name });
            };
            let prompt = definition.prompt.as_deref();
            let (id, mut made) = subscription(&address, declared, &policy, Origin::File)?;
            if let Action::Exec(exec) = &mut made.action
                && exec.prompt.is_none()
            {
                exec.prompt = prompt.map(Text::from);
            }
            subscriptions.push((id, made, None));
        }
    }
    let canonical = serde_json::to_vec(definitions).unwrap_or_default();
    let hash = cantus_core::hash::parts(&[&canonical]);
    Ok(Install {
        hash: Text::from(format!("{hash:032x}")),
        source: Text::from(source),
        actor: Text::from(actor),
        topics,
        agents,
        subscriptions,
    })
}

/// Makes a topic.
fn topic(definition: &wire::Topic) -> Result<Topic, DefinitionError> {
    let patterns = |list: &[wire::AgentPattern]| {
        list.iter().map(|pattern| AgentPattern::parse(pattern.as_str())).collect::<Result<Vec<_>, _>>()
    };
    Ok(Topic {
        description: definition.description.as_deref().map(Text::from),
        schemas: definition
            .schemas
            .iter()
            .map(|(event_type, schema)| Schema {
                event_type: Text::from(event_type.as_str()),
                json: Text::from(schema.to_string()),
            })
            .collect(),
        validation: match definition.validation {
            wire::Validation::Enforce => Validation::Enforce,
            wire::Validation::Warn => Validation::Warn,
        },
        publishers: patterns(&definition.publishers)?,
        subscribers: patterns(&definition.subscribers)?,
        retain_age: definition.retain.map(span),
        retain_bytes: definition.retain_bytes.map(wire::Size::bytes),
        compact: definition.compact,
        dedupe_ids: None,
        dedupe_age: None,
        declared: true,
    })
}

/// Makes an agent.
pub fn agent(definition: &wire::Agent, origin: Origin) -> Agent {
    let types = |list: &[wire::EventType]| list.iter().map(|name| Text::from(name.as_str())).collect();
    Agent {
        description: definition.description.as_deref().map(Text::from),
        publishes: types(&definition.publishes),
        handles: types(&definition.handles),
        prompt: definition.prompt.as_deref().map(Text::from),
        origin,
    }
}

/// Makes a subscription.
///
/// # Errors
/// When it has no name or one that is not legal, or its start is no cursor of ours.
pub fn subscription(
    agent: &AgentName,
    declared: &wire::Subscription,
    policy: &wire::RetryPolicy,
    origin: Origin,
) -> Result<(SubscriptionId, Subscription), DefinitionError> {
    let Some(name) = declared.effective_name() else {
        return Err(DefinitionError::Unnamed { agent: agent.to_string() });
    };
    let id = SubscriptionId::new(agent.as_str(), name.as_str())?;
    let topics = declared.topics.iter().map(|topic| Pattern::parse(topic.as_str())).collect::<Result<_, _>>()?;
    let action = action(&declared.action)?;
    let lease = declared.lease.map(span).unwrap_or(match action {
        Action::Inbox => LEASE_INBOX,
        Action::Exec(_) | Action::Publish(_) | Action::Pause(_) => LEASE_PUSH,
    });
    let concurrency = declared.effective_concurrency();
    let definition = Subscription {
        topics,
        filter: declared.filter.as_ref().map(|filter| Text::from(filter.to_string())),
        action,
        retry: retry_policy(policy),
        concurrency,
        // Retries wait in flight too: room for some beside what runs.
        max_in_flight: declared.max_in_flight.unwrap_or_else(|| concurrency.saturating_mul(4).clamp(1_024, 65_536)),
        order: match declared.order {
            wire::Order::Key => Order::Key,
            wire::Order::None => Order::None,
            wire::Order::Topic => Order::Topic,
        },
        after_dead_letter: match declared.after_dead_letter {
            wire::AfterDeadLetter::Continue => AfterDeadLetter::Continue,
        },
        lease,
        from: place(&declared.from)?,
        renamed_from: declared.renamed_from.as_ref().map(|name| Text::from(name.as_str())),
        origin,
    };
    Ok((id, definition))
}

fn action(action: &wire::Action) -> Result<Action, DefinitionError> {
    Ok(match action {
        wire::Action::Exec(exec) => Action::Exec(Box::new(exec_action(exec)?)),
        wire::Action::Inbox(_) => Action::Inbox,
        wire::Action::Publish(publish) => Action::Publish(PublishAction {
            event_type: publish.event_type.as_ref().map(value_text),
            topic: publish.topic.as_ref().map(value_text),
            data: publish.data.as_deref().map(Text::from),
        }),
        wire::Action::Pause(pause) => Action::Pause(PauseAction {
            agents: pause
                .agents
                .iter()
                .map(|pattern| AgentPattern::parse(pattern.as_str()))
                .collect::<Result<_, _>>()?,
            until: match &pause.until {
                wire::PauseUntil::After(after) => Until::After(span(*after)),
                wire::PauseUntil::Event { event_type } => {
                    let filter = serde_json::json!({ "type": event_type.as_str() });
                    Until::Event(Text::from(filter.to_string()))
                }
            },
        }),
    })
}

/// A plain name is CEL too: a literal.
fn value_text(text: &wire::ValueText) -> Text {
    match text.name() {
        Some(name) => Text::from(format!("\"{name}\"")),
        None => Text::from(text.0.as_str()),
    }
}

fn exec_action(exec: &wire::Exec) -> Result<ExecAction, DefinitionError> {
    let on_success = match &exec.on_success {
        Some(on_success) => Some(OnSuccess {
            event_type: Text::from(on_success.event_type.as_str()),
            topic: on_success.topic.as_ref().map(|topic| TopicName::parse(topic.as_str())).transpose()?,
            data: match on_success.data {
                wire::SuccessData::Stdout => Produced::Stdout,
                wire::SuccessData::StdoutJson => Produced::StdoutJson,
            },
        }),
        None => None,
    };
    Ok(ExecAction {
        argv: exec.argv.iter().map(|argument| Text::from(argument.as_str())).collect(),
        cwd: exec.cwd.as_deref().map(Text::from),
        env: exec.env.iter().map(|(name, value)| (Text::from(name.as_str()), Text::from(value.as_str()))).collect(),
        pass_env: exec.pass_env.iter().map(|name| Text::from(name.as_str())).collect(),
        stdin: match exec.stdin {
            wire::Stdin::Event => Feed::Event,
            wire::Stdin::Data => Feed::Data,
            wire::Stdin::Prompt => Feed::Prompt,
        },
        prompt: exec.prompt.as_deref().map(Text::from),
        timeout: span(exec.timeout),
        on_success,
        sandbox: Sandbox::None,
    })
}

/// Makes a retry policy.
pub fn retry_policy(policy: &wire::RetryPolicy) -> retry::Policy {
    let list = |entries: &[wire::FailureClass]| entries.iter().map(|entry| Text::from(entry.to_string())).collect();
    let thousandths = |number: f64| (number * 1_000.0).round().clamp(0.0, f64::from(u32::MAX)) as u32;
    retry::Policy {
        max_retries: policy.max_retries,
        backoff: match policy.backoff_type {
            wire::Backoff::Exponential => retry::Backoff::Exponential,
            wire::Backoff::Linear => retry::Backoff::Linear,
            wire::Backoff::Fixed => retry::Backoff::Fixed,
        },
        initial_delay: span(policy.initial_delay),
        max_delay: span(policy.max_delay),
        retry_on: list(&policy.retry_on),
        no_retry_on: list(&policy.no_retry_on),
        multiplier_thousandths: thousandths(policy.multiplier),
        jitter_thousandths: thousandths(policy.jitter),
    }
}

fn place(start: &wire::Start) -> Result<Place, DefinitionError> {
    Ok(match start {
        wire::Start::Start => Place::Start,
        wire::Start::End => Place::End,
        wire::Start::Time(time) => Place::Time(Timestamp(time.as_millisecond())),
        wire::Start::Cursor(cursor) => {
            let position = Position::parse(cursor);
            Place::After(position.ok_or_else(|| DefinitionError::Cursor { cursor: cursor.clone() })?)
        }
    })
}

fn span(duration: wire::Duration) -> Span {
    Span(duration.as_millis())
}
