//! What holds for every expression.
#![expect(clippy::unwrap_used, reason = "expressions of these tests are right, or the test fails")]

use cantus_calendar::{Recurrence, Timestamp, Zone};
use proptest::prelude::*;

const ZONES: [&str; 7] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Pacific/Apia",
    "Africa/Cairo",
];

fn zone() -> impl Strategy<Value = Zone> {
    proptest::sample::select(&ZONES[..]).prop_map(|name| Zone::parse(name).unwrap())
}

/// Instants of this half century.
fn instant() -> impl Strategy<Value = Timestamp> {
    (1_200_000_000_000i64..2_400_000_000_000).prop_map(|ms| Timestamp::from_millisecond(ms).unwrap())
}

fn field(min: u8, max: u8) -> impl Strategy<Value = String> {
    let number = min..=max;
    prop_oneof![
        3 => Just("*".to_owned()),
        3 => number.clone().prop_map(|one| one.to_string()),
        1 => (number.clone(), number.clone()).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        1 => (1u8..=9).prop_map(|step| format!("*/{}", step.min(7))),
        1 => (number.clone(), number).prop_map(|(a, b)| format!("{a},{b}")),
    ]
}

fn cron() -> impl Strategy<Value = String> {
    let day = prop_oneof![4 => field(1, 31), 1 => Just("L".to_owned()), 1 => Just("15W".to_owned())];
    let weekday = prop_oneof![4 => field(0, 6), 1 => Just("MON#1".to_owned()), 1 => Just("5L".to_owned())];
    let seconds = prop_oneof![Just(String::new()), field(0, 59).prop_map(|field| field + " ")];
    (seconds, field(0, 59), field(0, 23), day, field(1, 12), weekday).prop_map(
        |(seconds, minutes, hours, day, month, weekday)| {
            format!("{seconds}{minutes} {hours} {day} {month} {weekday}")
        },
    )
}

fn rule() -> impl Strategy<Value = String> {
    let frequency = proptest::sample::select(
        &["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY"][..],
    );
    let part = proptest::sample::select(
        &[
            "",
            ";BYMONTH=3,10",
            ";BYDAY=SU,MO",
            ";BYMONTHDAY=-1,29,8",
            ";BYHOUR=1,2,3",
            ";BYMINUTE=0,30",
            ";BYSECOND=0,59",
            ";BYWEEKNO=13,44,-1",
            ";BYYEARDAY=87,-60",
            ";BYSETPOS=1,-1",
            ";COUNT=7",
            ";COUNT=1000",
            ";UNTIL=20300101T000000Z",
        ][..],
    );
    (frequency, 1u32..200, part.clone(), part, 0i64..4_000).prop_map(
        |(frequency, interval, one, other, days)| {
            let start = "2015-01-01T01:30:00".parse::<jiff::civil::DateTime>().unwrap();
            let start = start.checked_add(jiff::Span::new().days(days)).unwrap();
            let other = if other.split('=').next() == one.split('=').next()
                || one.contains("COUNT")
                || one.contains("UNTIL")
            {
                ""
            } else {
                other
            };
            format!(
                "DTSTART:{}\nRRULE:FREQ={frequency};INTERVAL={interval}{one}{other}",
                start.strftime("%Y%m%dT%H%M%S")
            )
        },
    )
}

/// Rising, behind the question, and the same whether asked one by one or from in between.
fn check(recurrence: &Recurrence, after: Timestamp) -> Result<(), TestCaseError> {
    let fires: Vec<Timestamp> = recurrence.fires_after(after).take(12).collect();
    prop_assert!(fires.first().is_none_or(|first| *first > after));
    prop_assert!(fires.is_sorted_by(|one, next| one < next), "{fires:?}");
    for (at, next) in fires.iter().zip(&fires[fires.len().min(1)..]) {
        let between = Timestamp::from_nanosecond(at.as_nanosecond().midpoint(next.as_nanosecond())).unwrap();
        prop_assert_eq!(recurrence.next_after(between), Some(*next));
        prop_assert_eq!(recurrence.next_after(*next - jiff::SignedDuration::from_nanos(1)), Some(*next));
    }
    Ok(())
}

