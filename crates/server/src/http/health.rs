//! Health: `/livez` (the process answers), `/readyz` and its alias `/healthz` (requests will be served).
//!
//! ```text
//! [+]store ok
//! [+]turn ok
//! [+]stopping ok
//! readyz check passed
//! ```

use std::fmt::Write as _;
use std::time::Duration;

use axum::response::Response;
use cantus_engine::Space;
use cantus_runtime::Failed;
use http::StatusCode;
use serde::Deserialize;

use super::answer;
use super::call::Call;
use super::route::{Answered, Route};
use crate::app::App;
use crate::problem::{nearest, parameter};

/// How long a check may take.
const TIME: Duration = Duration::from_secs(2);
const TEXT: &str = "text/plain; charset=utf-8";
const QUERY: &[&str] = &["verbose", "exclude"];

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/livez", live)
            .summary("Says that the process is alive.")
            .query(QUERY)
            .gives_other(TEXT)
            .while_stopping(),
        Route::get("/readyz", ready)
            .summary("Says whether requests will be served: 200 or 503. The parameter `verbose` lists what was checked, `exclude` leaves checks out.")
            .query(QUERY)
            .gives_other(TEXT)
            .while_stopping(),
        Route::get("/healthz", ready)
            .summary("The same as /readyz.")
            .query(QUERY)
            .gives_other(TEXT)
            .while_stopping(),
    ]
}

#[derive(Deserialize)]
struct Query {
    verbose: Option<String>,
    exclude: Option<String>,
}

impl Query {
    fn is_verbose(&self) -> bool {
        self.verbose.as_deref().is_some_and(|word| !matches!(word, "false" | "0" | "no"))
    }
}

/// What can be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    /// Whether the log can be read, is whole, and has space.
    Store,
    /// Whether the core answers, and what it says gets durable.
    Turn,
    /// Whether the server goes on.
    Stopping,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    Well,
    /// Requests are served, but somebody should look.
    Degraded(String),
    Unwell(&'static str),
}

impl Check {
    const ALL: [Check; 3] = [Check::Store, Check::Turn, Check::Stopping];

    fn as_str(self) -> &'static str {
        match self {
            Check::Store => "store",
            Check::Turn => "turn",
            Check::Stopping => "stopping",
        }
    }

    async fn run(self, app: &App) -> Found {
        let found = match self {
            Check::Store => tokio::time::timeout(TIME, store(app)).await,
            Check::Turn => tokio::time::timeout(TIME, turn(app)).await,
            Check::Stopping if app.is_stopping() => Ok(Found::Unwell("the server is stopping")),
            Check::Stopping => Ok(Found::Well),
        };
        found.unwrap_or(Found::Unwell("no answer in 2 s"))
    }
}

async fn store(app: &App) -> Found {
    // The words of damage name files: they are for whoever sits beside the server.
    let damaged = match app.read_log(|reader| Ok(reader.damage().len())).await {
        Ok(damaged) => damaged,
        Err(Failed::Stopping) => return Found::Unwell("the server is stopping"),
        Err(_) => return Found::Unwell("the log can not be read"),
    };
    let mut words = Vec::new();
    let space = app.handle.space();
    if space.is_low {
        words.push(format!("the disk is nearly full and publishes are refused: {}", free(space)));
    }
    if damaged > 0 {
        words.push(format!("{damaged} places of the log are lost, `cantus log verify` says which"));
    }
    let report = app.handle.housekeeping();
    if !report.damage.is_empty() {
        let places = report.damage.len();
        words.push(format!("a look at the log has found damage in {places} places, see the server's log"));
    }
    if report.trouble.is_some() {
        words.push("housekeeping can not do all it should, see the server's log".to_owned());
    }
    if words.is_empty() { Found::Well } else { Found::Degraded(words.join("; ")) }
}

fn free(space: Space) -> String {
    let mib = |bytes: u64| bytes >> 20;
    match space.free_bytes < space.reserve_bytes {
        true => {
            format!("{} MiB are free, {} MiB have to be", mib(space.free_bytes), mib(space.reserve_bytes))
        }
        false => "no further file can be made for the log".to_owned(),
    }
}

