//! A disk that fails on command: a library for `LD_PRELOAD` that stands between one process and its C library.
//!
//! It counts what the process does to files in one folder, over all threads, and lets chosen operations fail. Everything else
//! passes through. `settings` says what it is told (by variables), `files` which descriptors are watched, `journal` how written
//! pages are lost, `plan` what happens to the next operation, `calls` has the functions that take the C library's place.
#![cfg(target_os = "linux")]

mod calls;
mod files;
mod journal;
mod plan;
mod real;
mod settings;
