//! What the judge is told instead of what happened, where something is broken on purpose in what it follows.

use cantus_core::Position;
use cantus_core::fact::{ClockJumped, Fact, Recorded};

use crate::world::Sabotage;

/// Returns what is told instead of a fact; None when it is told as it is.
pub(crate) fn forged(sabotage: Sabotage, recorded: &Recorded) -> Option<Recorded> {
    let untold = matches!(
        (sabotage, &recorded.fact),
        (Sabotage::ClosedUntold, Fact::BreakerClosed(_))
            | (Sabotage::KeysLetGo, Fact::KeyReleased(_))
            | (Sabotage::TurnsUntold, Fact::BulkProgressed(_))
            | (Sabotage::LossesUntold, Fact::EventsExpired(_))
    );
    if untold {
        let nothing = ClockJumped { by_ms: 0, wall: recorded.at };
        return Some(Recorded { fact: Fact::from(nothing), ..recorded.clone() });
    }
    match (sabotage, recorded.fact.clone()) {
        (Sabotage::RateIgnored, Fact::SubscriptionDeclared(mut fact)) => {
            let rate = fact.definition.rate.as_mut()?;
            rate.per.0 *= 20;
            Some(Recorded { fact: Fact::SubscriptionDeclared(fact), ..recorded.clone() })
        }
        (Sabotage::GoneEarly, Fact::TopicTrimmed(mut fact)) => {
            let through = fact.through?;
            fact.through = Some(Position(through.0 + 40));
            Some(Recorded { fact: Fact::TopicTrimmed(fact), ..recorded.clone() })
        }
        _ => None,
    }
}
