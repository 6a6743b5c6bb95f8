//! Looking at everything: every byte is verified within a week, at a small share of the disk's time.

use cantus_core::Position;

use super::keeper::{Keeper, Trouble};

/// Bytes looked at in one piece.
const PIECE: u64 = 4 << 20;

/// How far the look has got.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    next: Position,
}

impl Keeper {
    /// Looks at as much as is due since the last pass, and a little more.
    pub(super) fn scrub(&mut self) -> Result<(), Trouble> {
        let all: u64 = self.log.segments().iter().map(|segment| segment.bytes).sum();
        let passes = (self.settings.scrub_within.as_secs_f64() / self.settings.every.as_secs_f64()).max(1.0);
        // Twice as fast as it must be: passes may be late.
        let mut due = ((all as f64 * 2.0 / passes) as u64).max(PIECE);
        while due > 0 {
            let from = self.scrub.next;
            let scrubbed = self.paced(|| Ok(self.log.scrub(from, due.min(PIECE))?))?;
            for damage in &scrubbed.damage {
                tracing::error!(damage, "a look at the log has found damage");
            }
            let now = self.shared.clock.now();
            let round = scrubbed.next == Position(0);
            self.scrub.next = scrubbed.next;
            self.status().note(|report| {
                report.scrubbed_bytes += scrubbed.bytes;
                report.scrubbing_at = scrubbed.next;
                for damage in scrubbed.damage {
                    if !report.damage.contains(&damage) && report.damage.len() < 100 {
                        report.damage.push(damage);
                    }
                }
                if round {
                    report.scrubs += 1;
                    report.scrubbed_at = Some(now);
                }
            });
            if round || scrubbed.bytes == 0 {
                return Ok(());
            }
            due = due.saturating_sub(scrubbed.bytes);
        }
        Ok(())
    }
}
