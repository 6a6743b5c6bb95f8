//! How the process starts and how it ends.

use std::path::Path;
use std::sync::Arc;

use cantus_core::coordinator::Limits;
use cantus_engine::Engine;
use cantus_engine::local::Options;
use cantus_engine::local::model_disk::Faults;
use cantus_runtime::Config;
use cantus_runtime::housekeeping::Settings as HousekeepingSettings;
use cantus_runtime::simulation::{Node, Outside};

use super::{Lived, Sabotage, World};
use crate::chance::Chance;
use crate::invariants::Look;
use crate::judge::Violation;
use crate::model::Fate;
use crate::wire::Plain;

/// What will go wrong at an operation of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Armed {
    Power,
    Kill,
    Sync,
}

pub(super) const DIR: &str = "log";

impl World {
    pub(super) fn options(&self) -> Options {
        Options {
            segment_bytes_first: self.settings.segment_bytes,
            segment_bytes_max: self.settings.segment_bytes * 2,
            reserve_bytes: 0,
            background: false,
            log_id: Some(7),
            disk: Arc::new(self.disk.clone()),
            ..Options::default()
        }
    }

    fn housekeeping(&self) -> Option<HousekeepingSettings> {
        let retention = self.settings.retention.as_ref()?;
        Some(HousekeepingSettings {
            hold_age: retention.hold_age,
            hold_bytes: retention.hold_bytes,
            history: retention.history,
            ..HousekeepingSettings::default()
        })
    }

    fn set_faults(&mut self, faults: Faults) {
        self.faults = Faults {
            no_device_reads: self.settings.no_device_reads,
            lying_syncs: self.sabotage == Sabotage::LyingSyncs,
            lying_directory_syncs: self.sabotage == Sabotage::LyingDirectorySyncs,
            ..faults
        };
        self.disk.set_faults(self.faults.clone());
    }

    pub(super) fn open_node(&mut self, engine: Box<dyn Engine>) -> Result<Node, Violation> {
        let mut chance = Chance::new(self.chance.draw());
        let outside = Outside {
            chance: Box::new(move || chance.draw()),
            checkpoint_facts: self.settings.checkpoint_facts,
            checkpoint_step: self.settings.checkpoint_step,
            cursor_lag: self.settings.cursor_lag,
        };
        let config = Config {
            version: "sim".to_owned(),
            auto_create: false,
            limits: Limits { hops_max: 3, ..Limits::default() },
            wire: Arc::new(Plain),
            exec: None,
            webhooks: None,
            observer: cantus_runtime::observe::Unobserved::shared(),
            housekeeping: self.housekeeping(),
            time: self.time.clone(),
            on_broken: Box::new(|_| {}),
        };
        let checkpoint = self.rows.beside(engine.reader());
        let node = Node::open(engine, Box::new(checkpoint), config, outside);
        node.map_err(|error| Violation::new("a state that was written is rebuilt", chain(&error)))
    }

    /// Starts the process; recovery is under way when this returns.
    pub(super) fn start(&mut self) -> Lived {
        self.counts.starts += 1;
        let again = !self.is_kind && self.chance.permille(self.settings.troubles.power * 8);
        if again && self.armed.is_none() && self.faults.bytes_max.is_none() {
            let at = Some(self.chance.between(1, 14));
            self.armed = Some(if self.chance.flip() { Armed::Power } else { Armed::Kill });
            self.set_faults(Faults { power_loss_at: at, ..Faults::default() });
        } else {
            let bytes_max = self.faults.bytes_max;
            self.set_faults(Faults { bytes_max, ..Faults::default() });
        }
        let (engine, _) = match cantus_engine::open_log(Path::new(DIR), self.options()) {
            Ok(opened) => opened,
            Err(error) if self.disk.has_struck() => {
                self.tell(format!("a start ends: {error}"));
                return self.end_by_fault();
            }
            Err(error) if self.faults.bytes_max.is_some() => {
                // A log that can not be opened on a full disk is opened once there is room.
                self.tell(format!("no room to start: {error}"));
                self.set_faults(Faults::default());
                return Ok(());
            }
            Err(error) => return Err(Violation::new("a log that was written opens", chain(&error))),
        };
        let node = self.open_node(engine)?;
        self.judge.follow(node.reader().as_ref())?;
        let checkpoint = self.rows.clone();
        let look = Look::at(&node, &checkpoint);
        self.judge.restarted(&look)?;
        self.node = Some(node);
        self.tell("start".to_owned());
        Ok(())
    }

    /// The disk has room again and does what it is told.
    pub(super) fn set_room(&mut self) {
        self.set_faults(Faults::default());
    }

