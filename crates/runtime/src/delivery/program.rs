//! What a program is given, and what its end means.

use std::path::PathBuf;
use std::time::Duration;

use cantus_core::event::EventSubject;
use cantus_core::filter::{Attribute, Subject};
use cantus_core::subscription::retry::{Class, Failure};
use cantus_core::subscription::{ExecAction, Feed, OnSuccess, Produced};
use cantus_core::{Refusal, Text};

use super::exec::{End, Outcome, Spec, answer, classify, environment, template};
use super::outcome::{Said, TAIL_MAX, failure};
use super::workers::Attempt;
use crate::start::{Answering, ExecSettings, Parts, Wire};

/// Prepares what is run for an attempt.
pub(super) fn spec(
    attempt: &Attempt,
    action: &ExecAction,
    settings: &ExecSettings,
    wire: &dyn Wire,
) -> Result<Spec, Failure> {
    let cwd = action.cwd.as_deref().map_or_else(|| settings.cwd.clone(), PathBuf::from);
    let argv = action.argv.iter().map(|argument| argument.to_string());
    let mut spec = Spec::new(argv, cwd);
    let env: Vec<(String, String)> =
        action.env.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let pass_env: Vec<String> = action.pass_env.iter().map(|name| name.to_string()).collect();
    let event = &attempt.event;
    let token = attempt.token_text();
    let context = environment::Context {
        url: &settings.url,
        token: settings.token.as_deref().or(Some(&token)),
        delivery_id: &attempt.delivery_text,
        attempt: attempt.deliver.attempt,
        redelivered: attempt.deliver.redelivered,
        first_delivered_at: &attempt.deliver.first_at.rfc3339(),
        subscription: &attempt.subscription.to_string(),
        agent: attempt.subscription.agent.as_str(),
        trace_parent: attempt.trace_parent.as_deref(),
        trace_state: event.trace_state.as_deref(),
    };
    let environment = environment::build(
        |name| std::env::var_os(name),
        environment::our_folder().as_deref(),
        environment::Configured { env: &env, pass_env: &pass_env },
        context,
        &wire.attributes(event),
    );
    for left_out in &environment.left_out {
        tracing::warn!(delivery = attempt.delivery_text, %left_out, "an attribute is not passed to the program");
    }
    spec.env = environment.variables;
    spec.timeout = Duration::from_millis(action.timeout.0);
    spec.stdin = match action.stdin {
        Feed::Event => wire.render(event),
        Feed::Data => event.data.as_ref().map(|data| data.bytes.0.to_vec()).unwrap_or_default(),
        Feed::Prompt => prompt(attempt, action.prompt.as_deref().unwrap_or("{{data}}"))?,
    };
    Ok(spec)
}

fn prompt(attempt: &Attempt, text: &str) -> Result<Vec<u8>, Failure> {
    let subject = EventSubject::new(&attempt.event);
    let invalid =
        |error: String| failure(Class::InvalidPayload, &format!("the prompt can not be made: {error}"));
    let template = template::Template::parse(text).map_err(|error| invalid(error.to_string()))?;
    let rendered = template.render(&attributes(&subject), subject.data());
    let rendered = rendered.map_err(|error| invalid(error.to_string()))?;
    for unknown in &rendered.unknown {
        tracing::warn!(
            delivery = attempt.delivery_text,
            path = unknown,
            "the prompt names what the event lacks"
        );
    }
    Ok(rendered.text.into_bytes())
}

/// Every attribute under each of its names.
fn attributes(subject: &EventSubject<'_>) -> Vec<(String, String)> {
    const SPELLINGS: [(&str, &str); 9] = [
        ("correlationid", "correlation_id"),
        ("causationid", "causation_id"),
        ("partitionkey", "partition_key"),
        ("eventversion", "version"),
        ("dataschema", "data_schema"),
        ("datacontenttype", "content_type"),
        ("expirytime", "expires_at"),
        ("deliverat", "deliver_at"),
        ("time", "timestamp"),
    ];
    let names = subject.attribute_names();
    let others = SPELLINGS.iter().filter(|(name, _)| names.iter().any(|there| there == name));
    let others = others.map(|(_, other)| std::borrow::Cow::Borrowed(*other));
    let all: Vec<_> = names.iter().cloned().chain(others).collect();
    let text = |name: std::borrow::Cow<'_, str>| {
        let value = match subject.attribute(&name)? {
            Attribute::Text(text) => text.into_owned(),
            Attribute::Integer(number) => number.to_string(),
            Attribute::Boolean(truth) => truth.to_string(),
        };
        Some((name.into_owned(), value))
    };
    all.into_iter().filter_map(text).collect()
}

/// Tells what a program's end means, and what it published.
pub(super) fn said(ended: &Outcome, action: &ExecAction, wire: &dyn Wire, answering: &Answering<'_>) -> Said {
    if let Some(class) = classify::class(&ended.end) {
        return Said::Failed(failed(ended, class, &classify::describe(&ended.end)));
    }
    let answer = match answer::read(&ended.stdout) {
        Ok(answer) => answer,
        Err(error) => return Said::Failed(failed(ended, error.class(), &error.to_string())),
    };
    let mut drafts = Vec::new();
    for line in &answer.events {
        match wire.read_answer(line.bytes, answering) {
            Ok(draft) => drafts.push(draft),
            Err(refusal) => return Said::Done(Err(at_line(refusal, line.number))),
        }
    }
    if let Some(on_success) = &action.on_success {
        match produced(&answer, on_success, wire, answering) {
            Ok(Ok(draft)) => drafts.push(draft),
            Ok(Err(refusal)) => return Said::Done(Err(refusal)),
            Err(error) => return Said::Failed(failed(ended, error.class(), &error.to_string())),
        }
    }
    Said::Done(Ok(drafts))
}

fn produced(
    answer: &answer::Answer<'_>,
    on_success: &OnSuccess,
    wire: &dyn Wire,
    answering: &Answering<'_>,
) -> Result<Result<crate::admission::Draft, Refusal>, answer::AnswerError> {
    let data = match on_success.data {
        Produced::Stdout => {
            Some((answer.success_data(answer::SuccessData::Stdout)?.into(), "text/plain; charset=utf-8"))
        }
        Produced::StdoutJson => {
            Some((answer.success_data(answer::SuccessData::StdoutJson)?.into(), "application/json"))
        }
        Produced::Nothing => None,
    };
    let parts =
        Parts { id: None, event_type: on_success.event_type.clone(), topic: on_success.topic.clone(), data };
    Ok(wire.compose(parts, answering))
}

/// Names the line of the output in a refusal.
fn at_line(refusal: Refusal, line: usize) -> Refusal {
    match refusal {
        Refusal::EventInvalid { message, code, pointer, index } => {
            let message = Text::from(format!("line {line} of stdout: {message}"));
            Refusal::EventInvalid { message, code, pointer, index }
        }
        other => other,
    }
}

fn failed(ended: &Outcome, class: Class, message: &str) -> Failure {
    let tail = String::from_utf8_lossy(ended.stderr.end(TAIL_MAX)).into_owned();
    let exit_code = match ended.end {
        End::Exited(code) if code != 0 => Some(code),
        _ => None,
    };
    Failure {
        exit_code,
        output_tail: (!tail.is_empty()).then(|| Text::from(tail)),
        ..failure(class, message)
    }
}
