//! Deliveries: answered by agents, listed and explained to people.

mod answers;
mod gaps;
mod list;
mod logs;

use std::collections::BTreeMap;

use cantus_api::delivery::Delivery;
use cantus_api::error::{Code, Problem};
use cantus_core::ids::DeliveryId;

use super::answer;
use super::call::Call;
use super::route::{Answered, Route};
use crate::app::App;
use crate::auth::Right;
use crate::lookup::{self, Found};
use crate::problem::{self, Place};
use crate::timeline;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/v1/deliveries", list::list)
            .right(Right::Consume)
            .summary("Lists deliveries, newest first: open ones, then those that are over.")
            .query(&["subscription", "state", "event", "correlation", "limit", "cursor"])
            .gives(200, "DeliveryList")
            .while_stopping(),
        Route::get("/v1/deliveries/{id}", one)
            .right(Right::Consume)
            .summary("Reads one delivery with every attempt at it.")
            .gives(200, "Delivery")
            .while_stopping(),
        Route::get("/v1/deliveries/{id}/logs", logs::read)
            .right(Right::Consume)
            .summary("Reads what an attempt's program wrote, also while it runs.")
            .query(&["attempt", "stream", "offset", "wait"])
            .gives(200, "LogChunk")
            .while_stopping(),
        Route::post("/v1/deliveries/ack", answers::ack_many)
            .right(Right::Consume)
            .summary("Says that several deliveries are done; each stands for itself.")
            .body("AckMany")
            .gives(200, "AckedMany")
            .while_stopping(),
        Route::post("/v1/deliveries/{id}/ack", answers::ack)
            .right(Right::Consume)
            .summary("Says that a delivery is done, with the events to publish for it, all or none.")
            .body("Ack")
            .gives(200, "Acked")
            .while_stopping(),
        Route::post("/v1/deliveries/{id}/nack", answers::nack)
            .right(Right::Consume)
            .summary("Says that a delivery failed.")
            .body("Nack")
            .gives(200, "Nacked")
            .while_stopping(),
        Route::post("/v1/deliveries/{id}/progress", answers::progress)
            .right(Right::Consume)
            .summary("Says that somebody still works on a delivery.")
            .body("Progress")
            .gives(200, "Progressed")
            .while_stopping(),
    ]
}

/// Returns the refusal of a delivery that is not there.
fn unknown(id: &str) -> Box<Problem> {
    let shown: String = id.chars().take(60).collect();
    let problem = Problem::new(Code::DeliveryUnknown, format!("there is no delivery `{shown}`"));
    Box::new(problem.hint("`cantus deliveries ls` lists them"))
}

async fn one(call: Call) -> Answered {
    let (_, delivery) = find(&call.app, call.param("id")).await?;
    answer::ok(&delivery)
}

/// Finds a delivery with its event.
async fn find(app: &App, id: &str) -> Result<(Found, Delivery), Box<Problem>> {
    let parsed = DeliveryId::parse(id).ok_or_else(|| unknown(id))?;
    let failed = |failed| problem::of(failed, Place::Alone);
    let found = app.read_log(move |reader| lookup::at(reader, parsed.position)).await.map_err(failed)?;
    let found = found.filter(|found| !found.pending).ok_or_else(|| unknown(id))?;
    let (_, deliveries) = timeline::of_event(app, &found).await.map_err(failed)?;
    let text = parsed.display(found.recorded_at);
    let delivery = deliveries.into_iter().find(|delivery| delivery.id == text);
    delivery.map(|delivery| (found, delivery)).ok_or_else(|| unknown(id))
}

/// Returns names of subscriptions by their numbers, also of those that were taken away.
async fn names(app: &App, numbers: Vec<u32>) -> Result<BTreeMap<u32, String>, Box<Problem>> {
    let read = app.handle.read(move |coordinator, _| {
        let subscriptions = &coordinator.state.subscriptions;
        let named = numbers
            .into_iter()
            .filter_map(|number| Some((number, subscriptions.get(&number)?.id.to_string())));
        named.collect()
    });
    read.await.map_err(|failed| problem::of(failed, Place::Alone))
}
