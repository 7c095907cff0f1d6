//! Compares the keys of a location with the objects of the cluster: one listing, and the step for
//! each name.

use std::collections::HashMap;

use futures::TryStreamExt as _;
use kube::ResourceExt as _;

use super::decide::{Local, NameInBucket, SyncStep, ThisLocation, decide};
use super::memory::{Fingerprint, Memory};
use super::mirrored::Mirrored;
use crate::bucket::{Bucket, BucketError, ListedRun, RunKeys, Stamp};
use crate::controller::watch::watches::Caches;

/// Largest number of documents of a kind that one pass brings in; the next pass follows at once.
/// Bounds the memory that a bucket of millions of runs costs to one entry each.
const MOST_WANTED: usize = 20_000;

/// A document that is to be brought in.
#[derive(Clone, Debug)]
pub struct WantedDocument {
    /// Name of the run.
    pub name: String,
    /// Whether the tarball is there.
    pub tarball: bool,
    /// The document's size and time, as listed.
    pub stamp: Stamp,
    /// Hash of the document, by which a rejection is remembered.
    pub fingerprint: Fingerprint,
    /// The uid of the object that exists already and lacks a status; `None` if there is none.
    pub object: Option<String>,
}

/// An object that is to be removed.
#[derive(Clone, Debug)]
pub struct Doomed {
    /// Keys of the run that the object mirrors.
    pub keys: RunKeys,
    /// The object.
    pub local: Local,
    /// The document that takes its place. With one, the object is removed although the bucket has
    /// something under its name.
    pub successor: Option<WantedDocument>,
}

/// An object whose document was written since it was last read.
#[derive(Clone, Debug)]
pub struct Suspect {
    /// Keys of the run that the object mirrors.
    pub keys: RunKeys,
    /// The object.
    pub local: Local,
    /// Hash of object and document, by which it is remembered that the two belong together.
    pub pair: Fingerprint,
    /// The document that takes its place if the two do not belong together.
    pub successor: WantedDocument,
}

/// The steps for a location's runs of one kind.
#[derive(Debug, Default)]
pub struct SyncPlan {
    /// Documents to bring in.
    pub wanted: Vec<WantedDocument>,
    /// Objects to remove.
    pub doomed: Vec<Doomed>,
    /// Objects to compare with their documents.
    pub suspects: Vec<Suspect>,
    /// Pairs that were compared before and are unchanged.
    pub known: Vec<Fingerprint>,
    /// Names that another object has, and which.
    pub taken: Vec<(String, &'static str)>,
    /// Documents that were rejected before and are unchanged.
    pub rejected: Vec<Fingerprint>,
    /// Number of complete runs.
    pub complete: u64,
    /// Number of runs that were begun and not finished.
    pub partial: u64,
    /// Whether there are more documents than one pass may bring in.
    pub goes_on: bool,
}

/// Lists all runs of a kind, compares them with the cluster's objects, and returns what a pass has
/// to do. The objects are taken from the cache before the listing begins: the document of each that
/// has ended is in the bucket by then, so that the listing cannot miss it.
pub async fn plan_pass<K: Mirrored>(
    bucket: &Bucket,
    here: ThisLocation<'_>,
    caches: &Caches,
    memory: &Memory,
) -> Result<SyncPlan, BucketError> {
    let objects = K::all(caches).state();
    let mut locals: HashMap<String, Local> =
        objects.iter().map(|object| (object.name_any(), Local::of(&**object, here))).collect();
    drop(objects);
    let mut plan = SyncPlan::default();
    let mut runs = bucket.list_runs(K::KIND);
    while let Some(run) = runs.try_next().await? {
        let local = locals.remove(run.name());
        plan.add_found::<K>(&run, here, local, memory);
    }
    for (name, local) in locals {
        plan.add_missing::<K>(&name, here, local);
    }
    Ok(plan)
}

impl SyncPlan {
    /// Adds the step for a name that the listing has.
    fn add_found<K: Mirrored>(
        &mut self,
        run: &ListedRun,
        here: ThisLocation<'_>,
        local: Option<Local>,
        memory: &Memory,
    ) {
        let document = run.document();
        self.complete += u64::from(document.is_some());
        self.partial += u64::from(run.is_partial());
        let tarball = run.has_tarball();
        let mut found = NameInBucket { document: document.is_some(), tarball, known: false };
        if let (Some(local), Some(stamp)) = (&local, document) {
            let pair = memory.pair(K::KIND, &local.uid, stamp);
            let remembered = memory.is_known(pair);
            found.known = remembered || local.stamp.as_deref() == Some(&*stamp.to_string());
            self.known.extend(remembered.then_some(pair));
        }
        let step = decide(here, found, local.as_ref());
        let wanted = document.map(|stamp| WantedDocument {
            name: run.name().to_owned(),
            tarball,
            stamp,
            fingerprint: memory.fingerprint(K::KIND, run, stamp),
            object: None,
        });
        match (step, wanted, local) {
            (SyncStep::Create | SyncStep::Complete, Some(wanted), local) => {
                self.want(WantedDocument { object: local.map(|local| local.uid), ..wanted }, memory);
            }
            (SyncStep::Compare, Some(successor), Some(local)) => self.suspect::<K>(local, successor, memory),
            (SyncStep::Remove, _, Some(local)) => self.doom::<K>(run.name(), local, None),
            (SyncStep::Replace, successor, Some(local)) => self.doom::<K>(run.name(), local, successor),
            (SyncStep::Taken(why), ..) => self.taken.push((run.name().to_owned(), why)),
            _ => {}
        }
    }

    fn add_missing<K: Mirrored>(&mut self, name: &str, here: ThisLocation<'_>, local: Local) {
        let nothing = NameInBucket { document: false, tarball: false, known: false };
        if decide(here, nothing, Some(&local)) == SyncStep::Remove {
            self.doom::<K>(name, local, None);
        }
    }

    fn want(&mut self, wanted: WantedDocument, memory: &Memory) {
        if memory.is_rejected(wanted.fingerprint) {
            self.rejected.push(wanted.fingerprint);
        } else if self.wanted.len() < MOST_WANTED {
            self.wanted.push(wanted);
        } else {
            self.goes_on = true;
        }
    }

    fn doom<K: Mirrored>(&mut self, name: &str, local: Local, successor: Option<WantedDocument>) {
        if let Some(keys) = RunKeys::parse(K::KIND, name) {
            self.doomed.push(Doomed { keys, local, successor });
        }
    }

    fn suspect<K: Mirrored>(&mut self, local: Local, successor: WantedDocument, memory: &Memory) {
        if let Some(keys) = RunKeys::parse(K::KIND, &successor.name) {
            let pair = memory.pair(K::KIND, &local.uid, successor.stamp);
            self.suspects.push(Suspect { keys, local, pair, successor });
        }
    }
}