/// Sets of numbers, and the field that means them.
fn numbers(min: u8, max: u8) -> impl Strategy<Value = (Vec<u8>, String)> {
    proptest::collection::btree_set(min..=max, 1..5).prop_map(|set| {
        let numbers: Vec<u8> = set.into_iter().collect();
        let texts: Vec<String> = numbers.iter().map(u8::to_string).collect();
        (numbers, texts.join(","))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn cron_rises_and_is_the_same_from_wherever_it_is_asked(text in cron(), zone in zone(), after in instant()) {
        if let Ok(recurrence) = Recurrence::cron(&text, &zone) {
            check(&recurrence, after)?;
        }
    }

    #[test]
    fn cron_fires_at_every_minute_that_fits_and_at_no_other(
        (minutes, minute) in numbers(0, 59),
        (hours, hour) in numbers(0, 23),
        (days, day) in numbers(1, 31),
        (weekdays, weekday) in numbers(0, 6),
        after in instant(),
    ) {
        let recurrence = Recurrence::cron(&format!("{minute} {hour} {day} * {weekday}"), &Zone::utc()).unwrap();
        let found = recurrence.next_after(after).unwrap();
        let fits = |at: Timestamp| {
            let at = at.to_zoned(jiff::tz::TimeZone::UTC);
            let has = |set: &[u8], number: i8| set.contains(&number.unsigned_abs());
            has(&minutes, at.minute()) && has(&hours, at.hour())
                && (has(&days, at.day()) || has(&weekdays, at.weekday().to_sunday_zero_offset()))
        };
        let minute = |at: Timestamp| Timestamp::from_second(at.as_second().div_euclid(60) * 60).unwrap();
        let first = (1..).map(|ahead| minute(after) + jiff::SignedDuration::from_mins(ahead)).find(|at| fits(*at));
        prop_assert_eq!(Some(found), first);
    }

    #[test]
    fn rules_rise_and_are_the_same_from_wherever_they_are_asked(text in rule(), zone in zone(), after in instant()) {
        let recurrence = Recurrence::rrule(&text, &zone, after);
        if let Ok(recurrence) = recurrence {
            check(&recurrence, after)?;
        }
    }

    #[test]
    fn spans_rise(seconds in 1u32..10_000_000, anchor in instant(), after in instant()) {
        check(&Recurrence::every(&format!("{seconds}s"), anchor).unwrap(), after)?;
    }

    #[test]
    fn no_text_is_too_much(text in "\\PC{0,60}", zone in zone(), after in instant()) {
        let _ = Zone::parse(&text);
        for read in [
            Recurrence::cron(&text, &zone),
            Recurrence::every(&text, after),
            Recurrence::rrule(&text, &zone, after),
            Recurrence::at(&text, &zone),
        ].into_iter().flatten() {
            check(&read, after)?;
        }
    }

    #[test]
    fn no_text_made_of_what_is_known_is_too_much(
        cron in "([0-9*/,#LW?-]{1,4}[ ]){4,5}[0-9*/,#LW?A-Z-]{1,5}",
        rule in "(DTSTART:[0-9]{8}T[0-9]{6}Z?\n)?RRULE:FREQ=(YEARLY|WEEKLY|HOURLY|SECONDLY)(;(INTERVAL|COUNT|UNTIL|BYDAY|BYHOUR|BYSETPOS|BYWEEKNO|BYMONTHDAY)=[0-9MOTUZ,-]{1,9}){0,3}",
        after in instant(),
    ) {
        for read in [Recurrence::cron(&cron, &Zone::utc()), Recurrence::rrule(&rule, &Zone::utc(), after)].into_iter().flatten() {
            check(&read, after)?;
        }
    }
}
