//! What a campaign prints: a table for people on stderr, JSON on stdout.

use serde_json::{Value, json};

use super::judge::Verdict;

/// How many violations the table shows; the JSON has all.
const SHOWN: usize = 50;

/// How a campaign was run.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) seed: u64,
    pub(super) clients: usize,
    pub(super) seconds: f64,
}

/// Prints both.
pub(super) fn print(setting: &Setting, verdict: &Verdict) {
    let counts = serde_json::to_value(&verdict.counts).expect("counts are plain numbers");
    eprint!("{}", table(setting, &counts, &verdict.violations));
    let report = json!({
        "campaign": "kill",
        "seed": setting.seed,
        "clients": setting.clients,
        "seconds": (setting.seconds * 10.0).round() / 10.0,
        "counts": counts,
        "violations": verdict.violations,
    });
    println!("{report}");
}

fn table(setting: &Setting, counts: &Value, violations: &[String]) -> String {
    let mut text = format!(
        "\n{:<28} {:>10}\n{:<28} {:>10}\n{:<28} {:>10.1}\n",
        "seed", setting.seed, "clients", setting.clients, "seconds", setting.seconds
    );
    for (name, count) in counts.as_object().into_iter().flatten() {
        text.push_str(&format!("{:<28} {:>10}\n", name.replace('_', " "), count));
    }
    text.push_str(&format!("{:<28} {:>10}\n", "violations", violations.len()));
    for violation in violations.iter().take(SHOWN) {
        text.push_str(&format!("  {violation}\n"));
    }
    if violations.len() > SHOWN {
        text.push_str(&format!("  and {} more, in the JSON\n", violations.len() - SHOWN));
    }
    text
}
