//! Reads the backup that is restored: finds it, reads its index, and yields the bodies of wanted
//! items.
//!
//! Only frames that hold wanted items are read, in order and ahead of use. Next on the way:
//! `inventory`, `survey`.

use std::collections::VecDeque;
use std::str::FromStr as _;

use bytes::Bytes;
use chrono::Utc;
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};

use super::RestoreRequest;
use super::error::RestoreError;
use super::inventory::{EntryId, Inventory};
use super::itself::Itself;
use super::select::Selection;
use crate::api::{BackupPhase, InvalidSpec, RestoreSpec, Timestamp};
use crate::archive::{ArchiveError, Frame, IndexFrame, IndexLine, Position};
use crate::bucket::{Attempt, Bucket, BucketError, FrameStream, StoredBackup};
use crate::model::{BackupName, Category, Finding, Wish, causes};

/// Most unreadable backups that the error names when no backup is left; the first few tell enough.
const TOLD: usize = 3;

/// An item and its body, or the finding that says why the body cannot be had.
pub type ItemBody = (EntryId, Result<Bytes, Finding>);

/// A backup, opened to be restored.
#[derive(Debug)]
pub struct Source {
    /// The name of the backup.
    pub name: BackupName,
    /// The part of its index that may be restored.
    pub inventory: Inventory,
    /// Findings about newer backups of the Schedule that were passed over, and about what is
    /// unexpected of this one.
    pub passed_over: Vec<Finding>,
    stored: StoredBackup,
    tarball: String,
}

impl Source {
    /// Finds the backup and reads its index. An `attempt` says in the bucket that it reads the
    /// backup, before it does, so that nobody removes it meanwhile.
    ///
    /// # Errors
    /// When there is no such backup, the backup is another run than [`RestoreRequest::source`], or
    /// its documents cannot be read.
    pub async fn open(
        bucket: &Bucket,
        request: &RestoreRequest,
        selection: &Selection<'_>,
        attempt: Option<&Attempt>,
    ) -> Result<Self, RestoreError> {
        let spec = &request.spec;
        let mut passed_over = Vec::new();
        let name = match (&request.backup, &spec.backup_name, &spec.schedule_name) {
            (Some(name), _, _) => name.clone(),
            (None, Some(name), _) => BackupName::from_str(name).map_err(|error| {
                RestoreError::Specification(vec![InvalidSpec {
                    field: "backupName".to_owned(),
                    why: error.to_string(),
                }])
            })?,
            (None, None, schedule) => {
                let schedule = schedule.as_deref().unwrap_or_default();
                let newest = bucket.newest_backup(schedule, &wish(request)).await?;
                passed_over = newest.passed_over.iter().map(|other| pass_over(schedule, other)).collect();
                passed_over.extend(newest.notes.iter().map(|note| Finding::warning(Category::Other, note)));
                newest.name.ok_or_else(|| no_backup(bucket, spec, schedule, &newest.why, &passed_over))?
            }
        };
        if let Some(attempt) = attempt {
            attempt.begin_reading(&name).await?;
        }
        let stored = bucket.open_backup(&name).await?;
        if let Some(run) = &request.source {
            stored.must_be(run)?;
        }
        let tarball = stored.parts().tarball().to_string();
        let mut inventory = read_index(&stored, selection).await?;
        inventory.itself = request.server.as_ref().map(|namespace| Itself::of(namespace, spec));
        Ok(Self { name, inventory, passed_over, stored, tarball })
    }

    /// Returns a warning if the backup itself is PartiallyFailed, else `None`: what the backup
    /// lacks, no restore brings back.
    pub fn shortcomings(&self) -> Option<Finding> {
        let status = self.stored.document().status.as_ref()?;
        (status.phase == Some(BackupPhase::PartiallyFailed)).then(|| {
            let message = format!(
                "the backup itself is PartiallyFailed, with {} errors: what they name is not in it; `ark backup describe {} --details` shows them",
                status.errors, self.name
            );
            Finding::warning(Category::Other, message)
        })
    }

