//! The development server's worker: the application, with a proxy to Vite behind its routes. Production has the same
//! application with built assets behind it; that fallback is the only difference. `dev-server` builds it, starts it
//! and replaces it, and open sockets move from one worker to the next; before that, it has it write the types of its
//! calls and channels into the front end.

mod orders;
mod predecessor;
mod proxy;
mod secret;
mod supervisor;
mod task;
#[cfg(test)]
mod tests;
mod tunnel;
mod unavailable;

use std::path::Path;
use std::process::ExitCode;

use duplex_core::{Environment, Server, Settings, raise_descriptor_limit};

use crate::orders::Orders;
use crate::proxy::Proxy;
use crate::task::Task;

fn main() -> ExitCode {
    match Task::from_arguments(std::env::args_os()).and_then(perform) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dev-worker: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(task: Task) -> anyhow::Result<()> {
    match task {
        Task::Serve => Orders::receive().and_then(run),
        Task::ExportTypes(directory) => {
            for file in duplex_app::contract().export(&directory)? {
                println!("wrote {}", file.display());
            }
            Ok(())
        }
    }
}

#[tokio::main]
async fn run(orders: Orders) -> anyhow::Result<()> {
    let mut environment = Environment::read(Path::new(".env"))?;
    env_logger::Builder::new().parse_filters(environment.get("RUST_LOG").unwrap_or(LOG)).init();
    secret::provide(&mut environment, Path::new(".session-secret"))?;
    raise_descriptor_limit();
    let Orders { listeners, predecessor, successors, front_end, stop, supervisor } = orders;
    let proxy = Proxy::new(front_end, supervisor.clone());
    let settings = Settings::from_environment(&environment).local(&environment);
    let ready = supervisor.clone();
    let server = Server::new(settings, listeners)?.stop_on(stop).hand_over_to(successors);
    let (server, succeeds) = predecessor::succeed(server, predecessor)?;
    let server = server.on_ready(move || ready.say_ready(succeeds));
    let served = duplex_app::serve(server, &environment, move || proxy.route()).await.map_err(Into::into);
    if let Some(why) = served.as_ref().err().and_then(predecessor::why_not_taken_over) {
        supervisor.say_not_taken_over(why);
    }
    supervisor.finish();
    served
}

/// Starting and stopping is the supervisor's to tell.
const LOG: &str = "info,duplex_core=warn,actix_server=warn,actix_http::h1::dispatcher=off";
