//! Ctrl-C and SIGTERM: the first signal ends the run in good order, the second one at once.

use std::future::Future;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::output::Output;

/// The exit code of a program that a signal ended, as shells have it: 128 + SIGINT.
const INTERRUPTED: i32 = 130;

/// Waits for a signal that stops the run, and prints `then`, which says what follows. Signals are
/// caught from the call on, not only once the future is awaited: none ends the program before it
/// has cleaned up.
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

/// Waits for a signal; signals are caught from the call on.
pub fn asked() -> impl Future<Output = ()> {
    let mut signals = Signals::catch();
    async move { signals.next().await }
}

/// The signals that the system lets the program catch; any other one ends the program as usual.
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
            // Without a signal that can be caught, this never ends; the system then ends the
            // program.
            return std::future::pending().await;
        }
        let any = self.0.iter_mut().map(|signal| Box::pin(signal.recv()));
        futures::future::select_all(any).await;
    }
}
