//! Decides how many creates may be under way at once, from how long they take. Pure.
//!
//! A server that is not busy answers in about the same time whatever is asked beside. Once it is, more requests under way only
//! wait in it: of `limit` requests, `limit * (1 - least / now)` do. The limit grows while few wait, and shrinks when many do
//! (as TCP Vegas does), and is halved when the server says that it has too much to do.

use std::time::Duration;

/// To begin with: enough for a server nearby.
const FIRST: usize = 16;
/// Never fewer: the server has to answer somebody to be known to be well again.
const LEAST: usize = 4;
/// Never more, whatever is allowed: a connection each.
const MOST: usize = 256;
/// While fewer wait in the server, the limit grows. Some have to: etcd writes those together that it has together, and 32 at once
/// is what a server on two cores makes use of.
const FEW_WAIT: f64 = 24.0;
/// When more wait in the server, the limit shrinks.
const MANY_WAIT: f64 = 48.0;
/// So many times the least latency is usual on a server that is not busy: a write to a disk takes longer now and then.
const USUAL: f64 = 2.0;
/// How much the limit grows in a round after the first signs of waiting.
const STEP: usize = 4;

/// What is known of the server, and the limit that follows from it.
#[derive(Debug)]
pub(super) struct Tempo {
    limit: usize,
    /// What somebody allowed.
    most: Option<usize>,
    /// The least latency of all.
    least: Option<Duration>,
    /// The latencies of this round, of as many creates as the limit was when it began.
    round: Vec<Duration>,
    /// The most creates under way in this round.
    busy: usize,
    /// No sign of waiting so far: the limit doubles.
    starting: bool,
    /// The limit was halved in this round: further refusals are of what was sent before.
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
    /// How many may be under way.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Somebody allows so many.
    pub fn allow(&mut self, most: usize) {
        let most = self.most.unwrap_or_default().max(most).clamp(1, MOST);
        self.most = Some(most);
        self.limit = self.limit.min(most);
    }

    /// A create took so long, with `busy` under way.
    pub fn made(&mut self, latency: Duration, busy: usize) {
        self.least = Some(self.least.map_or(latency, |least| least.min(latency)));
        self.busy = self.busy.max(busy);
        self.round.push(latency);
        if self.round.len() >= self.limit.max(LEAST) {
            self.turn();
        }
    }

    /// The server had too much to do.
    pub fn refused(&mut self) {
        if !self.halved {
            self.starting = false;
            self.limit = (self.limit / 2).max(LEAST.min(self.limit));
            self.begin();
            self.halved = true;
        }
    }

    /// A round is over.
    fn turn(&mut self) {
        // The middle one: a few that a webhook held for long say nothing of the server.
        let middle = self.round.len() / 2;
        let (_, now, _) = self.round.select_nth_unstable(middle);
        let (now, least) = (now.as_secs_f64(), self.least.unwrap_or_default().as_secs_f64());
        let waiting = if now > 0.0 { self.limit as f64 * (1.0 - USUAL * least / now).max(0.0) } else { 0.0 };
        // What is not made use of tells nothing of what more would do.
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
