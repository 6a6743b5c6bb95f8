//! `sandbox: strict`: a program sees its own file, the system's programs and what was declared, and nothing else.
//!
//! ```text
//! guardian ─ clone3 ─▶ first: own users, mounts, processes, messages, network
//!    ▲                  │ builds its view of the files, gives up every privilege, sets limits,
//!    │                  │ closes the door behind itself (Landlock, seccomp)
//!    │                  └─ fork ─▶ the program, run through the handle that was checked
//!    └── how it ended ◀─ first reaps; when it ends, the kernel ends all that is left
//! ```
//!
//! Read `confinement` (what is asked for), `checked` (the program, by handle), `start` (the guardian's side), `first` (the
//! new side), then the walls it builds: `view`, `limits`, `landlock`, `seccomp`. `kernel` has the calls that no crate makes
//! for us, `pins` remembers what was there when the definitions were installed, and `probe` tries it all once.

mod checked;
mod confinement;
#[cfg(target_os = "linux")]
mod first;
#[cfg(target_os = "linux")]
mod kernel;
#[cfg(target_os = "linux")]
mod landlock;
#[cfg(target_os = "linux")]
mod limits;
mod pins;
pub mod probe;
#[cfg(target_os = "linux")]
mod seccomp;
#[cfg(target_os = "linux")]
mod start;
#[cfg(target_os = "linux")]
mod view;

#[cfg(test)]
pub(super) use checked::script_hash;
pub use confinement::{Confinement, Limits, Network, Place};
pub(crate) use pins::Pins;
#[cfg(target_os = "linux")]
pub(super) use start::{Relay, start};
