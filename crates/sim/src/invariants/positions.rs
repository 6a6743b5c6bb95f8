//! P8. Positions rise without a hole, each has one value for ever, and what was read once is there after every restart,
//! whether anybody was told of it or not.

use std::collections::BTreeMap;

use cantus_core::fact::Recorded;
use cantus_core::{Position, Timestamp, hash};
use cantus_engine::{Budget, Entry, Selection};

use super::{Invariant, Look, Verdict, hold};
use crate::model::{Ledger, Model};

#[derive(Default)]
pub(super) struct Positions {
    values: BTreeMap<Position, u128>,
    at: Timestamp,
}

fn value(recorded: &Recorded) -> u128 {
    let mut bytes = recorded.fact.number().to_le_bytes().to_vec();
    recorded.fact.encode(&mut bytes);
    hash::parts(&[&bytes, &recorded.at.0.to_le_bytes()])
}

impl Invariant for Positions {
    fn promise(&self) -> &'static str {
        "a position has one value for ever, and whatever was read survives"
    }

    fn fact(&mut self, model: &Model, _: &Ledger, recorded: &Recorded) -> Verdict {
        hold(recorded.position == model.end.next(), || {
            format!("behind {} comes {}", model.end, recorded.position)
        })?;
        hold(recorded.at >= self.at, || {
            format!("log time goes back from {} to {} at {}", self.at.0, recorded.at.0, recorded.position)
        })?;
        self.at = recorded.at;
        self.values.insert(recorded.position, value(recorded));
        Ok(())
    }

    fn restarted(&mut self, model: &Model, _: &Ledger, look: &Look<'_>) -> Verdict {
        let mut after = Position(0);
        loop {
            let read = look.reader.read(after, &Selection::default(), Budget::default());
            let chunk = read.map_err(|error| format!("the log can not be read behind {after}: {error}"))?;
            for entry in &chunk.entries {
                match entry {
                    Entry::Fact(recorded) if recorded.position <= model.end => {
                        let known = self.values.get(&recorded.position);
                        hold(known == Some(&value(recorded)), || {
                            let (position, name) = (recorded.position, recorded.fact.name());
                            format!("position {position} held something else before; now it is {name}")
                        })?;
                        hold(recorded.position == after.next(), || {
                            format!("behind {after} comes {}", recorded.position)
                        })?;
                        after = recorded.position;
                    }
                    Entry::Fact(_) => {}
                    gap => return Err(format!("nothing is damaged, and a reader is shown {gap:?}")),
                }
            }
            if chunk.end {
                break;
            }
        }
        hold(after == model.end, || format!("it was read up to {}, and now it ends at {after}", model.end))
    }
}
