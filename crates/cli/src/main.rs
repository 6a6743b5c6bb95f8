//! The binary `cantus`: surfaces for people and scripts, on top of the client library and the server.
//!
//! Read `args` (what is understood), `commands` (one folder per noun, one file per verb), `output` (data on stdout in three
//! formats), `exit` (what the exit code says). Everything else goes to stderr. Nothing is decided here.

mod args;
mod commands;
mod context;
mod exit;
mod input;
mod metrics;
mod output;
mod token;

use std::process::ExitCode;

fn main() -> ExitCode {
    // First of all and without reading anything else: it must work whatever the environment says.
    if let Some(folder) = commands::guardian_folder() {
        return cantus_runtime::delivery::exec::guardian::main(&folder);
    }
    let cli = match args::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    commands::run(cli)
}
