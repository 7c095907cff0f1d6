//! Reuses the memory of pages. [`super::page`] gives it back, [`super::request`] takes it.
//!
//! Pages of some MiB that are allocated and freed on several threads cost a backup more memory
//! than it holds at any time, because an allocator seldom finds the freed ones again, and more
//! time than reading them, because the system clears them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};

/// The most buffers that are kept: so many large pages are under way at once.
const MOST: usize = 4;
/// The smallest buffer that is kept; allocating a smaller one costs nothing.
const SMALLEST: usize = 64 << 10;
/// The largest buffer that is kept; a larger one was an exception.
const LARGEST: usize = 4 << 20;
/// The capacities of new buffers, for a first page and for a later one. Pages vary in size: with
/// exact capacities hardly one would fit into the buffer of another. Memory that is never written
/// costs nothing.
const ROOMS: [usize; 2] = [384 << 10, 1 << 20];

/// The pool of unused buffers. Clones share the pool.
#[derive(Clone, Default)]
pub(super) struct Buffers(Arc<Mutex<Vec<BytesMut>>>);

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffers").finish_non_exhaustive()
    }
}

impl Buffers {
    /// Returns an empty buffer with room for `expected` bytes.
    pub fn take(&self, expected: usize) -> BytesMut {
        if expected < SMALLEST {
            return BytesMut::with_capacity(expected);
        }
        let room = ROOMS.into_iter().find(|room| expected <= *room).unwrap_or(expected);
        self.fitting(expected, room).unwrap_or_else(|| BytesMut::with_capacity(room))
    }

    /// Returns a kept buffer that has the room already, and not much more. A buffer that had to
    /// grow would be a new allocation, and the old one lost.
    fn fitting(&self, expected: usize, room: usize) -> Option<BytesMut> {
        let mut kept = self.lock();
        let fits = |buffer: &BytesMut| (expected..=2 * room).contains(&buffer.capacity());
        let at = kept.iter().position(fits)?;
        Some(kept.swap_remove(at))
    }

    /// Keeps the memory of a body, unless somebody else still reads it.
    pub fn give_back(&self, body: Bytes) {
        let Ok(mut buffer) = body.try_into_mut() else { return };
        buffer.clear();
        let mut kept = self.lock();
        if !(SMALLEST..=LARGEST).contains(&buffer.capacity()) {
            return;
        }
        if kept.len() < MOST {
            kept.push(buffer);
        } else if let Some(smaller) = kept.iter_mut().find(|kept| kept.capacity() < buffer.capacity()) {
            *smaller = buffer;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<BytesMut>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_page_serves_the_next_one_when_nobody_reads_it_any_more() {
        let buffers = Buffers::default();
        let mut first = buffers.take(SMALLEST);
        first.extend_from_slice(&[1; SMALLEST]);
        let (place, page) = (first.as_ptr(), first.freeze());
        let reader = page.clone();
        buffers.give_back(reader);
        assert_ne!(buffers.take(SMALLEST).as_ptr(), place, "somebody still reads it");
        buffers.give_back(page);
        let again = buffers.take(SMALLEST);
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
    }

    #[test]
    fn a_page_of_about_the_same_weight_finds_the_memory_of_another() {
        let buffers = Buffers::default();
        let pages = [512 << 10, 550_000, 650_000, 450_000, 950_000];
        let mut places = pages.map(|expected| {
            let buffer = buffers.take(expected);
            let place = buffer.as_ptr();
            buffers.give_back(buffer.freeze());
            place
        });
        places.sort_unstable();
        assert_eq!(places.first(), places.last(), "one buffer served all of them");
        // A first page does not take the buffer of a later one.
        assert!(buffers.take(SMALLEST).capacity() < 512 << 10);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let buffers = Buffers::default();
        for _ in 0..=MOST {
            buffers.give_back(BytesMut::zeroed(SMALLEST).freeze());
        }
        buffers.give_back(BytesMut::zeroed(100).freeze());
        buffers.give_back(BytesMut::zeroed(LARGEST + 1).freeze());
        assert_eq!(buffers.lock().len(), MOST);
    }
}
