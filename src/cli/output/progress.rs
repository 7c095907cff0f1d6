//! Progress of long work: a bar on a terminal, plain lines elsewhere.

use std::future::Future;
use std::time::Duration;

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::Output;
use crate::model::{Progress, ProgressSnapshot};

/// Time between two redraws of a terminal.
const REDRAW: Duration = Duration::from_millis(100);

/// Time between two lines where stderr is no terminal: short enough for a log that somebody
/// follows.
const LINE: Duration = Duration::from_secs(5);

enum Shown {
    Nothing,
    Bar(ProgressBar),
    Lines { last: Instant },
}

impl Output {
    /// Shows `progress` until `work` is done, and returns the result of `work`.
    pub async fn follow<T>(&self, progress: &Progress, work: impl Future<Output = T>) -> T {
        let mut shown = self.begin();
        let mut ticks = interval(REDRAW);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => {
                    if let Shown::Bar(bar) = shown {
                        bar.finish_and_clear();
                    }
                    return done;
                }
                _ = ticks.tick() => self.show(&mut shown, &progress.snapshot()),
            }
        }
    }

    fn begin(&self) -> Shown {
        if self.quiet {
            Shown::Nothing
        } else if self.terminal {
            let style = ProgressStyle::with_template("{spinner} {msg} {wide_bar} {pos}/{len} {elapsed}");
            let bar = ProgressBar::new(0);
            Shown::Bar(style.map_or(bar.clone(), |style| bar.with_style(style)))
        } else {
            Shown::Lines { last: Instant::now() }
        }
    }

    fn show(&self, shown: &mut Shown, now: &ProgressSnapshot) {
        match shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => {
                bar.set_length(now.total);
                bar.set_position(now.done);
                bar.set_message(super::shown(&words(now)));
                bar.tick();
            }
            Shown::Lines { last } => {
                if last.elapsed() >= LINE {
                    *last = Instant::now();
                    let ProgressSnapshot { total, done, bytes, .. } = now;
                    let words = words(now);
                    self.note(match (total, bytes) {
                        (0, 0) => words,
                        _ => format!("{words}: {done} of {total} items, {}", HumanBytes(*bytes)),
                    });
                }
            }
        }
    }
}

/// Returns the stage, and what is waited for.
fn words(now: &ProgressSnapshot) -> String {
    match &*now.waiting {
        [] => now.stage.clone(),
        [one] => format!("{}, waiting for {one}", now.stage),
        [first, more @ ..] => format!("{}, waiting for {first}, and for {} more", now.stage, more.len()),
    }
}
