//! Definitions: what a file or a request declares becomes what the core installs.

use cantus_api::definition as wire;
use cantus_api::error::{Code, Problem};
use cantus_core::agent::{Agent, AgentName, AgentPattern, Origin};
use cantus_core::filter::{Expression, Filter, InvalidFilter};
use cantus_core::subscription::retry::{Backoff, Policy};
use cantus_core::subscription::{
    Action, AfterDeadLetter, Announce, Confinement, ExecAction, ExecLimits, Feed, Network, OnSuccess, Order,
    PauseAction, Place, Produced, PublishAction, Rate, Sandbox, Subscription, SubscriptionId, Until, breaker,
};
use cantus_core::topic::{InvalidName, Pattern, Schema, Topic, TopicName, Validation};
use cantus_core::{Position, Span, Text, Timestamp};

use super::webhook::{self, WebhookRules};

/// How many deliveries may be leased or wait for a retry at once when nothing is said.
const MAX_IN_FLIGHT_DEFAULT: u32 = 10_000;

/// What the server adds to definitions that do not say it.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// How programs are confined; absent, an exec action that does not say is refused.
    pub sandbox: Option<wire::Sandbox>,
    /// How long and how many event ids are remembered per topic.
    pub dedupe: Option<wire::Dedupe>,
    /// What webhooks are allowed.
    pub webhooks: WebhookRules,
}

/// Returns a topic for the core.
///
/// # Errors
/// `TOPIC_INVALID`, when a name inside breaks its rules.
pub fn topic(topic: &wire::Topic, defaults: &Defaults) -> Result<Topic, Box<Problem>> {
    let dedupe = defaults.dedupe.unwrap_or_default();
    let agents = |list: &[wire::AgentPattern]| {
        let patterns = list.iter().map(|agent| AgentPattern::parse(agent.as_str()));
        patterns.collect::<Result<Vec<_>, _>>().map_err(|wrong| name(Code::TopicInvalid, &wrong))
    };
    for (event_type, schema) in &topic.schemas {
        if let Some(wrong) = cantus_file::schema_problem(schema) {
            let detail =
                format!("the schema of `{}` can not be used: {}", event_type.as_str(), wrong.message);
            let place = format!("#/schemas/{}{}", event_type.as_str(), wrong.pointer);
            let problem = Problem::new(Code::TopicInvalid, detail).at(place, wrong.message);
            return Err(Box::new(problem.hint(wrong.hint)));
        }
    }
    Ok(Topic {
        description: topic.description.as_deref().map(Text::from),
        schemas: topic
            .schemas
            .iter()
            .map(|(event_type, schema)| Schema {
                event_type: Text::from(event_type.as_str()),
                json: Text::from(schema.to_string()),
            })
            .collect(),
        validation: match topic.validation {
            wire::Validation::Enforce => Validation::Enforce,
            wire::Validation::Warn => Validation::Warn,
        },
        publishers: agents(&topic.publishers)?,
        subscribers: agents(&topic.subscribers)?,
        retain_age: topic.retain.map(span),
        retain_bytes: topic.retain_bytes.map(|size| size.bytes()),
        compact: topic.compact,
        dedupe_ids: dedupe.ids.map(u64::from),
        dedupe_age: dedupe.window.map(span),
        declared: true,
        origin: None,
    })
}

/// Returns the name of a topic for the core.
///
/// # Errors
/// `TOPIC_INVALID`.
pub fn topic_name(text: &str) -> Result<TopicName, Box<Problem>> {
    TopicName::parse(text).map_err(|wrong| name(Code::TopicInvalid, &wrong))
}

/// Returns the address of an agent for the core.
///
/// # Errors
/// `AGENT_INVALID`.
pub fn agent_name(text: &str) -> Result<AgentName, Box<Problem>> {
    AgentName::parse(text).map_err(|wrong| name(Code::AgentInvalid, &wrong))
}

/// Returns a declared agent for the core, without its subscriptions.
pub fn agent(agent: &wire::Agent, origin: Origin) -> Agent {
    let types = |list: &[wire::EventType]| list.iter().map(|one| Text::from(one.as_str())).collect();
    Agent {
        description: agent.description.as_deref().map(Text::from),
        publishes: types(&agent.publishes),
        handles: types(&agent.handles),
        prompt: agent.prompt.as_deref().map(Text::from),
        origin,
    }
}

