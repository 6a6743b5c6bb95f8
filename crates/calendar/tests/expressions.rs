//! What may be written, what it means, and what is said about what may not.
#![expect(clippy::unwrap_used, reason = "expressions of these tests are right, or the test fails")]

use cantus_calendar::{InvalidExpression, Next, Recurrence, Timestamp, Zone};

fn cron(text: &str) -> Result<Recurrence, InvalidExpression> {
    Recurrence::cron(text, &Zone::utc())
}

fn rule(text: &str) -> Result<Recurrence, InvalidExpression> {
    Recurrence::rrule(text, &Zone::utc(), "2026-01-01T09:00:00Z".parse().unwrap())
}

/// Returns the next three days on which it fires in 2026.
fn days(recurrence: &Recurrence) -> Vec<String> {
    let from = "2025-12-31T23:59:59Z".parse().unwrap();
    recurrence.fires_after(from).take(3).map(|at| at.to_string()[..10].to_owned()).collect()
}

#[test]
fn days_are_counted_from_both_ends_of_the_month() {
    for (text, expected) in [
        ("0 0 L * *", ["2026-01-31", "2026-02-28", "2026-03-31"]),
        ("0 0 L-2 * *", ["2026-01-29", "2026-02-26", "2026-03-29"]),
        ("0 0 LW * *", ["2026-01-30", "2026-02-27", "2026-03-31"]),
        ("0 0 15W * *", ["2026-01-15", "2026-02-16", "2026-03-16"]),
        ("0 0 1W 2,8,11 *", ["2026-02-02", "2026-08-03", "2026-11-02"]),
        ("0 0 31W * *", ["2026-01-30", "2026-03-31", "2026-05-29"]),
        ("0 0 * * 5L", ["2026-01-30", "2026-02-27", "2026-03-27"]),
        ("0 0 * * L5", ["2026-01-30", "2026-02-27", "2026-03-27"]),
        ("0 0 * * FRI#L", ["2026-01-30", "2026-02-27", "2026-03-27"]),
        ("0 0 * * tue#2,thu#1", ["2026-01-01", "2026-01-13", "2026-02-05"]),
        ("0 0 * * MON#5", ["2026-03-30", "2026-06-29", "2026-08-31"]),
        ("0 0 ? * SAT-MON", ["2026-01-03", "2026-01-04", "2026-01-05"]),
        ("0 0 1 NOV-FEB ?", ["2026-01-01", "2026-02-01", "2026-11-01"]),
        ("0 0 13 * FRI", ["2026-01-02", "2026-01-09", "2026-01-13"]),
        ("@monthly", ["2026-01-01", "2026-02-01", "2026-03-01"]),
        ("@Weekly", ["2026-01-04", "2026-01-11", "2026-01-18"]),
    ] {
        assert_eq!(days(&cron(text).unwrap()), expected, "{text}");
    }
}

#[test]
fn a_wrong_cron_expression_is_told_where_it_is_wrong_and_what_to_write() {
    for (text, byte, said) in [
        ("61 * * * *", 0, "`61` is not among the minutes: write 0 to 59"),
        ("0 9-25 * * *", 2, "`25` is not among the hours"),
        ("0 9 * * 1,FOO", 10, "`FOO` is not among the days of the week: write 0 to 7, or SUN to SAT"),
        ("* * * *", 7, "5 fields (minutes hours days months weekdays) or 6 (seconds first), this one has 4"),
        ("* * * * * * *", 12, "this one has 7"),
        ("0 17-9 * * *", 2, "run backwards: write 17-23,0-9"),
        ("0 0 * * 5-1", 8, "run backwards: write 5-6,0-1"),
        ("*/0 * * * *", 0, "`0` is no step of the minutes: write 1 to 60"),
        ("1,,2 * * * *", 2, "empty place"),
        ("? * * * *", 0, "write `*`"),
        ("0 0 ?,1 * *", 4, "stands alone"),
        ("0 0 * * 1#6", 8, "write #1 to #5"),
        ("0 0 * * 5,6#3", 8, "make it two schedules"),
        ("0 0 * * L", 8, "write 5L or FRIL"),
        ("0 0 L-31 * *", 4, "write L-1 to L-30"),
        ("0 0 30 2 *", 4, "it never fires: no such month has a day `30`"),
        ("0 0 31 2,4,6 ?", 4, "never fires"),
        ("@reboot", 0, "write one of @yearly"),
        ("@every 5m", 0, "write a span as `every`"),
        ("0\u{85}0 * * *", 10, "this one has 4"),
        ("", 0, "this one has 0"),
    ] {
        let error = cron(text).unwrap_err();
        assert!(error.to_string().contains(said), "{text}: {error}");
        assert_eq!(error.byte(), byte.min(text.len()), "{text}: {error}");
        assert!(error.to_string().contains("column "), "{error}");
    }
}