    /// Something may go wrong now. Returns whether it did.
    pub(super) fn trouble(&mut self) -> Result<bool, Violation> {
        let troubles = self.settings.troubles.clone();
        if self.chance.permille(troubles.clock) {
            let ms = self.chance.of(&[1_500, -1_500, 3_600_000, -3_600_000, 86_400_000]);
            self.time.jump(ms);
            self.tell(format!("the wall clock jumps by {ms} ms"));
            return Ok(true);
        }
        if self.armed.is_some() {
            return Ok(false);
        }
        if self.chance.permille(troubles.full) {
            let free = self.faults.bytes_max.is_some();
            let room = self.disk.used_bytes() + self.chance.below(self.settings.segment_bytes * 3);
            let bytes_max = (!free).then_some(room);
            self.set_faults(Faults { bytes_max, ..Faults::default() });
            self.tell(format!("the disk holds {bytes_max:?} bytes"));
            return Ok(true);
        }
        if self.faults.bytes_max.is_some() {
            return Ok(false);
        }
        if self.chance.permille(troubles.power) {
            self.strike(Armed::Power)?;
            return Ok(true);
        }
        if self.chance.permille(troubles.kill) {
            self.strike(Armed::Kill)?;
            return Ok(true);
        }
        if self.chance.permille(troubles.sync) {
            let failing_sync = Some(self.chance.between(1, 4));
            self.armed = Some(Armed::Sync);
            self.set_faults(Faults { failing_sync, ..Faults::default() });
            self.tell(format!("sync {failing_sync:?} from now will fail"));
            return Ok(true);
        }
        if self.chance.permille(troubles.stop)
            && let Some(mut node) = self.node.take()
        {
            if node.is_started() {
                self.tell("stop".to_owned());
                node.stop();
                self.collect_doubts();
                self.ended(false);
            } else {
                self.node = Some(node);
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// The power goes or the process is killed: now, or at an operation of the disk soon.
    fn strike(&mut self, armed: Armed) -> Lived {
        self.armed = Some(armed);
        if self.chance.flip() {
            let at = Some(self.chance.between(1, 12));
            self.set_faults(Faults { power_loss_at: at, ..Faults::default() });
            self.tell(format!("{armed:?} at operation {at:?} from now"));
            return Ok(());
        }
        self.end_by_fault()
    }

    /// A node whose log has failed, or whose machine has none of its power, ends.
    pub(super) fn end_if_broken(&mut self) -> Lived {
        let broken = self.node.as_ref().and_then(Node::broken);
        if self.armed.is_some() && self.disk.has_struck() {
            return self.end_by_fault();
        }
        let Some(reason) = broken else { return Ok(()) };
        if self.faults.bytes_max.is_none() {
            return Err(Violation::new("a log on a sound disk goes on", reason));
        }
        self.tell(format!("the log fails on a full disk: {reason}"));
        self.node = None;
        self.collect_doubts();
        self.ended(true);
        self.set_faults(Faults::default());
        Ok(())
    }

    fn end_by_fault(&mut self) -> Lived {
        let Some(armed) = self.armed.take() else { return Ok(()) };
        let was_running = self.node.is_some();
        if armed == Armed::Sync {
            self.counts.failed_syncs += 1;
            let broken = self.node.as_ref().is_none_or(|node| node.broken().is_some());
            // A sync of a file that is no truth, such as an index, may fail without harm. If it was the log's, a loss of
            // power shows it.
            if !broken && self.chance.flip() {
                self.tell("a sync failed that nothing rests on".to_owned());
                self.set_faults(Faults::default());
                return Ok(());
            }
        }
        // Whoever is killed writes nothing any more.
        self.disk.set_faults(Faults { power_loss_at: Some(1), ..Faults::default() });
        self.node = None;
        let power = armed == Armed::Power || (armed == Armed::Sync && self.chance.permille(300));
        if power {
            self.counts.power_cuts += 1;
            let seed = self.chance.draw();
            self.disk = self.disk.after_power_loss(seed);
            self.time.reboot();
        } else {
            self.counts.kills += 1;
        }
        self.set_faults(Faults::default());
        let rows =
            if power || self.chance.permille(300) { self.rows.crash(&mut self.chance) } else { "kept" };
        self.time.pass(self.chance.below(2_000) as i64);
        let digest = self.disk.digest();
        self.trace.digest(digest);
        self.tell(format!("{armed:?} strikes, power {power}, rows {rows}, running {was_running}"));
        self.collect_doubts();
        self.ended(power || armed == Armed::Sync);
        Ok(())
    }

    /// Whoever waits for an answer will not get one.
    pub(super) fn collect_doubts(&mut self) {
        for in_flight in std::mem::take(&mut self.requests) {
            self.judge.fated(&in_flight.request, |_| Fate::InDoubt);
            self.unanswered(in_flight);
        }
    }

    pub(super) fn ended(&mut self, unsynced_lost: bool) {
        self.judge.ended(unsynced_lost);
        self.running.clear();
        for worker in &mut self.workers {
            worker.place = None;
        }
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
