//! What is checked at the door, before the mailbox: schemas, and who would take a command.
//!
//! An admitted event carries the version of the definitions it was checked against; the core refuses it as stale when
//! they have changed meanwhile, and it is checked again.

mod schema;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use cantus_core::command::Admitted;
use cantus_core::event::{Event, EventSubject, Kind};
use cantus_core::filter::Filter;
use cantus_core::subscription::SubscriptionId;
use cantus_core::topic::{Pattern, Validation};
use cantus_core::{Refusal, State, Text, hash};

use self::schema::Compiled;

/// An event before the door: all its blanks are filled.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The event.
    pub event: Arc<Event>,
    /// The hash of what the client sent.
    pub content: u64,
}

/// The definitions in force, as the door needs them.
pub struct Admission {
    current: RwLock<Arc<Definitions>>,
}

/// One version of the definitions.
#[derive(Default)]
pub(crate) struct Definitions {
    version: u64,
    schemas: HashMap<Text, TopicSchemas>,
    subscriptions: BTreeMap<SubscriptionId, Arc<Taker>>,
}

struct TopicSchemas {
    validation: Validation,
    by_type: BTreeMap<Text, TypeSchema>,
}

/// A schema as it was declared, and compiled. The next version of the definitions takes it over where it still says the
/// same: an agent that registers does not make every schema be compiled anew.
#[derive(Clone)]
struct TypeSchema {
    json: Text,
    compiled: Arc<Result<Compiled, String>>,
}

/// A subscription that may take commands. Taken over by the next version as well: one of ten thousand that changes does not make
/// the filters of all others be compiled anew.
struct Taker {
    topics: Vec<Pattern>,
    declared: Option<Text>,
    /// Compiled when the first command comes.
    filter: OnceLock<Filter>,
}

impl Admission {
    pub(crate) fn new(state: &State) -> Self {
        Self { current: RwLock::new(Arc::new(Definitions::of(state, &Definitions::default()))) }
    }

    pub(crate) fn current(&self) -> Arc<Definitions> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Follows the state: called by the turn when the definitions' version changed.
    pub(crate) fn follow(&self, state: &State) {
        if self.current().version != state.meta.definitions {
            let next = Arc::new(Definitions::of(state, &self.current()));
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = next;
        }
    }
}

impl Definitions {
    fn of(state: &State, before: &Definitions) -> Self {
        let mut schemas = HashMap::new();
        for (name, topic) in &state.topics {
            if topic.definition.schemas.is_empty() {
                continue;
            }
            let known = before.schemas.get(name.text());
            let by_type = topic.definition.schemas.iter().map(|schema| {
                let same = known.and_then(|known| known.by_type.get(&schema.event_type));
                let same = same.filter(|same| same.json == schema.json).cloned();
                let made = || TypeSchema {
                    json: schema.json.clone(),
                    compiled: Arc::new(Compiled::new(&schema.json)),
                };
                (schema.event_type.clone(), same.unwrap_or_else(made))
            });
            let by_type = by_type.collect();
            let validation = topic.definition.validation;
            schemas.insert(name.text().clone(), TopicSchemas { validation, by_type });
        }
        let subscriptions = state.subscription_numbers.iter();
        let subscriptions = subscriptions
            .filter_map(|(id, number)| {
                let definition = state.subscriptions.get(number)?.definition();
                let (topics, declared) = (&definition.topics, &definition.filter);
                let same = before.subscriptions.get(id);
                let same = same.filter(|same| same.topics == *topics && same.declared == *declared).cloned();
                let made = || {
                    let (topics, declared) = (topics.clone(), declared.clone());
                    Arc::new(Taker { topics, declared, filter: OnceLock::new() })
                };
                Some((id.clone(), same.unwrap_or_else(made)))
            })
            .collect();
        Self { version: state.meta.definitions, schemas, subscriptions }
    }

    pub(crate) fn admit(&self, draft: &Draft, index: usize) -> Result<Admitted, Refusal> {
        let event = &draft.event;
        let warnings = self.check_schema(event, index)?;
        let takers = if event.kind == Kind::Command { self.takers(event) } else { Vec::new() };
        Ok(Admitted {
            event: event.clone(),
            content: draft.content,
            identity: hash::identity(&event.source, &event.id),
            warnings,
            takers,
            definitions: self.version,
        })
    }

    /// Checks an event against its type's schema in its topic. Returns warnings where the topic only warns.
    pub(crate) fn check_schema(&self, event: &Event, index: usize) -> Result<Vec<Text>, Refusal> {
        let Some(topic) = self.schemas.get(event.topic.text()) else { return Ok(Vec::new()) };
        let Some(schema) = topic.by_type.get(&event.event_type) else { return Ok(Vec::new()) };
        let errors = match schema.compiled.as_ref() {
            Ok(compiled) => compiled.violations(event),
            Err(reason) => {
                vec![(Text::from(""), Text::from(format!("the schema can not be used: {reason}")))]
            }
        };
        let Some((pointer, first)) = errors.first() else { return Ok(Vec::new()) };
        let at = if pointer.is_empty() { String::new() } else { format!(" at {pointer}") };
        let message = Text::from(format!("{first}{at}"));
        match topic.validation {
            Validation::Warn => {
                let text = format!("the payload breaks the schema of `{}`: {message}", event.event_type);
                Ok(vec![Text::from(text)])
            }
            Validation::Enforce => {
                Err(Refusal::SchemaViolation { event_type: event.event_type.clone(), message, errors, index })
            }
        }
    }

    fn takers(&self, event: &Event) -> Vec<SubscriptionId> {
        let subject = EventSubject::new(event);
        let takers = self.subscriptions.iter().filter(|(_, taker)| {
            taker.topics.iter().any(|pattern| pattern.matches(event.topic.as_str()))
                && taker.filter.get_or_init(|| filter_of(taker.declared.as_ref())).matches(&subject)
        });
        takers.map(|(id, _)| id.clone()).collect()
    }
}

/// Compiles a stored filter. It was checked when it was declared; one that an older version took and this one does
/// not matches nothing.
pub(crate) fn filter_of(declared: Option<&Text>) -> Filter {
    let Some(declared) = declared else { return Filter::everything() };
    let compiled = serde_json::from_str(declared).ok().map(|declared| Filter::compile(&declared));
    match compiled {
        Some(Ok(filter)) => filter,
        Some(Err(error)) => {
            tracing::error!(filter = %declared, %error, "a stored filter can not be used any more and matches nothing");
            nothing()
        }
        None => nothing(),
    }
}

fn nothing() -> Filter {
    let never = serde_json::json!("false");
    Filter::compile(&never).expect("`false` is a filter")
}
