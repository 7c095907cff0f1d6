//! Leader election: of all servers of a namespace, the holder of the Lease acts, and stops acting
//! before another server may.
//!
//! The holder renews the record on condition that nobody has written it since. Another server takes
//! the record if it has not seen it change for [`VALID_FOR`], or finds it released.
//! `leader/observer.rs` decides (pure); the numbers are in `leader/timing.rs`.

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff;
use kube::Api;
use kube::api::PostParams;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::observer;
use super::observer::{Availability, LeaseObserver};
use super::timing::{GIVE_UP_AFTER, LAST_WORDS, LOOK_EVERY, RENEW_AGAIN, RENEW_EVERY, REQUEST, VALID_FOR};
use crate::cluster::{Cluster, Fence, Moment};
use crate::controller::error::ControllerError;
use crate::model::{Cause, causes};

/// Name of the Lease in the server's namespace.
pub const NAME: &str = "ark-server";
const _: () = assert!(GIVE_UP_AFTER.as_secs() + LAST_WORDS.as_secs() < VALID_FOR.as_secs());

/// The election of a namespace, as one of its servers takes part in it.
///
/// # Flow
/// 1. [`Election::win`] reads the Lease every [`LOOK_EVERY`] until it is free, and writes the
///    record.
/// 2. [`Held::keep`] renews the record every [`RENEW_EVERY`] and after a failure every
///    [`RENEW_AGAIN`].
/// 3. Without a renewal for [`GIVE_UP_AFTER`], or when another holder is seen, `keep` returns an
///    error. `term` then stops all work within [`LAST_WORDS`], and the process ends.
/// 4. A server that ends in good order releases the record; a standby takes it at its next look.
///
/// # Guarantees
/// - Two servers never act at once: 10 s and 3 s of the holder end before the 15 s of a standby.
///   Each counts by its own monotonic clock, the holder from before its request was sent, the
///   standby from after its answer came.
/// - A holder that was stopped or suspended sends no write once its time is over, neither to the
///   API server nor to a bucket: the fence closes by a clock that goes on meanwhile. Only the
///   server's own Lease passes.
///
/// # Assumptions
/// - The API server refuses a write of an older `resourceVersion`.
/// - Monotonic clocks run at about the same speed. Wall clocks do not matter.
///
/// # Caveats
/// - After a crash nobody acts until the record has not changed for 15 s.
/// - While the API server does not answer for 10 s, the holder ends its process.
/// - A request that was under way when the process was stopped may still arrive; it is answered
///   long before the lease ends. One to a bucket may be late and is harmless, since the parts of
///   each attempt have keys of their own.
pub struct Election {
    leases: Api<Lease>,
    fence: Fence,
    me: String,
}

/// The Lease, held by this server. Only the owner of this value acts.
pub struct Held {
    election: Election,
    record: Lease,
    /// Moment before the last successful renewal was sent; this server's time counts from then.
    renewed: Instant,
}

/// Reason of a failed renewal.
enum Unrenewed {
    /// Another server holds the Lease; its name.
    Taken(String),
    /// The outcome is unknown; the renewal is tried again.
    Failed(ControllerError),
}

impl Election {
    /// Creates the election. `holder` names this server; a random suffix makes the name unique,
    /// since a restarted pod has the name of its predecessor.
    pub fn new(cluster: &Cluster, namespace: &str, holder: &str) -> Self {
        let unique = Uuid::new_v4().simple().to_string();
        let me = format!("{holder}/{}", unique.get(..8).unwrap_or_default());
        let (leases, fence) = (Api::<Lease>::namespaced(cluster.client(), namespace), cluster.fence());
        fence.is_kept_by(format!("{}/{NAME}", leases.resource_url()));
        Self { leases, fence, me }
    }

    /// Waits until the Lease is free, and takes it. Returns `None` if the server was asked to end
    /// before.
    ///
    /// # Errors
    /// If the very first read fails: the server may not read Leases, or cannot. Later failures are
    /// waited out.
    pub async fn win(self, stop: &CancellationToken) -> Result<Option<Held>, ControllerError> {
        let mut observer = LeaseObserver::default();
        let mut record = self.read().await?;
        loop {
            let (now, asked) = (Instant::now(), Moment::now());
            let next = match observer.observe(record.as_ref(), &self.me, now) {
                Availability::Free => match self.write(record).await {
                    Ok(record) => {
                        let mut held = Held { election: self, record, renewed: now };
                        held.is_renewed(now, asked);
                        return Ok(Some(held));
                    }
                    Err(error) if error.is_conflict() => now + RENEW_AGAIN,
                    Err(error) => {
                        tracing::warn!("cannot take the lease `{NAME}`; trying on: {}", causes(&error));
                        now + LOOK_EVERY
                    }
                },
                Availability::Until { holder, end } => {
                    if observer.is_new_holder() {
                        tracing::info!(holder, "standing by: another server holds the lease `{NAME}`");
                    }
                    end.min(now + LOOK_EVERY)
                }
            };
            tokio::select! {
                () = stop.cancelled() => return Ok(None),
                () = sleep_until(next) => {}
            }
            record = loop {
                match self.read().await {
                    Ok(record) => break record,
                    Err(error) => {
                        tracing::warn!("cannot look at the lease `{NAME}`; trying on: {}", causes(&error));
                    }
                }
                tokio::select! {
                    () = stop.cancelled() => return Ok(None),
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
            };
        }
    }

    async fn read(&self) -> Result<Option<Lease>, ControllerError> {
        request("read", self.leases.get_opt(NAME)).await
    }

    /// Writes the record with this server as the holder, if nobody has written it since it was
    /// read.
    async fn write(&self, record: Option<Lease>) -> Result<Lease, ControllerError> {
        let parameters = PostParams::default();
        match record {
            Some(record) => {
                let ours = claimed(record, &self.me);
                request("write", self.leases.replace(NAME, &parameters, &ours)).await
            }
            None => {
                let metadata = ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() };
                let ours = claimed(Lease { metadata, spec: None }, &self.me);
                request("create", self.leases.create(&parameters, &ours)).await
            }
        }
    }
}

