//! Whether the application can be set up: asked before another process is made to hand over.

use actix_service::ServiceFactory as _;
use actix_web::{App, body::MessageBody, rt::System};

use super::{AppEntry, gate::Gate, http::entry};
use crate::{Hub, blocking::in_thread, handover::HandoverError, panics::caught};

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
    let make = move || System::new().block_on(entry(&app, &hub, &gate).new_service(())).is_ok();
    let made = in_thread("rehearsal", move || caught(make)).await?;
    match made.unwrap_or_else(|| Err("no message".to_owned())) {
        Ok(true) => Ok(()),
        Ok(false) => Err(HandoverError::Application("one of its services failed, see the log".to_owned())),
        Err(panic) => Err(HandoverError::Application(panic)),
    }
}
