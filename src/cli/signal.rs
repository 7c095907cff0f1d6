//! Ctrl-C and SIGTERM: the first ends the run in good order, the second at once.

use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};

use super::output::Output;

/// The exit code of a program that a signal ended, as shells have it: 128 + SIGINT.
const INTERRUPTED: i32 = 130;

/// Waits for somebody to stop the run, and says what happens then.
pub async fn stopped(output: &Output, then: &str) {
    asked().await;
    output.note(format!("stopping: {then} (once more to stop at once)"));
    tokio::spawn(async {
        asked().await;
        std::process::exit(INTERRUPTED);
    });
}

/// Waits for somebody to stop the program, once.
pub async fn asked() {
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signals) => {
                signals.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        interrupted = ctrl_c() => {
            if interrupted.is_err() {
                std::future::pending::<()>().await;
            }
        }
        () = terminate => {}
    }
}
