//! Definitions: what is installed, with its hash and where it came from.

mod apply;

use cantus_api::error::Problem;
use cantus_api::installed::{Definition, Definitions};
use cantus_core::agent::Origin;
use cantus_core::state::Meta;
use serde_json::Value;

use super::answer;
use super::call::Call;
use super::route::{Answered, Route};
use crate::auth::Right;
use crate::convert::{installed, time};
use crate::problem::{self, Place};
use crate::snapshot;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/v1/definitions", list)
            .right(Right::Consume)
            .summary("Lists what is installed: topics, agents, subscriptions.")
            .gives(200, "Definitions")
            .while_stopping(),
        Route::get("/v1/definitions/export", apply::export)
            .right(Right::Consume)
            .summary("Gives the definitions in force in the words of the file, with their hash.")
            .gives(200, "DefinitionsExport")
            .while_stopping(),
        Route::post("/v1/definitions", apply::apply)
            .right(Right::Define)
            .summary("Puts a set of definitions in force, or says what that would change.")
            .query(&["dry_run", "prune", "expected", "source"])
            .body_of("DefinitionsFile", &["application/json", "application/yaml"])
            .gives(200, "DefinitionsApplied"),
    ]
}

async fn list(call: Call) -> Answered {
    let failed = |failed| -> Box<Problem> { problem::of(failed, Place::Alone) };
    let handle = &call.app.handle;
    let meta = handle.read(|coordinator, _| coordinator.state.meta.clone()).await.map_err(failed)?;
    let snapshot = snapshot::take(handle).await.map_err(failed)?;
    let topics = snapshot.topics.iter().map(|(name, topic)| {
        let origin = topic.origin.unwrap_or(Origin::File);
        definition("topic", name.to_string(), installed::topic(topic), origin, &meta)
    });
    let agents = snapshot.agents.iter().map(|(name, agent)| {
        definition("agent", name.to_string(), installed::agent(agent), agent.origin, &meta)
    });
    let subscriptions = snapshot.subscriptions.iter().map(|(id, it)| {
        definition("subscription", id.to_string(), installed::subscription(it), it.origin, &meta)
    });
    let items = topics.chain(agents).chain(subscriptions).collect();
    answer::ok(&Definitions { name: call.app.options.name.clone(), items })
}

fn definition(kind: &str, id: String, definition: Value, origin: Origin, meta: &Meta) -> Definition {
    let file = origin == Origin::File;
    Definition {
        kind: kind.to_owned(),
        id,
        hash: installed::content_hash(&definition),
        source: match origin {
            Origin::File => meta.definitions_source.to_string(),
            Origin::Api => "api".to_owned(),
            Origin::Applied => "applied".to_owned(),
        },
        by: None,
        installed_at: file.then(|| time::text(meta.definitions_at)),
        position: None,
        definition,
    }
}
