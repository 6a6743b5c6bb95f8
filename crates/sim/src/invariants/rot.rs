//! P6. Rot is found, contained and told: where a bit of a sealed file flips while nobody runs, the log opens, or names what
//! is damaged and opens once that was accepted. Wrong bytes are never shown; what is lost is one stretch, shown as a gap
//! and named; nothing else is touched, and what holds no facts takes none.

use std::collections::{BTreeMap, BTreeSet};

use cantus_core::fact::Recorded;
use cantus_core::{Position, hash};
use cantus_engine::{Budget, Entry, GapCause, Selection};

use super::{Invariant, Rotten, Verdict, hold};
use crate::model::{Ledger, Model};

#[derive(Default)]
pub(super) struct Rot {
    values: BTreeMap<Position, u128>,
}

fn value(recorded: &Recorded) -> u128 {
    let mut bytes = recorded.fact.number().to_le_bytes().to_vec();
    recorded.fact.encode(&mut bytes);
    hash::parts(&[&bytes, &recorded.at.0.to_le_bytes()])
}

impl Invariant for Rot {
    fn promise(&self) -> &'static str {
        "rot is found, contained and told, and wrong bytes are never shown"
    }

    fn fact(&mut self, _: &Model, _: &Ledger, recorded: &Recorded) -> Verdict {
        self.values.insert(recorded.position, value(recorded));
        Ok(())
    }

    fn rotten(&mut self, model: &Model, rotten: &Rotten<'_>) -> Verdict {
        let mut shown = BTreeSet::new();
        let mut lost: Vec<(Position, Position)> = Vec::new();
        let mut after = Position(0);
        loop {
            let read = rotten.reader.read(after, &Selection::default(), Budget::default());
            let chunk = read.map_err(|error| format!("the log can not be read behind {after}: {error}"))?;
            for entry in &chunk.entries {
                match entry {
                    Entry::Fact(recorded) if recorded.position <= model.end => {
                        let known = self.values.get(&recorded.position);
                        hold(known == Some(&value(recorded)), || {
                            format!("wrong bytes are shown at {}: {recorded:?}", recorded.position)
                        })?;
                        shown.insert(recorded.position);
                    }
                    Entry::Gap { from, to, cause: GapCause::Damaged, .. } => lost.push((*from, *to)),
                    _ => {}
                }
            }
            after = chunk.reached;
            if chunk.end {
                break;
            }
        }
        let missing: Vec<Position> = rotten.before.difference(&shown).copied().collect();
        let file = &rotten.file;
        let told = |position: &Position| lost.iter().any(|(from, to)| (from..=to).contains(&position));
        let silent = missing.iter().find(|position| !told(position));
        hold(silent.is_none(), || format!("{file} rotted, and {silent:?} is missing without a word"))?;
        hold(missing.is_empty() || file.ends_with(".segment"), || {
            format!("{file} rotted, which holds no facts, and these are missing: {missing:?}")
        })?;
        hold(lost.len() <= 1, || format!("one bit of {file} flipped, and {lost:?} are lost"))?;
        hold(missing.is_empty() || !rotten.told.is_empty(), || {
            format!("{file} rotted, {missing:?} are lost, and nobody is told of damage")
        })
    }
}
