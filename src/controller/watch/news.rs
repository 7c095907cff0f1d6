//! Decides which changes of an object wake its controller. Pure.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};

use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt as _};

/// Returns a number that changes when the controller has to look at an object, or `None` while
/// there is nothing to do with it. Must not depend on what the controller itself writes, most of
/// all the status, or each look would cause the next.
pub type News<K> = fn(&K) -> Option<u64>;

/// Returns the news of an object: it was created, its specification changed, or its deletion began;
/// and `besides`, taken from status or metadata.
pub fn news_of(object: &impl Resource, besides: impl Hash) -> Option<u64> {
    let metadata = object.meta();
    let is_leaving = metadata.deletion_timestamp.is_some();
    let mut hasher = DefaultHasher::new();
    (&metadata.uid, metadata.generation, is_leaving, besides).hash(&mut hasher);
    Some(hasher.finish())
}

/// Lets the news through. Remembers of each object, by uid, which news it had last; an object with
/// which there is nothing to do takes no memory here, nor in the queue of its controller.
pub struct Sieve<K> {
    news: News<K>,
    latest: HashMap<String, u64>,
}

impl<K: Resource> Sieve<K> {
    /// Creates a sieve that has seen nothing.
    pub fn new(news: News<K>) -> Self {
        Self { news, latest: HashMap::new() }
    }

    /// Returns the object of an event if its controller has to look at it.
    pub fn sift(&mut self, event: Event<K>) -> Option<K> {
        match event {
            Event::Apply(object) | Event::InitApply(object) => self.is_news(&object).then_some(object),
            Event::Delete(object) => {
                self.latest.remove(&object.uid().unwrap_or_default());
                None
            }
            // The list that follows does not say which objects were deleted since the last event.
            Event::Init => {
                self.latest = HashMap::new();
                None
            }
            Event::InitDone => None,
        }
    }

    fn is_news(&mut self, object: &K) -> bool {
        let uid = object.uid().unwrap_or_default();
        match (self.news)(object) {
            Some(news) => self.latest.insert(uid, news) != Some(news),
            None => {
                self.latest.remove(&uid);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Backup, BackupSpec};

    fn backup(uid: &str, generation: i64) -> Backup {
        let mut backup = Backup::new("nightly", BackupSpec::default());
        backup.metadata.uid = Some(uid.to_owned());
        backup.metadata.generation = Some(generation);
        backup
    }

    /// Returns no news of a Backup of generation 0.
    fn news(backup: &Backup) -> Option<u64> {
        news_of(backup, ()).filter(|_| backup.metadata.generation != Some(0))
    }

    #[test]
    fn news_wakes_the_controller_once_and_again_after_there_was_nothing_to_do() {
        let mut sieve = Sieve::new(news);
        let passed = [1, 1, 2, 0, 0, 2].map(|generation| {
            let backup = backup("one", generation);
            sieve.sift(Event::Apply(backup)).is_some()
        });
        assert_eq!(passed, [true, false, true, false, false, true]);
    }

    #[test]
    fn what_is_deleted_or_has_nothing_to_be_done_is_not_remembered() {
        let mut sieve = Sieve::new(news);
        for uid in ["one", "two", "three"] {
            assert!(sieve.sift(Event::InitApply(backup(uid, 1))).is_some());
        }
        assert_eq!(sieve.latest.len(), 3);
        sieve.sift(Event::Delete(backup("one", 1)));
        sieve.sift(Event::Apply(backup("two", 0)));
        assert_eq!(sieve.latest.len(), 1);
        sieve.sift(Event::Init);
        assert!(sieve.latest.is_empty());
        assert!(sieve.sift(Event::InitApply(backup("three", 1))).is_some(), "after a new list");
    }
}
