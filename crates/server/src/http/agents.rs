//! Agents: who takes part; registering, heartbeats, parking.

use std::ops::Bound;

use cantus_api::agent::{Agent, Register};
use cantus_api::error::{Code, Problem};
use cantus_api::list::{List, Page};
use cantus_api::subscription::PauseRequest;
use cantus_core::Text;
use cantus_core::agent::{self, AgentName, AgentPattern, Origin};
use cantus_core::command::{Answer, Command};
use cantus_core::subscription::Until;
use http::{HeaderValue, StatusCode, header};

use super::answer;
use super::call::{self, Call};
use super::route::{Answered, Route};
use super::subscriptions::{Empty, submit, until};
use crate::app::App;
use crate::auth::Right;
use crate::convert::{agent as convert, definition::agent_name};
use crate::cursor;
use crate::problem::{self, Place};

/// How many types an agent may name, and how long each may be.
const TYPES_MAX: usize = 1_000;
const TYPE_BYTES_MAX: usize = 4_096;
const DESCRIPTION_BYTES_MAX: usize = 16 * 1024;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/v1/agents", list)
            .right(Right::Consume)
            .summary("Lists agents.")
            .query(&["limit", "cursor"])
            .gives(200, "AgentList")
            .while_stopping(),
        Route::post("/v1/agents", register)
            .right(Right::Consume)
            .summary("Registers an agent, or renews what is known about a registered one.")
            .body("AgentRegister")
            .gives(201, "Agent"),
        Route::get("/v1/agents/{agent}", one)
            .right(Right::Consume)
            .summary("Reads one agent.")
            .gives(200, "Agent")
            .while_stopping(),
        Route::delete("/v1/agents/{agent}", remove)
            .right(Right::Define)
            .summary("Takes a registered agent away, with its subscriptions.")
            .gives_nothing(204),
        Route::post("/v1/agents/{agent}/heartbeat", heartbeat)
            .right(Right::Consume)
            .summary("Says that an agent is alive.")
            .gives_nothing(204)
            .while_stopping(),
        Route::post("/v1/agents/{agent}/pause", pause)
            .right(Right::Operate)
            .summary("Parks an agent: none of its deliveries starts; running attempts finish.")
            .body("PauseRequest")
            .gives(200, "Agent"),
        Route::post("/v1/agents/{agent}/resume", resume)
            .right(Right::Operate)
            .summary("Lets an agent go on.")
            .gives(200, "Agent"),
    ]
}

fn unknown(name: &str) -> Box<Problem> {
    let shown: String = name.chars().take(130).collect();
    let problem = Problem::new(Code::AgentUnknown, format!("there is no agent `{shown}`"));
    Box::new(problem.hint("`cantus agents ls` lists them; POST /v1/agents registers one"))
}

fn name_of(call: &Call) -> Result<AgentName, Box<Problem>> {
    AgentName::parse(call.param("agent")).map_err(|_| unknown(call.param("agent")))
}

async fn list(call: Call) -> Answered {
    let page: Page = call.query()?;
    let limit = call::limit(page.limit)?;
    let after = match &page.cursor {
        Some(text) => {
            let name = agent_name(cursor::name(text)?);
            Some(name.map_err(|_| cursor::invalid(text, "is no cursor of this list"))?)
        }
        None => None,
    };
    let read = call.app.handle.read(move |coordinator, now| {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut agents = coordinator.state.agents.range::<AgentName, _>((from, Bound::Unbounded));
        let items: Vec<Agent> = agents
            .by_ref()
            .take(limit)
            .map(|(name, it)| convert::out(coordinator, name, it, now, false))
            .collect();
        (items, agents.next().is_some())
    });
    let (items, more) = read.await.map_err(|failed| problem::of(failed, Place::Alone))?;
    let next_cursor = items.last().filter(|_| more).map(|last| cursor::write_name(&last.address));
    answer::ok(&List { items, next_cursor })
}

async fn one(call: Call) -> Answered {
    let name = name_of(&call)?;
    answer::ok(&read(&call.app, &name).await?)
}

