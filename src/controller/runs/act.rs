//! Executes a decided step of a run and records the outcome.

use std::time::Duration;

use kube::ResourceExt as _;
use kube::runtime::controller::Action;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::decide::RunStep;
use super::follow::{EarlyEnd, follow};
use super::observe::{LOCATION_UNREACHABLE, NAME_LEAVING, read_again, who_has};
use super::record::{GRACE, Record, WriteOutcome};
use super::resource::{RunResource, Stage, StatusUpdate, described, keys_of};
use super::runnable::{Job, Name, RunError, Runnable};
use crate::api::{NAME_TAKEN, Origin, STORED, SYNCED_FROM, Timestamp, WAITING, stored};
use crate::bucket::Claim;
use crate::controller::buckets::OpenLocation;
use crate::controller::context::Context;
use crate::controller::error::ControllerError;
use crate::controller::watch::conditions::{Obstacle, condition, now};
use crate::model::{Progress, causes, cut, lasting};

/// Pause before a waiting run is examined again if that costs no request: it should begin soon
/// after its location is back, and failures of a location are shared.
const WAIT: Duration = Duration::from_secs(2);

/// Pause where each look asks the bucket, whose message may differ each time.
const WAIT_ASKING: Duration = Duration::from_secs(15);

/// Reason of a wait: nothing but the number of runs at a time is in the way.
pub const QUEUED: &str = "Queued";

/// Executes a decided step and records the outcome in the object's status.
///
/// # Errors
/// If the step could not be executed or recorded; the step is then decided anew.
pub async fn act<K: Runnable>(
    context: &Context,
    object: K,
    step: RunStep<K>,
) -> Result<Action, ControllerError> {
    let mut record = Record::open(context, object);
    match step {
        RunStep::Wait(why, plan) => return wait(context, record.object(), why, plan).await,
        RunStep::Refuse(errors) => refuse(&mut record, errors).await?,
        RunStep::NameTaken(why) => lose_name(&mut record, why).await?,
        RunStep::Record(document, location) => {
            if let Some(location) = location
                && let Err(error) = sweep(&record, &location).await
            {
                tracing::warn!(kind = %K::kind(&()), name = record.object().name_any(), "{}; this does no harm", causes(&error));
            }
            done(&mut record, document, None).await?;
        }
        RunStep::GiveUp(why, location) => give_up(&mut record, location.as_ref(), why).await?,
        RunStep::Run(job) if !context.stop.is_cancelled() => run(&mut record, &job).await?,
        RunStep::Run(_) => {}
    }
    Ok(Action::await_change())
}

/// Writes the condition `Waiting` and the plan into the status, unless they are there already, and
/// returns when to look again.
pub async fn wait<K: RunResource>(
    context: &Context,
    seen: &K,
    why: Obstacle,
    plan: Option<K::Plan>,
) -> Result<Action, ControllerError> {
    let Obstacle { reason, message } = why;
    let pause = if matches!(reason, LOCATION_UNREACHABLE | NAME_LEAVING) { WAIT_ASKING } else { WAIT };
    let mut condition = condition(WAITING, true, reason, cut(message));
    condition.observed_generation = seen.meta().generation;
    let why = condition.message.clone();
    let change = StatusUpdate::Wait(condition, plan);
    if !says(seen, &change) {
        let fresh = read_again(context, seen).await?.filter(|fresh| fresh.uid() == seen.uid());
        let Some(fresh) = fresh else { return Ok(Action::await_change()) };
        let mut record = Record::open(context, fresh);
        if record.write(&change).await? == WriteOutcome::Done {
            let (kind, name) = (K::kind(&()), seen.name_any());
            if reason == QUEUED {
                tracing::info!(%kind, name, "waits: {why}");
                context.events.changed(record.object(), WAITING, &why).await;
            } else {
                tracing::warn!(%kind, name, "waits: {why}");
                context.events.warned(record.object(), WAITING, &why).await;
            }
        }
    }
    Ok(Action::requeue(pause))
}

