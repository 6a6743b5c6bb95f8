//! The road of an event through the runtime, on the engine in memory: publish, deliver, retry, dead-letter, replay.

mod alone;
mod crowded;
mod full;
mod given;
mod inbox;
mod keeping;
mod restart;
