//! Obligations: undoes what runs of this cluster have changed outside of a bucket and left when
//! their process died.
//!
//! `look` goes through the locations, `watched` (pure) knows whose holder is dead, `act` undoes and
//! tells. Each bucket is listed once a minute, and more often while it has something to undo: a run
//! of another process may leave something at any time. A Backup's own status says the same
//! (`notes`); `from_status` goes by it where the bucket cannot be read.

mod act;
pub mod count;
mod from_status;
mod look;
mod notes;
mod watched;

pub use notes::StatusNotes;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::context::Context;
use act::undo;
use look::look;
use watched::{LOOK_EVERY, WatchedObligations};

/// Time between two looks at the statuses of Backups and at all locations.
const IDLE: Duration = Duration::from_secs(60);

/// Looks for what is left and undoes it, until the server stops.
pub async fn run(context: Arc<Context>) {
    let mut watched = WatchedObligations::default();
    let mut statuses = from_status::StatusObligations::default();
    let mut acts = JoinSet::new();
    let mut next = Instant::now();
    let mut all_at = next;
    loop {
        tokio::select! {
            biased;
            () = context.stop.cancelled() => return,
            Some(Ok((key, again))) = acts.join_next() => {
                watched.end(&key, again);
                continue;
            }
            () = sleep_until(next) => {}
            () = context.obligations.found() => {}
        }
        let at_all = statuses.is_open() || Instant::now() >= all_at;
        if at_all {
            all_at = Instant::now() + IDLE;
        }
        let seen = look(&context, &mut watched, at_all).await;
        for left in seen.left {
            watched.begin(&left.key);
            acts.spawn(undo(Arc::clone(&context), left));
        }
        statuses.undo_unreadable(&context, &seen.readable).await;
        let is_open = watched.is_open() || statuses.is_open();
        next = Instant::now() + if is_open { LOOK_EVERY } else { IDLE };
    }
}

#[cfg(test)]
mod tests;
