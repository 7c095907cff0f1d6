//! Waiting for the server: how far an object is, until it is done, gone, or nobody works on it.
//!
//! It looks again and again rather than watching: one object, twice a second, and nothing to resume when the API server
//! restarts. Ctrl-C ends the waiting, and not what is waited for.

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
use crate::cli::output::Output;
use crate::cli::signal;
use crate::model::Progress;

/// Before the second look, and then longer and longer: many things are done at once.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Between two looks in the end: soon enough for a person, seldom enough for the API server.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A server that runs reacts sooner; after this it is looked for.
const SILENT: Duration = Duration::from_secs(10);
/// An API server that restarts is back within this.
const OUTAGE: Duration = Duration::from_secs(60);
/// Another server takes over what a dead one had begun within this: the length of a Lease and the start of a pod.
const TAKEOVER: Duration = Duration::from_secs(180);

/// How far an object is.
#[derive(Clone, Debug, Default)]
pub struct ObjectProgress {
    /// The server has begun with it.
    pub begun: bool,
    /// Nothing more happens to it.
    pub done: bool,
    /// In a word.
    pub phase: String,
    /// Why it does not go on, as the server says.
    pub why: Option<String>,
    /// It was refused for no other reason than that another run has its name in the bucket.
    pub lost_name: bool,
    /// Items known, items done, bytes.
    pub counts: (u64, u64, u64),
}

/// A kind that the server works on.
pub trait Worked: ArkResource {
    /// The command that says how far it is, later on.
    const LOOK: &'static str;

    /// How far it is.
    fn seen(&self) -> ObjectProgress;
}

/// How waiting ended.
pub enum Waited<K> {
    /// It is done.
    Done(Box<K>),
    /// It is not there any more.
    Gone,
}

/// Waits for an object, showing how far it is. `what` says what becomes of it when nobody works on it.
pub async fn wait<K: Worked>(
    door: &ArkClient,
    name: &str,
    what: &str,
    output: &Output,
) -> Result<Waited<K>, Failure> {
    wait_until(door, name, what, K::seen, output).await
}

/// The same for something else than the run of an object, which `seen` makes out.
pub async fn wait_until<K: Worked>(
    door: &ArkClient,
    name: &str,
    what: &str,
    seen: fn(&K) -> ObjectProgress,
    output: &Output,
) -> Result<Waited<K>, Failure> {
    let progress = Progress::default();
    let noun = K::NOUN;
    let waiting = async {
        tokio::select! {
            waited = watch(door, name, what, seen, &progress, output) => waited,
            () = signal::asked() => Err(Failure::because(format!(
                "no longer waiting for {noun} {name}; the server goes on with it, and `{}` says how far it is",
                K::LOOK
            ))),
        }
    };
    output.follow(&progress, waiting).await
}

async fn watch<K: Worked>(
    door: &ArkClient,
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
        match door.find::<K>(name).await {
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
        patience.check(door, what, output).await?;
        sleep(pause).await;
        pause = (pause * 2).min(LOOK_EVERY);
    }
}

/// How long nothing has happened, and what was said about it.
struct WaitPatience {
    changed: Instant,
    looked: Instant,
    outage: Option<Instant>,
    begun: bool,
    /// Why nothing happens is known, and was told.
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

    /// An API server that is away for a moment is waited for.
    fn unanswered(&mut self, failure: Failure, output: &Output) -> Result<(), Failure> {
        let since = *self.outage.get_or_insert_with(Instant::now);
        if !failure.is_of_cluster() || since.elapsed() > OUTAGE {
            return Err(failure);
        }
        if since.elapsed() < LOOK_EVERY {
            output.note(format!("still waiting: {}", failure.message()));
        }
        Ok(())
    }

    /// After a while of silence, looks whether a server runs at all.
    async fn check(&mut self, door: &ArkClient, what: &str, output: &Output) -> Result<(), Failure> {
        if self.looked.elapsed() < SILENT || self.outage.is_some() {
            return Ok(());
        }
        self.looked = Instant::now();
        match door.heard().await {
            ServerPresence::Running(holder) if !self.begun && !self.explained => {
                self.tell(
                    output,
                    format!("the server {holder} runs and has not come to it yet; still waiting"),
                );
            }
            ServerPresence::Running(_) => {}
            ServerPresence::Unknown(why) => {
                self.tell(output, format!("nothing has happened for a while, and whether a server runs cannot be told: {why}; still waiting"));
            }
            heard if !self.begun || self.changed.elapsed() > TAKEOVER => {
                return Err(door.no_server(&heard, what));
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

/// Why an object that is deleted is still there, where others hold it.
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

/// Why a Backup or Restore does not begin, or does not go on.
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
