//! Waiting for the server: shows the progress of an object until the object is done or gone, or
//! nobody works on it.
//!
//! The object is read repeatedly rather than watched: it is one object, read twice a second, and
//! nothing has to be resumed when the API server restarts. Ctrl-C ends the waiting, not the
//! server's work.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use tokio::time::{Instant, sleep};

use super::{ArkClient, ArkResource, ServerPresence};
use crate::api::{
    Backup, DeleteBackupRequest, DeletePhase, DownloadPhase, DownloadRequest, NAME_TAKEN, Restore,
    RestorePhase, ServerStatusPhase, ServerStatusRequest, WAITING, holding,
};
use crate::cli::exit::Failure;
use crate::cli::exit::signal;
use crate::cli::output::Output;
use crate::model::Progress;

/// Pause before the second read, which doubles up to [`LOOK_EVERY`]: many requests are done at
/// once.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Longest pause between two reads: short enough for a person, long enough for the API server.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Time without a change after which the server's Lease is read; a running server reacts sooner.
const SILENT: Duration = Duration::from_secs(10);
/// Longest outage that is waited for; an API server that restarts is back within this time.
const OUTAGE: Duration = Duration::from_secs(60);
/// Time within which another server takes over the work of a dead one: the length of a Lease and
/// the start of a pod.
const TAKEOVER: Duration = Duration::from_secs(180);

/// The progress of an object.
#[derive(Clone, Debug, Default)]
pub struct ObjectProgress {
    /// Whether the server has begun with the object.
    pub begun: bool,
    /// Whether nothing more happens to the object.
    pub done: bool,
    /// The object's phase.
    pub phase: String,
    /// The server's reason why the object does not go on; `None` if there is none.
    pub why: Option<String>,
    /// Whether the run was refused only because another run has its name in the bucket.
    pub lost_name: bool,
    /// Items known, items done, and bytes done.
    pub counts: (u64, u64, u64),
}

/// A kind that the server works on.
pub trait Worked: ArkResource {
    /// The command that shows the progress later on.
    const LOOK: &'static str;

    /// Returns the progress of the object.
    fn seen(&self) -> ObjectProgress;
}

/// The end of waiting.
pub enum Waited<K> {
    /// The object is done.
    Done(Box<K>),
    /// The object is not there any more.
    Gone,
}

/// Waits for an object and shows its progress. `what` says what becomes of the object if no server
/// runs.
pub async fn wait<K: Worked>(
    client: &ArkClient,
    name: &str,
    what: &str,
    output: &Output,
) -> Result<Waited<K>, Failure> {
    wait_until(client, name, what, K::seen, output).await
}

/// Waits as [`wait`] does, for a progress that `seen` determines, for example that of a deletion.
pub async fn wait_until<K: Worked>(
    client: &ArkClient,
    name: &str,
    what: &str,
    seen: fn(&K) -> ObjectProgress,
    output: &Output,
) -> Result<Waited<K>, Failure> {
    let progress = Progress::default();
    let noun = K::NOUN;
    let waiting = async {
        tokio::select! {
            waited = watch(client, name, what, seen, &progress, output) => waited,
            () = signal::asked() => Err(Failure::because(format!(
                "no longer waiting for {noun} {name}; the server goes on with it, and `{}` says how far it is",
                K::LOOK
            ))),
        }
    };
    output.follow(&progress, waiting).await
}

async fn watch<K: Worked>(
    client: &ArkClient,
    name: &str,
    what: &str,
    seen: fn(&K) -> ObjectProgress,
    progress: &Progress,
    output: &Output,
) -> Result<Waited<K>, Failure> {
    let mut patience = WaitPatience::new();
    let (mut version, mut pause) = (None, LOOK_AGAIN);
    let mut told = None;
    loop {
        match client.find::<K>(name).await {
            Ok(None) => return Ok(Waited::Gone),
            Ok(Some(object)) => {
                let mut seen = seen(&object);
                seen.why = seen.why.or_else(|| held(&object));
                progress.stage(format!("{} {name}: {}", K::NOUN, seen.phase));
                let (total, done, bytes) = seen.counts;
                progress.relay(total, done, bytes);
                if seen.done {
                    return Ok(Waited::Done(Box::new(object)));
                }
                if let Some(why) = seen.why.as_ref().filter(|why| told.as_ref() != Some(*why)) {
                    output.note(format!("{} {name} waits: {why}", K::NOUN));
                    told = Some(why.clone());
                }
                let changed = version != object.resource_version();
                version = object.resource_version();
                patience.answered(changed, seen.begun, seen.why.is_some());
            }
            Err(failure) => patience.unanswered(failure, output)?,
        }
        patience.check(client, what, output).await?;
        sleep(pause).await;
        pause = (pause * 2).min(LOOK_EVERY);
    }
}

/// The time since the last change, and what the user was told about it.
struct WaitPatience {
    changed: Instant,
    looked: Instant,
    outage: Option<Instant>,
    begun: bool,
    /// Whether the reason for the standstill is known and was told.
    explained: bool,
    told: bool,
}

impl WaitPatience {
    fn new() -> Self {
        let now = Instant::now();
        Self { changed: now, looked: now, outage: None, begun: false, explained: false, told: false }
    }