/// What a subscription's definition does not hold itself.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// Whose it is.
    pub agent: &'a wire::AgentName,
    /// The policy it follows.
    pub retry: &'a wire::RetryPolicy,
    /// What its agent says to a language model, for an exec action without a prompt of its own.
    pub prompt: Option<&'a str>,
    /// Who brings it.
    pub origin: Origin,
    /// What the server adds.
    pub defaults: &'a Defaults,
}

/// Returns a subscription for the core, with its id. Everything in it is checked.
///
/// # Errors
/// `SUBSCRIPTION_INVALID`, `SUBSCRIPTION_FILTER_INVALID`, `CURSOR_INVALID` and `EXEC_NOT_ALLOWED`, with pointers into the
/// subscription.
pub fn subscription(
    it: &wire::Subscription,
    around: &Around<'_>,
) -> Result<(SubscriptionId, Subscription), Box<Problem>> {
    let Some(own_name) = it.effective_name() else {
        let detail = "is missing: a subscription to several topics, or to a pattern, has a name of its own";
        return Err(invalid("#/name", format!("`name` {detail}")));
    };
    let id = SubscriptionId::new(around.agent.as_str(), own_name.as_str())
        .map_err(|wrong| name(Code::SubscriptionInvalid, &wrong))?;
    let topics = it.topics.iter().map(|topic| Pattern::parse(topic.as_str())).collect::<Result<_, _>>();
    let filter = match &it.filter {
        None | Some(serde_json::Value::Null) => None,
        Some(filter) => {
            Filter::compile(filter)
                .map_err(|wrong| filter_problem(Code::SubscriptionFilterInvalid, &wrong, "#/filter"))?;
            Some(Text::from(filter.to_string()))
        }
    };
    let action = action(&it.action, around)?;
    let concurrency = it.effective_concurrency();
    bounds("concurrency", concurrency, wire::Subscription::MAX_CONCURRENCY)?;
    let max_in_flight = it.max_in_flight.unwrap_or(MAX_IN_FLIGHT_DEFAULT.max(concurrency));
    bounds("max_in_flight", max_in_flight, wire::Subscription::MAX_IN_FLIGHT)?;
    if it.lease.is_some_and(|lease| lease.is_zero()) {
        return Err(invalid("#/lease", "`lease` can not be 0: every lease would be over at once".to_owned()));
    }
    let lease_default = if matches!(action, Action::Inbox) { Span::minutes(5) } else { Span::seconds(30) };
    let definition = Subscription {
        topics: topics.map_err(|wrong: InvalidName| name(Code::SubscriptionInvalid, &wrong))?,
        filter,
        action,
        retry: policy(around.retry),
        concurrency,
        max_in_flight,
        order: match it.order {
            wire::Order::Key => Order::Key,
            wire::Order::None => Order::None,
            wire::Order::Topic => Order::Topic,
        },
        after_dead_letter: match it.after_dead_letter {
            wire::AfterDeadLetter::Continue => AfterDeadLetter::Continue,
            wire::AfterDeadLetter::HoldKey => AfterDeadLetter::HoldKey,
        },
        lease: it.lease.map_or(lease_default, span),
        from: place(&it.from)?,
        renamed_from: it.renamed_from.as_ref().map(|name| Text::from(name.as_str())),
        origin: around.origin,
        breaker: it.breaker.map(breaker),
        rate: it.rate.map(|rate| Rate { count: rate.count(), per: span(rate.per()) }),
        max_lifetime: max_lifetime(it)?,
        on_start: announced(it, "on_start", |exec| exec.on_start.as_deref())?,
        on_failure: announced(it, "on_failure", |exec| exec.on_failure.as_deref())?,
    };
    Ok((id, definition))
}

fn breaker(declared: wire::Breaker) -> breaker::Policy {
    match declared {
        wire::Breaker::Off => breaker::Policy::OFF,
        wire::Breaker::On(policy) => breaker::Policy {
            failure_threshold: policy.failure_threshold,
            initial_pause: span(policy.initial_pause),
            max_pause: span(policy.max_pause),
        },
    }
}

