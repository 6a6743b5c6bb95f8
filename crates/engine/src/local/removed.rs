//! What was removed, and why: what stands in the log where records were.

use super::fields::{Fields, put_varint};

/// The number of the records that stand for removed ones. No codec uses it.
pub(crate) const NUMBER: u16 = u16::MAX;
/// More topics than this in one run are told as one group that is anybody's.
const GROUPS_MAX: usize = 8;

/// What became of records that can not be read any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GapCause {
    /// They were kept as long as they were to be kept.
    Expired,
    /// Somebody had them erased.
    Erased,
    /// The bytes are damaged or missing.
    Damaged,
}

impl std::fmt::Display for GapCause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Expired => "expired",
            Self::Erased => "erased",
            Self::Damaged => "damaged",
        })
    }
}

impl GapCause {
    fn number(self) -> u8 {
        match self {
            Self::Expired => 1,
            Self::Erased => 2,
            Self::Damaged => 3,
        }
    }

    fn of(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Expired,
            2 => Self::Erased,
            3 => Self::Damaged,
            _ => return None,
        })
    }
}

/// Removed records of one topic and one cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Why they went.
    pub cause: GapCause,
    /// The hash of their topic; 0 if they are of several, or it is not known.
    pub topic: u64,
    /// How many; 0 if that is not known.
    pub records: u64,
}

/// A stretch without records where somebody may miss some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The position of the first one that went.
    pub first: u64,
    /// The position of the last one.
    pub last: u64,
    /// What went.
    pub groups: Vec<Group>,
}

impl Run {
    /// A run of one removed record.
    pub(crate) fn of(position: u64, cause: GapCause, topic: Option<u64>) -> Self {
        let group = Group { cause, topic: topic.unwrap_or(0), records: 1 };
        Self { first: position, last: position, groups: vec![group] }
    }

    /// Takes in what went behind this run, with no record between.
    pub(crate) fn join(&mut self, next: &Run) {
        self.last = self.last.max(next.last);
        for group in &next.groups {
            self.add(*group);
        }
    }

    fn add(&mut self, group: Group) {
        let same = |known: &&mut Group| {
            known.cause == group.cause && (known.topic == group.topic || known.topic == 0)
        };
        if let Some(known) = self.groups.iter_mut().find(same) {
            known.records = if known.records == 0 || group.records == 0 {
                0
            } else {
                known.records.saturating_add(group.records)
            };
        } else if self.groups.len() < GROUPS_MAX {
            self.groups.push(group);
        } else {
            // Too many to tell apart: from now on each cause is anybody's.
            let all = std::mem::take(&mut self.groups);
            for group in all.into_iter().chain([group]) {
                self.add(Group { topic: 0, ..group });
            }
        }
    }

    /// Why readers of a topic (all of them: None) miss something here; None if they do not.
    pub fn cause_for(&self, topic: Option<u64>) -> Option<GapCause> {
        let missed = |group: &&Group| group.topic == 0 || topic.is_none_or(|topic| topic == group.topic);
        let causes = self.groups.iter().filter(missed).map(|group| group.cause);
        // Damage is the loudest, and what somebody did on purpose the least surprising.
        causes.min_by_key(|cause| match cause {
            GapCause::Damaged => 0,
            GapCause::Expired => 1,
            GapCause::Erased => 2,
        })
    }

    /// Appends the run's payload; its position is the first one's.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        put_varint(out, self.last - self.first);
        for group in &self.groups {
            out.push(group.cause.number());
            out.extend_from_slice(&group.topic.to_le_bytes());
            put_varint(out, group.records);
        }
    }

    /// Reads the payload of a run that begins at a position.
    pub(crate) fn read(first: u64, payload: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(payload);
        let last = first.checked_add(fields.varint()?)?;
        let mut groups = Vec::new();
        while fields.left() > 0 {
            if groups.len() > GROUPS_MAX {
                return None;
            }
            let cause = GapCause::of(fields.u8()?)?;
            groups.push(Group { cause, topic: fields.u64()?, records: fields.varint()? });
        }
        (!groups.is_empty()).then_some(Self { first, last, groups })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_reads_back_as_written_and_no_part_of_it_does() {
        let mut run = Run::of(7, GapCause::Expired, Some(11));
        run.join(&Run::of(9, GapCause::Erased, Some(12)));
        let mut bytes = Vec::new();
        run.write(&mut bytes);
        assert_eq!(Run::read(7, &bytes), Some(run));
        for end in 0..bytes.len() {
            assert_ne!(Run::read(7, &bytes[..end]).map(|run| run.groups.len()), Some(2), "{end} bytes");
        }
    }

    #[test]
    fn readers_of_a_topic_miss_what_was_of_that_topic_only() {
        let mut run = Run::of(7, GapCause::Expired, Some(11));
        run.join(&Run::of(8, GapCause::Erased, Some(12)));
        assert_eq!(run.cause_for(Some(11)), Some(GapCause::Expired));
        assert_eq!(run.cause_for(Some(12)), Some(GapCause::Erased));
        assert_eq!(run.cause_for(Some(13)), None);
        assert_eq!(run.cause_for(None), Some(GapCause::Expired));
    }

    #[test]
    fn a_run_of_many_topics_is_missed_by_everybody() {
        let mut run = Run::of(1, GapCause::Expired, Some(1));
        for position in 2..=1000 {
            run.join(&Run::of(position, GapCause::Expired, Some(position)));
        }
        assert_eq!(run.groups, [Group { cause: GapCause::Expired, topic: 0, records: 1000 }]);
        assert_eq!((run.first, run.last), (1, 1000));
        assert_eq!(run.cause_for(Some(5000)), Some(GapCause::Expired));
    }
}
