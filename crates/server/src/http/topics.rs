//! Topics: what there is.

use std::ops::Bound;

use cantus_api::error::{Code, Problem};
use cantus_api::list::{List, Page};
use cantus_api::topic::Topic;
use cantus_core::Position;
use cantus_core::topic::TopicName;

use super::answer;
use super::call::{self, Call};
use super::route::{Answered, Route};
use crate::app::App;
use crate::auth::Right;
use crate::convert::{definition, time, topic};
use crate::cursor;
use crate::problem::{self, Place};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/v1/topics", list)
            .right(Right::Consume)
            .summary("Lists topics.")
            .query(&["limit", "cursor"])
            .gives(200, "TopicList")
            .while_stopping(),
        Route::get("/v1/topics/{topic}", one)
            .right(Right::Consume)
            .summary("Reads one topic.")
            .gives(200, "Topic")
            .while_stopping(),
    ]
}

/// Returns the refusal of a topic that is not there.
pub(super) fn unknown(name: &str) -> Box<Problem> {
    let problem = Problem::new(Code::TopicUnknown, format!("there is no topic `{name}`"));
    Box::new(
        problem.hint("`cantus topics ls` lists them; publishing to one makes it where `auto_create` is on"),
    )
}

async fn list(call: Call) -> Answered {
    let page: Page = call.query()?;
    let limit = call::limit(page.limit)?;
    let after = match &page.cursor {
        Some(text) => Some(
            definition::topic_name(cursor::name(text)?)
                .map_err(|_| cursor::invalid(text, "is no cursor of this list"))?,
        ),
        None => None,
    };
    let read = call.app.handle.read(move |coordinator, _| {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut topics = coordinator.state.topics.range::<TopicName, _>((from, Bound::Unbounded));
        let page: Vec<_> = topics
            .by_ref()
            .take(limit)
            .map(|(name, it)| (topic::out(&coordinator.state, name, it), it.last))
            .collect();
        (page, topics.next().is_some())
    });
    let (items, more) = read.await.map_err(|failed| problem::of(failed, Place::Alone))?;
    let items = dated(&call.app, items).await?;
    let next_cursor = items.last().filter(|_| more).map(|topic| cursor::write_name(&topic.name));
    answer::ok(&List { items, next_cursor })
}

async fn one(call: Call) -> Answered {
    let name = definition::topic_name(call.param("topic"))?;
    let wanted = name.clone();
    let read = call.app.handle.read(move |coordinator, _| {
        let it = coordinator.state.topics.get(&wanted)?;
        Some((topic::out(&coordinator.state, &wanted, it), it.last))
    });
    let found = read.await.map_err(|failed| problem::of(failed, Place::Alone))?;
    let Some(found) = found else { return Err(unknown(name.as_str())) };
    let dated = dated(&call.app, vec![found]).await?;
    answer::ok(&dated.first())
}

/// Adds when the last event of each was stored.
async fn dated(app: &App, topics: Vec<(Topic, Option<Position>)>) -> Result<Vec<Topic>, Box<Problem>> {
    let read = app.read_log(move |reader| {
        let mut dated = Vec::with_capacity(topics.len());
        for (mut topic, last) in topics {
            if let Some(last) = last {
                topic.last_event_at = reader.get(last)?.map(|recorded| time::text(recorded.at));
            }
            dated.push(topic);
        }
        Ok(dated)
    });
    read.await.map_err(|failed| problem::of(failed, Place::Alone))
}