fn max_lifetime(it: &wire::Subscription) -> Result<Option<Span>, Box<Problem>> {
    let Some(max_lifetime) = it.max_lifetime else { return Ok(None) };
    if !matches!(it.action, wire::Action::Inbox(_)) {
        let detail = "`max_lifetime` belongs to an inbox; `timeout` ends an attempt of the server's";
        return Err(invalid("#/max_lifetime", detail.to_owned()));
    }
    if max_lifetime.is_zero() {
        return Err(invalid("#/max_lifetime", "`max_lifetime` can not be 0".to_owned()));
    }
    Ok(Some(span(max_lifetime)))
}

/// Returns the event that announces something of a program's deliveries.
fn announced(
    it: &wire::Subscription,
    key: &str,
    of: impl Fn(&wire::Exec) -> Option<&wire::Announce>,
) -> Result<Option<Announce>, Box<Problem>> {
    let wire::Action::Exec(exec) = &it.action else { return Ok(None) };
    let Some(announce) = of(exec) else { return Ok(None) };
    if let Some(data) = &announce.data {
        Expression::compile(data).map_err(|wrong| {
            filter_problem(Code::SubscriptionInvalid, &wrong, &format!("#/action/{key}/data"))
        })?;
    }
    Ok(Some(Announce {
        event_type: Text::from(announce.event_type.as_str()),
        topic: match &announce.topic {
            Some(topic) => Some(topic_name(topic.as_str())?),
            None => None,
        },
        data: announce.data.as_deref().map(Text::from),
    }))
}

fn bounds(key: &str, value: u32, max: u32) -> Result<(), Box<Problem>> {
    if (1..=max).contains(&value) {
        return Ok(());
    }
    Err(invalid(&format!("#/{key}"), format!("`{key}` is {value}; it can be 1 to {max}")))
}

fn place(start: &wire::Start) -> Result<Place, Box<Problem>> {
    Ok(match start {
        wire::Start::Start => Place::Start,
        wire::Start::End => Place::End,
        wire::Start::Time(time) => Place::Time(Timestamp(time.as_millisecond())),
        wire::Start::Cursor(cursor) => Place::After(Position::parse(cursor).ok_or_else(|| {
            let detail = format!("`{cursor}` is no cursor of this server");
            Box::new(Problem::new(Code::CursorInvalid, detail.clone()).at("#/from", detail))
        })?),
    })
}

fn action(action: &wire::Action, around: &Around<'_>) -> Result<Action, Box<Problem>> {
    Ok(match action {
        wire::Action::Inbox(_) => Action::Inbox,
        wire::Action::Exec(exec) => Action::Exec(Box::new(exec_action(exec, around)?)),
        wire::Action::Webhook(it) => {
            Action::Webhook(Box::new(webhook::action(it, around.origin, &around.defaults.webhooks)?))
        }
        wire::Action::Publish(publish) => {
            let part = |key: &str, text: Option<String>| {
                let Some(text) = text else { return Ok(None) };
                Expression::compile(&text).map_err(|wrong| {
                    filter_problem(Code::SubscriptionInvalid, &wrong, &format!("#/action/publish/{key}"))
                })?;
                Ok::<_, Box<Problem>>(Some(Text::from(text)))
            };
            // A plain name is that name: as an expression it is a text of its own.
            let value = |text: &wire::ValueText| match text.name() {
                Some(name) => format!("\"{name}\""),
                None => text.0.clone(),
            };
            Action::Publish(PublishAction {
                event_type: part("type", publish.event_type.as_ref().map(value))?,
                topic: part("topic", publish.topic.as_ref().map(value))?,
                data: part("data", publish.data.clone())?,
            })
        }
        wire::Action::Pause(pause) => {
            let agents = pause.agents.iter().map(|agent| AgentPattern::parse(agent.as_str()));
            let agents = agents.collect::<Result<Vec<_>, _>>();
            Action::Pause(PauseAction {
                agents: agents.map_err(|wrong| name(Code::SubscriptionInvalid, &wrong))?,
                until: match &pause.until {
                    wire::PauseUntil::After(duration) => Until::After(span(*duration)),
                    wire::PauseUntil::Event { event_type } => {
                        let filter = serde_json::json!({ "type": event_type.as_str() });
                        Until::Event(Text::from(filter.to_string()))
                    }
                },
            })
        }
    })
}

