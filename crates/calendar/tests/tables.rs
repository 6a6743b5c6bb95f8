//! Both tables of `tests/data`, every row. Rows that we answer otherwise stand in `OTHERWISE`, and here alone.

#![expect(clippy::unwrap_used, reason = "a table that cannot be read is a failed test")]

use cantus_calendar::{Next, Recurrence, Zone};
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

/// Rows that we answer otherwise than the table, with our answer and why. `docs/how-to/schedules.md` says the same to users.
const OTHERWISE: &[(&str, Answer, &str)] = &[(
    "croniter-196",
    Answer::Fires,
    "`0 0 0 * * *` is wrong where the seconds stand last; ours stand first, and it means midnight",
)];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Fires,
}

#[derive(Debug, Deserialize)]
struct CronRow {
    id: String,
    expr: String,
    tz: Option<String>,
    start: Option<String>,
    #[serde(default)]
    ops: Vec<(String, String)>,
    at: Option<String>,
    fires: Option<bool>,
    #[serde(default)]
    invalid: bool,
}

#[derive(Debug, Deserialize)]
struct RuleRow {
    id: String,
    ical: Vec<String>,
    tz: Option<String>,
    expect: Vec<String>,
    complete: bool,
}

/// Reads a time with an offset, or local to the row's zone.
fn time(text: &str, zone: Option<&str>) -> Timestamp {
    text.parse().unwrap_or_else(|_| {
        let zone = zone.map_or(TimeZone::UTC, |name| TimeZoneDatabase::bundled().get(name).unwrap());
        text.parse::<DateTime>().unwrap().to_zoned(zone).unwrap().timestamp()
    })
}

fn zone(name: Option<&str>) -> Zone {
    name.map_or_else(Zone::utc, |name| Zone::parse(name).unwrap())
}

fn judge_cron(row: &CronRow) -> Result<(), String> {
    let read = Recurrence::cron(&row.expr, &zone(row.tz.as_deref()));
    if row.invalid {
        return match read {
            Err(_) => Ok(()),
            Ok(_) => Err(format!("{} was understood", row.expr)),
        };
    }
    let cron = read.map_err(|error| error.to_string())?;
    let time = |text: &str| time(text, row.tz.as_deref());
    if let (Some(at), Some(fires)) = (&row.at, row.fires) {
        let at = time(at);
        let next = cron.next_after(at - SignedDuration::from_millis(1));
        return if (next == Some(at)) == fires {
            Ok(())
        } else {
            Err(format!("fires at {next:?}, asked {at}"))
        };
    }
    let start = time(row.start.as_deref().ok_or("the row asks nothing")?);
    assert!(!row.ops.is_empty(), "{}: the row expects nothing", row.id);
    assert!(row.ops.iter().all(|(op, _)| op == "next"), "{}: another question", row.id);
    let expected: Vec<Timestamp> = row.ops.iter().map(|(_, text)| time(text)).collect();
    let found: Vec<Timestamp> = cron.fires_after(start).take(expected.len()).collect();
    if found == expected { Ok(()) } else { Err(format!("{found:?}, not {expected:?}")) }
}

fn judge_rule(row: &RuleRow) -> Result<(), String> {
    let text = row.ical.join("\n");
    let rule = Recurrence::rrule(&text, &zone(row.tz.as_deref()), Timestamp::UNIX_EPOCH)
        .map_err(|error| error.to_string())?;
    let expected: Vec<Timestamp> = row.expect.iter().map(|text| time(text, row.tz.as_deref())).collect();
    let found: Vec<Timestamp> = rule.fires_after(Timestamp::MIN).take(expected.len()).collect();
    if found != expected {
        return Err(format!("{found:?}, not {expected:?}"));
    }
    let last = *expected.last().ok_or("the row expects nothing")?;
    match rule.search_after(last) {
        Next::At(more) if row.complete => Err(format!("goes on at {more}")),
        Next::GaveUp => Err("gave up".to_owned()),
        _ => Ok(()),
    }
}

fn rows<T: for<'de> Deserialize<'de>>(text: &str) -> Vec<T> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn report(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn cron_fires_as_three_independent_implementations_do() {
    let rows: Vec<CronRow> = rows(include_str!("data/cron-cases.jsonl"));
    assert_eq!(rows.len(), 145);
    let judged = rows.iter().filter_map(|row| match OTHERWISE.iter().find(|(id, _, _)| *id == row.id) {
        Some((_, Answer::Fires, _)) => {
            Recurrence::cron(&row.expr, &Zone::utc()).err().map(|error| error.to_string())
        }
        None => judge_cron(row).err().map(|wrong| format!("{} `{}`: {wrong}", row.id, row.expr)),
    });
    report(judged.collect());
}

#[test]
fn rules_recur_as_the_libraries_of_rfc_5545_say() {
    let rows: Vec<RuleRow> = rows(include_str!("data/rrule-cases.jsonl"));
    assert_eq!(rows.len(), 53);
    let judged = rows
        .iter()
        .filter_map(|row| judge_rule(row).err().map(|wrong| format!("{} {:?}: {wrong}", row.id, row.ical)));
    report(judged.collect());
}

#[test]
fn no_row_is_answered_otherwise_without_being_in_the_table() {
    let table = include_str!("data/cron-cases.jsonl");
    for (id, _, reason) in OTHERWISE {
        assert!(table.contains(&format!("\"id\": \"{id}\"")), "{id} is not in the table: {reason}");
    }
}
