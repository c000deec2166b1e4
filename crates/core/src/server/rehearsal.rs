//! Whether the application can be set up: asked before another process is made to hand over.

use std::thread;

use actix_service::ServiceFactory as _;
use actix_web::{App, body::MessageBody, rt::System};
use tokio::sync::oneshot;

use super::{AppEntry, gate::Gate, http::entry};
use crate::{Hub, handover::HandoverError, hooks::panic_text};

/// Makes one instance of the application, as every worker does, in a thread of its own, and drops it.
pub(super) async fn rehearse<T, B>(
    app: impl Fn() -> App<T> + Send + 'static,
    hub: &Hub,
    gate: &Gate,
) -> Result<(), HandoverError>
where
    T: AppEntry<B>,
    B: MessageBody + 'static,
{
    let (hub, gate) = (hub.clone(), gate.clone());
    let (report, made) = oneshot::channel();
    let make = move || {
        let made = System::new().block_on(entry(&app, &hub, &gate).new_service(()));
        // Whoever asked may have given up.
        let _ = report.send(made.is_ok());
    };
    let thread = thread::Builder::new().name("rehearsal".to_owned()).spawn(make);
    let thread = thread?;
    match made.await {
        Ok(true) => Ok(()),
        Ok(false) => Err(HandoverError::Application("one of its services failed, see the log".to_owned())),
        Err(_) => {
            let panic = thread.join().err().map_or_else(String::new, |panic| panic_text(&*panic));
            Err(HandoverError::Application(panic))
        }
    }
}