async fn turn(app: &App) -> Found {
    match app.handle.read(|_, _| ()).await {
        Ok(()) => Found::Well,
        Err(Failed::Stopping) => Found::Unwell("the server is stopping"),
        Err(_) => Found::Unwell("too much waits"),
    }
}

async fn live(call: Call) -> Answered {
    let query: Query = call.query()?;
    excluded(&query)?;
    let text = if query.is_verbose() { "[+]process ok\nlivez check passed\n" } else { "ok\n" };
    Ok(answer::bytes(StatusCode::OK, TEXT, text))
}

async fn ready(call: Call) -> Answered {
    let query: Query = call.query()?;
    let excluded = excluded(&query)?;
    let mut found = Vec::with_capacity(Check::ALL.len());
    for check in Check::ALL {
        let skipped = excluded.contains(&check);
        found.push((check, if skipped { None } else { Some(check.run(&call.app).await) }));
    }
    Ok(report(&found, query.is_verbose()))
}

/// Returns which checks are left out. The parameter takes several, separated by commas.
fn excluded(query: &Query) -> Result<Vec<Check>, Box<cantus_api::Problem>> {
    let words = query.exclude.as_deref().unwrap_or("").split(',').map(str::trim);
    let mut excluded = Vec::new();
    for word in words.filter(|word| !word.is_empty()) {
        let Some(check) = Check::ALL.into_iter().find(|check| check.as_str() == word) else {
            let shown: String = word.chars().take(40).collect();
            let names = Check::ALL.map(Check::as_str);
            let hint = match nearest(&shown, names) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are {}", names.join(", ")),
            };
            return Err(Box::new(parameter("exclude", format!("there is no check `{shown}`")).hint(hint)));
        };
        excluded.push(check);
    }
    Ok(excluded)
}

fn report(found: &[(Check, Option<Found>)], verbose: bool) -> Response {
    let well = found.iter().all(|(_, found)| !matches!(found, Some(Found::Unwell(_))));
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if well && !verbose {
        return answer::bytes(status, TEXT, "ok\n");
    }
    let mut text = String::new();
    for (check, found) in found {
        let check = check.as_str();
        // Writing to a String can not fail.
        let _ = match found {
            None => writeln!(text, "[+]{check} excluded: ok"),
            Some(Found::Well) => writeln!(text, "[+]{check} ok"),
            Some(Found::Degraded(why)) => writeln!(text, "[+]{check} ok, but: {why}"),
            Some(Found::Unwell(why)) => writeln!(text, "[-]{check} failed: {why}"),
        };
    }
    text.push_str(if well { "readyz check passed\n" } else { "readyz check failed\n" });
    answer::bytes(status, TEXT, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    async fn text(response: Response) -> (u16, String) {
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn one_check_that_fails_is_enough_and_says_why_unasked() {
        let found = [
            (Check::Store, Some(Found::Degraded("low".to_owned()))),
            (Check::Turn, Some(Found::Unwell("no answer in 2 s"))),
            (Check::Stopping, None),
        ];
        let expected = "[+]store ok, but: low\n[-]turn failed: no answer in 2 s\n[+]stopping excluded: ok\nreadyz check failed\n";
        assert_eq!(text(report(&found, false)).await, (503, expected.to_owned()));
        assert_eq!(text(report(&found[..1], false)).await, (200, "ok\n".to_owned()));
        let told = "[+]store ok, but: low\nreadyz check passed\n";
        assert_eq!(text(report(&found[..1], true)).await, (200, told.to_owned()));
    }

    #[test]
    fn a_check_that_is_not_there_can_not_be_left_out() {
        let query = |exclude: &str| Query { verbose: None, exclude: Some(exclude.to_owned()) };
        assert_eq!(excluded(&query("store, turn")).unwrap(), [Check::Store, Check::Turn]);
        let problem = excluded(&query("stor")).unwrap_err();
        assert_eq!(problem.hint.as_deref(), Some("did you mean `store`?"));
    }

    #[test]
    fn verbose_is_meant_by_being_there() {
        let verbose = |word: &str| Query { verbose: Some(word.to_owned()), exclude: None }.is_verbose();
        assert!(verbose("") && verbose("true") && verbose("1") && !verbose("false"));
    }
}
