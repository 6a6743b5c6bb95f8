//! Recurrences: a byte for the zone, then a text that is read in each of the four ways.

use cantus_calendar::{Recurrence, Timestamp, Zone};

const ZONES: [&str; 6] =
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia"];

pub(super) fn run(input: &[u8]) {
    let Some((zone, text)) = input.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let zone = Zone::parse(ZONES[usize::from(*zone) % ZONES.len()]).expect("the zone is in the database");
    let start = Timestamp::from_second(1_774_700_000).expect("a second of 2026");
    let read = [
        Recurrence::cron(text, &zone),
        Recurrence::rrule(text, &zone, start),
        Recurrence::every(text, start),
        Recurrence::at(text, &zone),
    ];
    for recurrence in read.into_iter().flatten() {
        let fires: Vec<Timestamp> = recurrence.fires_after(start).take(5).collect();
        assert!(fires.first().is_none_or(|first| *first > start), "a time is behind the question");
        for pair in fires.windows(2) {
            assert!(pair[0] < pair[1], "times rise: {pair:?}");
            let middle = pair[0].as_nanosecond().midpoint(pair[1].as_nanosecond());
            let middle = Timestamp::from_nanosecond(middle).expect("between two instants");
            assert_eq!(recurrence.next_after(middle), Some(pair[1]), "asked from in between");
        }
    }
}
