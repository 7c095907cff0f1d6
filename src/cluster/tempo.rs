//! Decides from latencies how many creates may be under way at once. Pure.
//!
//! A server that is not busy answers in about the same time whatever else is requested. Once it is
//! busy, more requests only wait in the server: of `limit` requests, `limit * (1 - least / now)`
//! do. The limit grows while few wait, shrinks when many do (as TCP Vegas does), and is halved
//! when the server says that it is overloaded.

use std::time::Duration;

/// The first limit: enough for a server nearby.
const FIRST: usize = 16;
/// The least limit: the server has to answer somebody to show that it has recovered.
const LEAST: usize = 4;
/// The greatest limit, whatever is allowed: each create takes a connection.
const MOST: usize = 256;
/// While fewer requests wait in the server, the limit grows. Some have to wait: etcd writes
/// together what it has at the time, and a server on two cores makes use of 32 at once.
const FEW_WAIT: f64 = 24.0;
/// When more requests wait in the server, the limit shrinks.
const MANY_WAIT: f64 = 48.0;
/// The factor over the least latency that is usual on a server that is not busy: a write to a disk
/// takes longer now and then.
const USUAL: f64 = 2.0;
/// The growth of the limit in a round after the first signs of waiting.
const STEP: usize = 4;

/// The latencies of the server, and the limit that follows from them.
#[derive(Debug)]
pub(super) struct Tempo {
    limit: usize,
    /// The limit that callers allow; `None` before the first call of [`Tempo::allow`].
    most: Option<usize>,
    /// The least latency seen.
    least: Option<Duration>,
    /// The latencies of this round, which ends after as many creates as the limit.
    round: Vec<Duration>,
    /// The most creates under way in this round.
    busy: usize,
    /// Whether there was no sign of waiting so far: the limit doubles.
    starting: bool,
    /// Whether the limit was halved in this round: further refusals belong to requests that were
    /// sent before.
    halved: bool,
}

impl Default for Tempo {
    fn default() -> Self {
        Self {
            limit: FIRST,
            most: None,
            least: None,
            round: Vec::new(),
            busy: 0,
            starting: true,
            halved: false,
        }
    }
}

impl Tempo {
    /// Returns the current limit.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Allows at most `most` at once, unless an earlier call allowed more.
    pub fn allow(&mut self, most: usize) {
        let most = self.most.unwrap_or_default().max(most).clamp(1, MOST);
        self.most = Some(most);
        self.limit = self.limit.min(most);
    }

    /// Records the latency of a create, with `busy` creates under way.
    pub fn made(&mut self, latency: Duration, busy: usize) {
        self.least = Some(self.least.map_or(latency, |least| least.min(latency)));
        self.busy = self.busy.max(busy);
        self.round.push(latency);
        if self.round.len() >= self.limit.max(LEAST) {
            self.turn();
        }
    }

    /// Halves the limit, once a round: the server is overloaded.
    pub fn refused(&mut self) {
        if !self.halved {
            self.starting = false;
            self.limit = (self.limit / 2).max(LEAST.min(self.limit));
            self.begin();
            self.halved = true;
        }
    }

    /// Ends a round and adapts the limit.
    fn turn(&mut self) {
        // The median: a few creates that a webhook delays say nothing of the server.
        let middle = self.round.len() / 2;
        let (_, now, _) = self.round.select_nth_unstable(middle);
        let (now, least) = (now.as_secs_f64(), self.least.unwrap_or_default().as_secs_f64());
        let waiting = if now > 0.0 { self.limit as f64 * (1.0 - USUAL * least / now).max(0.0) } else { 0.0 };
        // A limit that is not used tells nothing of a higher one.
        let used = self.busy * 4 >= self.limit * 3;
        if waiting > FEW_WAIT {
            self.starting = false;
        }
        if waiting > MANY_WAIT {
            self.limit -= self.limit / 8;
        } else if waiting <= FEW_WAIT && used {
            let more = if self.starting { self.limit } else { STEP };
            self.limit = (self.limit + more).min(self.most.unwrap_or(FIRST));
        }
        self.begin();
    }

    fn begin(&mut self) {
        self.round.clear();
        (self.busy, self.halved) = (0, false);
    }
}

#[cfg(test)]
mod tests;
