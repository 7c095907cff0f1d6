//! The step for a name, from what the bucket and the cluster have under it. Pure.

use kube::ResourceExt as _;

use super::mirrored::{Life, Mirrored};
use crate::api::{DOCUMENT_STAMP, STORAGE_LOCATION_LABEL, SYNCED_FROM, is_stored, label_value};

/// The location that is compared.
#[derive(Clone, Copy, Debug)]
pub struct ThisLocation<'a> {
    /// Name of the location in this cluster.
    pub name: &'a str,
    /// Identity of the bucket.
    pub id: &'a str,
    /// The uid of this cluster.
    pub cluster: &'a str,
    /// The namespace of this server.
    pub namespace: &'a str,
}

/// The object that the cluster has under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// The object's uid.
    pub uid: String,
    /// Stage of the object's life.
    pub life: Life,
    /// Identity of the location that the object mirrors; `None` if it was made in this cluster.
    pub mirrors: Option<String>,
    /// Identity of the location of the object's document; `None` if the status does not say.
    pub made_in: Option<String>,
    /// The listed size and time of the document that the object was made from; `None` if it was not
    /// synced.
    pub stamp: Option<String>,
    /// Whether the object names this location.
    pub here: bool,
    /// Whether this server made the run, also if the object came back out of a bucket.
    pub ours: bool,
    /// Whether the document was put into the bucket.
    pub stored: bool,
    /// Whether the run has a tarball, which must be there.
    pub needs_tarball: bool,
    /// Whether the object is being deleted.
    pub leaving: bool,
}

impl Local {
    /// Returns the facts about an object that matter to a location.
    pub fn of<K: Mirrored>(object: &K, location: ThisLocation<'_>) -> Self {
        let ThisLocation { name, cluster, namespace, .. } = location;
        let label = object.labels().get(STORAGE_LOCATION_LABEL);
        Self {
            uid: object.uid().unwrap_or_default(),
            life: object.life(),
            mirrors: object.annotations().get(SYNCED_FROM).cloned(),
            made_in: object.origin().and_then(|origin| origin.location.clone()),
            stamp: object.annotations().get(DOCUMENT_STAMP).cloned(),
            here: object.named_location() == Some(name) || label == Some(&label_value(name)),
            ours: object.is_made_by(cluster, namespace),
            stored: is_stored(object.conditions()),
            needs_tarball: object.has_items(),
            leaving: object.meta().deletion_timestamp.is_some(),
        }
    }
}

impl Local {
    /// Returns true if the object carries the mark of a synced one and has not begun: a copy that a
    /// person made, or one whose status is not written yet.
    pub fn is_unproven(&self) -> bool {
        self.life == Life::Unbegun && self.mirrors.is_some()
    }

    /// Returns true if the document that the object stands for is, or was, in the location of this
    /// identity.
    pub fn lies_in(&self, id: &str) -> bool {
        self.mirrors.as_ref().or(self.made_in.as_ref()).is_none_or(|lies_in| lies_in == id)
    }
}

/// The keys that the bucket has under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameInBucket {
    /// Whether the document is there.
    pub document: bool,
    /// Whether the tarball is there.
    pub tarball: bool,
    /// Whether the document, as it is listed, is known to be the one that the object stands for.
    pub known: bool,
}

/// The step for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncStep {
    /// Do nothing: the object is as it should be, or is not this location's concern.
    Leave,
    /// Bring the document in.
    Create,
    /// Write the status of an object that lacks it, because a server died between the two writes.
    Complete,
    /// Remove the object if a second look finds nothing in the bucket. An unproven one is refused
    /// instead.
    Remove,
    /// Read the document, which was written since it was last read, and check that the object still
    /// stands for it.
    Compare,
    /// Remove the object, which stands for what this location was before, and bring in what is
    /// there now.
    Replace,
    /// Report that another object, which is not this run, has the name; and which.
    Taken(&'static str),
}

