//! Bounds the creates that are under way at once, to as many as the API server makes use of.
//!
//! The limit grows while answers come about as fast as they can, and shrinks when requests begin
//! to wait in the server; [`super::tempo`] decides. [`super::request`] reports every try, so that
//! holders of a permit report nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Cluster;
use super::tempo::Tempo;

/// The creates under way through all clones of a [`Cluster`].
#[derive(Debug)]
pub(super) struct Creates {
    room: Arc<Semaphore>,
    state: Mutex<PaceState>,
}

#[derive(Debug)]
struct PaceState {
    tempo: Tempo,
    /// The permits that the semaphore was given.
    given: usize,
    /// Permits that are removed when they come back.
    owed: usize,
    under_way: usize,
}

/// A handle on the shared limit of creates; yields permits.
#[derive(Clone, Debug)]
pub struct Pace {
    creates: Arc<Creates>,
}

/// A permit for one create; valid until it is dropped.
#[derive(Debug)]
pub struct Permit {
    creates: Arc<Creates>,
    room: Option<OwnedSemaphorePermit>,
}

impl Default for Creates {
    fn default() -> Self {
        let tempo = Tempo::default();
        let given = tempo.limit();
        let state = PaceState { tempo, given, owed: 0, under_way: 0 };
        Self { room: Arc::new(Semaphore::new(given)), state: Mutex::new(state) }
    }
}

impl Creates {
    fn allow(&self, most: usize) {
        let mut state = self.lock();
        state.tempo.allow(most);
        self.settle(&mut state);
    }

    /// Records a successful create and its latency.
    pub fn made(&self, latency: Duration) {
        let mut state = self.lock();
        let busy = state.under_way;
        state.tempo.made(latency, busy);
        self.settle(&mut state);
    }

    /// Records that the server refused a call for its load.
    pub fn refused(&self) {
        let mut state = self.lock();
        state.tempo.refused();
        self.settle(&mut state);
    }

    /// Adapts the semaphore to the limit.
    fn settle(&self, state: &mut PaceState) {
        let limit = state.tempo.limit();
        if limit > state.given {
            let more = limit - state.given;
            let kept = more.min(state.owed);
            state.owed -= kept;
            self.room.add_permits(more - kept);
        } else {
            // Permits in use cannot be withdrawn: they are owed, and kept back when they return.
            let fewer = state.given - limit;
            state.owed += fewer - self.room.forget_permits(fewer);
        }
        state.given = limit;
    }

    fn lock(&self) -> MutexGuard<'_, PaceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pace {
    /// Waits for a permit for one more create; first come, first served.
    pub async fn permit(&self) -> Permit {
        // The semaphore is never closed. Were it, the create would go on without a bound rather
        // than fail.
        let room = Arc::clone(&self.creates.room).acquire_owned().await.ok();
        self.creates.lock().under_way += 1;
        Permit { creates: Arc::clone(&self.creates), room }
    }

    /// Returns the current limit.
    pub fn limit(&self) -> usize {
        self.creates.lock().tempo.limit()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.creates.lock();
        state.under_way -= 1;
        if state.owed > 0
            && let Some(room) = self.room.take()
        {
            state.owed -= 1;
            room.forget();
        }
    }
}

impl Cluster {
    /// Returns the pace of creates, with at most `most` at once. Clones of a cluster share the
    /// pace, as they share the server; of several callers, the largest `most` counts.
    pub fn pace(&self, most: usize) -> Pace {
        let creates = Arc::clone(&self.shared.creates);
        creates.allow(most);
        Pace { creates }
    }
}