async fn read(app: &App, name: &AgentName) -> Result<Agent, Box<Problem>> {
    let wanted = name.clone();
    let read = app.handle.read(move |coordinator, now| {
        let it = coordinator.state.agents.get(&wanted)?;
        Some(convert::out(coordinator, &wanted, it, now, true))
    });
    let found = read.await.map_err(|failed| problem::of(failed, Place::Alone))?;
    found.ok_or_else(|| unknown(name.as_str()))
}

async fn register(mut call: Call) -> Answered {
    let register: Register = call.json().await?;
    let name = agent_name(&register.agent).map_err(|wrong| {
        let detail = wrong.detail.clone();
        Box::new(wrong.at("#/agent", detail))
    })?;
    let definition = agent::Agent {
        description: description(register.description.as_deref())?,
        publishes: types("publishes", &register.publishes)?,
        handles: types("handles", &register.handles)?,
        prompt: None,
        origin: Origin::Api,
    };
    let actor = call.caller.actor.clone();
    let command = Command::RegisterAgent { name: name.clone(), definition, actor };
    let made = submit(&call.app, command).await? == Answer::Declared(true);
    let status = if made { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = answer::json(status, &read(&call.app, &name).await?)?;
    let location = HeaderValue::from_str(&format!("/v1/agents/{}", name.bare()));
    response.headers_mut().insert(header::LOCATION, location.expect("addresses are plain text"));
    Ok(response)
}

fn invalid(pointer: &str, detail: String) -> Box<Problem> {
    Box::new(Problem::new(Code::AgentInvalid, detail.clone()).at(pointer, detail))
}

fn description(text: Option<&str>) -> Result<Option<Text>, Box<Problem>> {
    if text.is_some_and(|text| text.len() > DESCRIPTION_BYTES_MAX) {
        let detail = format!("`description` is longer than {DESCRIPTION_BYTES_MAX} bytes");
        return Err(invalid("#/description", detail));
    }
    Ok(text.map(Text::from))
}

fn types(key: &str, names: &[String]) -> Result<Vec<Text>, Box<Problem>> {
    if names.len() > TYPES_MAX {
        return Err(invalid(&format!("#/{key}"), format!("`{key}` names more than {TYPES_MAX} types")));
    }
    for (index, name) in names.iter().enumerate() {
        if name.is_empty() || name.len() > TYPE_BYTES_MAX || name.chars().any(char::is_control) {
            let detail = format!(
                "`{key}[{index}]` is no type: 1 to {TYPE_BYTES_MAX} bytes without control characters"
            );
            return Err(invalid(&format!("#/{key}/{index}"), detail));
        }
    }
    Ok(names.iter().map(|name| Text::from(name.as_str())).collect())
}

async fn remove(call: Call) -> Answered {
    let name = name_of(&call)?;
    submit(&call.app, Command::RemoveAgent { name, actor: call.caller.actor.clone() }).await?;
    answer::nothing()
}

async fn heartbeat(mut call: Call) -> Answered {
    let name = name_of(&call)?;
    let Empty {} = call.json().await?;
    submit(&call.app, Command::Heartbeat { name }).await?;
    answer::nothing()
}

fn pattern(name: &AgentName) -> AgentPattern {
    AgentPattern::parse(name.as_str()).expect("every address is a pattern")
}

async fn pause(mut call: Call) -> Answered {
    let name = name_of(&call)?;
    let request: PauseRequest = call.json().await?;
    let now = call.app.now();
    let until = until(request.until.as_deref(), now)?.map(|at| Until::After(at.since(now)));
    read(&call.app, &name).await?;
    let (agents, actor) = (vec![pattern(&name)], call.caller.actor.clone());
    let reason = request.reason.as_deref().map(Text::from);
    let command = Command::PauseAgents { agents, until, topics: Vec::new(), reason, actor };
    submit(&call.app, command).await?;
    answer::ok(&read(&call.app, &name).await?)
}

async fn resume(mut call: Call) -> Answered {
    let name = name_of(&call)?;
    let Empty {} = call.json().await?;
    read(&call.app, &name).await?;
    let (agents, actor) = (pattern(&name), call.caller.actor.clone());
    submit(&call.app, Command::ResumeAgents { agents, actor }).await?;
    answer::ok(&read(&call.app, &name).await?)
}
