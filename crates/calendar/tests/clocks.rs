//! What happens when the clocks are changed.
#![expect(clippy::unwrap_used, reason = "expressions of these tests are right, or the test fails")]

use cantus_calendar::{Recurrence, Timestamp, Zone};

fn cron(text: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
    let zone = Zone::parse(zone).unwrap();
    told(&Recurrence::cron(text, &zone).unwrap(), zone.time(from).unwrap(), count)
}

fn rule(text: &str, from: &str, count: usize) -> Vec<String> {
    let rule = Recurrence::rrule(text, &Zone::utc(), Timestamp::UNIX_EPOCH).unwrap();
    told(&rule, rule.zone().time(from).unwrap(), count)
}

fn told(recurrence: &Recurrence, from: Timestamp, count: usize) -> Vec<String> {
    recurrence.fires_after(from).take(count).map(|at| recurrence.zone().format(at)).collect()
}

#[test]
fn a_time_of_day_that_is_skipped_fires_at_the_first_instant_after_the_jump() {
    assert_eq!(
        cron("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00", 2),
        ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]
    );
    // Two that are skipped, and one at the end of the jump, are one firing.
    assert_eq!(
        cron("10,50 2,3 29 3 *", "Europe/Berlin", "2026-03-28T12:00:00", 3),
        ["2026-03-29T03:00:00+02:00", "2026-03-29T03:10:00+02:00", "2026-03-29T03:50:00+02:00"]
    );
    assert_eq!(
        cron("0 2,3 29 3 *", "Europe/Berlin", "2026-03-28T12:00:00", 2),
        ["2026-03-29T03:00:00+02:00", "2027-03-29T02:00:00+02:00"]
    );
    // Samoa skipped a whole day.
    assert_eq!(
        cron("0 9 * * *", "Pacific/Apia", "2011-12-29T12:00:00", 2),
        ["2011-12-31T00:00:00+14:00", "2011-12-31T09:00:00+14:00"]
    );
}

#[test]
fn a_time_of_day_that_happens_twice_fires_at_its_first_time() {
    assert_eq!(
        cron("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00", 2),
        ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]
    );
    // Also when it is asked for between the two.
    assert_eq!(
        cron("30,45 2 * * *", "Europe/Berlin", "2026-10-25T02:40:00+01:00", 1),
        ["2026-10-26T02:30:00+01:00"]
    );
}

#[test]
fn an_interval_follows_the_clocks_it_skips_what_they_skip_and_repeats_what_they_repeat() {
    assert_eq!(
        cron("*/30 * * * *", "Europe/Berlin", "2026-03-29T01:00:00", 2),
        ["2026-03-29T01:30:00+01:00", "2026-03-29T03:00:00+02:00"]
    );
    assert_eq!(
        cron("0 */30 * * * *", "Europe/Berlin", "2026-10-25T02:00:00+02:00", 4),
        [
            "2026-10-25T02:30:00+02:00",
            "2026-10-25T02:00:00+01:00",
            "2026-10-25T02:30:00+01:00",
            "2026-10-25T03:00:00+01:00"
        ]
    );
    assert_eq!(
        cron("45 * * * *", "Australia/Lord_Howe", "2026-04-05T01:00:00+11:00", 3),
        ["2026-04-05T01:45:00+11:00", "2026-04-05T01:45:00+10:30", "2026-04-05T02:45:00+10:30"]
    );
    // Every hour, however it is written.
    assert_eq!(
        cron("0 0-23 * * *", "Europe/Berlin", "2026-10-25T02:00:00+02:00", 1),
        ["2026-10-25T02:00:00+01:00"]
    );
}

#[test]
fn a_rule_takes_a_skipped_time_by_the_offset_before_the_jump() {
    let daily = "DTSTART;TZID=America/New_York:20260307T023000\nRRULE:FREQ=DAILY";
    assert_eq!(
        rule(daily, "2026-03-07T12:00:00", 2),
        ["2026-03-08T03:30:00-04:00", "2026-03-09T02:30:00-04:00"]
    );
    // Asked after the jump and before the time it became.
    assert_eq!(rule(daily, "2026-03-08T03:10:00", 1), ["2026-03-08T03:30:00-04:00"]);
    assert_eq!(rule(daily, "2026-03-08T03:30:00", 1), ["2026-03-09T02:30:00-04:00"]);
}

