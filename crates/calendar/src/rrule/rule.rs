//! One rule: its occurrences, up to its end.

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};

use super::periods::Periods;
use super::steps::Steps;
use crate::search::{GaveUp, Looks, second_after};
use crate::zone::{Local, Zone};

/// One `RRULE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) shape: Shape,
    pub(super) end: End,
}

/// How its occurrences come about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    Periods(Periods),
    Steps(Steps),
}

/// After what there is no occurrence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Never,
    /// The last one is not after this instant.
    Until(Timestamp),
    /// The last one is not after this local time: that of the last one that was counted.
    UntilLocal(DateTime),
}

/// What counting may look at, once, when a rule is read.
const COUNTING_LOOKS_MAX: u32 = 8 * crate::search::LOOKS_MAX;

impl Rule {
    /// Returns the end of a rule of so many occurrences.
    pub(super) fn counted(shape: &Shape, zone: &Zone, count: u32) -> Result<End, GaveUp> {
        let looks = &mut Looks::new(COUNTING_LOOKS_MAX);
        Ok(match shape {
            Shape::Periods(periods) => periods.nth(count, looks)?.map_or(End::Never, End::UntilLocal),
            Shape::Steps(steps) => steps.nth(zone, count, looks)?.map_or(End::Never, End::Until),
        })
    }

    /// Returns the first occurrence after an instant; none if there is none, ever.
    pub(super) fn next_after(
        &self,
        zone: &Zone,
        after: Timestamp,
        looks: &mut Looks,
    ) -> Result<Option<Timestamp>, GaveUp> {
        if matches!(self.end, End::Until(until) if after >= until) {
            return Ok(None);
        }
        let found = match &self.shape {
            Shape::Steps(steps) => steps.next_after(zone, after, looks)?,
            Shape::Periods(periods) => self.next_of_periods(periods, zone, after, looks)?,
        };
        Ok(found.filter(|at| !matches!(self.end, End::Until(until) if *at > until)))
    }

    fn next_of_periods(
        &self,
        periods: &Periods,
        zone: &Zone,
        after: Timestamp,
        looks: &mut Looks,
    ) -> Result<Option<Timestamp>, GaveUp> {
        let Some(from) = second_after(after) else { return Ok(None) };
        let mut local = zone.local(from);
        // What the clocks skipped is pushed behind the jump, so it may still be to come.
        if let Some(offset) = zone.offset_before_last_change(from) {
            let pushed = offset.to_datetime(from);
            if matches!(zone.resolve(pushed), Some(Local::Skipped { .. })) {
                local = pushed;
            }
        }
        let mut best: Option<Timestamp> = None;
        let earlier = |best: Option<Timestamp>, at: Timestamp| Some(best.map_or(at, |best| best.min(at)));
        loop {
            let Some(found) = periods.next(local, looks)? else { return Ok(best) };
            if matches!(self.end, End::UntilLocal(until) if found > until) {
                return Ok(best);
            }
            let passed = || found.checked_add(SignedDuration::from_secs(1)).ok();
            let next = match zone.resolve(found) {
                Some(Local::Once(at) | Local::Twice { first: at, .. }) if at > after => {
                    return Ok(earlier(best, at));
                }
                // Only its first time was meant, and that is over.
                Some(Local::Twice { fold_end, .. }) => Some(fold_end),
                // Those behind the jump may come before this one does.
                Some(Local::Skipped { by_offset_before, gap_end }) if by_offset_before > after => {
                    best = earlier(best, by_offset_before);
                    Some(zone.local(gap_end))
                }
                Some(Local::Once(_) | Local::Skipped { .. }) => passed(),
                None => return Ok(best),
            };
            let Some(next) = next else { return Ok(best) };
            local = next;
        }
    }
}
