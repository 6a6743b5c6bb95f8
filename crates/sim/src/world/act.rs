//! Which step comes next.

use cantus_runtime::simulation::Node;

use super::{Lived, Sabotage, World};
use crate::judge::Violation;

impl World {
    /// Makes a step, and judges what it led to.
    pub(super) fn act(&mut self) -> Lived {
        self.time.pass(self.chance.below(15) as i64);
        if self.node.is_none() {
            self.start()?;
            return self.after();
        }
        if self.trouble()? {
            return self.after();
        }
        if !self.is_up() {
            // Nobody can ask for anything before the start is durable.
            match self.chance.weighted(&[5, 5, 1, 1]) {
                0 => self.turn(),
                1 => self.write(),
                2 => self.feed(),
                _ => self.pass(),
            }
            return self.after();
        }
        let operators = &self.settings.operators;
        if self.is_set_up && operators.share > 0 && self.chance.permille(operators.share) {
            self.operate()?;
            return self.after();
        }
        let share = self.settings.retention.as_ref().map_or(0, |retention| retention.share);
        if share > 0 && self.chance.permille(share) {
            self.keep_house();
            return self.after();
        }
        match self.chance.weighted(&[30, 30, 16, 2, 12, 10, 14, 10, 5]) {
            0 => self.turn(),
            1 => self.write(),
            2 => self.feed(),
            3 => self.rest(),
            4 => self.publish()?,
            5 => self.pull()?,
            6 => self.answer()?,
            7 => self.attempt()?,
            _ => self.pass(),
        }
        self.after()
    }

    /// What must hold after any step.
    pub(super) fn after(&mut self) -> Lived {
        self.look()?;
        if let Some(ahead) = self.rows.was_ahead() {
            return Err(Violation::new("a checkpoint is never ahead of the log", ahead));
        }
        self.end_if_broken()
    }

    /// Tells whether the node takes requests.
    pub(super) fn is_up(&mut self) -> bool {
        self.node.as_mut().is_some_and(Node::is_started)
    }

    fn node(&mut self) -> Option<&mut Node> {
        self.node.as_mut()
    }

    pub(super) fn turn(&mut self) {
        let alone = self.chance.permille(self.settings.alone);
        let Some(node) = self.node() else { return };
        if node.turn(alone) {
            self.tell(format!("turn{}", if alone { ", alone" } else { "" }));
        }
    }

    pub(super) fn write(&mut self) {
        let Some(node) = self.node() else { return };
        if node.write() {
            self.tell("write".to_owned());
        }
    }

    pub(super) fn feed(&mut self) {
        if self.sabotage == Sabotage::OffersLost && self.chance.permille(40) {
            if let Some(node) = self.node() {
                node.lose_feed();
            }
            return;
        }
        let Some(node) = self.node() else { return };
        if node.feed() {
            self.tell("feed".to_owned());
        }
    }

    /// Housekeeping goes on until it waits for something.
    pub(super) fn keep_house(&mut self) {
        let Some(node) = self.node() else { return };
        let before = node.housekeeping().segments_rewritten;
        let is_busy = node.keep_house();
        let report = node.housekeeping();
        self.counts.rewritten += report.segments_rewritten - before;
        if !is_busy {
            self.passes_left = self.passes_left.saturating_sub(1);
            self.counts.passes += 1;
            self.tell(format!(
                "housekeeping has made a pass: {} trimmed, {} compacted, {} segments anew, {} bases, {:?}",
                report.events_trimmed,
                report.events_compacted,
                report.segments_rewritten,
                report.bases,
                report.trouble
            ));
        }
    }

    fn rest(&mut self) {
        let Some(node) = self.node() else { return };
        if node.rest() {
            self.tell("rest".to_owned());
        }
    }

    /// Time passes: for a while, or until just before, or just when, something is due.
    fn pass(&mut self) {
        let Some(node) = &self.node else { return };
        let due = node.coordinator().state.next_due().map(|due| due.0 - node.now().0);
        let ms = match due {
            Some(due) if due > 0 && self.chance.permille(700) => due - self.chance.below(2) as i64,
            _ => self.chance.below(3_000) as i64,
        };
        self.time.pass(ms.max(0));
        self.tell(format!("{ms} ms pass"));
    }
}
