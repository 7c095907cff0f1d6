//! The backup that is restored: which one, what its index holds of what is wanted, and the bodies of wanted items.
//!
//! Only frames that hold wanted items are read, in order and ahead of use. Next on the way: `needs`, `plan`.

use std::collections::VecDeque;
use std::str::FromStr as _;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};

use super::RestoreRequest;
use super::error::RestoreError;
use super::inventory::{EntryId, Inventory};
use super::select::Selection;
use crate::api::{Backup, BackupPhase, InvalidSpec, RestoreSpec, SCHEDULE_NAME_LABEL, label_value};
use crate::archive::{Frame, IndexFrame, IndexLine};
use crate::bucket::{Bucket, BucketError, FrameReader, RunState, StoredBackup};
use crate::model::{BackupName, Category, Finding, causes};

/// An item and its body, or why it cannot be had.
pub type Body = (EntryId, Result<Bytes, Finding>);

/// A backup, opened to be restored.
#[derive(Debug)]
pub struct Source {
    /// Its name.
    pub name: BackupName,
    /// What its index holds of what is wanted.
    pub inventory: Inventory,
    stored: StoredBackup,
    tarball: String,
}

impl Source {
    /// Finds the backup and reads its index.
    ///
    /// # Errors
    /// When there is no such backup, or its documents cannot be read.
    pub async fn open(
        bucket: &Bucket,
        request: &RestoreRequest,
        selection: &Selection<'_>,
    ) -> Result<Self, RestoreError> {
        let spec = &request.spec;
        let name = match (&request.backup, &spec.backup_name, &spec.schedule_name) {
            (Some(name), _, _) => name.clone(),
            (None, Some(name), _) => BackupName::from_str(name).map_err(|error| {
                RestoreError::Specification(vec![InvalidSpec {
                    field: "backupName".to_owned(),
                    why: error.to_string(),
                }])
            })?,
            (None, None, schedule) => newest(bucket, spec, schedule.as_deref().unwrap_or_default()).await?,
        };
        let stored = bucket.open_backup(&name).await?;
        let tarball = stored.keys().tarball().to_string();
        let inventory = read_index(&stored, selection).await?;
        Ok(Self { name, inventory, stored, tarball })
    }

    /// The bodies of entries, in the order of the tarball. `wanted` must be in that order.
    ///
    /// A body that is damaged is a finding inside; an error means that no more can be had.
    pub fn bodies(
        &self,
        wanted: &[EntryId],
    ) -> Result<BoxStream<'_, Result<Body, RestoreError>>, RestoreError> {
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

    /// An item that cannot be read, and where it should be.
    pub fn damaged(&self, id: EntryId, why: &str) -> Finding {
        let entry = self.inventory.entry(id);
        let message = format!(
            "it cannot be read from {} (frame {}, byte {} of it) and was not restored: {why}; look at the backup with `ark bucket verify`",
            self.tarball, entry.frame, entry.offset
        );
        Finding::error(Category::Corrupt, message).on_item(self.inventory.key(entry))
    }
}

struct Bodies<'a> {
    source: &'a Source,
    reader: FrameReader,
    groups: VecDeque<(u32, Vec<EntryId>)>,
    ready: VecDeque<Body>,
}

impl Bodies<'_> {
    async fn next(&mut self) -> Result<Option<Body>, BucketError> {
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
    let mut lines = stored.index().await?;
    let mut inventory = Inventory::default();
    while let Some(line) = lines.try_next().await? {
        match line {
            IndexLine::Header(header) => {
                inventory = Inventory::new(header.kinds);
                inventory.cluster = header.cluster;
            }
            // A path that names no item was refused by the decoder already.
            IndexLine::Item(item) => inventory.add(&item, selection).unwrap_or_default(),
            IndexLine::Frame(frame) => inventory.add_frame(frame),
        }
    }
    Ok(inventory)
}

/// The newest Completed backup of a Schedule.
async fn newest(bucket: &Bucket, spec: &RestoreSpec, schedule: &str) -> Result<BackupName, RestoreError> {
    let mut newest: Option<(crate::api::Timestamp, BackupName)> = None;
    let mut entries = bucket.list_backups();
    while let Some(entry) = entries.try_next().await? {
        let (RunState::Complete, Ok(name)) = (entry.state, BackupName::from_str(&entry.name)) else {
            continue;
        };
        // A schedule's backups carry its name; the label decides.
        if !name.as_str().starts_with(schedule) {
            continue;
        }
        let Some(began) = began(&bucket.read_backup(&name).await?, schedule) else { continue };
        let in_time = spec.before.is_none_or(|before| began < before);
        if in_time && newest.as_ref().is_none_or(|(time, _)| *time < began) {
            newest = Some((began, name));
        }
    }
    newest.map(|(_, name)| name).ok_or_else(|| RestoreError::NoBackup {
        schedule: schedule.to_owned(),
        when: spec.before.map(|before| format!(" before {before}")).unwrap_or_default(),
        location: bucket.describe(),
    })
}

/// When a backup began, if it is Completed and of the Schedule.
fn began(backup: &Backup, schedule: &str) -> Option<crate::api::Timestamp> {
    let label = backup.metadata.labels.as_ref()?.get(SCHEDULE_NAME_LABEL)?;
    let status = backup.status.as_ref()?;
    let fits = *label == label_value(schedule) && status.phase == Some(BackupPhase::Completed);
    status.start_timestamp.filter(|_| fits)
}
