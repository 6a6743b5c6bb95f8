//! The whole: sections of one file put together with those of the files it includes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cantus_api::definition::{AgentName, Definitions, Server, TopicName};

use crate::diagnostic::Fault;
use crate::source::{MAX_SOURCE_BYTES, Sources, Span};
use crate::yaml::{self, Node};

use super::places::AgentPlaces;
use super::{Fields, Reader, agent, retry, section, server, topic};

/// The sections that work.
pub(super) const SECTIONS: [&str; 7] =
    ["version", "name", "include", "server", "retry_policies", "topics", "agents"];
const WORKS: &str =
    "remove it for now; version, name, include, server, retry_policies, topics and agents work today";
/// The sections that later versions bring.
pub(super) const LATER_SECTIONS: [(&str, &str); 4] =
    [("aggregators", WORKS), ("sagas", WORKS), ("schedules", WORKS), ("bridges", WORKS)];

/// What was read so far, with the places of what checks will look at together.
#[derive(Default)]
pub(crate) struct Draft {
    pub definitions: Definitions,
    pub server: Server,
    pub agents: Vec<AgentPlaces>,
    policies: BTreeMap<String, Span>,
    topics: BTreeMap<TopicName, Span>,
    agent_names: BTreeMap<AgentName, Span>,
}

/// Files with schemas that were read, kept for watching.
#[derive(Default)]
pub(crate) struct SchemaFiles {
    read: RefCell<Vec<PathBuf>>,
}

impl SchemaFiles {
    pub(crate) fn into_paths(self) -> Vec<PathBuf> {
        self.read.into_inner()
    }

    /// Reads a schema file of JSON or YAML.
    pub(super) fn read(&self, path: &Path) -> Result<serde_json::Value, String> {
        let mut read = self.read.borrow_mut();
        if !read.iter().any(|known| known == path) {
            read.push(path.to_owned());
        }
        let bytes = crate::disk::read(path, MAX_SOURCE_BYTES).map_err(|error| error.to_string())?;
        let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        if path.extension().is_some_and(|extension| extension == "json") {
            return serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"));
        }
        let mut sources = Sources::default();
        let id = sources.add(crate::source::Source {
            name: path.display().to_string(),
            text: text.to_owned(),
            folder: PathBuf::new(),
        });
        let (node, faults) = yaml::parse(id, text, 0);
        let environment = crate::Environment::default();
        let reader = Reader::new(&sources, &environment);
        let schema = node.filter(|_| faults.is_empty()).and_then(|node| reader.json(&node));
        let faults: Vec<Fault> = faults.into_iter().chain(reader.into_faults()).collect();
        match (schema, faults.first()) {
            (Some(schema), None) => Ok(schema),
            (_, Some(fault)) => Err(format!("{}: {}", sources.position(fault.span), fault.message)),
            (None, None) => Err("it is empty".to_owned()),
        }
    }
}

/// Opens a document and gives what it includes. The main one must say its version.
pub(crate) fn document<'r, 'n>(reader: &'r Reader<'r>, root: &'n Node, main: bool) -> Option<Fields<'r, 'n>> {
    let fields = Fields::open(reader, root, "a cantus file", &SECTIONS, &LATER_SECTIONS)?;
    let version = if main { fields.required("version", "version: 1") } else { fields.get("version") };
    if let Some(node) = version
        && !matches!(&node.value, yaml::Value::Scalar(scalar) if scalar.text == "1")
    {
        reader
            .say(Fault::error(node.span, "this version of the file is not known").hint("write `version: 1`"));
    }
    if !main {
        for key in ["name", "server"] {
            if let Some(entry) = fields.entry(key) {
                reader.say(
                    Fault::error(
                        entry.key_span,
                        format!("`{key}` belongs into the main file, and this one is included"),
                    )
                    .hint("move it there"),
                );
            }
        }
    }
    Some(fields)
}

impl Draft {
    /// Reads the sections that others refer to: retry policies, and what only the main file has.
    pub(crate) fn take_policies(&mut self, reader: &Reader<'_>, fields: &Fields<'_, '_>, main: bool) {
        if main {
            self.definitions.name = fields.text("name");
            if let Some(server) = fields.get("server").and_then(|node| server::server(reader, node)) {
                self.server = server;
            }
        }
        let Some(node) = fields.get("retry_policies") else { return };
        for item in section::items(reader, node, "retry policy", "retry_policy_id") {
            let policy = retry::policy(reader, item.body).unwrap_or_default();
            if self.is_new(reader, &item.id, "retry policy", item.id_span, |draft| {
                draft.policies.get(&item.id).copied()
            }) {
                self.policies.insert(item.id.clone(), item.id_span);
                self.definitions.retry_policies.insert(item.id, policy);
            }
        }
    }

    /// Reads topics and agents.
    pub(crate) fn take(&mut self, reader: &Reader<'_>, fields: &Fields<'_, '_>, schemas: &SchemaFiles) {
        for item in fields
            .get("topics")
            .map(|node| section::items(reader, node, "topic", "topic_id"))
            .unwrap_or_default()
        {
            let name = match TopicName::parse(&item.id) {
                Ok(name) => name,
                Err(error) => {
                    reader.refuse(item.id_span, &error);
                    continue;
                }
            };
            let topic = topic::topic(reader, item.body, schemas).unwrap_or_default();
            if self.is_new(reader, name.as_str(), "topic", item.id_span, |draft| {
                draft.topics.get(&name).copied()
            }) {
                self.topics.insert(name.clone(), item.id_span);
                self.definitions.topics.insert(name, topic);
            }
        }
        for item in fields
            .get("agents")
            .map(|node| section::items(reader, node, "agent", "agent_id"))
            .unwrap_or_default()
        {
            let name = match AgentName::parse(&item.id) {
                Ok(name) => name,
                Err(error) => {
                    reader.refuse(item.id_span, &error);
                    continue;
                }
            };
            let policies = &self.definitions.retry_policies;
            if let Some((agent, places)) = agent::agent(reader, name, item.id_span, item.body, policies) {
                self.add_agent(reader, agent, places);
            }
        }
    }

    /// Adds an agent, unless there is one of its name.
    pub(crate) fn add_agent(
        &mut self,
        reader: &Reader<'_>,
        agent: cantus_api::definition::Agent,
        places: AgentPlaces,
    ) {
        let first = |draft: &Self| draft.agent_names.get(&places.agent).copied();
        if self.is_new(reader, places.agent.as_str(), "agent", places.name, first) {
            self.agent_names.insert(places.agent.clone(), places.name);
            self.definitions.agents.insert(places.agent.clone(), agent);
            self.agents.push(places);
        }
    }

    fn is_new(
        &self,
        reader: &Reader<'_>,
        id: &str,
        kind: &str,
        second: Span,
        first: impl FnOnce(&Self) -> Option<Span>,
    ) -> bool {
        let Some(first) = first(self) else { return true };
        reader.say(
            Fault::error(second, format!("the {kind} `{id}` is declared twice"))
                .hint(format!("remove one of them; the first is at {}", Fault::PLACE))
                .with_place(first),
        );
        false
    }

    /// Returns where a topic is declared.
    pub(crate) fn topic_place(&self, name: &TopicName) -> Option<Span> {
        self.topics.get(name).copied()
    }
}
