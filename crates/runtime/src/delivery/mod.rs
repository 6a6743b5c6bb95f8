//! Deliveries.
pub mod exec;
