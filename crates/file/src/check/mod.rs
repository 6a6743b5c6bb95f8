//! Checks: whether what is declared makes sense, one by one and together.
//!
//! Read `value` (filters, expressions, schemas), `subscription` (names and prompts), `topic` (what is
//! declared and who may listen), `program` (what exec would run) and `flow` (who hears whom).

mod flow;
mod program;
mod subscription;
mod topic;
mod value;

pub use value::{SchemaProblem, schema_problem};
pub(crate) use value::{expression_problem, filter_problem};

use crate::environment::Environment;
use crate::read::{Draft, Reader};

/// Looks at everything that was read together.
pub(crate) fn check(reader: &Reader<'_>, draft: &mut Draft, environment: &Environment) {
    subscription::check(reader, draft);
    topic::check(reader, draft);
    program::check(reader, draft, environment);
    // What is missing because of an error would be told a second time as something nobody hears or sends.
    if !reader.has_errors() {
        flow::check(reader, draft);
    }
}