fn exec_action(exec: &wire::Exec, around: &Around<'_>) -> Result<ExecAction, Box<Problem>> {
    let sandbox = match exec.asks_for().or(around.defaults.sandbox) {
        Some(wire::Sandbox::None) => Sandbox::None,
        Some(wire::Sandbox::Strict) => Sandbox::Strict,
        None => {
            let detail = format!(
                "the exec action of {} does not say how its program is confined, and neither does this server",
                around.agent
            );
            let hint = "write `sandbox: strict` into the action, or `sandbox: none` to run it unconfined";
            let problem = Problem::new(Code::ExecNotAllowed, detail.clone()).at("#/action/sandbox", detail);
            return Err(Box::new(problem.hint(hint)));
        }
    };
    let prompt = exec.prompt.as_deref().or(around.prompt.filter(|_| exec.stdin == wire::Stdin::Prompt));
    Ok(ExecAction {
        argv: exec.argv.iter().map(|one| Text::from(one.as_str())).collect(),
        cwd: exec.cwd.as_deref().map(Text::from),
        env: exec.env.iter().map(|(name, value)| (Text::from(&**name), Text::from(&**value))).collect(),
        pass_env: exec.pass_env.iter().map(|one| Text::from(one.as_str())).collect(),
        stdin: match exec.stdin {
            wire::Stdin::Event => Feed::Event,
            wire::Stdin::Data => Feed::Data,
            wire::Stdin::Prompt => Feed::Prompt,
        },
        prompt: prompt.map(Text::from),
        timeout: span(exec.timeout),
        on_success: match &exec.on_success {
            None => None,
            Some(on_success) => Some(OnSuccess {
                event_type: Text::from(on_success.event_type.as_str()),
                topic: match &on_success.topic {
                    Some(topic) => Some(topic_name(topic.as_str())?),
                    None => None,
                },
                data: match on_success.data {
                    wire::SuccessData::Stdout => Produced::Stdout,
                    wire::SuccessData::StdoutJson => Produced::StdoutJson,
                },
            }),
        },
        sandbox,
        confinement: (sandbox == Sandbox::Strict).then(|| confinement(exec)),
    })
}

fn confinement(exec: &wire::Exec) -> Confinement {
    let paths = |paths: &[String]| paths.iter().map(|path| Text::from(path.as_str())).collect();
    let limits = exec.limits.clone().unwrap_or_default();
    Confinement {
        network: match exec.network {
            None | Some(wire::Network::None) => Network::None,
            Some(wire::Network::Host) => Network::Host,
        },
        readable: paths(&exec.readable),
        writable: paths(&exec.writable),
        limits: ExecLimits {
            memory: limits.memory.map(|size| size.bytes()),
            cpu: limits.cpu.map(span),
            processes: limits.processes,
            files: limits.files,
            file_size: limits.file_size.map(|size| size.bytes()),
            output: limits.output.map(|size| size.bytes()),
        },
    }
}

/// Returns a retry policy for the core.
pub fn policy(policy: &wire::RetryPolicy) -> Policy {
    let classes = |list: &[wire::FailureClass]| list.iter().map(|one| Text::from(one.to_string())).collect();
    // The bounds of a policy keep both far inside the range.
    let thousandths = |share: f64| (share * 1000.0).round() as u32;
    Policy {
        max_retries: policy.max_retries,
        backoff: match policy.backoff_type {
            wire::Backoff::Exponential => Backoff::Exponential,
            wire::Backoff::Linear => Backoff::Linear,
            wire::Backoff::Fixed => Backoff::Fixed,
        },
        initial_delay: span(policy.initial_delay),
        max_delay: span(policy.max_delay),
        retry_on: classes(&policy.retry_on),
        no_retry_on: classes(&policy.no_retry_on),
        multiplier_thousandths: thousandths(policy.multiplier),
        jitter_thousandths: thousandths(policy.jitter),
    }
}

fn span(duration: wire::Duration) -> Span {
    Span(duration.as_millis())
}

