//! `dev-server`: one command that serves the application while it is being written. It watches, builds, keeps the front
//! end's types in step, swaps, and owns Vite; the application itself runs in `dev-worker`, so that a mistake in it never
//! keeps this program from starting.

#[cfg(windows)]
compile_error!("Duplex needs Unix sockets that carry descriptors: on Windows, work inside WSL2");

mod build;
mod contract;
mod diagnostics;
mod executable;
mod findings;
mod guard;
mod guarded;
mod install;
mod listen;
mod output;
mod overlay;
mod settings;
mod state;
mod supervisor;
mod svelte_check;
mod task;
mod terminal;
mod tools;
mod tunnel;
mod vite;
mod waiting_page;
mod waiting_room;
mod watch;
mod worker;

use std::process::ExitCode;

use clap::Parser as _;

use crate::settings::{Arguments, Mode};
use crate::terminal::Terminal;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.mode {
        Some(Mode::Guard { command }) => guard::run(&command),
        Some(Mode::Guarded { parent, command }) => guard::become_guarded(parent, &command),
        None => supervisor::run(arguments.flags),
    };
    outcome.unwrap_or_else(|error| {
        Terminal::detect().failure(&format!("{error:#}"));
        ExitCode::FAILURE
    })
}
