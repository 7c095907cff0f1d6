//! Memory of a location between passes: rejected documents, documents known to belong to their
//! objects, and reported names. Bounded.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use tokio::time::Instant;

use crate::api::LocationCounts;
use crate::bucket::{ListedRun, RunKind, Stamp};

/// Largest number that is remembered of each, at 8 bytes and the table's slack: a few MiB.
/// Documents that were rejected beyond it are read again in each pass.
const MOST: usize = 200_000;
/// Time for which a rejected document is not read again.
const REJECTED_FOR: Duration = Duration::from_secs(60 * 60);
/// Shortest time between two writes of the status by passes that found nothing new.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Memory of a location between passes. The hasher is keyed at random, so that nobody who writes to
/// a bucket can choose collisions.
#[derive(Default)]
pub struct Memory {
    hasher: RandomState,
    rejected: HashSet<u64>,
    /// Since when rejections are remembered, and the API server's definitions at that time.
    judged: Option<(Instant, Option<String>)>,
    known: HashSet<u64>,
    reported: HashSet<u64>,
    told: Option<(Instant, LocationCounts)>,
}

/// Hash of a document as it was when it was rejected, or compared with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

impl Memory {
    /// Returns the hash of a run's document and of whether its tarball is there.
    pub fn fingerprint(&self, kind: RunKind, run: &ListedRun, document: Stamp) -> Fingerprint {
        Fingerprint(self.hasher.hash_one((kind, run.name(), document, run.has_tarball())))
    }

    /// Returns true if the document was rejected in this state.
    pub fn is_rejected(&self, fingerprint: Fingerprint) -> bool {
        self.rejected.contains(&fingerprint.0)
    }

    /// Returns true if any rejection is remembered.
    pub fn has_rejected(&self) -> bool {
        !self.rejected.is_empty()
    }

    /// Forgets all rejections if the API server's definitions have changed, and after an hour in
    /// any case: the cause may have been mended where nobody sees it. `definitions` is `None` if
    /// unknown.
    pub fn reconsider(&mut self, definitions: Option<String>) {
        let (since, before) = self.judged.get_or_insert_with(|| (Instant::now(), definitions.clone()));
        let changed = definitions.is_some() && *before != definitions;
        if changed || since.elapsed() >= REJECTED_FOR {
            self.rejected.clear();
            self.judged = None;
        }
    }

    /// Replaces the rejections: those that still hold, and the new ones.
    pub fn set_rejected(&mut self, rejected: impl Iterator<Item = Fingerprint>) {
        self.rejected = rejected.map(|fingerprint| fingerprint.0).take(MOST).collect();
    }

    /// Returns the hash of a run's document together with the uid of its object.
    pub fn pair(&self, kind: RunKind, uid: &str, document: Stamp) -> Fingerprint {
        Fingerprint(self.hasher.hash_one((kind, "pair", uid, document)))
    }

    /// Returns true if the document was compared with the object in this state.
    pub fn is_known(&self, pair: Fingerprint) -> bool {
        self.known.contains(&pair.0)
    }

    /// Replaces the known pairs: those that still hold, and those compared just now.
    pub fn set_known(&mut self, known: impl Iterator<Item = Fingerprint>) {
        self.known = known.map(|pair| pair.0).take(MOST).collect();
    }

    /// Returns true, once, if it has not been reported that this name is taken.
    pub fn is_news(&mut self, kind: RunKind, name: &str, why: &str) -> bool {
        if self.reported.len() >= MOST {
            self.reported.clear();
        }
        self.reported.insert(self.hasher.hash_one((kind, name, why)))
    }

    /// Returns true if the status should say that a pass counted this: the counts are new, or the
    /// last write is [`TELL_EVERY`] ago.
    pub fn is_worth_telling(&self, counts: &LocationCounts) -> bool {
        self.told.as_ref().is_none_or(|(at, told)| told != counts || at.elapsed() >= TELL_EVERY)
    }

    /// Notes that the status says these counts.
    pub fn told(&mut self, counts: LocationCounts) {
        self.told = Some((Instant::now(), counts));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_reported_once_for_each_reason() {
        let mut memory = Memory::default();
        assert!(memory.is_news(RunKind::Backup, "a", "x"));
        assert!(!memory.is_news(RunKind::Backup, "a", "x"));
        assert!(memory.is_news(RunKind::Restore, "a", "x") && memory.is_news(RunKind::Backup, "a", "y"));
    }

    #[test]
    fn a_document_is_known_beside_one_object_and_until_it_is_written_again() {
        let mut memory = Memory::default();
        let stamp = |size| Stamp { size, modified: chrono::DateTime::UNIX_EPOCH, tarball: Some(9) };
        let pair = memory.pair(RunKind::Backup, "one", stamp(7));
        memory.set_known([pair].into_iter());
        assert!(memory.is_known(memory.pair(RunKind::Backup, "one", stamp(7))));
        for other in [
            memory.pair(RunKind::Backup, "two", stamp(7)),
            memory.pair(RunKind::Restore, "one", stamp(7)),
            memory.pair(RunKind::Backup, "one", stamp(8)),
            memory.pair(RunKind::Backup, "one", Stamp { tarball: Some(10), ..stamp(7) }),
        ] {
            assert!(!memory.is_known(other));
        }
        memory.set_known(std::iter::empty());
        assert!(!memory.is_known(pair));
    }

    #[tokio::test(start_paused = true)]
    async fn the_status_says_what_is_new_at_once_and_the_rest_now_and_then() {
        let mut memory = Memory::default();
        let counts = |backups| LocationCounts { backups, partial: 0, hidden: 0 };
        assert!(memory.is_worth_telling(&counts(1)));
        memory.told(counts(1));
        assert!(!memory.is_worth_telling(&counts(1)) && memory.is_worth_telling(&counts(2)));
        tokio::time::advance(TELL_EVERY).await;
        assert!(memory.is_worth_telling(&counts(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_rejected_is_looked_at_again_after_an_hour_and_under_other_definitions() {
        let mut memory = Memory::default();
        let version = |text: &str| Some(text.to_owned());
        for (definitions, after, remembered) in [
            (version("one"), 0, true),
            (version("one"), 59, true),
            (None, 0, true),
            (version("two"), 0, false),
            (version("two"), 0, true),
            (None, 60, false),
        ] {
            memory.set_rejected([Fingerprint(7)].into_iter());
            tokio::time::advance(Duration::from_secs(60 * after)).await;
            memory.reconsider(definitions.clone());
            assert_eq!(memory.is_rejected(Fingerprint(7)), remembered, "{definitions:?} {after}");
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut memory = Memory::default();
        memory.set_rejected((0..MOST as u64 + 10).map(Fingerprint));
        assert_eq!(memory.rejected.len(), MOST);
        assert!(memory.is_rejected(Fingerprint(0)) && !memory.is_rejected(Fingerprint(u64::MAX)));
    }
}