#[test]
fn what_is_pushed_behind_a_jump_comes_in_order_and_once() {
    let text = "DTSTART;TZID=America/New_York:20260308T000000\nRRULE:FREQ=DAILY;BYHOUR=2,3;BYMINUTE=0,30;BYSECOND=0;COUNT=5";
    assert_eq!(
        rule(text, "2026-03-08T00:00:00", 9),
        ["2026-03-08T03:00:00-04:00", "2026-03-08T03:30:00-04:00", "2026-03-09T02:00:00-04:00"]
    );
    let text = "DTSTART;TZID=America/New_York:20260308T000000\nRRULE:FREQ=DAILY;BYHOUR=2,3;BYMINUTE=15,50";
    assert_eq!(
        rule(text, "2026-03-08T00:00:00", 3),
        ["2026-03-08T03:15:00-04:00", "2026-03-08T03:50:00-04:00", "2026-03-09T02:15:00-04:00"]
    );
}

#[test]
fn a_rule_takes_the_first_of_two() {
    assert_eq!(
        rule("DTSTART;TZID=America/New_York:20261031T013000\nRRULE:FREQ=DAILY", "2026-10-31T12:00:00", 2),
        ["2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"]
    );
}

#[test]
fn hours_and_shorter_steps_follow_elapsed_time() {
    assert_eq!(
        rule(
            "DTSTART;TZID=Europe/London:20260329T000000\nRRULE:FREQ=HOURLY;COUNT=4",
            "2026-03-28T00:00:00",
            9
        ),
        [
            "2026-03-29T00:00:00+00:00",
            "2026-03-29T02:00:00+01:00",
            "2026-03-29T03:00:00+01:00",
            "2026-03-29T04:00:00+01:00"
        ]
    );
    assert_eq!(
        rule(
            "DTSTART;TZID=Europe/London:20260329T003000\nRRULE:FREQ=MINUTELY;INTERVAL=30;COUNT=3",
            "2026-03-28T00:00:00",
            9
        ),
        ["2026-03-29T00:30:00+00:00", "2026-03-29T02:00:00+01:00", "2026-03-29T02:30:00+01:00"]
    );
    assert_eq!(
        rule(
            "DTSTART;TZID=Europe/London:20261025T000000\nRRULE:FREQ=HOURLY;BYHOUR=1",
            "2026-10-25T00:00:00",
            3
        ),
        ["2026-10-25T01:00:00+01:00", "2026-10-25T01:00:00+00:00", "2026-10-26T01:00:00+00:00"]
    );
}

#[test]
fn a_span_does_not_mind_the_clocks() {
    let zone = Zone::parse("Europe/Berlin").unwrap();
    let from = zone.time("2026-03-28T12:00:00").unwrap();
    let every = Recurrence::every("1d", from).unwrap().shown_in(&zone);
    assert_eq!(told(&every, from, 1), ["2026-03-29T13:00:00+02:00"]);
}

#[test]
fn one_time_is_read_on_the_clocks_of_its_zone() {
    let zone = Zone::parse("Europe/Berlin").unwrap();
    let at = |text: &str| Recurrence::at(text, &zone).map(|at| told(&at, Timestamp::MIN, 9));
    assert_eq!(at("2026-03-29T02:30:00").unwrap(), ["2026-03-29T03:00:00+02:00"]);
    assert_eq!(at("2026-10-25T02:30:00").unwrap(), ["2026-10-25T02:30:00+02:00"]);
    assert_eq!(at("2026-10-25T01:30:00Z").unwrap(), ["2026-10-25T02:30:00+01:00"]);
    assert!(at("tomorrow").unwrap_err().to_string().contains("write 2026-11-29T14:30:00Z"));
}
