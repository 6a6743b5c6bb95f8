//! The server's own state in numbers: `GET /v1/status`.

use cantus_api::status::{Counts, Status};

use super::answer;
use super::call::Call;
use super::route::{Answered, Route};
use crate::auth::Right;
use crate::census;
use crate::convert::time;
use crate::problem::{self, Place};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/v1/status", read)
            .right(Right::Consume)
            .summary("Says which version runs since when, and how much there is.")
            .gives(200, "Status")
            .while_stopping(),
    ]
}

async fn read(call: Call) -> Answered {
    let counted = census::take(&call.app.handle).await;
    let census = counted.map_err(|failed| problem::of(failed, Place::Alone))?;
    let options = &call.app.options;
    answer::ok(&Status {
        version: options.version.clone(),
        mode: options.mode.as_str().to_owned(),
        node: options.node.clone(),
        engine: options.engine.clone(),
        started_at: time::text(census.started_at),
        durable: call.durable().to_string(),
        counts: Counts {
            topics: census.topics.len() as u64,
            events: census.topics.iter().map(|topic| topic.events).sum(),
            agents: census.agents.len() as u64,
            subscriptions: census.subscriptions.values().filter(|it| !it.removed).count() as u64,
            in_flight: census.sum(|it| it.leased),
            retrying: census.sum(|it| it.retrying),
            dead_letters: census.dead_letters.values().map(|counted| counted.open).sum(),
        },
    })
}
