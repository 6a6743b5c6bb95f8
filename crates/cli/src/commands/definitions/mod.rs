//! `cantus plan`, `cantus apply`, `cantus export`: definitions at run time.

mod apply;
mod export;
mod words;

pub(crate) use apply::{Apply, Plan};
pub(crate) use export::Export;
