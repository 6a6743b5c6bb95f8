//! runtime
pub mod delivery;
