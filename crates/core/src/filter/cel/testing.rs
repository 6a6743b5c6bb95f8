//! Ways into the machinery that only tests take: one expression, run by either evaluator.
use super::super::invalid::InvalidFilter;
use super::super::limits::STEPS_MAX;
use super::super::subject::Subject;
use super::eval::Evaluation;
use super::plan::{self, Planned};
use super::{lowering, parser};

/// Runs an expression on our own nodes; `None` when they do not cover it.
pub(crate) fn own(text: &str, subject: &dyn Subject) -> Result<Option<Result<bool, String>>, InvalidFilter> {
    let syntax = parser::parse(text)?;
    let Planned::Own(node) = plan::plan(text, &syntax)? else { return Ok(None) };
    let mut evaluation = Evaluation::new(subject, STEPS_MAX);
    Ok(Some(evaluation.boolean(&node).map_err(|failure| failure.to_string())))
}

/// Runs an expression on the interpreter of crate `cel`, lowered, whether our own nodes cover it or not.
pub(crate) fn foreign(text: &str, subject: &dyn Subject) -> Result<Result<bool, String>, InvalidFilter> {
    let syntax = parser::parse(text)?;
    plan::plan(text, &syntax)?;
    let foreign = lowering::compile(text, &syntax)?;
    let mut steps = STEPS_MAX;
    Ok(foreign.run(subject, &mut steps).map_err(|error| error.to_string()))
}
