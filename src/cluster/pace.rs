//! How many creates are under way at once: as many as the API server makes use of, found out while they are made.
//!
//! The number grows while answers come about as fast as they can, and shrinks when they begin to wait in the server; see
//! [`super::tempo`], which decides. [`super::request`] tells of every try, so that whoever holds a permit needs to tell nothing.

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
    /// What the semaphore was given.
    given: usize,
    /// Permits to be taken away when they come back.
    owed: usize,
    under_way: usize,
}

/// A share of the creates that an API server is trusted with.
#[derive(Clone, Debug)]
pub struct Pace {
    creates: Arc<Creates>,
}

/// Leave for one item to be under way, until it is dropped.
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

    /// A create was answered with a success after so long.
    pub fn made(&self, latency: Duration) {
        let mut state = self.lock();
        let busy = state.under_way;
        state.tempo.made(latency, busy);
        self.settle(&mut state);
    }

    /// The server had too much to do.
    pub fn refused(&self) {
        let mut state = self.lock();
        state.tempo.refused();
        self.settle(&mut state);
    }

    /// Makes the semaphore follow the limit.
    fn settle(&self, state: &mut PaceState) {
        let limit = state.tempo.limit();
        if limit > state.given {
            let more = limit - state.given;
            let kept = more.min(state.owed);
            state.owed -= kept;
            self.room.add_permits(more - kept);
        } else {
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
    /// Waits for leave to have one more item under way; first come, first served.
    pub async fn permit(&self) -> Permit {
        // The semaphore is never closed; without room there would be no bound, and no create either.
        let room = Arc::clone(&self.creates.room).acquire_owned().await.ok();
        self.creates.lock().under_way += 1;
        Permit { creates: Arc::clone(&self.creates), room }
    }

    /// How many may be under way by now.
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
    /// The pace at which items are created, at most `most` at once. Clones of a cluster share it, since they share the server:
    /// of two that say how many, the larger number counts.
    pub fn pace(&self, most: usize) -> Pace {
        let creates = Arc::clone(&self.shared.creates);
        creates.allow(most);
        Pace { creates }
    }
}
