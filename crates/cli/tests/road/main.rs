//! The main job through the real binary: a server that is started, published to, killed and started again, and a
//! command line that says what happened.

mod adoption;
mod bulk;
mod classes;
mod definitions;
mod examples;
mod flow;
mod hostile;
mod keeping;
mod kill;
mod production;
mod receiver;
mod sandbox;
mod schemas;
mod server;
mod story;
mod traces;
mod webhook;
