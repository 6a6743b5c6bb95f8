//! The world around a node: who does what next is drawn, step by step.
//!
//! Read `act` (which step comes), `power` (starts and ends of the process), `ask` (requests and their answers),
//! `publisher`, `worker` (agents that pull), `pusher` (attempts that are carried out for them), `operator`, `bulk`, `drain`, `rot`.

mod act;
mod ask;
mod bulk;
mod drain;
mod operator;
mod power;
mod publisher;
mod pusher;
mod rot;
mod worker;

use std::collections::VecDeque;
use std::sync::Arc;

use cantus_engine::local::model_disk::{Faults, ModelDisk};
use cantus_runtime::simulation::Node;

use crate::chance::Chance;
use crate::checkpoint::KeptRows;
use crate::judge::{Judge, Violation};
use crate::settings::Settings;
use crate::time::VirtualTime;
use crate::trace::Trace;

use ask::InFlight;
use power::Armed;
use publisher::Again;
use pusher::Running;
use worker::Worker;

/// What a step leads to.
pub(crate) type Lived = Result<(), Violation>;

/// What is broken on purpose. A simulation that does not find it is worth nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sabotage {
    /// Nothing.
    #[default]
    None,
    /// The disk says that bytes are safe, and they are not: answers leave before what they rest on is durable.
    LyingSyncs,
    /// The disk forgets directory entries that it said were safe.
    LyingDirectorySyncs,
    /// The checkpoint does not keep the ids that were seen.
    DedupeForgotten,
    /// One in so many offers of the feeder never comes to the turn.
    OffersLost,
    /// Deliveries are told to workers twice.
    GivenTwice,
    /// What is lost is not shown as a gap.
    GapsHidden,
    /// A breaker closes, and nobody says so.
    ClosedUntold,
    /// A key that waits for a person goes on by itself.
    KeysLetGo,
    /// More attempts begin than the rate allows.
    RateIgnored,
    /// An item of a bulk operation has its turn, and nobody says so.
    TurnsUntold,
    /// A subscription loses events that were held as long as they may be, and is not told.
    LossesUntold,
    /// Events go before their time.
    GoneEarly,
}

/// How much happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Starts of the process.
    pub starts: u64,
    /// Losses of power.
    pub power_cuts: u64,
    /// Kills.
    pub kills: u64,
    /// Syncs that failed.
    pub failed_syncs: u64,
    /// Events that were acknowledged.
    pub acknowledged: u64,
    /// Deliveries that workers were given.
    pub given: u64,
    /// Answers that were judged.
    pub answers: u64,
    /// Durable facts that were judged.
    pub facts: u64,
    /// Passes of housekeeping.
    pub passes: u64,
    /// Segments that were written anew or dropped.
    pub rewritten: u64,
    /// Bits that flipped.
    pub flipped: u64,
    /// Facts that were lost by that, and were told lost.
    pub lost: u64,
}

impl Counts {
    /// Adds those of another run.
    pub fn add(&mut self, other: &Counts) {
        self.starts += other.starts;
        self.power_cuts += other.power_cuts;
        self.kills += other.kills;
        self.failed_syncs += other.failed_syncs;
        self.acknowledged += other.acknowledged;
        self.given += other.given;
        self.answers += other.answers;
        self.facts += other.facts;
        self.passes += other.passes;
        self.rewritten += other.rewritten;
        self.flipped += other.flipped;
        self.lost += other.lost;
    }
}

/// The world around a node.
pub(crate) struct World {
    settings: Settings,
    chance: Chance,
    sabotage: Sabotage,
    pub(crate) trace: Trace,
    pub(crate) step: u64,
    pub(crate) counts: Counts,
    time: Arc<VirtualTime>,
    disk: ModelDisk,
    faults: Faults,
    armed: Option<Armed>,
    rows: KeptRows,
    node: Option<Node>,
    judge: Judge,
    /// Definitions were asked for, and the answer was seen.
    is_set_up: bool,
    requests: Vec<InFlight>,
    request_next: u64,
    event_next: u64,
    again: VecDeque<Again>,
    published: Vec<Again>,
    workers: Vec<Worker>,
    running: Vec<Running>,
    /// Agents do what they are asked, nothing else goes wrong.
    is_kind: bool,
    /// So many passes of housekeeping are made before the end is judged.
    passes_left: u32,
}

impl World {
    pub(crate) fn new(settings: Settings, chance: Chance, sabotage: Sabotage, told: bool) -> Self {
        let disk = ModelDisk::default();
        let workers = (0..settings.subscriptions).flat_map(|number| [Worker::of(number), Worker::of(number)]);
        let workers = workers.collect();
        let rows = KeptRows::new(sabotage == Sabotage::DedupeForgotten);
        Self {
            settings,
            chance,
            sabotage,
            trace: Trace::new(told),
            step: 0,
            counts: Counts::default(),
            time: Arc::default(),
            disk,
            faults: Faults::default(),
            armed: None,
            rows,
            node: None,
            judge: Judge::new(sabotage),
            is_set_up: false,
            requests: Vec::new(),
            request_next: 0,
            event_next: 0,
            again: VecDeque::new(),
            published: Vec::new(),
            workers,
            running: Vec::new(),
            is_kind: false,
            passes_left: 0,
        }
    }

    /// Lives, is drained, and is judged.
    pub(crate) fn live(&mut self) -> Lived {
        while self.step < self.settings.steps {
            self.step += 1;
            self.act()?;
        }
        self.drain()?;
        if self.settings.troubles.rot { self.rot() } else { Ok(()) }
    }

    fn tell(&mut self, line: String) {
        let time = self.node.as_ref().map_or(0, |node| node.now().0 % 100_000_000);
        self.trace.line(format!("{:>4} {time:>8} {line}", self.step));
    }
}
