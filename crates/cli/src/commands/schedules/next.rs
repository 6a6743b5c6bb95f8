//! `cantus schedules next`

use anyhow::Result;
use cantus_calendar::{Timestamp, Zone};
use clap::{ArgGroup, Args};
use serde_json::json;

use super::lines;
use super::question::{Expression, Fires, From, Question};
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Table, relative};

/// Say when something recurs, without a server
///
/// With --stdin, each line {"cron"|"rrule"|"every": …, "timezone": …, "from": …, "n": …} is answered by a line {"fires": […]} or
/// {"error": "…"}. There a rule without `from` is told from its DTSTART on.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["cron", "rrule", "every", "stdin"]))]
#[command(after_help = "Examples:\n  \
    cantus schedules next --cron '0 9 * * MON-FRI' --timezone Europe/Berlin\n  \
    cantus schedules next --rrule 'FREQ=MONTHLY;BYDAY=-1FR' -n 3 --from 2026-01-01T09:00:00\n  \
    cantus schedules next --every '2h 30m' -o json\n  \
    cantus schedules next --stdin <lines.jsonl")]
pub(crate) struct Next {
    /// A cron expression: 5 fields, 6 with the seconds first, or a macro such as @daily
    #[arg(long, value_name = "EXPR")]
    cron: Option<String>,
    /// A rule of RFC 5545, or lines of DTSTART, RRULE, RDATE and EXDATE
    #[arg(long, value_name = "EXPR")]
    rrule: Option<String>,
    /// A span, counted from --from
    #[arg(long, value_name = "SPAN")]
    every: Option<String>,
    /// The IANA zone whose clocks are meant; UTC unless given
    #[arg(long, value_name = "ZONE", conflicts_with = "stdin")]
    timezone: Option<String>,
    /// From when on: RFC 3339, or local to the zone; now unless given. Cron and spans fire behind it, a rule may fire at it
    #[arg(long, value_name = "TIME", conflicts_with = "stdin")]
    from: Option<String>,
    /// How many times to tell, at most 10000
    #[arg(short, value_name = "COUNT", default_value_t = super::question::FIRES, conflicts_with = "stdin")]
    n: usize,
    /// Read lines from stdin
    #[arg(long)]
    stdin: bool,
}

impl Next {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let screen = &context.screen;
        let now = Timestamp::from_millisecond(screen.now_ms()).unwrap_or(Timestamp::UNIX_EPOCH);
        if self.stdin {
            return lines::answer(std::io::stdin().lock(), now, &mut |line| screen.print(line));
        }
        let expression = match (&self.cron, &self.rrule, &self.every) {
            (Some(text), _, _) => Expression::Cron(text),
            (_, Some(text), _) => Expression::Rrule(text),
            (_, _, Some(text)) => Expression::Every(text),
            _ => return Err(Failure::usage("say what recurs: --cron, --rrule, --every or --stdin").into()),
        };
        let question = Question {
            expression,
            timezone: self.timezone.as_deref(),
            from: self.from.as_deref().map_or(From::Now(now), From::Time),
            n: self.n,
        };
        let fires = question.answer().map_err(Failure::usage)?;
        let value = json!({"fires": fires.texts(), "timezone": fires.zone.name(), "ends": fires.ends});
        screen.show(&value, || {
            let mut text = table(&fires, screen.now_ms()).render(screen, "");
            if fires.ends {
                let words = if fires.times.is_empty() {
                    "It never fires from there on.\n"
                } else {
                    "Then it never fires again.\n"
                };
                text.push_str(words);
            }
            text
        })
    }
}

fn table(fires: &Fires, now_ms: i64) -> Table {
    let mut table = Table::new(["LOCAL", "UTC", "WHEN"]);
    for at in &fires.times {
        let utc = at.to_string();
        let when = relative(&utc, now_ms);
        table.row([local(&fires.zone, *at), utc, when]);
    }
    table
}

fn local(zone: &Zone, at: Timestamp) -> String {
    format!("{} {}", zone.format(at), zone.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{Screen, TimeStyle};

    #[test]
    fn people_see_the_clocks_of_the_zone_utc_and_how_far_away_it_is() {
        let screen = Screen::fixed(TimeStyle::Relative, "2026-03-28T00:00:00Z");
        let question = Question {
            expression: Expression::Cron("30 2 * * *"),
            timezone: Some("europe/berlin"),
            from: From::Time("2026-03-28T00:00:00"),
            n: 3,
        };
        let fires = question.answer().unwrap();
        insta::assert_snapshot!(table(&fires, screen.now_ms()).render(&screen, ""), @"
        LOCAL                                    UTC                   WHEN
        2026-03-28T02:30:00+01:00 Europe/Berlin  2026-03-28T01:30:00Z  in 1h 30m
        2026-03-29T03:00:00+02:00 Europe/Berlin  2026-03-29T01:00:00Z  in 1d 1h
        2026-03-30T02:30:00+02:00 Europe/Berlin  2026-03-30T00:30:00Z  in 2d
        ");
    }
}