fn name(code: Code, wrong: &InvalidName) -> Box<Problem> {
    Box::new(Problem::new(code, wrong.to_string()))
}

fn invalid(pointer: &str, detail: String) -> Box<Problem> {
    Box::new(Problem::new(Code::SubscriptionInvalid, detail.clone()).at(pointer, detail))
}

/// Returns the problem of a wrong filter or expression, whose place begins at `pointer`.
pub fn filter_problem(code: Code, wrong: &InvalidFilter, pointer: &str) -> Box<Problem> {
    let detail = format!("line {}, column {}: {}", wrong.line, wrong.column, wrong.message);
    let problem = Problem::new(code, detail.clone()).at(format!("{pointer}{}", wrong.pointer), detail);
    Box::new(match &wrong.hint {
        Some(hint) => problem.hint(hint.clone()),
        None => problem,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(json: &str, defaults: &Defaults) -> Result<(SubscriptionId, Subscription), Box<Problem>> {
        let create: cantus_api::subscription::Create = cantus_api::json::read(json.as_bytes(), 128)?;
        let retry = wire::RetryPolicy::default();
        let around =
            Around { agent: &create.agent, retry: &retry, prompt: None, origin: Origin::Api, defaults };
        subscription(&create.subscription, &around)
    }

    #[test]
    fn a_wrong_filter_is_refused_with_its_place() {
        let json = r#"{"agent":"a","topic":"t","filter":{"all":[{"exact":{"type":"A"}},"type =="]}}"#;
        let problem = declared(json, &Defaults::default()).unwrap_err();
        assert!(problem.is(Code::SubscriptionFilterInvalid), "{problem}");
        assert!(problem.errors[0].pointer.as_deref().unwrap().starts_with("#/filter/"), "{problem}");
        assert!(problem.detail.contains("line 1, column"), "{problem}");
    }

    #[test]
    fn a_program_without_a_word_on_its_confinement_runs_only_where_the_server_says_how() {
        let json = r#"{"agent":"a","topic":"t","action":{"exec":["true"]}}"#;
        let refused = declared(json, &Defaults::default()).unwrap_err();
        assert!(refused.is(Code::ExecNotAllowed) && refused.hint.unwrap().contains("sandbox: none"));
        let defaults = Defaults { sandbox: Some(wire::Sandbox::None), ..Defaults::default() };
        assert!(declared(json, &defaults).is_ok());
    }

    #[test]
    fn what_only_a_strict_sandbox_knows_asks_for_one() {
        let defaults = Defaults { sandbox: Some(wire::Sandbox::None), ..Defaults::default() };
        let json = r#"{"agent":"a","topic":"t","action":{"exec":["true"],"network":"host","writable":["/srv/work"],"limits":{"memory":"1GiB"}}}"#;
        let (_, definition) = declared(json, &defaults).unwrap();
        let Action::Exec(exec) = definition.action else { panic!("it runs a program") };
        assert_eq!(exec.sandbox, Sandbox::Strict);
        let confinement = exec.confinement.unwrap();
        assert_eq!((confinement.network, confinement.limits.memory), (Network::Host, Some(1 << 30)));
        assert_eq!(confinement.writable, [Text::from("/srv/work")]);
    }

    #[test]
    fn a_plain_name_in_a_publish_action_is_that_name() {
        let json = r#"{"agent":"a","topic":"t","action":{"publish":{"topic":"other.topic","type":"data.next + 'x'"}}}"#;
        let (id, definition) = declared(json, &Defaults::default()).unwrap();
        assert_eq!(id.to_string(), "a/t");
        let Action::Publish(publish) = definition.action else { panic!("it publishes") };
        assert_eq!(publish.topic.as_deref(), Some("\"other.topic\""));
        assert_eq!(publish.event_type.as_deref(), Some("data.next + 'x'"));
    }

    #[test]
    fn several_topics_without_a_name_are_refused() {
        let problem = declared(r#"{"agent":"a","topics":["t","u"]}"#, &Defaults::default()).unwrap_err();
        assert!(
            problem.is(Code::SubscriptionInvalid) && problem.errors[0].pointer.as_deref() == Some("#/name")
        );
    }
}
