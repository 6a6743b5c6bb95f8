//! Hooks: what others send when something happens there becomes an event here.

mod github;
mod standard;

use cantus_api::error::{Code, Problem};
use cantus_api::event::Event;
use cantus_api::receipt::Receipts;
use cantus_core::Text;
use cantus_core::topic::TopicName;
use cantus_runtime::Publishing;
use http::{HeaderName, StatusCode};

use super::answer;
use super::call::Call;
use super::publish::mark_replayed;
use super::route::{Answered, Route};
use crate::auth::{Right, single};
use crate::convert::definition::topic_name;
use crate::convert::event::{Blanks, fill};
use crate::convert::{receipt, time};
use crate::options::{Hook, Mode};
use crate::problem::{self, Place};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post("/hooks/github/{name}", github::receive)
            .summary("Takes a webhook of GitHub; it becomes the event com.github.<event>.<action>.")
            .body_of("Anything", &["application/json", "application/x-www-form-urlencoded"])
            .gives(202, "Receipts"),
        Route::post("/hooks/{name}", standard::receive)
            .summary("Takes a Standard Webhook; it becomes the event webhook.received.")
            .body_of("Anything", &["*/*"])
            .gives(202, "Receipts"),
    ]
}

/// Returns the hook of the URL. In dev a name nobody declared stands for a topic.
fn hook(call: &Call) -> Result<Hook, Box<Problem>> {
    let name = call.param("name");
    if let Some(hook) = call.app.options.hooks.get(name) {
        return Ok(hook.clone());
    }
    let shown: String = name.chars().take(130).collect();
    if call.app.options.mode == Mode::Dev && TopicName::parse(name).is_ok() {
        return Ok(Hook { topic: name.to_owned(), secret: None });
    }
    let problem = Problem::new(Code::HookUnknown, format!("there is no hook `{shown}`"));
    Err(Box::new(problem.hint(format!(
        "declare it in the file: `server.hooks: {{ {shown}: {{ topic: …, secret_file: … }} }}`"
    ))))
}

/// Checks that whoever sends without a signature may publish.
fn check_unsigned(call: &Call, peer: crate::auth::Peer) -> Result<Text, Box<Problem>> {
    call.app.gate.admit(Right::Publish, &call.headers, peer).map(|caller| caller.actor)
}

/// Returns the one value of a header that must be there.
fn required<'c>(call: &'c Call, name: &'static str) -> Result<&'c str, Box<Problem>> {
    single(&call.headers, &HeaderName::from_static(name))?.ok_or_else(|| {
        let detail = format!("the header {name} is missing");
        Box::new(Problem::new(Code::RequestInvalid, detail.clone()).at_header(name, detail))
    })
}

fn unsigned(detail: &str) -> Box<Problem> {
    let problem = Problem::new(Code::SignatureInvalid, detail);
    Box::new(problem.hint("both sides must have the same secret, and the body must arrive as it was signed"))
}

/// Publishes the one event a webhook became.
async fn publish(call: &Call, hook: &Hook, event: Event, actor: Text) -> Answered {
    if call.app.is_stopping() {
        return Err(problem::of(cantus_runtime::Failed::Stopping, Place::Alone));
    }
    let topic = topic_name(&hook.topic)?;
    // The request's own trace is the sender's business; the event carries it on.
    let blanks = Blanks {
        topic: Some(&topic),
        now: time::wall(),
        trace_parent: call.trace_parent(),
        ..Blanks::default()
    };
    let draft = fill(event, &blanks)?;
    let publishing =
        Publishing { drafts: vec![draft], expected_revision: None, actor, agent: None, idempotency: None };
    let published = call.app.handle.publish(publishing).await;
    let (receipts, replayed) = published.map_err(|failed| problem::of(failed, Place::Alone))?;
    let mut response = answer::json(StatusCode::ACCEPTED, &Receipts { results: receipt::all(&receipts) })?;
    mark_replayed(&mut response, replayed);
    Ok(response)
}
