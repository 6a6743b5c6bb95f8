//! Is the simulation worth anything? The same seed twice gives the same bytes, and what is broken on purpose is found.

use cantus_sim::{Options, Report, Sabotage, run};

/// The first of so many seeds that breaks a promise.
fn first_found(sabotage: Sabotage, seeds: u64) -> Option<Report> {
    let options = Options { sabotage, ..Options::default() };
    (1..=seeds).map(|seed| run(seed, options)).find(|report| report.violation.is_some())
}

#[test]
fn the_same_seed_twice_gives_the_same_bytes() {
    for seed in 1..=12 {
        let (one, other) = (run(seed, Options::default()), run(seed, Options::default()));
        assert_eq!(one.last, other.last, "seed {seed}");
        assert_eq!((one.hash, one.counts), (other.hash, other.counts), "seed {seed}");
    }
}

#[test]
fn every_promise_holds_for_a_few_seeds() {
    for seed in 1..=30 {
        let report = run(seed, Options::default());
        assert_eq!(report.violation, None, "seed {seed}: {:#?}", report.last);
    }
}

#[test]
fn answers_that_leave_before_their_bytes_are_safe_are_found() {
    assert!(first_found(Sabotage::LyingSyncs, 60).is_some());
}

#[test]
fn directory_entries_that_are_not_safe_are_found() {
    assert!(first_found(Sabotage::LyingDirectorySyncs, 60).is_some());
}

#[test]
fn ids_that_a_checkpoint_forgets_are_found() {
    assert!(first_found(Sabotage::DedupeForgotten, 60).is_some());
}

#[test]
fn events_that_are_matched_and_never_offered_are_found() {
    assert!(first_found(Sabotage::OffersLost, 60).is_some());
}

#[test]
fn a_delivery_in_two_workers_hands_is_found() {
    assert!(first_found(Sabotage::GivenTwice, 60).is_some());
}