/// Returns the step for a name.
pub fn decide(here: ThisLocation<'_>, found: NameInBucket, local: Option<&Local>) -> SyncStep {
    let Some(local) = local else {
        return if found.document { SyncStep::Create } else { SyncStep::Leave };
    };
    if local.leaving || local.life == Life::Busy {
        return SyncStep::Leave;
    }
    match &local.mirrors {
        Some(id) => decide_placed(found, local, id == here.id),
        None if local.stored => match &local.made_in {
            // An earlier version did not note the location; the one that the object names is
            // assumed.
            None if !local.here => taken(found, local),
            None => decide_placed(found, local, true),
            Some(id) if id != here.id && !local.here => taken(found, local),
            Some(id) => decide_placed(found, local, id == here.id),
        },
        None => taken(found, local),
    }
}

/// Returns the step for an object whose document is or was in a bucket; `same` says whether in this
/// one.
fn decide_placed(found: NameInBucket, local: &Local, same: bool) -> SyncStep {
    let is_there = found.document && (found.tarball || !local.needs_tarball);
    // A refused copy only claimed to mirror this location; the real document has the name.
    if local.life == Life::Refused && (same || local.here) {
        return if found.document { SyncStep::Replace } else { SyncStep::Leave };
    }
    match (same, local.here) {
        (true, true) if !is_there => SyncStep::Remove,
        (true, true) if local.is_unproven() => SyncStep::Complete,
        (true, true) if found.known => SyncStep::Leave,
        (true, true) => SyncStep::Compare,
        // The location was created again under another name or with another identity. The object is
        // one of the earlier location, and is replaced.
        (true, false) | (false, true) if found.document => SyncStep::Replace,
        (true, false) | (false, true) => SyncStep::Remove,
        (false, false) if found.document => {
            SyncStep::Taken("a synced object of another location has the name")
        }
        (false, false) => SyncStep::Leave,
    }
}

