//! core
pub mod filter;
