//! Waits for what a command does to the fake cluster.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::FakeCluster;

/// A command looks at an object sooner, on a slow machine as well.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often a condition is looked at.
const PAUSE: Duration = Duration::from_millis(10);

impl FakeCluster {
    /// Waits until somebody has looked at an object for which there is a script.
    pub fn await_status(&self, plural: &str, name: &str) {
        await_that(&format!("a look at {plural} {name}"), || {
            self.read(plural, name).is_some_and(|object| !object["status"].is_null())
        });
    }

    /// Waits until a kind has been listed, or an object of it (`kind/name`) been read, so often.
    pub fn await_lists(&self, plural: &str, times: u64) {
        await_that(&format!("{times} lists of {plural}"), || self.lists(plural) >= times);
    }
}

fn await_that(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        sleep(PAUSE);
    }
}
