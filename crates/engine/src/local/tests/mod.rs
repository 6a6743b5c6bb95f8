//! The rules of the log, each in its own words. `given` holds the plumbing.

mod append;
mod given;
mod housekeeper;
mod no_room;
mod power_loss;
mod read;
mod real;
mod recovery;
mod rot;
