//! Leader election: of all servers of a namespace, who holds the Lease acts, and stops acting before another may.
//!
//! A holder renews the record, on condition that nobody has written it since; when it has not succeeded for
//! [`GIVE_UP_AFTER`] it stops acting and is done after [`LAST_WORDS`]. Another takes a record only when it has not seen it
//! change for [`VALID_FOR`], or finds it released. Both count by their own monotonic clock, from moments that err on the
//! safe side (the holder's: before its request was sent; the other's: after the answer came), so that clocks that tell
//! different times do not matter. Beyond that time a fence keeps what a holder would still write: one that was stopped or
//! suspended, and does not know yet. What is decided is in `lease/observe.rs`.

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
use crate::model::causes;

/// The name of the Lease in the server's namespace.
pub const NAME: &str = "ark-server";
const _: () = assert!(GIVE_UP_AFTER.as_secs() + LAST_WORDS.as_secs() < VALID_FOR.as_secs());

/// The Lease of a namespace, and who this server is in it.
pub struct Election {
    leases: Api<Lease>,
    fence: Fence,
    me: String,
}

/// The lease, held: only who has this acts.
pub struct Held {
    election: Election,
    record: Lease,
    /// Since when the record is known to have been ours at least: before the renewal was sent.
    renewed: Instant,
}

/// What a renewal came to that failed.
enum Unrenewed {
    /// Another server holds the lease.
    Taken(String),
    /// Nobody knows; it is tried again.
    Failed(ControllerError),
}

impl Election {
    /// `holder` names this server; what makes it unique is added, since a restarted pod has the name of its predecessor.
    pub fn new(cluster: &Cluster, namespace: &str, holder: &str) -> Self {
        let unique = Uuid::new_v4().simple().to_string();
        let me = format!("{holder}/{}", unique.get(..8).unwrap_or_default());
        let (leases, fence) = (Api::<Lease>::namespaced(cluster.client(), namespace), cluster.fence());
        fence.is_kept_by(format!("{}/{NAME}", leases.resource_url()));
        Self { leases, fence, me }
    }

    /// Waits until the lease can be had, and takes it; none when the server was asked to end before.
    ///
    /// # Errors
    /// When the very first look fails: the server may not read Leases, or cannot. Later failures are waited out.
    pub async fn win(self, stop: &CancellationToken) -> Result<Option<Held>, ControllerError> {
        let mut observer = LeaseObserver::default();
        let mut record = self.look().await?;
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
                match self.look().await {
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

    async fn look(&self) -> Result<Option<Lease>, ControllerError> {
        request("read", self.leases.get_opt(NAME)).await
    }

    /// Writes the record as ours, if nobody has written it since it was read.
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
    /// Who holds it: this server.
    pub fn holder(&self) -> &str {
        &self.election.me
    }

    /// Keeps the lease until `done`, and then releases it, so that another takes over at once.
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
            let lost = |why: String| Err(ControllerError::LeaseLost { why });
            let started = Instant::now();
            let renewed = timeout_at(end, self.renew(started)).await;
            match renewed {
                Ok(Ok(())) => next = started + RENEW_EVERY,
                Ok(Err(Unrenewed::Taken(by))) => return lost(format!("`{by}` holds it")),
                Ok(Err(Unrenewed::Failed(error))) if Instant::now() < end => {
                    tracing::warn!("cannot renew the lease `{NAME}`; trying on: {}", causes(&error));
                    next = end.min(Instant::now() + RENEW_AGAIN);
                }
                Ok(Err(Unrenewed::Failed(error))) => return lost(causes(&error)),
                Err(_) => return lost(format!("it could not be renewed for {} s", GIVE_UP_AFTER.as_secs())),
            }
        }
    }

    /// Renews the record; when somebody else wrote it, looks whether it is still ours.
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
        let record = self.election.look().await.map_err(Unrenewed::Failed)?;
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

    /// It is ours since this moment, by either clock; what is written may arrive until its last words are over.
    fn is_renewed(&mut self, started: Instant, asked: Moment) {
        self.renewed = started;
        self.election.fence.open_until(asked, GIVE_UP_AFTER + LAST_WORDS);
    }

    /// Gives the lease up. Nothing is lost when that fails: it ends by itself.
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

/// The record as it is when `me` holds it from now on, or still.
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