    fn answered(&mut self, changed: bool, begun: bool, explained: bool) {
        self.outage = None;
        self.begun = begun;
        self.explained = explained;
        if changed {
            self.changed = Instant::now();
            self.looked = self.changed;
            self.told = false;
        }
    }

    /// Waits for an API server that is away, up to [`OUTAGE`]; returns any other failure.
    fn unanswered(&mut self, failure: Failure, output: &Output) -> Result<(), Failure> {
        let since = *self.outage.get_or_insert_with(Instant::now);
        if !failure.is_of_cluster() || since.elapsed() > OUTAGE {
            return Err(failure);
        }
        // Told at the beginning of an outage, not at each read.
        if since.elapsed() < LOOK_EVERY {
            output.note(format!("still waiting: {}", failure.message()));
        }
        Ok(())
    }

    /// Reads the server's Lease after a while without a change; fails if no server runs.
    async fn check(&mut self, client: &ArkClient, what: &str, output: &Output) -> Result<(), Failure> {
        if self.looked.elapsed() < SILENT || self.outage.is_some() {
            return Ok(());
        }
        self.looked = Instant::now();
        match client.heard().await {
            ServerPresence::Running(holder) if !self.begun && !self.explained => {
                self.tell(output, format!("the server {holder} runs and has not begun yet; still waiting"));
            }
            ServerPresence::Running(_) => {}
            ServerPresence::Unknown(why) => {
                self.tell(output, format!("nothing has happened for a while, and whether a server runs cannot be told: {why}; still waiting"));
            }
            // Work that has begun goes on with the next server, for which a while is waited.
            heard if !self.begun || self.changed.elapsed() > TAKEOVER => {
                return Err(client.no_server(&heard, what));
            }
            _ => self
                .tell(output, "the server has gone away; still waiting for another one to go on".to_owned()),
        }
        Ok(())
    }

    fn tell(&mut self, output: &Output, note: String) {
        if !self.told {
            self.told = true;
            output.note(note);
        }
    }
}

/// Returns why an object that was deleted is still there: its finalizers; else `None`.
pub fn held(object: &impl ResourceExt) -> Option<String> {
    let finalizers = object.finalizers();
    let is_held = object.meta().deletion_timestamp.is_some() && !finalizers.is_empty();
    is_held.then(|| {
        format!(
            "it is deleted, and its object goes when nobody holds it any more; these finalizers do: {}",
            finalizers.join(", ")
        )
    })
}

/// Returns why a Backup or Restore does not begin, or does not go on.
fn waits(conditions: &[Condition]) -> Option<String> {
    holding(conditions, WAITING).map(|waiting| waiting.message.clone())
}

impl Worked for Backup {
    const LOOK: &'static str = "ark backup get";

    fn seen(&self) -> ObjectProgress {
        let status = self.status.clone().unwrap_or_default();
        let (phase, progress) = (status.phase.unwrap_or_default(), status.progress.unwrap_or_default());
        ObjectProgress {
            begun: phase != crate::api::BackupPhase::New,
            done: phase.is_final(),
            phase: phase.to_string(),
            why: waits(&status.conditions),
            lost_name: holding(&status.conditions, NAME_TAKEN).is_some(),
            counts: (progress.total_items, progress.items_backed_up, progress.bytes),
        }
    }
}

impl Worked for Restore {
    const LOOK: &'static str = "ark restore get";

    fn seen(&self) -> ObjectProgress {
        let status = self.status.clone().unwrap_or_default();
        let (phase, progress) = (status.phase.unwrap_or_default(), status.progress.unwrap_or_default());
        ObjectProgress {
            begun: phase != RestorePhase::New,
            done: phase.is_final(),
            phase: phase.to_string(),
            why: waits(&status.conditions),
            lost_name: holding(&status.conditions, NAME_TAKEN).is_some(),
            counts: (progress.total_items, progress.items_restored, 0),
        }
    }
}

impl Worked for DeleteBackupRequest {
    const LOOK: &'static str = "ark backup get";

    fn seen(&self) -> ObjectProgress {
        let status = self.status.clone().unwrap_or_default();
        let phase = status.phase.unwrap_or_default();
        let done = phase == DeletePhase::Processed;
        ObjectProgress {
            begun: phase != DeletePhase::New,
            done,
            phase: format!("{phase:?}"),
            why: Some(status.errors.join("; ")).filter(|why| !done && !why.is_empty()),
            ..ObjectProgress::default()
        }
    }
}

impl Worked for DownloadRequest {
    const LOOK: &'static str = "kubectl get dlr";

    fn seen(&self) -> ObjectProgress {
        let phase = self.status.as_ref().and_then(|status| status.phase).unwrap_or_default();
        let answered = phase == DownloadPhase::Processed;
        ObjectProgress {
            begun: answered,
            done: answered,
            phase: format!("{phase:?}"),
            ..ObjectProgress::default()
        }
    }
}

impl Worked for ServerStatusRequest {
    const LOOK: &'static str = "kubectl get ssr";

    fn seen(&self) -> ObjectProgress {
        let phase = self.status.as_ref().and_then(|status| status.phase).unwrap_or_default();
        let answered = phase == ServerStatusPhase::Processed;
        ObjectProgress {
            begun: answered,
            done: answered,
            phase: format!("{phase:?}"),
            ..ObjectProgress::default()
        }
    }
}
