//! The four ways to say when something recurs, and the two questions about it.

use jiff::Timestamp;

use crate::cron::Cron;
use crate::error::InvalidExpression;
use crate::every::Every;
use crate::rrule::Set;
use crate::search::{GaveUp, Looks};
use crate::zone::Zone;

/// When something recurs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recurrence {
    rule: Rule,
    zone: Zone,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    Cron(Cron),
    Every(Every),
    Set(Box<Set>),
    At(Timestamp),
}

/// What a search for the next time came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It fires then.
    At(Timestamp),
    /// It never fires again.
    Never,
    /// It does not fire within the bound of a search ([`crate::search::LOOKS_MAX`]); no time is known, and none is ruled out.
    GaveUp,
}

impl Recurrence {
    /// Reads a cron expression of 5 fields, or 6 with the seconds first, or a macro such as `@daily`, on the clocks of a zone.
    ///
    /// # Errors
    /// What is wrong, where, and what to write. An expression that can never fire is wrong.
    pub fn cron(text: &str, zone: &Zone) -> Result<Recurrence, InvalidExpression> {
        Ok(Recurrence { rule: Rule::Cron(Cron::parse(text)?), zone: zone.clone() })
    }

    /// Reads a span such as `90s` or `2h 30m`: from 1 s to 100 years of elapsed time, counted from an anchor, which is the first time.
    ///
    /// # Errors
    /// What is wrong and what to write.
    pub fn every(text: &str, anchor: Timestamp) -> Result<Recurrence, InvalidExpression> {
        Ok(Recurrence { rule: Rule::Every(Every::parse(text, anchor)?), zone: Zone::utc() })
    }

    /// Reads lines of RFC 5545: `DTSTART`, `RRULE`, `RDATE`, `EXDATE`. Local times without a `TZID` are on the clocks of `zone`; without a
    /// `DTSTART` the rule starts at `start`, cut to whole seconds.
    ///
    /// # Errors
    /// What is wrong, where, and what to write.
    pub fn rrule(text: &str, zone: &Zone, start: Timestamp) -> Result<Recurrence, InvalidExpression> {
        let (set, zone) = Set::parse(text, zone, start)?;
        Ok(Recurrence { rule: Rule::Set(Box::new(set)), zone })
    }

    /// Reads one time, as [`Zone::time`] does.
    ///
    /// # Errors
    /// What is wrong and what to write.
    pub fn at(text: &str, zone: &Zone) -> Result<Recurrence, InvalidExpression> {
        let at = zone.time(text)?;
        Ok(Recurrence { rule: Rule::At(at), zone: zone.clone() })
    }

    /// Returns the zone on whose clocks it recurs. A `TZID` of its start decides over the one that was given.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Returns it with its times shown on the clocks of a zone. A span is the same everywhere.
    #[must_use]
    pub fn shown_in(self, zone: &Zone) -> Recurrence {
        match self.rule {
            Rule::Every(_) | Rule::At(_) => Recurrence { zone: zone.clone(), ..self },
            Rule::Cron(_) | Rule::Set(_) => self,
        }
    }

    /// Returns the first time after an instant; the instant itself is not meant.
    pub fn search_after(&self, after: Timestamp) -> Next {
        let mut looks = Looks::of_one_question();
        let found = match &self.rule {
            Rule::Cron(cron) => cron.next_after(&self.zone, after, &mut looks),
            Rule::Every(every) => Ok(every.next_after(after)),
            Rule::Set(set) => set.next_after(&self.zone, after, &mut looks),
            Rule::At(at) => Ok((*at > after).then_some(*at)),
        };
        match found {
            Ok(Some(at)) => Next::At(at),
            Ok(None) => Next::Never,
            Err(GaveUp) => Next::GaveUp,
        }
    }

    /// Returns the first time after an instant, if one is found: see [`Recurrence::search_after`] for why there is none.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        match self.search_after(after) {
            Next::At(at) => Some(at),
            Next::Never | Next::GaveUp => None,
        }
    }

    /// Returns the times after an instant, rising, each once. There may be no end to them.
    pub fn fires_after(&self, after: Timestamp) -> Fires<'_> {
        Fires { recurrence: self, after: Some(after) }
    }
}

/// The times at which something recurs.
#[derive(Debug, Clone)]
pub struct Fires<'a> {
    recurrence: &'a Recurrence,
    after: Option<Timestamp>,
}

impl Iterator for Fires<'_> {
    type Item = Timestamp;

    fn next(&mut self) -> Option<Timestamp> {
        self.after = self.recurrence.next_after(self.after?);
        self.after
    }
}
