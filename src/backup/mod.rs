//! One backup of one cluster at one instant. This file is the pipeline; it reads top to bottom as the backup happens.
//!
//! `view` = `cut` (at which revision), `definitions`, `plan` (which kinds), `survey` (what comes along, when only a part is wanted) →
//! `collect` (pages of raw bytes) → `item`, `filter` (take or leave) → `pack` (frames, index, upload) → `seal` (documents, commit).

mod account;
mod collect;
mod cut;
mod definitions;
mod error;
mod exclusion;
mod filter;
mod halt;
mod index_metadata;
mod item;
mod live;
mod pack;
mod plan;
mod related;
mod request;
mod seal;
mod survey;
mod told;
mod unheeded;
mod view;

pub use request::{BackupOutcome, BackupRequest};
use std::future::Future;

pub use error::BackupError;
pub use index_metadata::index_metadata;
pub use item::{ItemOwner, ItemView};
pub use live::live_items;

use account::BackupAccount;
use collect::{Event, ResourceListing};
use filter::{BackupFilter, FilterVerdict};
use halt::BackupHalt;
use pack::Packing;
use view::ClusterView;

use crate::api::CompiledSelection;
use crate::bucket::{Attempt, Bucket, Claim};
use crate::cluster::{Cluster, Page};

use crate::model::{Category, Finding, Progress};

/// Makes a backup and commits it.
///
/// The bucket shows nothing but a claim until the commit, its last write. `stop` ends the run early.
///
/// # Errors
/// When the name is taken, the specification is wrong, the run is stopped, or cluster or bucket fail as a whole; the parts
/// written so far are removed then. A kind or an item that cannot be taken is a finding in the outcome.
pub async fn run(
    cluster: &Cluster,
    bucket: &Bucket,
    request: &BackupRequest,
    progress: &Progress,
    stop: impl Future<Output = ()>,
) -> Result<BackupOutcome, BackupError> {
    let wrong = request.spec.validate();
    if !wrong.is_empty() {
        return Err(BackupError::Specification(wrong));
    }
    let selection = request.spec.selection().map_err(BackupError::Specification)?;
    let namespace = request.namespace.clone();
    let claim = Claim { namespace, ..Claim::new(&request.uid, &request.cluster.uid, &request.holder) };
    let attempt = bucket.claim_backup(&request.name, &claim).await?;
    let ended = async {
        tokio::select! {
            lost = attempt.keep() => lost.into(),
            never = cluster.tell_waits(progress) => match never {},
            () = stop => BackupError::Stopped { name: request.name.clone() },
        }
    };
    let made = halt::unless(ended, |halt| make(cluster, &attempt, request, &selection, progress, halt)).await;
    match made {
        Ok(made) => Ok(made),
        Err(error) => Err(discard(&attempt, error).await),
    }
}

async fn make(
    cluster: &Cluster,
    attempt: &Attempt,
    request: &BackupRequest,
    selection: &CompiledSelection,
    progress: &Progress,
    mut halt: BackupHalt,
) -> Result<BackupOutcome, BackupError> {
    let mut account = BackupAccount::open(&request.name, progress)?;
    let view = halt.or(ClusterView::open(cluster, selection, |stage| account.stage(stage))).await??;
    account.open_with(&view);
    request.spec.ignored().iter().for_each(|said| account.log.info(said));
    let mut packing = seal::begin(attempt, request, &view).await?;
    if let Err(error) = take(cluster, &view, &mut packing, &mut account, &mut halt).await {
        packing.abort().await;
        return Err(error);
    }
    account.tell_of_items();
    account.stage("sealing the backup");
    seal::commit(attempt, request, &view.cut, packing, account, &halt).await
}

/// Takes all items of all kinds, in restore order.
async fn take(
    cluster: &Cluster,
    view: &ClusterView<'_>,
    packing: &mut Packing,
    account: &mut BackupAccount<'_>,
    halt: &mut BackupHalt,
) -> Result<(), BackupError> {
    let mut filter = view.filter();
    let mut collection = view.collect(cluster);
    while let Some(mut listing) = collection.next() {
        account.stage(format!("listing {}", listing.info.resource));
        while let Some(event) = halt.or(listing.next()).await? {
            match event {
                Event::Page(page) => take_page(&listing, &page, &mut filter, packing, account).await?,
                Event::Drift(drift) => account.drifted(&listing.info, &drift),
                Event::Failed(source) if source.concerns_every_call() => {
                    return Err(BackupError::Cluster { doing: "listing what the cluster holds", source });
                }
                Event::Failed(error) => account.kind_failed(&listing.info, &error),
            }
        }
    }
    if account.items == 0 && account.results.errors == 0 {
        let message =
            "nothing in the cluster is selected, so that the backup is empty; look at its selection";
        account.find(Finding::warning(Category::Unmatched, message.to_owned()));
    }
    halt.or(account.count_left_out(cluster, &view.plan)).await
}

async fn take_page(
    listing: &ResourceListing,
    page: &Page,
    filter: &mut BackupFilter<'_>,
    packing: &mut Packing,
    account: &mut BackupAccount<'_>,
) -> Result<(), BackupError> {
    account.expect(page.items.len());
    for body in page.bodies() {
        let item = match ItemView::read(body, !listing.info.status) {
            Ok(item) => item,
            Err(error) => {
                account.unreadable(&listing.info, &error);
                continue;
            }
        };
        filter.note(&listing.info, &item);
        match filter.judge(&listing.info, &item) {
            FilterVerdict::Take => match packing.push(&listing.info, &item, body).await {
                Ok(()) => account.taken(&listing.info, &item, body.len()),
                Err(BackupError::Unstorable(error)) => account.unstorable(&listing.info, &item, &error),
                Err(error) => return Err(error),
            },
            FilterVerdict::Skip(reason) => account.skipped(reason, &listing.info, &item),
            FilterVerdict::NotSelected => account.not_selected(),
        }
    }
    Ok(())
}

/// Removes what was written; what could not be removed is told with the error that ended the run.
async fn discard(attempt: &Attempt, error: BackupError) -> BackupError {
    match attempt.discard().await {
        Ok(_) => error,
        Err(left) => BackupError::Left { error: Box::new(error), left },
    }
}
