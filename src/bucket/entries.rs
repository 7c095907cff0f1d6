//! The runs in a location: complete, partial, foreign or unrecognised, page by page.

use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};

use super::layout::{self, RunKind, Writer};
use super::listing::ListedRun;
use super::run_entry::{RunEntry, RunState};
use super::run_folder::{ClaimState, RunFolder};
use super::{Bucket, BucketError};

impl Bucket {
    /// Lists all backups, page by page; memory does not grow with their number. The backups of Ark
    /// 0.3 to 0.9, which lie at the top of the location, come last.
    ///
    /// # Errors
    /// The stream ends with an error if the store fails.
    pub fn list_backups(&self) -> BoxStream<'static, Result<RunEntry, BucketError>> {
        self.entries(RunKind::Backup).chain(self.list_old_backups()).boxed()
    }

    /// Lists all restores, page by page; memory does not grow with their number.
    ///
    /// # Errors
    /// The stream ends with an error if the store fails.
    pub fn list_restores(&self) -> BoxStream<'static, Result<RunEntry, BucketError>> {
        self.entries(RunKind::Restore)
    }

    fn entries(&self, kind: RunKind) -> BoxStream<'static, Result<RunEntry, BucketError>> {
        let bucket = self.clone();
        let entry = move |run: ListedRun| {
            let bucket = bucket.clone();
            async move {
                let state = bucket.state(&run).await?;
                Ok(run.into_entry(state))
            }
        };
        self.list_runs(kind).and_then(entry).boxed()
    }

    /// Returns the state of a listed run; reads the claim only where there is no document.
    async fn state(&self, run: &ListedRun) -> Result<RunState, BucketError> {
        let keys = run.keys();
        Ok(match (run.survey, keys) {
            // A stray file beside parts of ours does not make the run another program's.
            (RunFolder { foreign: Some(writer), parts: 0, .. }, _) => RunState::Foreign(writer),
            (_, None) => RunState::Unrecognised,
            (RunFolder { committed: true, .. }, _) => RunState::Complete,
            (RunFolder { claimed: true, .. }, Some(keys)) => match self.read_claim(keys.claim()).await? {
                ClaimState::Held(claim) => RunState::Partial(Some(Box::new(claim))),
                ClaimState::Absent | ClaimState::Unreadable(_) => RunState::Partial(None),
            },
            (RunFolder { parts: 1.., .. }, _) => RunState::Partial(None),
            _ => RunState::Unrecognised,
        })
    }

    /// Lists the backups of Ark 0.3 to 0.9: folders at the top of the location.
    fn list_old_backups(&self) -> BoxStream<'static, Result<RunEntry, BucketError>> {
        let bucket = self.clone();
        let read = move |folder: String| {
            let bucket = bucket.clone();
            async move { bucket.read_old_backup(&folder).await }
        };
        let folders = self.pages("", true).map_ok(|page| {
            let folders = page.prefixes.into_iter().filter(|folder| !layout::is_reserved_folder(folder));
            stream::iter(folders.map(Ok))
        });
        folders.try_flatten().try_filter_map(read).boxed()
    }

    /// Returns the backup of Ark 0.3 to 0.9 in a folder, or `None` if there is none. The first page
    /// suffices, as such a backup has three objects.
    async fn read_old_backup(&self, prefix: &str) -> Result<Option<RunEntry>, BucketError> {
        let name = prefix.trim_end_matches('/');
        let listing = self.store.list(prefix, true, None).await?;
        let mut run = ListedRun::new(RunKind::Backup, name);
        for object in &listing.objects {
            let file = object.key.as_str().strip_prefix(prefix).unwrap_or_default();
            run.add(object, layout::parse_file(RunKind::Backup, name, file));
        }
        let is_backup = run.survey.committed && run.survey.foreign.is_some();
        Ok(is_backup.then(|| run.into_entry(RunState::Foreign(Writer::Ark03))))
    }
}