impl Held {
    /// Returns the name of this server as the holder.
    pub fn holder(&self) -> &str {
        &self.election.me
    }

    /// Renews the Lease until `done` is cancelled, then releases it, so that another server takes
    /// over at once.
    ///
    /// # Errors
    /// [`ControllerError::LeaseLost`] as soon as this server has to stop acting.
    pub async fn keep(mut self, done: &CancellationToken) -> Result<(), ControllerError> {
        let mut next = self.renewed + RENEW_EVERY;
        loop {
            tokio::select! {
                () = done.cancelled() => return self.release().await,
                () = sleep_until(next) => {}
            }
            let end = self.renewed + GIVE_UP_AFTER;
            let lost = |source: Cause| Err(ControllerError::LeaseLost { source });
            let started = Instant::now();
            let renewed = timeout_at(end, self.renew(started)).await;
            match renewed {
                Ok(Ok(())) => next = started + RENEW_EVERY,
                Ok(Err(Unrenewed::Taken(by))) => return lost(format!("`{by}` holds the lease").into()),
                Ok(Err(Unrenewed::Failed(error))) if Instant::now() < end => {
                    tracing::warn!("cannot renew the lease `{NAME}`; trying on: {}", causes(&error));
                    next = end.min(Instant::now() + RENEW_AGAIN);
                }
                Ok(Err(Unrenewed::Failed(error))) => return lost(error.into()),
                Err(_) => {
                    let silence = GIVE_UP_AFTER.as_secs();
                    return lost(format!("the lease could not be renewed for {silence} s").into());
                }
            }
        }
    }

    /// Renews the record. If somebody else wrote or deleted it, reads it and writes it again unless
    /// it names another holder.
    async fn renew(&mut self, started: Instant) -> Result<(), Unrenewed> {
        let asked = Moment::now();
        match self.election.write(Some(self.record.clone())).await {
            Ok(record) => {
                self.record = record;
                self.is_renewed(started, asked);
                return Ok(());
            }
            Err(error) if error.is_conflict() => {}
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(Unrenewed::Failed(error)),
        }
        let record = self.election.read().await.map_err(Unrenewed::Failed)?;
        if let Some(other) =
            record.as_ref().and_then(observer::holder).filter(|holder| *holder != self.election.me)
        {
            return Err(Unrenewed::Taken(other.to_owned()));
        }
        let record = self.election.write(record).await.map_err(Unrenewed::Failed)?;
        self.record = record;
        self.is_renewed(started, asked);
        Ok(())
    }

    /// Notes the moment of a renewal, by both clocks. The fence stays open until the last words are
    /// over.
    fn is_renewed(&mut self, started: Instant, asked: Moment) {
        self.renewed = started;
        self.election.fence.open_until(asked, GIVE_UP_AFTER + LAST_WORDS);
    }

    /// Releases the Lease. A failure is only logged: the Lease then ends by itself.
    async fn release(mut self) -> Result<(), ControllerError> {
        let spec = self.record.spec.get_or_insert_default();
        // The time of the last renewal stays: it tells people since when nobody leads.
        (spec.holder_identity, spec.acquire_time) = (None, None);
        let parameters = PostParams::default();
        let released =
            request("release", self.election.leases.replace(NAME, &parameters, &self.record)).await;
        if let Err(error) = released {
            tracing::warn!(
                "cannot release the lease `{NAME}`; another server takes over when it ends, in {} s: {}",
                VALID_FOR.as_secs(),
                causes(&error)
            );
        }
        Ok(())
    }
}

/// Returns the record with `me` as the holder. `acquire_time` and transitions change only if the
/// holder does.
fn claimed(record: Lease, me: &str) -> Lease {
    let old = record.spec.unwrap_or_default();
    let now = MicroTime(jiff::Timestamp::now());
    let mine = old.holder_identity.as_deref() == Some(me);
    let seconds = i32::try_from(VALID_FOR.as_secs()).unwrap_or(i32::MAX);
    let transitions = old.lease_transitions.unwrap_or(0);
    let spec = LeaseSpec {
        holder_identity: Some(me.to_owned()),
        lease_duration_seconds: Some(seconds),
        acquire_time: if mine { old.acquire_time.clone() } else { Some(now.clone()) },
        renew_time: Some(now),
        lease_transitions: Some(if mine { transitions } else { transitions.saturating_add(1) }),
        ..old
    };
    Lease { spec: Some(spec), ..record }
}

async fn request<T>(
    verb: &str,
    answer: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, ControllerError> {
    let doing = format!("{verb} the lease `{NAME}`");
    match timeout(REQUEST, answer).await {
        Ok(answer) => answer.map_err(ControllerError::kube(doing)),
        Err(_) => Err(ControllerError::Late { doing, seconds: REQUEST.as_secs() }),
    }
}

#[cfg(test)]
mod tests;
