//! The keys of the parts of a run: each attempt has a folder of its own, and the document names the
//! parts that belong to the run.
//!
//! A write may arrive late: from a process that was suspended, or whose answer was lost. Under the
//! keys of its own attempt the write can harm nothing, whoever has the name by then. Backups made
//! before attempts had folders have their parts beside the document.

use crate::api::StoredObject;
use crate::store::{InvalidKey, ObjectKey};

use super::attempt_id::AttemptId;
use super::layout::{self, FileMeaning, Part, RunKeys, RunKind};

/// The end of a tarball's file name.
const TARBALL: &str = ".tar.zst";

impl From<AttemptId> for String {
    fn from(AttemptId(text): AttemptId) -> Self {
        text
    }
}

/// The keys of the parts of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartKeys {
    tarball: ObjectKey,
    index: ObjectKey,
    results: ObjectKey,
    log: ObjectKey,
}

impl PartKeys {
    /// Returns the keys that an attempt writes; for `None` those beside the document, which every
    /// attempt wrote before attempts had folders.
    ///
    /// # Errors
    /// If the name of the run is too long for a key; no valid name is.
    pub fn of(keys: &RunKeys, attempt: Option<&AttemptId>) -> Result<Self, InvalidKey> {
        let slash = if attempt.is_some() { "/" } else { "" };
        let attempt = attempt.map(|AttemptId(attempt)| attempt.as_str()).unwrap_or_default();
        let key = |file: &str| ObjectKey::new(format!("{}{attempt}{slash}{file}", keys.folder()));
        Ok(Self {
            tarball: key(&format!("{}{TARBALL}", keys.name()))?,
            index: key("index.ndjson.zst")?,
            results: key("results.json.zst")?,
            log: key("logs.ndjson.zst")?,
        })
    }

    /// Returns the keys that the document of a run names. A part that the document does not name
    /// lies beside the document, as before documents named parts. Keys outside the run's folder are
    /// ignored.
    ///
    /// # Errors
    /// As [`PartKeys::of`].
    pub fn named(keys: &RunKeys, objects: &[StoredObject]) -> Result<Self, InvalidKey> {
        let find = |wanted: Part| {
            let object = objects.iter().find(|object| part(keys, &object.key) == Some(wanted))?;
            ObjectKey::new(object.key.clone()).ok()
        };
        let Self { tarball, index, results, log } = Self::of(keys, None)?;
        Ok(Self {
            tarball: find(Part::Tarball).unwrap_or(tarball),
            index: find(Part::Index).unwrap_or(index),
            results: find(Part::Results).unwrap_or(results),
            log: find(Part::Log).unwrap_or(log),
        })
    }

    /// Returns the key of the tarball, which only backups have.
    pub fn tarball(&self) -> &ObjectKey {
        &self.tarball
    }

    /// Returns the key of the index: one line for each item.
    pub fn index(&self) -> &ObjectKey {
        &self.index
    }

    /// Returns the key of the results: warnings and errors.
    pub fn results(&self) -> &ObjectKey {
        &self.results
    }

    /// Returns the key of the run's log.
    pub fn log(&self) -> &ObjectKey {
        &self.log
    }

    /// Returns the keys of the parts that are streamed, of which a killed process may have left
    /// unfinished uploads; only backups have them.
    pub(super) fn streamed(&self, kind: RunKind) -> impl Iterator<Item = &ObjectKey> {
        [&self.tarball, &self.index].into_iter().filter(move |_| kind == RunKind::Backup)
    }
}

fn part(keys: &RunKeys, key: &str) -> Option<Part> {
    match layout::parse_file(keys.kind(), keys.name(), key.strip_prefix(keys.folder())?) {
        FileMeaning::Ours(part) => Some(part),
        _ => None,
    }
}

/// Returns the length in bytes of the longest key of a backup whose name has `name` bytes: the key
/// of the tarball of an attempt with a number of three digits.
pub fn longest_key(name: usize) -> usize {
    RunKind::Backup.folder().len() + name + "/999-0123456789ab/".len() + longest_file(name)
}

/// Returns the length in bytes of the longest file name of such a backup, that of its tarball.
pub fn longest_file(name: usize) -> usize {
    name + TARBALL.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> RunKeys {
        RunKeys::backup(&"nightly.1".parse().unwrap()).unwrap()
    }

    fn object(key: &str) -> StoredObject {
        StoredObject { key: key.to_owned(), ..StoredObject::default() }
    }

    #[test]
    fn every_key_of_an_attempt_is_read_back_as_what_it_is_and_no_two_attempts_share_one() {
        let (first, second) = (AttemptId::draw(1), AttemptId::draw(1));
        let [old, one, other] =
            [None, Some(&first), Some(&second)].map(|attempt| PartKeys::of(&keys(), attempt).unwrap());
        for parts in [&old, &one, &other] {
            for (key, wanted) in [
                (parts.tarball(), Part::Tarball),
                (parts.index(), Part::Index),
                (parts.results(), Part::Results),
                (parts.log(), Part::Log),
            ] {
                assert_eq!(part(&keys(), key.as_str()), Some(wanted), "{key}");
            }
        }
        assert_eq!(old.tarball().as_str(), "backups/nightly.1/nightly.1.tar.zst");
        assert_eq!(one.tarball().as_str(), format!("backups/nightly.1/{first}/nightly.1.tar.zst"));
        assert_ne!(one.tarball(), other.tarball());
    }

    #[test]
    fn the_document_says_where_parts_lie_and_nothing_outside_the_run_is_believed() {
        let folder = "backups/nightly.1";
        let named = PartKeys::named(
            &keys(),
            &[
                object("backups/other/index.ndjson.zst"),
                object(&format!("{folder}/2-0123456789ab/index.ndjson.zst")),
                object(&format!("{folder}/results.json.zst")),
            ],
        );
        let named = named.unwrap();
        assert_eq!(named.index().as_str(), format!("{folder}/2-0123456789ab/index.ndjson.zst"));
        assert_eq!(named.results().as_str(), format!("{folder}/results.json.zst"));
        assert_eq!(named.tarball().as_str(), format!("{folder}/nightly.1.tar.zst"), "as it lay before");
    }

    #[test]
    fn only_the_folder_of_an_attempt_is_read_as_one() {
        let drawn = AttemptId::draw(u32::MAX);
        assert!(AttemptId::is_one(&drawn.to_string()), "{drawn}");
        for wrong in ["", "1", "-0123456789ab", "1-", "..-0123456789ab", "1-0123456789ag", "1-0123456789ab-"]
        {
            assert!(serde_json::from_value::<AttemptId>(wrong.into()).is_err(), "{wrong}");
        }
    }
}