/// Returns true if the change would leave the status as it is.
fn says<K: RunResource>(object: &K, change: &StatusUpdate<K>) -> bool {
    let mut changed = object.clone();
    changed.change(change);
    changed == *object
}

/// Starts an attempt: settles the specification, writes InProgress, checks once more, then runs the
/// engine and follows it.
async fn run<K: Runnable>(record: &mut Record<'_, K>, job: &Job<K>) -> Result<(), ControllerError> {
    let context = record.context();
    if record.object().state().stage == Stage::New {
        let merge = record.object().settled(&job.plan, &job.location);
        record.settle(merge).await?;
    }
    let (attempt, holder) = (job.attempt, context.settings.holder.clone());
    let origin = Origin {
        location: Some(job.location.id.clone()),
        cluster: Some(context.identity.uid.clone()),
        namespace: Some(context.settings.namespace.clone()),
        run: record.object().uid(),
        schedule: None,
    };
    let begin = StatusUpdate::Begin { attempt, holder, at: Timestamp::now(), plan: job.plan.clone(), origin };
    if record.write(&begin).await? == WriteOutcome::Lost {
        return Ok(());
    }
    // Only now can others see that it runs: whoever deletes a Backup looks for such Restores.
    if let Some(why) = record.object().recheck(context, &job.plan).await? {
        return object_to(record, job, vec![why]).await;
    }
    if attempt == 1 {
        K::metrics(&context.metrics).attempted(&record.object().schedule(context));
    }
    let again = if attempt > 1 { ", after an interruption" } else { "" };
    tell(record, &format!("attempt {attempt}{again}, in location `{}`", job.location.name)).await;

    let (progress, stop) = (Progress::default(), CancellationToken::new());
    let object = record.object().clone();
    let mut engine = Box::pin(object.run_engine(context, job, &progress, stop.clone()));
    // Biased: the outcome of an engine that has ended counts, even if the server stops just then.
    let (early, end) = tokio::select! {
        biased;
        end = &mut engine => (None, Some(end)),
        early = follow(record, &progress) => {
            let (kind, name) = (K::kind(&()), record.object().name_any());
            tracing::info!(%kind, name, "stopping the run, because {early}");
            stop.cancel();
            // A bucket that does not answer must not hold up the end. What is left then is swept,
            // or taken up by the next server.
            (Some(early), timeout(GRACE, &mut engine).await.ok())
        }
    };
    drop(engine);
    conclude(record, job, early, end).await
}

/// Records how an attempt ended. After a failure the bucket is asked first: the commit may have
/// arrived although its answer did not.
async fn conclude<K: RunResource>(
    record: &mut Record<'_, K>,
    job: &Job<K>,
    early: Option<EarlyEnd>,
    end: Option<Result<K, RunError>>,
) -> Result<(), ControllerError> {
    let (kind, name, location) = (K::kind(&()), record.object().name_any(), &job.location);
    match (early, end) {
        (Some(EarlyEnd::Lost), _) => {
            tracing::warn!(%kind, name, "the run was stopped, and what it left belongs to the run that has its phase now");
            Ok(())
        }
        (Some(EarlyEnd::Deleted), end) => {
            match end {
                Some(Ok(_)) => Ok(()), // complete by then: the bucket has it
                _ => sweep(record, location).await,
            }
        }
        (_, Some(Ok(document))) => done(record, Box::new(document), Some(location)).await,
        (_, Some(Err(RunError::Stopped { clean: true }))) => {
            record.persist(&StatusUpdate::Reset).await?;
            tracing::info!(%kind, name, "the run was stopped with the server, and the next server takes it up");
            Ok(())
        }
        (_, None | Some(Err(RunError::Stopped { clean: false }))) => {
            tracing::warn!(%kind, name, "the run was cut short with the server, and the next server goes on with it");
            Ok(())
        }
        (_, Some(Err(RunError::Lost(error)))) => {
            Err(ControllerError::bucket(format!("go on with {}", described(record.object())))(error))
        }
        (_, Some(Err(RunError::Refused(errors)))) => match own(record, location).await? {
            Some(document) => done(record, document, Some(location)).await,
            None => object_to(record, job, errors).await,
        },
        (_, Some(Err(RunError::NameTaken(why)))) => match own(record, location).await? {
            Some(document) => done(record, document, Some(location)).await,
            None => lose_name(record, why).await,
        },
        (_, Some(Err(RunError::Failed { why, left }))) => match own(record, location).await? {
            Some(document) => done(record, document, Some(location)).await,
            None => {
                if left && let Err(error) = sweep(record, location).await {
                    tracing::warn!(%kind, name, "{}", causes(&error));
                }
                fail(record, why).await
            }
        },
    }
}

