//! The patterns of `matches`: compiled once, when the filter is declared.
//!
//! A text is searched by an automaton that is built while it runs, with a small cache of its own for each event: what
//! a search costs then depends on the pattern and the text alone. Patterns that defeat the automaton are simulated,
//! as far as the steps allow. Both take time linear in the text.
use std::fmt;
use std::sync::Arc;

use regex_automata::Input;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::pikevm::PikeVM;
use regex_automata::nfa::thompson::{self, WhichCaptures};

use super::super::limits::{PATTERN_BYTES_MAX, PATTERN_COMPILED_BYTES_MAX};
use super::value::{Failure, Steps};

/// What the automaton of one search may keep, in bytes. Small, as filling it is what costs.
const CACHE_BYTES: usize = 1 << 17;
/// How much of a text the automaton reads in one step, in bytes.
const READ_BYTES_PER_STEP: usize = 16;
/// How much the automaton adds to itself in one step, in bytes.
const BUILT_BYTES_PER_STEP: usize = 4;
/// How much memory is set up for a search in one step, in bytes.
const CACHE_BYTES_PER_STEP: usize = 64;

/// A compiled pattern; cheap to clone.
#[derive(Clone)]
pub(crate) struct Pattern(Arc<Compiled>);

struct Compiled {
    text: Box<str>,
    automaton: DFA,
    simulation: PikeVM,
}

/// The automata of the patterns that were searched for in one event.
#[derive(Default)]
pub(crate) struct Searches(Vec<(*const Compiled, Cache)>);

impl Pattern {
    /// Compiles a pattern. The error says what is wrong with it.
    pub(crate) fn compile(pattern: &str) -> Result<Self, String> {
        if pattern.len() > PATTERN_BYTES_MAX {
            return Err(format!(
                "the pattern is {} bytes long; at most {PATTERN_BYTES_MAX} are allowed",
                pattern.len()
            ));
        }
        let bounds = thompson::Config::new()
            .nfa_size_limit(Some(PATTERN_COMPILED_BYTES_MAX))
            .which_captures(WhichCaptures::Implicit);
        let nfa = thompson::Compiler::new().configure(bounds).build(pattern).map_err(|error| {
            if error.size_limit().is_some() {
                return format!(
                    "the pattern is too large: compiled it takes more than {PATTERN_COMPILED_BYTES_MAX} bytes"
                );
            }
            // The library draws the pattern over several lines; the last one says what is wrong.
            let reason =
                std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            format!("the pattern is malformed: {reason}")
        })?;
        let config = DFA::config()
            .cache_capacity(CACHE_BYTES)
            .skip_cache_capacity_check(true)
            .minimum_cache_clear_count(Some(1))
            .unicode_word_boundary(true);
        let automaton = DFA::builder().configure(config).build_from_nfa(nfa.clone()).map_err(unusable)?;
        let simulation = PikeVM::new_from_nfa(nfa).map_err(unusable)?;
        Ok(Self(Arc::new(Compiled { text: pattern.into(), automaton, simulation })))
    }

    /// Returns whether the pattern is found anywhere in the text.
    pub(crate) fn is_in<'a>(
        &self,
        text: &str,
        searches: &mut Searches,
        steps: &mut Steps,
    ) -> Result<bool, Failure<'a>> {
        let Compiled { automaton, simulation, .. } = &*self.0;
        charge(steps, text.len(), READ_BYTES_PER_STEP)?;
        let cache = searches.cache(&self.0, steps)?;
        let before = built(cache);
        let found = automaton.try_search_fwd(cache, &Input::new(text).earliest(true));
        charge(steps, built(cache).saturating_sub(before), BUILT_BYTES_PER_STEP)?;
        if let Ok(found) = found {
            return Ok(found.is_some());
        }
        // The text has letters beyond ASCII at a word boundary, or the automaton grows with each letter.
        let states = simulation.get_nfa().states().len();
        charge(steps, text.len().saturating_add(1).saturating_mul(states), 4)?;
        Ok(simulation.is_match(&mut simulation.create_cache(), text))
    }
}

impl Searches {
    fn cache<'a>(&mut self, pattern: &Arc<Compiled>, steps: &mut Steps) -> Result<&mut Cache, Failure<'a>> {
        let this = Arc::as_ptr(pattern);
        let at = match self.0.iter().position(|(known, _)| *known == this) {
            Some(at) => at,
            None => {
                let cache = pattern.automaton.create_cache();
                charge(steps, cache.memory_usage(), CACHE_BYTES_PER_STEP)?;
                self.0.push((this, cache));
                self.0.len() - 1
            }
        };
        Ok(&mut self.0[at].1)
    }
}

/// Returns how many bytes an automaton has been built of, also those that were thrown away again.
fn built(cache: &Cache) -> usize {
    cache.memory_usage().saturating_add(cache.clear_count().saturating_mul(CACHE_BYTES))
}

fn charge<'a>(steps: &mut Steps, bytes: usize, bytes_per_step: usize) -> Result<(), Failure<'a>> {
    steps.take(u32::try_from(bytes / bytes_per_step).unwrap_or(u32::MAX))
}

fn unusable(error: impl fmt::Display) -> String {
    format!("the pattern cannot be used: {error}")
}

impl fmt::Debug for Pattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Pattern({})", self.0.text)
    }
}
