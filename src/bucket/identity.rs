//! The run that a document or an object stands for: a name is used again, a run is not. Pure,
//! except that one function reads a document.

use super::BucketError;
use super::read::StoredRun;
use super::record::RunDocument;
use super::run_identity::RunIdentity;

/// Returns whether two documents, or an object and a document, are of one run and vouch for the
/// same bytes. (A tarball that was adopted again has the same run and another index.)
pub fn vouch_alike<D: RunDocument>(of: &RunIdentity, one: &D, document: &D) -> bool {
    of.is_same(&RunIdentity::of_document(document)) && one.objects() == document.objects()
}

impl<D: RunDocument> StoredRun<D> {
    /// Fails if this is not the run that an object of the cluster stands for.
    ///
    /// # Errors
    /// [`BucketError::AnotherRun`] if it is not.
    pub fn must_be(&self, run: &RunIdentity) -> Result<(), BucketError> {
        let found = RunIdentity::of_document(self.document());
        if found.is_same(run) {
            return Ok(());
        }
        Err(BucketError::AnotherRun {
            kind: D::KIND,
            name: self.keys.name().to_owned(),
            location: self.bucket.describe(),
            found: Box::new(found),
            meant: Box::new(run.clone()),
        })
    }

    /// Returns the real cause of an error in reading a part. A part that is not as the document
    /// states may be another run's by now; the bytes are damaged only if the document is still the
    /// one that was read.
    pub(super) async fn blame(&self, error: BucketError) -> BucketError {
        let is_suspect = matches!(error, BucketError::Corrupt { .. } | BucketError::Archive { .. });
        if !is_suspect && !error.is_not_found() {
            return error;
        }
        let before = RunIdentity::of_document(self.document());
        let now = match self.bucket.open_run::<D>(self.keys.clone()).await {
            Ok(now) if vouch_alike(&before, self.document(), now.document()) => return error,
            Ok(now) => format!("the one there now was {}", RunIdentity::of_document(now.document())),
            Err(BucketError::NotFound { .. }) => "it is not there any more".to_owned(),
            Err(BucketError::Incomplete { state, .. }) => format!("it is there no longer, and {state}"),
            Err(_) => return error,
        };
        let (name, location) = (self.keys.name().to_owned(), self.bucket.describe());
        BucketError::Replaced { kind: D::KIND, name, location, now }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::Backup;

    fn backup(uid: &str, cluster: &str, ended: &str, more: Value) -> Backup {
        let mut object = json!({
            "apiVersion": "ark.heptio.com/v1", "kind": "Backup", "spec": {},
            "metadata": {"name": "same", "uid": uid},
            "status": {"phase": "Completed", "cluster": {"uid": cluster, "version": "v1"},
                "startTimestamp": "2026-11-21T03:00:00Z", "completionTimestamp": format!("2026-11-21T{ended}Z")},
        });
        let merge = |into: &mut Value, from: &Value| {
            for (key, value) in from.as_object().unwrap() {
                into[key] = value.clone();
            }
        };
        merge(&mut object["metadata"], &more["metadata"]);
        merge(&mut object["status"], &more["status"]);
        serde_json::from_value(object).unwrap()
    }

    fn mirror(uid: &str, cluster: &str, ended: &str, origin: Value) -> Backup {
        let annotations = json!({crate::api::SYNCED_FROM: "location"});
        let more = json!({"metadata": {"annotations": annotations}, "status": {"origin": origin}});
        backup(uid, cluster, ended, more)
    }

    fn nothing() -> Value {
        json!({"metadata": {}, "status": {}})
    }

    #[test]
    fn an_object_stands_for_its_own_run_and_a_mirror_for_the_run_of_its_document() {
        let document = RunIdentity::of_document(&backup("u", "a", "03:01:00", nothing()));
        let stands = |object: &Backup| RunIdentity::of_object(object).is_same(&document);
        assert!(stands(&backup("u", "a", "03:01:00", nothing())));
        assert!(!stands(&backup("v", "a", "03:01:00", nothing())), "made again under its name");
        assert!(!stands(&backup("u", "b", "03:01:00", nothing())), "another cluster's");
        assert!(stands(&mirror("here", "a", "03:01:00", json!({"run": "u"}))));
        assert!(!stands(&mirror("u", "a", "03:01:00", json!({"run": "v"}))), "its own uid says nothing");
    }

    #[test]
    fn what_an_earlier_version_mirrored_is_known_by_its_times() {
        let document = RunIdentity::of_document(&backup("u", "a", "03:01:00", nothing()));
        let stands = |object: &Backup| RunIdentity::of_object(object).is_same(&document);
        assert!(stands(&mirror("here", "a", "03:01:00", json!({}))));
        assert!(!stands(&mirror("here", "a", "03:02:00", json!({}))));
        assert!(!stands(&mirror("here", "b", "03:01:00", json!({}))));
    }

    #[test]
    fn it_says_where_and_when_it_was_made_and_escapes_what_a_bucket_says() {
        let hostile = RunIdentity::of_document(&backup("u", "a\u{1b}[2J", "03:01:00", nothing()));
        assert_eq!(hostile.to_string(), "made in cluster a\\u{1b}[2J at 2026-11-21T03:00:00Z");
        assert!(RunIdentity::default().to_string().contains("unknown"));
    }
}