    /// Returns the bodies of entries in the order of the tarball, in which `wanted` must be.
    ///
    /// A body that is damaged is a finding inside; an error of the stream means that no further
    /// body can be had.
    pub fn bodies(
        &self,
        wanted: &[EntryId],
    ) -> Result<BoxStream<'_, Result<ItemBody, RestoreError>>, RestoreError> {
        let mut ready = VecDeque::new();
        let mut lines: Vec<IndexFrame> = Vec::new();
        let mut groups: VecDeque<(u32, Vec<EntryId>)> = VecDeque::new();
        for id in wanted {
            let frame = self.inventory.entry(*id).frame;
            if let Some((last, group)) = groups.back_mut()
                && *last == frame
            {
                group.push(*id);
            } else if let Some(line) = self.inventory.frames.get(&frame) {
                lines.push(line.clone());
                groups.push_back((frame, vec![*id]));
            } else {
                ready.push_back((*id, Err(self.damaged(*id, "the index does not say where its frame lies"))));
            }
        }
        let reader = self.stored.frames(lines)?;
        let bodies = Bodies { source: self, reader, groups, ready };
        Ok(stream::try_unfold(bodies, |mut bodies| async move {
            Ok(bodies.next().await?.map(|body| (body, bodies)))
        })
        .boxed())
    }

    /// Returns the error for an item that cannot be read, with the place where its body should be.
    pub fn damaged(&self, id: EntryId, why: &str) -> Finding {
        let entry = self.inventory.entry(id);
        let message = format!(
            "it cannot be read from {} (frame {}, byte {} of it) and was not restored: {why}; look at the backup with `ark backup verify`",
            self.tarball, entry.frame, entry.offset
        );
        Finding::error(Category::Corrupt, message).on_item(self.inventory.key(entry))
    }
}

struct Bodies<'a> {
    source: &'a Source,
    reader: FrameStream,
    groups: VecDeque<(u32, Vec<EntryId>)>,
    ready: VecDeque<ItemBody>,
}

impl Bodies<'_> {
    async fn next(&mut self) -> Result<Option<ItemBody>, BucketError> {
        loop {
            if let Some(body) = self.ready.pop_front() {
                return Ok(Some(body));
            }
            let Some((number, frame)) = self.reader.next().await? else { return Ok(None) };
            while let Some((wanted, group)) = self.groups.pop_front() {
                if wanted == number {
                    self.open(&frame, &group);
                    break;
                }
            }
        }
    }

    fn open(&mut self, frame: &Result<Frame, BucketError>, group: &[EntryId]) {
        let inventory = &self.source.inventory;
        for id in group {
            let body = match frame {
                Ok(frame) => frame
                    .item(&inventory.place(inventory.entry(*id)))
                    .map_err(|error| self.source.damaged(*id, &causes(&error))),
                Err(error) => Err(self.source.damaged(*id, &causes(error))),
            };
            self.ready.push_back((*id, body));
        }
    }
}

async fn read_index(stored: &StoredBackup, selection: &Selection<'_>) -> Result<Inventory, RestoreError> {
    // The selection of the backup itself; a backup whose document has none that compiles counts as
    // a backup of everything.
    let own = stored.document().spec.selection().ok();
    let own = own.as_ref().map(Selection::new);
    let mut lines = stored.index().await?;
    let mut inventory = Inventory::default();
    while let Some(line) = lines.try_next().await? {
        match line {
            IndexLine::Header(header) => {
                inventory = Inventory::new(header.kinds);
                inventory.cluster = header.cluster;
            }
            IndexLine::Item(item) => inventory.add(&item, selection, own.as_ref()).map_err(|why| {
                let place = Position::Entry { frame: item.frame, offset: item.offset };
                stored.damaged(stored.parts().index(), None, ArchiveError::Invalid { place, why })
            })?,
            IndexLine::Frame(frame) => inventory.add_frame(frame),
        }
    }
    Ok(inventory)
}

