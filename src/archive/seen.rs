//! The paths that an archive has had so far, in some bytes for each, whatever their length.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::error::{ArchiveError, Position};
use super::limits::MAX_ENTRIES;

/// A set of paths, each as 128 bits of SipHash under keys that this process drew, with a value for
/// each path. Whoever chooses names cannot choose two that collide, and by chance no two of
/// [`MAX_ENTRIES`] do (one archive in 10^24). So a hash stands for its path.
#[derive(Debug)]
pub struct Seen<T = ()> {
    keys: [RandomState; 2],
    paths: HashMap<[u64; 2], T>,
    most: usize,
}

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Self::up_to(MAX_ENTRIES)
    }
}

impl<T> Seen<T> {
    fn up_to(most: usize) -> Self {
        Self { keys: [RandomState::new(), RandomState::new()], paths: HashMap::new(), most }
    }

    /// Returns true if the set takes no further path.
    pub(super) fn is_full(&self) -> bool {
        self.paths.len() >= self.most
    }

    /// Returns the value of a path, or `None` if the path is new.
    pub(super) fn find(&self, path: &str) -> Option<&T> {
        self.paths.get(&self.hash(path))
    }

    /// Adds a path with a value.
    pub(super) fn keep(&mut self, path: &str, what: T) {
        self.paths.insert(self.hash(path), what);
    }

    fn hash(&self, path: &str) -> [u64; 2] {
        [self.keys[0].hash_one(path), self.keys[1].hash_one(path)]
    }
}

impl Seen {
    /// Adds a path.
    ///
    /// # Errors
    /// [`ArchiveError::Duplicate`] if the path was added before, [`ArchiveError::Invalid`] beyond
    /// [`MAX_ENTRIES`].
    pub fn add(&mut self, path: &str, place: Position) -> Result<(), ArchiveError> {
        if self.is_full() {
            let why = format!("an archive holds at most {} entries", self.most);
            return Err(ArchiveError::Invalid { place, why });
        }
        let hash = self.hash(path);
        if self.paths.insert(hash, ()).is_some() {
            return Err(ArchiveError::Duplicate { place, path: path.to_owned() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Position = Position::Line { line: 7 };

    #[test]
    fn a_path_is_taken_once_and_no_more_than_an_archive_holds() {
        let mut seen = Seen::up_to(2);
        seen.add("a", PLACE).unwrap();
        assert!(matches!(seen.add("a", PLACE), Err(ArchiveError::Duplicate { path, .. }) if path == "a"));
        seen.add("b", PLACE).unwrap();
        assert!(seen.add("c", PLACE).unwrap_err().to_string().contains("at most 2 entries"));
    }

    #[test]
    fn nobody_can_choose_names_that_meet() {
        // With a hash that is the same in every process, two names that share it can be searched
        // for.
        let (one, other) = (Seen::<()>::default(), Seen::<()>::default());
        assert_ne!(one.hash("a"), other.hash("a"), "each has keys of its own");
        let [first, second] = one.hash("a");
        assert_ne!(first, second, "and the two halves are independent");
        // Where one half collides, the other still tells them apart.
        let mut seen = Seen::<u64>::default();
        let [first, second] = seen.hash("a");
        seen.paths.insert([first, !second], 1);
        assert_eq!(seen.find("a"), None);
        seen.keep("a", 2);
        assert_eq!(seen.find("a"), Some(&2));
    }
}