#[test]
fn a_wrong_rule_is_told_where_it_is_wrong_and_what_to_write() {
    for (text, said) in [
        ("FREQ=SOMETIMES", "`SOMETIMES` is no frequency: write FREQ=YEARLY"),
        ("INTERVAL=2", "there is no FREQ"),
        ("FREQ=DAILY;FREQ=DAILY", "twice"),
        ("FREQ=DAILY;INTERVAL=0", "a number from 1"),
        ("FREQ=DAILY;COUNT=100001", "a number from 1 to 100000"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20270101", "write one of them"),
        ("FREQ=DAILY;BYDAY=1MO", "FREQ=MONTHLY or YEARLY"),
        ("FREQ=DAILY;BYDAY=XX", "is no weekday: write MO"),
        ("FREQ=DAILY;BYMONTH=13", "write 1 to 12"),
        ("FREQ=YEARLY;BYMONTHDAY=0", "-31 from the end"),
        ("FREQ=YEARLY;BYEASTER=1", "is no part of a rule"),
        ("DTSTART:20260101\nRRULE:FREQ=DAILY;UNTIL=soon", "(line 2, column 18)"),
        ("DTSTART;TZID=Mars/Olympus:20260101T000000", "is no time zone"),
        ("DTSTART:20260101T000000\nDTSTART:20260101T000000", "second DTSTART"),
        ("DTSTART:20260101T090000\nRRULE:FREQ=DAILY\nEXDATE:20260102", "which time of that day"),
        ("EXRULE:FREQ=DAILY", "write DTSTART, RRULE, RDATE or EXDATE"),
        ("", "no line says when"),
    ] {
        let error = rule(text).unwrap_err();
        assert!(error.to_string().contains(said), "{text}: {error}");
    }
}

#[test]
fn lines_may_be_folded_indented_and_ended_as_mail_ends_them() {
    let folded = "  DTSTART:20260101T090000\r\n\r\n  RRULE:FREQ=MONTHLY;\r\n BYMONTHDAY=-1;COUNT=2\r\nRDATE:20260201T000000,\r\n 20260301T000000\r\n";
    assert_eq!(days(&rule(folded).unwrap()), ["2026-01-31", "2026-02-01", "2026-02-28"]);
}

#[test]
fn a_set_has_its_rules_and_added_times_without_those_taken_out() {
    let text = "DTSTART:20260101T090000Z\nRRULE:FREQ=MONTHLY;COUNT=3\nRRULE:FREQ=YEARLY;BYMONTH=6\nRDATE:20260115T000000Z\nEXDATE:20260101T090000Z,20260201T090000Z";
    assert_eq!(days(&rule(text).unwrap()), ["2026-01-15", "2026-03-01", "2026-06-01"]);
    assert_eq!(
        days(&rule("DTSTART:20260105T090000Z\nRDATE:20260115T000000Z").unwrap()),
        ["2026-01-05", "2026-01-15"]
    );
}

#[test]
fn weeks_are_whole_also_the_first_one_and_those_at_the_turn_of_the_year() {
    // The Wednesday of the first week lies before the start, and is the first of its week all the same.
    let text = "DTSTART:20260102T090000\nRRULE:FREQ=WEEKLY;BYDAY=WE,SA;BYSETPOS=1";
    assert_eq!(days(&rule(text).unwrap()), ["2026-01-07", "2026-01-14", "2026-01-21"]);
    // 2026 has 53 weeks, 2027 has 52; the first week of 2026 begins in December.
    let text = "DTSTART:20251201T090000\nRRULE:FREQ=DAILY;BYWEEKNO=-53;BYDAY=MO,TH";
    let first = rule(text).unwrap().next_after(Timestamp::UNIX_EPOCH).map(|at| at.to_string());
    assert_eq!(first.as_deref(), Some("2025-12-29T09:00:00Z"));
    assert_eq!(
        days(&rule("FREQ=DAILY;BYWEEKNO=53;BYDAY=SA,SU").unwrap()),
        ["2027-01-02", "2027-01-03", "2033-01-01"]
    );
}

#[test]
fn what_never_fires_is_found_out() {
    for text in [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=31",
        "FREQ=MONTHLY;INTERVAL=12;BYMONTHDAY=31;BYMONTH=2,4",
        "FREQ=WEEKLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=SECONDLY;BYMONTH=4;BYMONTHDAY=31;COUNT=3",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6",
        "FREQ=HOURLY;BYMINUTE=1,2;BYSETPOS=3;COUNT=5",
        "FREQ=YEARLY;UNTIL=20200101T000000Z",
    ] {
        assert_eq!(rule(text).unwrap().search_after(Timestamp::UNIX_EPOCH), Next::Never, "{text}");
    }
}

#[test]
fn a_search_gives_up_at_its_bound() {
    let hostile = "DTSTART:20260101T000000Z\nRRULE:FREQ=SECONDLY;INTERVAL=2;BYSECOND=1";
    assert_eq!(rule(hostile).unwrap().search_after(Timestamp::UNIX_EPOCH), Next::GaveUp);
    let counted = rule(&format!("{hostile};COUNT=100000")).unwrap_err();
    assert!(counted.to_string().contains("write UNTIL=… instead"), "{counted}");
}

#[test]
fn thousands_of_times_may_be_taken_out() {
    let out: Vec<String> =
        (0..3_600).map(|second| format!("20260101T09{:02}{:02}Z", second / 60, second % 60)).collect();
    let text = format!("DTSTART:20260101T090000Z\nRRULE:FREQ=SECONDLY\nEXDATE:{}", out.join(","));
    let next = rule(&text).unwrap().search_after(Timestamp::UNIX_EPOCH);
    assert_eq!(next, Next::At("2026-01-01T10:00:00Z".parse().unwrap()));
}

#[test]
fn a_count_reaches_as_far_as_it_says() {
    let last = |text: &str| rule(text).unwrap().fires_after(Timestamp::MIN).last().unwrap().to_string();
    assert_eq!(last("FREQ=DAILY;COUNT=2000"), "2031-06-23T09:00:00Z");
    assert_eq!(last("FREQ=MINUTELY;BYHOUR=10;COUNT=61"), "2026-01-02T10:00:00Z");
    assert_eq!(last("FREQ=HOURLY;BYMINUTE=10,50;BYSETPOS=-1;COUNT=3"), "2026-01-01T11:50:00Z");
}

#[test]
fn spans_are_read_as_people_write_them() {
    let anchor: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let next = |text: &str| {
        Recurrence::every(text, anchor).map(|every| every.next_after(anchor).unwrap().to_string())
    };
    assert_eq!(next("90s").unwrap(), "2026-01-01T00:01:30Z");
    assert_eq!(next("2h 30m").unwrap(), "2026-01-01T02:30:00Z");
    assert_eq!(next("1w").unwrap(), "2026-01-08T00:00:00Z");
    assert_eq!(next("PT15M").unwrap(), "2026-01-01T00:15:00Z");
    assert_eq!(next("1.5s").unwrap(), "2026-01-01T00:00:01.5Z");
    for text in ["", "0s", "-5m", "500ms", "soon", "1000000d", "1mo", "1y"] {
        assert!(next(text).unwrap_err().to_string().contains("write a"), "{text}");
    }
    let every = Recurrence::every("1h", anchor).unwrap();
    assert_eq!(every.next_after(Timestamp::UNIX_EPOCH), Some(anchor), "the anchor is the first time");
}

#[test]
fn zones_are_those_of_the_database_that_is_built_in() {
    assert_eq!(Zone::parse("europe/berlin").unwrap().name(), "Europe/Berlin");
    assert!(cantus_calendar::time_zones_version().is_some());
    let long = "x".repeat(10_000);
    for name in [
        "",
        "Local",
        "../../etc",
        "/etc/localtime",
        "+02:00",
        "EST5EDT,M3.2.0,M11.1.0",
        "Mars/Olympus",
        &long,
    ] {
        let error = Zone::parse(name).unwrap_err().to_string();
        assert!(error.contains("write an IANA name") && error.len() < 300, "{error}");
    }
}
