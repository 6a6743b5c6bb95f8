//! What is asked about a recurrence, and its answer.

use cantus_calendar::{Next, Recurrence, Timestamp, Zone};

/// The most times of one answer.
pub(super) const FIRES_MAX: usize = 10_000;
/// The times of an answer unless told otherwise.
pub(super) const FIRES: usize = 5;

/// What recurs.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expression<'a> {
    Cron(&'a str),
    Rrule(&'a str),
    Every(&'a str),
}

/// From when on.
#[derive(Debug, Clone, Copy)]
pub(super) enum From<'a> {
    /// From a time; RFC 3339, or local to the zone.
    Time(&'a str),
    /// From now.
    Now(Timestamp),
    /// From now, but a rule with a start from there.
    Start(Timestamp),
}

/// One question.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) expression: Expression<'a>,
    pub(super) timezone: Option<&'a str>,
    pub(super) from: From<'a>,
    pub(super) n: usize,
}

/// When it fires.
#[derive(Debug)]
pub(super) struct Fires {
    pub(super) zone: Zone,
    pub(super) times: Vec<Timestamp>,
    /// Whether it never fires behind the last of them.
    pub(super) ends: bool,
}

impl Question<'_> {
    /// Returns when it fires. Cron and spans fire behind `from`, and a span counts from there; a rule may also fire at it.
    pub(super) fn answer(&self) -> Result<Fires, String> {
        if !(1..=FIRES_MAX).contains(&self.n) {
            return Err(format!("n is {}, and goes from 1 to {FIRES_MAX}", self.n));
        }
        let zone = self.timezone.map_or_else(|| Ok(Zone::utc()), Zone::parse);
        let zone = zone.map_err(|error| error.to_string())?;
        let from = match self.from {
            From::Time(text) => zone.time(text).map_err(|error| format!("from: {error}"))?,
            From::Now(now) | From::Start(now) => now,
        };
        let (read, after) = match self.expression {
            Expression::Cron(text) => (Recurrence::cron(text, &zone), from),
            Expression::Every(text) => {
                (Recurrence::every(text, from).map(|every| every.shown_in(&zone)), from)
            }
            Expression::Rrule(text) => {
                let has_start = text.to_ascii_uppercase().contains("DTSTART");
                let after = match self.from {
                    From::Start(_) if has_start => Timestamp::MIN,
                    _ => just_before(from),
                };
                (Recurrence::rrule(text, &zone, from), after)
            }
        };
        let recurrence = read.map_err(|error| error.to_string())?;
        let (mut times, mut after) = (Vec::new(), after);
        let ends = loop {
            match recurrence.search_after(after) {
                Next::At(at) if times.len() < self.n => {
                    times.push(at);
                    after = at;
                }
                Next::At(_) => break false,
                Next::Never => break true,
                Next::GaveUp if times.len() == self.n => break false,
                Next::GaveUp => {
                    let from = if after == Timestamp::MIN {
                        "its start".to_owned()
                    } else {
                        recurrence.zone().format(after)
                    };
                    return Err(format!(
                        "no time was found within {} days and steps behind {from}: write a rule that fires more often",
                        cantus_calendar::search::LOOKS_MAX,
                    ));
                }
            }
        };
        Ok(Fires { zone: recurrence.zone().clone(), times, ends })
    }
}

impl Fires {
    /// Returns the times as RFC 3339 with the offset of the zone.
    pub(super) fn texts(&self) -> Vec<String> {
        self.times.iter().map(|at| self.zone.format(*at)).collect()
    }
}

/// Returns the last instant before this one.
fn just_before(at: Timestamp) -> Timestamp {
    at.checked_sub(std::time::Duration::from_nanos(1)).unwrap_or(Timestamp::MIN)
}
