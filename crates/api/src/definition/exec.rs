//! Exec: run a program for each event.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::confinement::{ExecLimits, Network, Sandbox};
use super::{Duration, EventType, TopicName};

/// A program and how it is run. There is no shell between: the list is the program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exec {
    /// The program and its arguments; never empty. A program with a slash is looked for from `cwd`, one without in
    /// `PATH`.
    pub argv: Vec<String>,
    /// The folder it runs in; in a file, relative to that file, and the file's own folder when left out.
    pub cwd: Option<String>,
    /// Variables it gets besides the ones every program gets.
    pub env: BTreeMap<String, String>,
    /// Variables of the server it gets too, by name.
    pub pass_env: Vec<String>,
    /// What it reads.
    pub stdin: Stdin,
    /// The text it reads with `stdin: prompt`; `{{…}}` takes values of the event.
    pub prompt: Option<String>,
    /// How long an attempt may take.
    pub timeout: Duration,
    /// The event that says that a delivery's first attempt starts.
    pub on_start: Option<Box<Announce>>,
    /// The event its plain output becomes.
    pub on_success: Option<OnSuccess>,
    /// The event that says that a delivery became a dead letter.
    pub on_failure: Option<Box<Announce>>,
    /// How it is confined; left out, the server decides, and it is strict when any of the next four is given.
    pub sandbox: Option<Sandbox>,
    /// Which network it has in a strict sandbox; none when left out.
    pub network: Option<Network>,
    /// Files and folders it may read in a strict sandbox.
    pub readable: Vec<String>,
    /// Files and folders it may change in a strict sandbox.
    pub writable: Vec<String>,
    /// How much it may use in a strict sandbox.
    pub limits: Option<Box<ExecLimits>>,
    /// How many run at the same time, 1 to 10,000.
    pub concurrency: Option<u32>,
}

impl Exec {
    /// How long an attempt may take when nothing is said.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);

    /// Returns how it is confined, as far as the action says: what only a strict sandbox knows asks for one.
    pub fn asks_for(&self) -> Option<Sandbox> {
        self.sandbox.or(self.key_of_strict().map(|_| Sandbox::Strict))
    }

    /// Returns a key it has that only a strict sandbox knows.
    pub fn key_of_strict(&self) -> Option<&'static str> {
        [
            (self.network.is_some(), "network"),
            (!self.readable.is_empty(), "readable"),
            (!self.writable.is_empty(), "writable"),
            (self.limits.is_some(), "limits"),
        ]
        .into_iter()
        .find_map(|(given, key)| given.then_some(key))
    }
}

/// What a program reads on its standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stdin {
    /// The event as CloudEvents JSON.
    #[default]
    Event,
    /// The data alone, as its bytes came.
    Data,
    /// The prompt.
    Prompt,
}

/// The event that plain output becomes when the program ends well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnSuccess {
    /// Its type.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// Its topic; left out, the topic of the event that was handled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<TopicName>,
    /// What of the output becomes its data.
    #[serde(default)]
    pub data: SuccessData,
}

/// An event that says what happens to a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Announce {
    /// Its type.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// Its topic; left out, the topic of the event that is handled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<TopicName>,
    /// Its data, as CEL over the event that is handled; left out, what is known of the delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

/// What of a program's output becomes data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SuccessData {
    /// The output as text.
    #[default]
    Stdout,
    /// The output read as JSON.
    StdoutJson,
}
