//! Erasure: what nobody may see any more disappears from every file.

use std::collections::HashSet;
use std::sync::Arc;

use cantus_core::Position;
use cantus_core::command::{Command, Trim};
use cantus_core::fact::{ErasureStage, Fact};
use cantus_core::topic::TopicName;
use cantus_engine::{Budget, Entry, Keep, Selection};

use super::keeper::{Keeper, Trouble};

/// An erasure that is not done yet.
struct Pending {
    erasure: Position,
    stage: ErasureStage,
    events: HashSet<Position>,
    topics: Vec<TopicName>,
}

impl Keeper {
    /// Brings every erasure to its end.
    pub(super) fn erase(&mut self) -> Result<(), Trouble> {
        let pending = self.pending()?;
        let Some(first) = pending.iter().flat_map(|it| &it.events).min().copied() else {
            // An erasure of nothing that is there any more.
            return pending.iter().try_for_each(|it| self.advance(it, ErasureStage::Done));
        };
        // The next fact lies in another segment: all before it can be written anew.
        if pending.iter().any(|it| it.stage < ErasureStage::Sealed) {
            self.log.request_seal();
            pending.iter().try_for_each(|it| self.advance(it, ErasureStage::Sealed))?;
        }
        if pending.iter().any(|it| it.stage < ErasureStage::Based) {
            let now = self.look(|coordinator| coordinator.state.position)?;
            self.write_bases(now)?;
            pending.iter().try_for_each(|it| self.advance(it, ErasureStage::Based))?;
        }
        for segment in self.sealed().iter().filter(|segment| segment.last >= first) {
            let mut holds = false;
            let hidden = self.shared.mask.hidden();
            self.judged(segment, &Arc::default(), Position(u64::MAX), &mut |recorded, keep| {
                holds |= !matches!(keep, Keep::Keep) && hidden.is_erased(recorded);
            })?;
            if holds {
                self.rewrite(segment, &Arc::default())?;
            }
        }
        self.log.wipe()?;
        let events: HashSet<Position> = pending.iter().flat_map(|it| it.events.iter().copied()).collect();
        if let Some(exec) = &self.shared.exec {
            exec.erase(&|position| events.contains(&position)).map_err(Trouble::Attempts)?;
        }
        for topic in pending.iter().flat_map(|it| &it.topics).collect::<HashSet<_>>() {
            self.correct_first(topic)?;
        }
        for it in &pending {
            self.advance(it, ErasureStage::Done)?;
            tracing::info!(erasure = %it.erasure, events = it.events.len(), "erased events have gone from every file");
        }
        Ok(())
    }

    fn pending(&self) -> Result<Vec<Pending>, Trouble> {
        self.look(|coordinator| {
            let erasures = coordinator.state.erasures.iter();
            let pending = erasures.filter(|(_, erasure)| erasure.stage < ErasureStage::Done);
            pending
                .map(|(position, erasure)| Pending {
                    erasure: *position,
                    stage: erasure.stage,
                    events: erasure.items.iter().map(|item| item.position).collect(),
                    topics: erasure.items.iter().map(|item| item.topic.clone()).collect(),
                })
                .collect()
        })
    }

    fn advance(&self, pending: &Pending, stage: ErasureStage) -> Result<(), Trouble> {
        let command = Command::AdvanceErasure { erasure: pending.erasure, stage };
        self.command(command).map(|_| ())
    }

    /// Says where a topic's first event lies, should the one before it have been erased.
    fn correct_first(&self, topic: &TopicName) -> Result<(), Trouble> {
        let name = topic.clone();
        let known = self.look(move |coordinator| {
            let topic = coordinator.state.topics.get(&name)?;
            Some((topic.first, topic.trimmed.unwrap_or_default()))
        })?;
        let Some((known, trimmed)) = known else { return Ok(()) };
        let selection =
            Selection { events_only: true, topic: Some(topic.to_string()), ..Selection::default() };
        let (mut after, mut first) = (trimmed, None);
        while first.is_none() {
            let chunk =
                self.shared.reader.read(after, &selection, Budget { entries: 16, ..Budget::default() })?;
            first = chunk.entries.iter().find_map(|entry| match entry {
                Entry::Fact(recorded) if matches!(recorded.fact, Fact::EventPublished(_)) => {
                    Some(recorded.position)
                }
                _ => None,
            });
            if chunk.end {
                break;
            }
            after = chunk.reached;
        }
        if first != known {
            let topic = topic.clone();
            let (through, compacted, events, bytes, forced) = (None, None, 0, 0, false);
            self.command(Command::Trim(Trim { topic, through, compacted, events, bytes, first, forced }))?;
        }
        Ok(())
    }
}
