//! Ctrl-C and SIGTERM: the first ends the run in good order, the second at once.

use std::future::Future;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::output::Output;

/// The exit code of a program that a signal ended, as shells have it: 128 + SIGINT.
const INTERRUPTED: i32 = 130;

/// Waits for somebody to stop the run, and says what happens then. From the call on, not only once it is awaited, no signal
/// ends the program before it has cleaned up.
pub fn stopped(output: &Output, then: &str) -> impl Future<Output = ()> {
    let mut signals = Signals::catch();
    async move {
        signals.next().await;
        output.note(format!("stopping: {then} (once more to stop at once)"));
        tokio::spawn(async move {
            signals.next().await;
            std::process::exit(INTERRUPTED);
        });
    }
}

/// Waits for somebody to end what runs; caught from the call on.
pub fn asked() -> impl Future<Output = ()> {
    let mut signals = Signals::catch();
    async move { signals.next().await }
}

/// What the system lets be caught; a signal that it does not ends the program as it always did.
struct Signals(Vec<Signal>);

impl Signals {
    fn catch() -> Self {
        Self(
            [SignalKind::interrupt(), SignalKind::terminate()]
                .into_iter()
                .filter_map(|kind| signal(kind).ok())
                .collect(),
        )
    }

    async fn next(&mut self) {
        if self.0.is_empty() {
            return std::future::pending().await;
        }
        let any = self.0.iter_mut().map(|signal| Box::pin(signal.recv()));
        futures::future::select_all(any).await;
    }
}
