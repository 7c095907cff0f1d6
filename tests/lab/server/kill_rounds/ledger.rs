//! What the rounds have seen: each Backup that was Completed once, with its document, and what was
//! asked to go.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use ark::bucket::{Bucket, RunState};
use ark::store::{ObjectKey, ObjectStore, read_all};
use futures::TryStreamExt as _;
use serde_json::Value;

use super::super::{BACKUP, DELETION, Installation, RESTORE};

/// Why a run ends otherwise when servers are killed and backups deleted under it.
const EXPECTED: [&str; 3] =
    ["attempts at the run were interrupted", "is being deleted", "there is no Backup"];

/// The account of all rounds.
pub struct Ledger {
    store: Arc<dyn ObjectStore>,
    /// Backups that were Completed once, by name, and their documents as they were first seen.
    completed: BTreeMap<String, Vec<u8>>,
    /// Restores that were Completed once.
    restored: BTreeSet<String>,
    /// Runs by attempt: how many were finished in the first, in the second, in the third.
    attempts: BTreeMap<String, u64>,
    /// Runs that ended otherwise, and why.
    otherwise: BTreeMap<String, String>,
    /// How many of the Completed backups were deleted; known at the end.
    deleted: Option<usize>,
}

/// The phases that mean that a document is in the bucket.
fn has_document(object: &Value) -> bool {
    let stored = object["status"]["conditions"].as_array().into_iter().flatten();
    stored.clone().any(|each| each["type"] == "Stored" && each["status"] == "True")
        || object["metadata"]["annotations"].get("ark.heptio.com/synced-from").is_some()
}

fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().expect("a name").to_owned()
}

impl Ledger {
    pub fn of(store: Arc<dyn ObjectStore>) -> Self {
        Self {
            store,
            completed: BTreeMap::new(),
            restored: BTreeSet::new(),
            attempts: BTreeMap::new(),
            otherwise: BTreeMap::new(),
            deleted: None,
        }
    }

    /// How many backups were Completed in all.
    pub fn completed(&self) -> usize {
        self.completed.len()
    }

    /// Notes what is new in the cluster.
    pub async fn look(&mut self, installation: &Installation<'_>) {
        for backup in installation.all(BACKUP).await {
            let (phase, status) = (backup["status"]["phase"].as_str().unwrap_or_default(), &backup["status"]);
            let name = name(&backup);
            if phase == "Completed" && !self.completed.contains_key(&name) {
                // It may be on its way out already.
                let document = read_document(&*self.store, &name).await.unwrap_or_default();
                self.completed.insert(name, document);
                *self.attempts.entry(format!("{}", status["attempt"])).or_default() += 1;
            } else if ["Failed", "PartiallyFailed", "FailedValidation"].contains(&phase) {
                self.otherwise.insert(format!("Backup {name}"), status.to_string());
            }
        }
        for restore in installation.all(RESTORE).await {
            let phase = restore["status"]["phase"].as_str().unwrap_or_default();
            let name = name(&restore);
            if phase == "Completed" && self.restored.insert(name.clone()) {
                *self.attempts.entry(format!("restore {}", restore["status"]["attempt"])).or_default() += 1;
            } else if ["Failed", "PartiallyFailed", "FailedValidation"].contains(&phase) {
                self.otherwise.insert(format!("Restore {name}"), restore["status"].to_string());
            }
        }
    }

    /// What the bucket has and the cluster has not, the other way about, and what is in the bucket
    /// half.
    pub async fn disagreement(&self, installation: &Installation<'_>) -> Option<String> {
        let bucket = Bucket::new(Arc::clone(&self.store));
        let mut found = Vec::new();
        for (kind, listing) in [(BACKUP, bucket.list_backups()), (RESTORE, bucket.list_restores())] {
            let entries: Vec<_> = listing.try_collect().await.expect("listable");
            let objects = installation.all(kind).await;
            let here: BTreeSet<String> =
                objects.iter().filter(|object| has_document(object)).map(name).collect();
            let (whole, half): (Vec<_>, Vec<_>) =
                entries.into_iter().partition(|entry| entry.state == RunState::Complete);
            let there: BTreeSet<String> = whole.into_iter().map(|entry| entry.name).collect();
            found.extend(
                half.into_iter().map(|entry| format!("{} {} is {:?}", kind.0, entry.name, entry.state)),
            );
            found.extend(
                there
                    .symmetric_difference(&here)
                    .map(|name| format!("{} {name} is only on one side", kind.0)),
            );
        }
        if found.is_empty() { None } else { Some(found.join("; ")) }
    }

    /// Every Backup that was Completed is there as it was, or was asked to go and went.
    pub async fn settle(&mut self, installation: &Installation<'_>) {
        self.look(installation).await;
        assert_eq!(self.disagreement(installation).await, None);
        let mut asked = BTreeSet::new();
        for request in installation.all(DELETION).await {
            if request["status"]["phase"] == "Processed" && request["status"].get("errors").is_none() {
                asked.insert(request["spec"]["backupName"].as_str().expect("a name").to_owned());
            }
        }
        let here: BTreeSet<String> = installation.all(BACKUP).await.iter().map(name).collect();
        let lost: Vec<&String> =
            self.completed.keys().filter(|name| !here.contains(*name) && !asked.contains(*name)).collect();
        assert!(lost.is_empty(), "lost without being asked to go: {lost:?}");
        let gone = asked.iter().find(|name| name.starts_with("kept-"));
        assert_eq!(gone, None, "nobody asked for this one to go");
        self.deleted = Some(self.completed.keys().filter(|name| !here.contains(*name)).count());
        for (name, seen) in self.completed.iter().filter(|(name, _)| here.contains(*name)) {
            let now = read_document(&*self.store, name).await.expect("it is there");
            assert!(seen.is_empty() || *seen == now, "{name} was altered after it was Completed");
        }
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store: _, completed, restored, attempts, otherwise, deleted } = self;
        write!(f, "{} backups Completed, ", completed.len())?;
        if let Some(deleted) = deleted {
            write!(f, "{deleted} of them deleted, ")?;
        }
        write!(f, "{} restores Completed, by attempt {attempts:?}", restored.len())?;
        let (expected, others): (Vec<_>, Vec<_>) =
            otherwise.iter().partition(|(_, status)| EXPECTED.iter().any(|reason| status.contains(reason)));
        write!(f, ", {} were given up after three kills or named a backup that went", expected.len())?;
        others.into_iter().try_for_each(|(name, status)| write!(f, "\n{name}: {status}"))
    }
}

/// Reads the document of a backup in a bucket; none if there is none.
pub async fn read_document(store: &dyn ObjectStore, backup: &str) -> Option<Vec<u8>> {
    let key = ObjectKey::new(format!("backups/{backup}/ark-backup.json")).expect("a key");
    match read_all(store, &key, 1 << 20).await {
        Ok(bytes) => Some(bytes.to_vec()),
        Err(error) if error.is_not_found() => None,
        Err(error) => panic!("{key}: {error}"),
    }
}
