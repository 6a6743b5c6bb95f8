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

/// The first of so many seeds that breaks this promise, whatever else one breaks before.
fn first_that_breaks(sabotage: Sabotage, promise: &str, seeds: u64) -> Option<Report> {
    let options = Options { sabotage, ..Options::default() };
    let broken = |report: &Report| report.violation.as_ref().is_some_and(|it| it.promise.contains(promise));
    (1..=seeds).map(|seed| run(seed, options)).find(broken)
}

#[test]
fn what_rot_took_without_a_word_is_found() {
    assert!(first_that_breaks(Sabotage::GapsHidden, "rot is found", 150).is_some());
}

#[test]
fn a_breaker_that_closes_without_a_word_is_found() {
    assert!(first_that_breaks(Sabotage::ClosedUntold, "only probed", 60).is_some());
}

#[test]
fn a_held_key_that_goes_on_by_itself_is_found() {
    assert!(first_that_breaks(Sabotage::KeysLetGo, "a key that waits", 150).is_some());
}

#[test]
fn more_attempts_than_the_rate_allows_are_found() {
    assert!(first_that_breaks(Sabotage::RateIgnored, "the rate allows", 60).is_some());
}

#[test]
fn an_item_that_has_its_turn_twice_is_found() {
    assert!(first_that_breaks(Sabotage::TurnsUntold, "a bulk operation", 60).is_some());
}

#[test]
fn events_that_go_untold_or_too_early_are_found() {
    assert!(first_that_breaks(Sabotage::LossesUntold, "nothing goes", 150).is_some());
    assert!(first_that_breaks(Sabotage::GoneEarly, "nothing goes", 60).is_some());
}
