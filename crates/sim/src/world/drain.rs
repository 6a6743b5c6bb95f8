//! The end: nothing goes wrong any more, agents do what they are asked, and everything that is owed is done.

use cantus_core::subscription::Action;

use super::{Lived, World};
use crate::invariants::Look;
use crate::judge::Violation;

/// After so many rounds a delivery that is still not done never will be.
const ROUNDS_MAX: u32 = 12_000;
/// So many rounds in a row without anything to do are the end.
const QUIET: u32 = 4;

impl World {
    pub(super) fn drain(&mut self) -> Lived {
        self.is_kind = true;
        self.tell("drain".to_owned());
        self.armed = None;
        self.passes_left = if self.settings.retention.is_some() { 2 } else { 0 };
        self.set_room();
        let mut quiet = 0;
        for _ in 0..ROUNDS_MAX {
            self.step += 1;
            if self.round()? {
                quiet = 0;
            } else {
                quiet += 1;
            }
            if quiet >= QUIET {
                return self.judge_the_end();
            }
        }
        let owed = self.node.as_ref().map(|node| node.coordinator().state.next_due());
        Err(Violation::new(
            "everything that is owed is done some time",
            format!("it never ends; due is {owed:?}"),
        ))
    }

    /// Lets everybody do what there is to do. Returns whether there was anything.
    fn round(&mut self) -> Result<bool, Violation> {
        if self.node.is_none() {
            self.start()?;
            self.after()?;
            return Ok(true);
        }
        if !self.is_up() {
            self.settle_node()?;
            return Ok(true);
        }
        let before = (self.judge.model.end, self.counts.answers, self.counts.given);
        if !self.is_set_up {
            self.publish()?;
        }
        if self.is_set_up
            && let Some(again) = self.again.pop_front()
        {
            self.publish_this(again, "again")?;
        }
        self.resume_all()?;
        for index in 0..self.workers.len() {
            if self.is_pulled(index) {
                self.pull_by(index)?;
            }
        }
        self.settle_all()?;
        while !self.running.is_empty() {
            let before = self.running.len();
            self.attempt()?;
            if self.running.len() >= before {
                break;
            }
        }
        self.settle_node()?;
        let after = (self.judge.model.end, self.counts.answers, self.counts.given);
        let held = self.workers.iter().any(|worker| !worker.held.is_empty());
        let busy = !self.running.is_empty() || held || !self.again.is_empty();
        // Pulls are answered each round, also when there is nothing.
        if after.0 != before.0 || after.2 != before.2 || busy {
            self.time.pass(20);
            return Ok(true);
        }
        let Some(node) = &self.node else { return Ok(true) };
        let due = node.coordinator().state.next_due();
        if due.is_none() && self.passes_left > 0 {
            self.keep_house();
            return Ok(true);
        }
        let Some(due) = due else {
            self.time.pass(600);
            return Ok(false);
        };
        let ms = self.node.as_ref().map_or(0, |node| (due.0 - node.now().0).max(0));
        self.time.pass(ms);
        Ok(true)
    }

    fn is_pulled(&self, index: usize) -> bool {
        let known = self.judge.model.subscription(&self.workers[index].subscription);
        known.is_some_and(|(_, sub)| matches!(sub.definition().action, Action::Inbox))
    }

    fn settle_all(&mut self) -> Lived {
        for _ in 0..64 {
            if self.workers.iter().all(|worker| worker.held.is_empty()) {
                return Ok(());
            }
            self.answer()?;
        }
        Ok(())
    }

    /// Turns, writes and feeds until nothing moves.
    fn settle_node(&mut self) -> Lived {
        for _ in 0..64 {
            let Some(node) = &mut self.node else { return Ok(()) };
            node.turn(true);
            let mut moved = false;
            while self.node.as_mut().is_some_and(|node| node.write()) {
                moved = true;
            }
            moved |= self.node.as_mut().is_some_and(|node| node.feed());
            self.after()?;
            moved |= self.node.as_ref().is_some_and(|node| node.has_turn());
            if !moved {
                return Ok(());
            }
        }
        Ok(())
    }

    fn judge_the_end(&mut self) -> Lived {
        let Some(node) = &self.node else { return Ok(()) };
        let checkpoint = self.rows.clone();
        let look = Look::at(node, &checkpoint);
        self.judge.drained(&look)
    }
}