/// Returns the step for an object that has nothing to do with this bucket, as far as is known.
fn taken(found: NameInBucket, local: &Local) -> SyncStep {
    if !found.document || local.life == Life::Unbegun && local.here {
        return SyncStep::Leave;
    }
    SyncStep::Taken(if local.here {
        "an object of this cluster that is not in the bucket has the name"
    } else {
        "an object of this cluster that is not of this location has the name"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: ThisLocation<'_> = ThisLocation { name: "here", id: "one", cluster: "a", namespace: "ark" };
    const KNOWN: NameInBucket = NameInBucket { document: true, tarball: true, known: true };
    const WHOLE: NameInBucket = NameInBucket { known: false, ..KNOWN };
    const BARE: NameInBucket = NameInBucket { tarball: false, ..WHOLE };
    const NOTHING: NameInBucket = NameInBucket { document: false, ..BARE };

    /// Returns an object that mirrors this location and has ended.
    fn synced() -> Local {
        Local {
            uid: "u".into(),
            life: Life::Ended,
            mirrors: Some("one".into()),
            made_in: Some("one".into()),
            stamp: None,
            here: true,
            ours: false,
            stored: false,
            needs_tarball: true,
            leaving: false,
        }
    }

    /// Returns an object of this cluster whose document was put into this location.
    fn own() -> Local {
        Local { mirrors: None, stored: true, ..synced() }
    }

    fn step(found: NameInBucket, local: &Local) -> SyncStep {
        decide(HERE, found, Some(local))
    }

    #[test]
    fn what_the_bucket_has_and_the_cluster_has_not_is_created() {
        assert_eq!(decide(HERE, WHOLE, None), SyncStep::Create);
        assert_eq!(decide(HERE, NOTHING, None), SyncStep::Leave);
    }

    #[test]
    fn what_both_have_is_left_and_a_missing_status_is_added() {
        assert_eq!(step(KNOWN, &synced()), SyncStep::Leave);
        assert_eq!(step(KNOWN, &own()), SyncStep::Leave);
        assert_eq!(step(WHOLE, &Local { life: Life::Unbegun, ..synced() }), SyncStep::Complete);
    }

    #[test]
    fn what_the_bucket_has_no_longer_is_removed_whether_document_or_items_are_gone() {
        for local in [synced(), own(), Local { life: Life::Unbegun, ..synced() }] {
            assert_eq!(step(NOTHING, &local), SyncStep::Remove, "{local:?}");
            assert_eq!(step(BARE, &local), SyncStep::Remove, "{local:?}");
            let without_items = Local { needs_tarball: false, ..local };
            assert_ne!(step(BARE, &without_items), SyncStep::Remove, "{without_items:?}");
        }
    }

    #[test]
    fn what_never_reached_the_bucket_or_is_being_made_or_deleted_is_left_alone() {
        let never = Local { stored: false, ..own() };
        for local in [
            never.clone(),
            Local { life: Life::Unbegun, ..never.clone() },
            Local { here: false, made_in: None, ..own() },
            Local { here: false, made_in: Some("two".into()), ..own() },
            Local { life: Life::Busy, ..own() },
            Local { life: Life::Busy, ..synced() },
            Local { leaving: true, ..synced() },
            Local { mirrors: Some("two".into()), here: false, ..synced() },
        ] {
            assert_eq!(step(NOTHING, &local), SyncStep::Leave, "{local:?}");
        }
        // The document is in the bucket before the object's status says so.
        for life in [Life::Busy, Life::Unbegun] {
            assert_eq!(step(WHOLE, &Local { life, ..never.clone() }), SyncStep::Leave);
        }
    }

    #[test]
    fn a_name_that_another_object_has_is_reported_and_not_overwritten() {
        for local in [
            Local { mirrors: Some("two".into()), here: false, ..synced() },
            Local { here: false, made_in: None, ..own() },
            Local { here: false, made_in: Some("two".into()), ..own() },
            Local { here: false, life: Life::Unbegun, stored: false, ..own() },
            Local { stored: false, ..own() },
        ] {
            assert!(matches!(step(WHOLE, &local), SyncStep::Taken(_)), "{local:?}");
        }
    }

    #[test]
    fn a_document_that_was_written_since_is_compared_whoever_made_the_object() {
        for local in [synced(), own(), Local { made_in: None, ..own() }] {
            assert_eq!(step(WHOLE, &local), SyncStep::Compare, "{local:?}");
            assert_eq!(step(KNOWN, &local), SyncStep::Leave, "{local:?}");
        }
    }

    #[test]
    fn what_was_refused_hides_no_document_and_waits_for_none() {
        let refused = Local { life: Life::Refused, ..synced() };
        assert_eq!(step(NOTHING, &refused), SyncStep::Leave, "it stays, so that somebody reads why");
        for found in [WHOLE, KNOWN, BARE] {
            assert_eq!(step(found, &refused), SyncStep::Replace, "{found:?}");
        }
        let elsewhere = Local { mirrors: Some("two".into()), here: false, ..refused };
        assert!(matches!(step(WHOLE, &elsewhere), SyncStep::Taken(_)));
    }

    #[test]
    fn what_was_made_here_and_lies_in_another_bucket_gives_way_to_what_its_location_is_now() {
        let repointed = Local { made_in: Some("two".into()), ..own() };
        assert_eq!(step(WHOLE, &repointed), SyncStep::Replace);
        assert_eq!(step(KNOWN, &repointed), SyncStep::Replace, "whatever was known of another bucket");
        assert_eq!(step(NOTHING, &repointed), SyncStep::Remove);
        let renamed = Local { here: false, ..own() };
        assert_eq!(step(WHOLE, &renamed), SyncStep::Replace);
        let failed = Local { stored: false, ..repointed };
        assert!(matches!(step(WHOLE, &failed), SyncStep::Taken(_)), "no document of it was ever anywhere");
    }

    #[test]
    fn what_mirrors_an_earlier_location_of_the_name_or_identity_gives_way() {
        for local in [Local { mirrors: Some("two".into()), ..synced() }, Local { here: false, ..synced() }] {
            assert_eq!(step(WHOLE, &local), SyncStep::Replace, "{local:?}");
            assert_eq!(step(NOTHING, &local), SyncStep::Remove, "{local:?}");
        }
    }
}
