//! One backup of one cluster at one instant. This file is the pipeline, in the order in which a
//! backup is made:
//!
//! 1. `hooked` takes the cut, the revision of the cluster, between the hooks of pods; `view` looks
//!    at the cluster there: `definitions`, `plan` (which kinds), `survey` (what comes along, where
//!    only a part of the cluster is wanted);
//! 2. `collect` lists the kinds as pages of raw bytes;
//! 3. `item` and `filter` decide of each item whether it is taken;
//! 4. `pack` writes tarball and index and uploads them as they grow;
//! 5. `seal` writes results, log and the document, which commits the backup.
//!
//! Beside these: `exclusion` (reasons to leave an item out whatever is selected), `account`
//! (counters, findings, log), `told` and `unheeded` (warnings), `halt` (ends a run early), `live`
//! (what a backup would take now, for a diff) and `index_metadata` (for whoever rebuilds an index).

mod account;
mod collect;
mod cut;
mod definitions;
mod error;
mod exclusion;
mod filter;
mod halt;
mod hooked;
mod index_metadata;
mod item;
mod live;
mod pack;
mod plan;
mod request;
mod seal;
mod survey;
mod survey_result;
mod told;
mod unheeded;
mod view;

pub use error::BackupError;
pub use index_metadata::index_metadata;
pub use item::{ItemOwner, ItemView};
pub use live::live_items;
pub use request::{BackupOutcome, BackupRequest};

use std::future::Future;

use crate::api::CompiledSelection;
use crate::bucket::{Attempt, Bucket, Claim};
use crate::cluster::{Cluster, Page};
use crate::model::{Category, Finding, Progress};
use account::BackupAccount;
use collect::{Event, ResourceListing};
use filter::{BackupFilter, FilterVerdict};
use halt::BackupHalt;
use pack::Packing;
use view::ClusterView;

/// Makes a backup and commits it. `stop` ends the run early.
///
/// # Flow
/// Validates the specification, claims the name in the bucket, takes the cut between the hooks,
/// opens a view of the cluster at that revision, streams the selected items in restore order into
/// tarball and index, and writes results, log and, last, the document. Meanwhile the claim is
/// renewed, and `progress` is told for what the run waits.
///
/// # Guarantees
/// - The backup exists if and only if its document does: a conditional write, the last one, never
///   overwritten. Killed at any write before, the run leaves a claim and parts, which the next
///   attempt under this `uid` takes over (docs/crash.md).
/// - Every kind is read at the revision of the cut. A kind that its server cannot show at that
///   revision is named in a warning and in `status.kindsOutsideCut`.
/// - Each item is stored once, byte by byte. What could not be read is an error among the results,
///   and the backup is PartiallyFailed.
/// - Hooks after the cut run whatever became of those before it and of the cut; a hook that failed
///   is an error among the results.
/// - Memory is bounded: every queue has a bound in bytes or frames, so that a slow bucket slows
///   the LIST.
///
/// # Assumptions
/// - The future is polled to its end. A write that is dropped on its way may still arrive; `stop`
///   is the way to end a run early (`halt.rs`).
/// - `request.uid` is the same for every attempt at this backup, and for no other.
///
/// # Caveats
/// - Old revisions are compacted, after five minutes by default. Kinds whose listing had not begun
///   by then are read at a second cut, one for all of them; a warning tells of that, and the
///   document names each kind.
/// - A group whose discovery fails, or a kind that may not be listed, costs its items, not the
///   run.
///
/// # Errors
/// If the name is taken, the specification is invalid, the run is stopped, or cluster or bucket
/// fail as a whole. The parts that were written are removed then; where that fails as well, the
/// error is [`BackupError::Left`].
pub async fn run(
    cluster: &Cluster,
    bucket: &Bucket,
    request: &BackupRequest,
    progress: &Progress,
    stop: impl Future<Output = ()>,
) -> Result<BackupOutcome, BackupError> {
    let mut wrong = request.spec.validate();
    wrong.extend(hooked::refused(request));
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
            // `tell_waits` never returns, so that there is no value to match.
            never = cluster.tell_waits(progress) => match never {},
            () = stop => BackupError::Stopped { name: request.name.clone() },
        }
    };
    let made =
        halt::run_until(ended, |halt| make(cluster, bucket, &attempt, request, &selection, progress, halt))
            .await;
    match made {
        Ok(made) => Ok(made),
        Err(error) => Err(discard(&attempt, error).await),
    }
}

async fn make(
    cluster: &Cluster,
    bucket: &Bucket,
    attempt: &Attempt,
    request: &BackupRequest,
    selection: &CompiledSelection,
    progress: &Progress,
    mut halt: BackupHalt,
) -> Result<BackupOutcome, BackupError> {
    let mut account = BackupAccount::open(&request.name, progress)?;
    let instant = hooked::instant(cluster, bucket, request, selection, &mut account, &mut halt).await?;
    let view = ClusterView::open_at(cluster, instant, selection, |stage| account.stage(stage));
    let view = halt.or(view).await??;
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

/// Takes all items of all kinds, in restore order. Only errors that concern every call, and those
/// of the bucket, end the run; a kind that cannot be listed is a finding.
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
                // Every further kind would fail the same way.
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
        // Before the verdict, and also for items that are left out: a Service decides about the
        // endpoints that follow it.
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

/// Removes the parts that were written, and returns the error that ended the run, with the parts
/// that are left if their removal failed.
async fn discard(attempt: &Attempt, error: BackupError) -> BackupError {
    match attempt.discard().await {
        Ok(_) => error,
        Err(left) => BackupError::Left { error: Box::new(error), left },
    }
}
