//! The file: `cantus.yaml`, what it includes, and what is wrong with it.
//!
//! [`Loader`] reads a file with everything it includes, checks it, and gives either [`Loaded`] definitions with
//! warnings or [`Rejected`] with every fault: file, line, column, the text that stands there and what to do.
//!
//! The way of a file through this crate: `disk` and `source` (bytes, text, places), `yaml` (text into a tree that
//! knows where everything stands), `include` and `markdown` (further files), `overrides` and `interpolate` (what
//! variables bring), `read` (the tree into definitions), `check` (what the whole means), `diagnostic` (how a fault
//! looks). `schema` is the JSON Schema for editors. This crate knows definitions and filters and nothing of the
//! server, so that checking a file needs none.

mod check;
mod diagnostic;
mod disk;
mod environment;
mod include;
mod interpolate;
mod load;
mod markdown;
mod open;
mod overrides;
mod plain;
mod read;
mod schema;
mod source;
mod suggest;
mod yaml;

pub use check::{SchemaProblem, schema_problem};
pub use diagnostic::{Diagnostic, Severity};
pub use environment::Environment;
pub use load::{Loaded, Loader, Rejected};
pub use plain::{to_yaml, yaml_to_json};
pub use schema::json_schema;
