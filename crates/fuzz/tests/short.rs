//! The short run: every seed, and a fixed number of mutations, the same on every machine. A failure prints the input; put it
//! among the seeds once it is mended.

use std::panic::{AssertUnwindSafe, catch_unwind};

use cantus_fuzz::mutate::{Chance, mutate};
use cantus_fuzz::targets::named;
use cantus_fuzz::{Target, corpus};

fn tried(target: &Target, input: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.run)(input))) {
        eprintln!("{} does not hold for this input: {}", target.name, target.holds);
        eprintln!("{}", input.escape_ascii());
        std::panic::resume_unwind(panic);
    }
}

fn holds(name: &str) {
    let target = named(name).expect("there is such a target");
    let seeds = corpus::seeds(name).expect("its seeds can be read");
    assert!(!seeds.is_empty(), "{name} has no seeds");
    let words = corpus::words(name).expect("its words can be read");
    let mut chance = Chance::new(0xca27);
    for seed in &seeds {
        tried(target, seed);
    }
    for _ in 0..target.short {
        let mut input = seeds[chance.below(seeds.len())].clone();
        let other = seeds[chance.below(seeds.len())].clone();
        mutate(&mut input, &mut chance, &words, &other);
        tried(target, &input);
    }
}

#[test]
fn a_frame_is_refused_or_whole() {
    holds("frame");
}

#[test]
fn an_index_file_is_refused_or_answers() {
    holds("index_file");
}

#[test]
fn a_fact_is_refused_or_written_as_itself() {
    holds("fact");
}

#[test]
fn an_event_of_either_shape_is_refused_or_written_as_itself() {
    holds("event");
}

#[test]
fn an_event_in_headers_is_refused_or_written_as_itself() {
    holds("binary_event");
}

#[test]
fn a_file_is_loaded_or_rejected_with_a_reason() {
    holds("file");
}

#[test]
fn a_filter_asked_and_explained_says_the_same() {
    holds("filter");
}

#[test]
fn a_recurrence_is_refused_or_rises() {
    holds("calendar");
}

#[test]
fn a_request_is_answered_and_never_with_an_internal_error() {
    holds("http");
}
