//! Schedules: when to make a backup, and which to remove.
//!
//! A Schedule is looked at when its specification changes, at each of its ticks, and once a minute at least, so that a clock
//! that was set is noticed soon. `decide` says what is to be done, `make` does it, `retention` says what has been kept long
//! enough; the removing is `delete`'s.

mod decide;
mod make;
mod retention;

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use futures::StreamExt as _;
use kube::ResourceExt as _;
use kube::runtime::controller::Action;
use kube::runtime::{PredicateConfig, WatchStreamExt as _, predicates};

use super::context::Context;
use super::delete::{self, Reason};
use super::error::ControllerError;
use super::retry::drive;
use super::stores::Feed;
use crate::api::{Backup, Schedule};
use decide::Step;

/// Clocks may be set at any time, and retention depends on Backups that end at any time.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// While a Backup runs: what is to go because of it goes soon after it has ended.
const RUNNING_PAUSE: Duration = Duration::from_secs(5);
/// A tick that is due now was due a moment ago when it was decided; no loop gets hotter than this.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// Removals that one look asks for; the rest waits for the next one.
const MOST_REMOVALS: usize = 32;

/// Reconciles until the server stops.
pub async fn run(context: Arc<Context>, feed: Feed<Schedule>) {
    let Feed { changes, store } = feed;
    // Its own records are no news.
    let changes = changes.predicate_filter(predicates::generation, PredicateConfig::default()).boxed();
    drive(context, Feed { changes, store }, reconcile).await;
}

async fn reconcile(schedule: Arc<Schedule>, context: Arc<Context>) -> Result<Action, ControllerError> {
    match look(&schedule, &context).await {
        // Somebody changed it meanwhile: what was read is read again.
        Err(error) if error.is_conflict() => Ok(Action::requeue(SHORTEST_PAUSE)),
        done => done,
    }
}

async fn look(schedule: &Schedule, context: &Context) -> Result<Action, ControllerError> {
    let own = own(context, schedule);
    let step = decide::decide(schedule, &own, Utc::now());
    tracing::debug!(kind = "Schedule", name = schedule.name_any(), ?step, "decided");
    match &step {
        Step::Leave => return Ok(Action::await_change()),
        Step::Refuse(errors) => {
            make::refuse(context, schedule, errors).await?;
            return Ok(Action::await_change());
        }
        Step::Correct(last) => make::correct(context, schedule, *last).await?,
        Step::Make(tick) => make::backup(context, schedule, *tick).await?,
        Step::Skip(tick, why) => make::skip(context, schedule, *tick, why).await?,
        Step::Wait(_) => make::enable(context, schedule).await?,
    }
    retire(context, schedule, &own).await?;
    let running = matches!(step, Step::Make(_)) || own.iter().any(|backup| decide::is_running(backup));
    let longest = if running { RUNNING_PAUSE } else { LONGEST_PAUSE };
    let next = match step {
        Step::Wait(next) => next,
        Step::Make(tick) | Step::Skip(tick, _) => decide::next_tick(schedule, tick.max(Utc::now())),
        _ => None,
    };
    let pause = next.and_then(|next| next.signed_duration_since(Utc::now()).to_std().ok());
    Ok(Action::requeue(pause.unwrap_or(longest).clamp(SHORTEST_PAUSE, longest)))
}

/// The Backups that it made in this cluster.
fn own(context: &Context, schedule: &Schedule) -> Vec<Arc<Backup>> {
    let (name, cluster) = (schedule.name_any(), &context.identity.uid);
    let mut backups = context.stores.backups.state();
    backups.retain(|backup| decide::is_own(backup, &name, cluster));
    backups
}

/// Asks for the removal of what has been kept long enough. A Schedule that is paused removes nothing either.
async fn retire(context: &Context, schedule: &Schedule, own: &[Arc<Backup>]) -> Result<(), ControllerError> {
    let Some(retention) = &schedule.spec.retention else { return Ok(()) };
    if schedule.spec.paused == Some(true) {
        return Ok(());
    }
    let surplus = retention::surplus(retention, own.iter().map(AsRef::as_ref), Utc::now());
    let removable = surplus.into_iter().filter(|backup| delete::is_removable(context, backup));
    for backup in removable.take(MOST_REMOVALS) {
        delete::ask(context, backup, Reason::Retention).await?;
    }
    Ok(())
}