/// Returns which of a Schedule's backups the request means.
fn wish(request: &RestoreRequest) -> Wish<'_> {
    let RestoreSpec { from_cluster, before, allow_partially_failed, .. } = &request.spec;
    Wish {
        here: &request.cluster.uid,
        schedule: None,
        from: from_cluster.as_deref(),
        before: before.map(Timestamp::time),
        partial: *allow_partially_failed == Some(true),
        now: Utc::now(),
    }
}

/// Returns the warning for a backup that cannot be read and is passed over: an older one may still
/// be restored.
fn pass_over(schedule: &str, (name, error): &(BackupName, BucketError)) -> Finding {
    let message = format!(
        "the backup {name}, which may be a newer one of the schedule `{schedule}`, cannot be read and was passed over: {}",
        causes(error)
    );
    Finding::warning(error.category(), message)
}

fn no_backup(
    bucket: &Bucket,
    spec: &RestoreSpec,
    schedule: &str,
    why: &str,
    passed_over: &[Finding],
) -> RestoreError {
    let before = spec.before.map(|before| format!(" before {before}")).unwrap_or_default();
    RestoreError::NoBackup {
        schedule: schedule.to_owned(),
        which: format!("{before}{why}"),
        location: bucket.describe(),
        passed_over: passed_over.iter().take(TOLD).map(|finding| format!("; {finding}")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Backup, Origin};
    use crate::bucket::{Claim, RunIdentity};
    use crate::cluster::ClusterIdentity;

    /// A restore of `nightly`, which must be the run of this uid in `cluster-a`.
    fn request(uid: &str) -> RestoreRequest {
        let object = serde_json::json!({"apiVersion": "ark.heptio.com/v1", "kind": "Backup", "spec": {},
            "metadata": {"name": "nightly", "uid": uid},
            "status": {"cluster": {"uid": "cluster-a", "version": "v1"}, "startTimestamp": "2026-11-21T03:00:00Z"}});
        let object: Backup = serde_json::from_value(object).unwrap();
        RestoreRequest {
            name: "back".parse().unwrap(),
            spec: RestoreSpec { backup_name: Some("nightly".into()), ..RestoreSpec::default() },
            backup: None,
            source: Some(RunIdentity::of_object(&object)),
            labels: std::collections::BTreeMap::new(),
            uid: "uid".into(),
            namespace: None,
            began: None,
            origin: Origin::default(),
            holder: "host/1".into(),
            cluster: ClusterIdentity { uid: "cluster-a".into(), version: "v1".into() },
            server: None,
            attempt: 1,
            goes_on: false,
            record: false,
            runs_hooks: true,
            parallel: 1,
        }
    }

    #[tokio::test]
    async fn another_run_of_the_backups_name_is_not_restored() {
        let (_, bucket) = crate::bucket::tests::faulty_bucket();
        crate::bucket::tests::make(&bucket, &Claim::new("one", "cluster-a", "host/1")).await.unwrap();
        let terms = RestoreSpec::default().selection().unwrap();
        let selection = Selection::new(&terms);
        let open =
            async |request: RestoreRequest| Source::open(&bucket, &request, &selection, None).await.map(drop);
        let error = open(request("two")).await.unwrap_err();
        assert!(matches!(error, RestoreError::Bucket(BucketError::AnotherRun { .. })), "{error}");
        assert!(open(RestoreRequest { source: None, ..request("two") }).await.is_ok());
    }

    #[test]
    fn when_no_backup_is_left_the_error_says_what_was_passed_over() {
        let (_, bucket) = crate::bucket::tests::faulty_bucket();
        let error = BucketError::Worker { key: "key".to_owned() };
        let others = vec![pass_over("shop", &("shop-20251128050000".parse().unwrap(), error)); 9];
        let text = no_backup(&bucket, &RestoreSpec::default(), "shop", "", &others).to_string();
        assert!(text.contains("no completed backup of the schedule `shop` is in memory"), "{text}");
        assert_eq!(text.matches("the backup shop-20251128050000").count(), TOLD, "{text}");
    }
}
