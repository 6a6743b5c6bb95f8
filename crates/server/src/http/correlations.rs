//! Correlations: everything that happened in one story.

use cantus_api::correlation::Correlation;
use cantus_api::error::{Code, Problem};
use cantus_api::stream::StreamQuery;

use super::answer;
use super::call::Call;
use super::events::recorded;
use super::route::{Answered, Route};
use crate::auth::Right;
use crate::convert::gap;
use crate::problem::{self, Place};
use crate::timeline;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/v1/correlations/{id}", one)
            .right(Right::Consume)
            .summary("Reads a story: its events, and what became of each with every subscription.")
            .query(&["limit", "cursor", "format"])
            .gives(200, "Correlation")
            .while_stopping(),
    ]
}

async fn one(call: Call) -> Answered {
    let query: StreamQuery = call.query()?;
    let (limit, shape, after) = call.page(&query)?;
    let id = call.param("id").to_owned();
    let story = timeline::story(&call.app, &id, after, limit).await;
    let story = story.map_err(|failed| problem::of(failed, Place::Alone))?;
    if story.events.is_empty() && story.gaps.is_empty() && query.cursor.is_none() {
        let shown: String = id.chars().take(120).collect();
        let problem = Problem::new(Code::CorrelationUnknown, format!("there is no story `{shown}`"));
        return Err(Box::new(problem.hint("the id is the `correlation_id` of a receipt")));
    }
    answer::ok(&Correlation {
        correlation_id: id,
        events: story.events.iter().map(|found| recorded(found, shape)).collect(),
        deliveries: story.deliveries,
        gaps: story.gaps.iter().map(|(place, cause)| gap(*place, *place, *cause)).collect(),
        aggregators: Vec::new(),
        sagas: Vec::new(),
        next_cursor: story.next.map(|position| position.to_string()),
    })
}
