//! What a seed does: it chooses settings, lets a world live for so many steps, drains it, and judges what is left.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::chance::Chance;
use crate::judge::Violation;
use crate::settings::Settings;
use crate::world::{Counts, Sabotage, World};

/// How a seed is run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many steps the world lives, before it is drained.
    pub steps: u64,
    /// What is broken on purpose, to see that it is found.
    pub sabotage: Sabotage,
    /// Print every step.
    pub told: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { steps: 250, sabotage: Sabotage::None, told: false }
    }
}

/// What became of a seed.
#[derive(Clone, Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// A hash of everything that happened, the bytes on the disk at every end of the process among it.
    pub hash: u64,
    /// How many steps were made.
    pub steps: u64,
    /// The promise that was broken, if one was.
    pub violation: Option<Violation>,
    /// The settings, in words.
    pub settings: String,
    /// What happened last.
    pub last: Vec<String>,
    /// How much happened.
    pub counts: Counts,
}

/// How many of the last lines a report holds.
const LINES: usize = 60;

/// Runs a seed.
pub fn run(seed: u64, options: Options) -> Report {
    let mut chance = Chance::new(seed);
    let settings = Settings::draw(&mut chance, options.steps);
    let mut world = World::new(settings.clone(), chance, options.sabotage, options.told);
    // A panic is a finding like any other: it is told with the steps that led to it.
    let lived = catch_unwind(AssertUnwindSafe(|| world.live()));
    let violation = match lived {
        Ok(Ok(())) => None,
        Ok(Err(violation)) => Some(violation),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Some(Violation::new("nothing panics", text.unwrap_or_else(|| "a panic without words".to_owned())))
        }
    };
    Report {
        seed,
        hash: world.trace.hash(),
        steps: world.step,
        violation,
        settings: settings.to_string(),
        last: world.trace.last(LINES),
        counts: world.counts,
    }
}

/// Looks for the fewest steps after which a seed that breaks a promise still does, by halves.
pub fn shrink(seed: u64, options: Options) -> Option<Report> {
    let mut found = run(seed, options);
    found.violation.as_ref()?;
    let (mut least, mut most) = (0, options.steps.min(found.steps));
    while least < most {
        let steps = (least + most) / 2;
        let report = run(seed, Options { steps, ..options });
        if report.violation.is_some() {
            (most, found) = (steps, report);
        } else {
            least = steps + 1;
        }
    }
    Some(found)
}
