//! Every processor of this machine kept busy, as on a node that does other work meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, available_parallelism, spawn};

/// Loops for each processor: two leave others a third of it.
const LOOPS: usize = 2;

/// Two loops for each processor, until it is dropped.
pub struct Busy {
    stop: Arc<AtomicBool>,
    loops: Vec<JoinHandle<()>>,
}

impl Busy {
    /// Begins.
    pub fn start() -> Self {
        let stop = Arc::<AtomicBool>::default();
        let processors = available_parallelism().map_or(2, usize::from);
        let loops = (0..LOOPS * processors).map(|_| {
            let stop = Arc::clone(&stop);
            spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        });
        let loops = loops.collect();
        Self { stop, loops }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for each in self.loops.drain(..) {
            each.join().expect("a loop does not panic");
        }
    }
}