/// Returns the document of this run if the bucket has it in spite of how the attempt ended, or
/// `None`. A ReadOnly location is not asked.
async fn own<K: RunResource>(
    record: &Record<'_, K>,
    location: &OpenLocation,
) -> Result<Option<Box<K>>, ControllerError> {
    if location.read_only {
        return Ok(None);
    }
    match who_has(record.context(), record.object(), location).await? {
        Name::Own(document) => Ok(Some(document)),
        Name::Free | Name::Taken(_) | Name::Pending(_) => Ok(None),
    }
}

/// Removes what attempts at this run left in the bucket. Parts of other runs stay.
async fn sweep<K: RunResource>(
    record: &Record<'_, K>,
    location: &OpenLocation,
) -> Result<(), ControllerError> {
    if location.read_only {
        return Ok(());
    }
    let (context, object) = (record.context(), record.object());
    let claim = Claim::new(object.uid().unwrap_or_default(), &context.identity.uid, &context.settings.holder);
    let swept = async { location.bucket.claim(keys_of(object)?, &claim).await?.discard().await };
    match swept.await {
        Err(error) if !error.is_name_taken() => Err(ControllerError::bucket(format!(
            "remove what is left of {} from location `{}`",
            described(object),
            location.name
        ))(error)),
        _ => Ok(()),
    }
}

/// Fails a run that cannot be finished, after removing what its attempts left: a claim that stays
/// would keep the name, or a backup from being deleted.
async fn give_up<K: RunResource>(
    record: &mut Record<'_, K>,
    location: Option<&OpenLocation>,
    why: String,
) -> Result<(), ControllerError> {
    let left = match location {
        Some(location) => sweep(record, location).await.err(),
        None => None,
    };
    let why = match left {
        Some(left) => format!("{why} ({}; what is left is removed a day later)", lasting(&left)),
        None => why,
    };
    fail(record, why).await
}

/// Refuses a first attempt; gives up a run that an earlier attempt began.
async fn object_to<K: RunResource>(
    record: &mut Record<'_, K>,
    job: &Job<K>,
    errors: Vec<String>,
) -> Result<(), ControllerError> {
    if job.attempt == 1 {
        return refuse(record, errors).await;
    }
    give_up(record, Some(&job.location), errors.join("; ")).await
}

async fn refuse<K: RunResource>(
    record: &mut Record<'_, K>,
    errors: Vec<String>,
) -> Result<(), ControllerError> {
    let note = errors.join("; ");
    if record.persist(&StatusUpdate::Refuse(errors, None)).await? == WriteOutcome::Done {
        let context = record.context();
        K::metrics(&context.metrics).refused(&record.object().schedule(context));
        tell(record, &note).await;
    }
    Ok(())
}

