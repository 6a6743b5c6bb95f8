//! The rules of the log, each in its own words. `given` holds the plumbing.

mod append;
mod given;
mod power_loss;
mod read;
mod recovery;
mod rot;
