//! How a command ends: exit codes, and what is said about a failure.

use std::fmt;
use std::process;

use cantus_api::Problem;
use cantus_api::error::ExitCode;
use cantus_client::Error as ClientError;

use crate::output::Screen;

/// A failure that knows its exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    code: ExitCode,
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// The command or its input was wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure { code: ExitCode::Usage, message: message.into(), hint: None }
    }

    /// What was asked for did not work out.
    pub(crate) fn failed(message: impl Into<String>) -> Failure {
        Failure { code: ExitCode::Failed, message: message.into(), hint: None }
    }

    /// What was named does not exist.
    pub(crate) fn not_found(message: impl Into<String>) -> Failure {
        Failure { code: ExitCode::NotFound, message: message.into(), hint: None }
    }

    /// What exists stands against it.
    pub(crate) fn conflict(message: impl Into<String>) -> Failure {
        Failure { code: ExitCode::Conflict, message: message.into(), hint: None }
    }

    /// The time given was over.
    pub(crate) fn timeout(message: impl Into<String>) -> Failure {
        Failure { code: ExitCode::Timeout, message: message.into(), hint: None }
    }

    /// Everything was said already; only the exit code is left.
    pub(crate) fn said(code: ExitCode) -> Failure {
        Failure { code, message: String::new(), hint: None }
    }

    /// Returns it with what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Stdout is closed: whoever read it has seen enough.
#[derive(Debug)]
pub(crate) struct StdoutClosed;

impl fmt::Display for StdoutClosed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("stdout is closed")
    }
}

impl std::error::Error for StdoutClosed {}

/// Returns the process's exit code.
pub(crate) fn code(code: ExitCode) -> process::ExitCode {
    process::ExitCode::from(code as u8)
}

/// Says on stderr why a command failed, and returns the exit code that says it too.
pub(crate) fn report(error: &anyhow::Error, screen: &Screen) -> process::ExitCode {
    if error.chain().any(|cause| cause.is::<StdoutClosed>()) {
        return process::ExitCode::SUCCESS;
    }
    let text = describe(error);
    if !text.is_empty() {
        screen.error(&text);
    }
    code(code_of(error))
}

/// Returns the exit code of a failure.
pub(crate) fn code_of(error: &anyhow::Error) -> ExitCode {
    for cause in error.chain() {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            return failure.code;
        }
        if let Some(error) = cause.downcast_ref::<ClientError>() {
            return error.exit_code();
        }
        if let Some(problem) = problem_in(cause) {
            return problem.exit_code();
        }
    }
    ExitCode::Failed
}

fn problem_in<'a>(cause: &'a (dyn std::error::Error + 'static)) -> Option<&'a Problem> {
    cause.downcast_ref::<Problem>().or_else(|| cause.downcast_ref::<Box<Problem>>().map(AsRef::as_ref))
}

/// Returns a failure in words: what happened, the places, what to do.
pub(crate) fn describe(error: &anyhow::Error) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut lines: Vec<String> = Vec::new();
    for cause in error.chain() {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            lines.extend(failure.hint.iter().map(|hint| format!("hint: {hint}")));
        }
        let refusal = match cause.downcast_ref::<ClientError>() {
            Some(ClientError::Refused { problem, .. }) => Some(&**problem),
            _ => problem_in(cause),
        };
        if let Some(problem) = refusal {
            let detail = if problem.detail.is_empty() { &*problem.title } else { &problem.detail };
            words.push(format!("{}: {detail}", problem.code));
            lines.extend(faults(problem));
            lines.extend(problem.hint.iter().map(|hint| format!("hint: {hint}")));
            break;
        }
        if let Some(ClientError::Unreachable { .. }) = cause.downcast_ref::<ClientError>() {
            words.push(cause.to_string());
            lines
                .push("hint: start a server with `cantus dev`, or name another one with --server URL".into());
            break;
        }
        let text = cause.to_string();
        if !text.is_empty() {
            words.push(text);
        }
    }
    words.dedup();
    let mut text = words.join(": ");
    for line in lines {
        text.push_str("\n  ");
        text.push_str(&line);
    }
    text
}

fn faults(problem: &Problem) -> Vec<String> {
    let mut lines = Vec::new();
    for fault in &problem.errors {
        let place = fault.pointer.as_ref().or(fault.header.as_ref()).or(fault.parameter.as_ref());
        match place {
            // The pointer of the whole body says nothing.
            Some(place) if place == "#" && fault.detail == problem.detail => {}
            Some(place) if fault.detail == problem.detail => lines.push(format!("at {place}")),
            Some(place) => lines.push(format!("at {place}: {}", fault.detail)),
            None => lines.push(fault.detail.clone()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use cantus_api::Code;

    use super::*;

    fn refused(problem: Problem) -> anyhow::Error {
        ClientError::Refused { problem: Box::new(problem), retry_after: None }.into()
    }

    #[test]
    fn the_exit_code_is_that_of_the_code() {
        for (code, expected) in [
            (Code::TopicUnknown, ExitCode::NotFound),
            (Code::RevisionConflict, ExitCode::Conflict),
            (Code::EventInvalid, ExitCode::Usage),
            (Code::Forbidden, ExitCode::Failed),
            (Code::ShuttingDown, ExitCode::Unreachable),
        ] {
            assert_eq!(code_of(&refused(Problem::new(code, "x"))), expected, "{code}");
        }
    }

    #[test]
    fn a_failure_below_other_words_keeps_its_exit_code() {
        let error = anyhow::Error::from(Failure::timeout("too late")).context("while waiting");
        assert_eq!(code_of(&error), ExitCode::Timeout);
        assert_eq!(describe(&error), "while waiting: too late");
    }

    #[test]
    fn a_refusal_is_said_with_its_places_and_what_to_do() {
        let problem = Problem::new(Code::SchemaViolation, "the data does not satisfy the schema of `A`")
            .at("#/data/amount", "\"ten\" is not a number")
            .hint("see cantus topics get tasks");
        assert_eq!(
            describe(&refused(problem)),
            "SCHEMA_VIOLATION: the data does not satisfy the schema of `A`\n  \
             at #/data/amount: \"ten\" is not a number\n  hint: see cantus topics get tasks"
        );
    }
}
