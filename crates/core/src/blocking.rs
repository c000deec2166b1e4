//! Work that blocks, in a thread of its own.

use std::{io, thread};

use tokio::sync::oneshot;

/// Waits for work in a new thread; nothing if it has panicked. Dropped, the work goes on.
///
/// # Errors
/// The system gives no thread.
pub(crate) async fn in_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<Option<T>> {
    let (report, done) = oneshot::channel();
    start_thread(name, move || {
        // Whoever waits may have given up.
        let _ = report.send(work());
    })?;
    Ok(done.await.ok())
}

/// Starts a thread that ends by itself.
///
/// # Errors
/// The system gives none.
pub(crate) fn start_thread(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}