/// Refuses an object that carries the annotation of a synced one and was not synced: a copy that a
/// person made of one that was.
///
/// # Errors
/// If the refusal could not be recorded; the object is then reconciled again.
pub async fn refuse_unproven<K: RunResource>(context: &Context, object: K) -> Result<(), ControllerError> {
    let mut record = Record::open(context, object);
    let why = format!(
        "metadata.annotations: it carries the annotation {SYNCED_FROM}, which only the server sets, on what it finds in a bucket, and there is \
         no such {} in one; nothing was run: create it without that annotation",
        K::KIND
    );
    if record.write(&StatusUpdate::Refuse(vec![why.clone()], None)).await? == WriteOutcome::Done {
        K::metrics(&context.metrics).refused(&record.object().schedule(context));
        tell(&record, &why).await;
    }
    Ok(())
}

/// Refuses a run only because its name is taken. A Schedule makes its Backup again under another
/// name, so that its metrics count no refusal and no alert fires.
async fn lose_name<K: RunResource>(record: &mut Record<'_, K>, why: String) -> Result<(), ControllerError> {
    let taken = condition(NAME_TAKEN, true, NAME_TAKEN, why.clone());
    if record.persist(&StatusUpdate::Refuse(vec![why.clone()], Some(taken))).await? == WriteOutcome::Done {
        let context = record.context();
        let schedule = record.object().schedule(context);
        if schedule.is_empty() {
            K::metrics(&context.metrics).refused(&schedule);
        }
        tell(record, &why).await;
    }
    Ok(())
}

async fn fail<K: RunResource>(record: &mut Record<'_, K>, why: String) -> Result<(), ControllerError> {
    if record.persist(&StatusUpdate::Fail(why.clone(), Timestamp::now())).await? == WriteOutcome::Done {
        let context = record.context();
        K::metrics(&context.metrics).failed(&record.object().schedule(context));
        tell(record, &why).await;
    }
    Ok(())
}

/// Records a run that is over. `location` is `None` if its document was found in the bucket.
async fn done<K: RunResource>(
    record: &mut Record<'_, K>,
    document: Box<K>,
    location: Option<&OpenLocation>,
) -> Result<(), ControllerError> {
    let condition = match location {
        Some(OpenLocation { name, read_only: true, .. }) => condition(
            STORED,
            false,
            "ReadOnlyLocation",
            format!(
                "location `{name}` is ReadOnly, so that the record of this run is in this cluster only; it goes with the object"
            ),
        ),
        _ => stored("its document is in the bucket".to_owned(), now()),
    };
    match record.persist(&StatusUpdate::Done(document, condition)).await {
        Ok(WriteOutcome::Done) => {}
        Ok(WriteOutcome::Lost) => return Ok(()),
        // The document does not fit the schema: no further try would write it.
        Err(error) if error.is_status(422) => {
            return fail(record, format!("its document in the bucket is not valid: {}", causes(&error)))
                .await;
        }
        Err(error) => return Err(error),
    }
    let (context, object) = (record.context(), record.object());
    let (metrics, schedule) = (K::metrics(&context.metrics), &*object.schedule(context));
    let figures = object.figures();
    match &*object.state().phase {
        "Completed" => metrics.succeeded(schedule),
        "PartiallyFailed" => metrics.partially_failed(schedule),
        _ => metrics.failed(schedule),
    }
    metrics.finished(schedule, &figures);
    let note = format!(
        "{} items in {:.0} s, {} warnings, {} errors",
        figures.items, figures.seconds, figures.warnings, figures.item_errors
    );
    let note = object.failure().map_or(note, str::to_owned);
    tell(record, &note).await;
    Ok(())
}

/// Publishes an Event and a log line about the object's present phase.
async fn tell<K: RunResource>(record: &Record<'_, K>, note: &str) {
    let object = record.object();
    let (kind, name, phase) = (K::kind(&()), object.name_any(), object.state().phase);
    let events = &record.context().events;
    if matches!(&*phase, "InProgress" | "Completed") {
        tracing::info!(%kind, name, phase, "{note}");
        events.changed(object, &phase, note).await;
    } else {
        tracing::warn!(%kind, name, phase, "{note}");
        events.warned(object, &phase, note).await;
    }
}
