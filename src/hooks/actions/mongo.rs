//! Locks a MongoDB deployment for the instant of a backup.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::context::ActionContext;
use super::end::ActionFailure;
use crate::api::{BackupAction, HiddenMemberUse, MongoAction, MongoConnection, MongoMembers};
use crate::cluster::Cluster;
use crate::hooks::mongo_login::{MongoLoginError, mongo_login};
use crate::hooks::obligations::{ObligationLedger, Undo};
use crate::model::causes;
use crate::mongo::{
    self, DeploymentLock, HiddenMembers, LedgerError, LockEnd, LockRequest, MemberSelector, MongoError,
    MongoLedger, MongoLogin, MongoUndo, Unlocked,
};

/// Another backup of the same member holds its lock for a moment only; what takes longer than this
/// is no moment.
const ACQUIRE: Duration = Duration::from_secs(90);
/// The cut takes a second. Longer than the hooks of a cluster whose API server is away.
const LONGEST: Duration = Duration::from_secs(600);
/// A secondary that rested for seconds has caught up after seconds; its backup is good in any case.
const CATCHING_UP: Duration = Duration::from_secs(30);

/// What a stopped backup waits for the end of a lock that is being taken; a server that is to end
/// has 10 s in all, in which the hooks after the instant run, too.
const ABANDONING: Duration = Duration::from_secs(3);

/// The lock that is being taken. It goes on while nobody waits for it.
#[derive(Default)]
pub struct PendingLock(Option<JoinHandle<Result<DeploymentLock, MongoError>>>);

/// A deployment that is locked.
pub struct HeldLock {
    lock: DeploymentLock,
    login: MongoLogin,
    max_lag: Duration,
    active: ActiveLock,
}

/// A deployment that is released.
pub struct ReleasedLock {
    /// What failed, or did not last.
    pub failure: Option<ActionFailure>,
    /// What is told of it.
    pub lines: Vec<String>,
    /// From the first lock taken to the last one released.
    pub held: Duration,
    /// The members that rested, if they are of a replica set.
    pub rested: RestedMembers,
}

/// Members that were locked.
pub struct RestedMembers {
    login: MongoLogin,
    max_lag: Duration,
    hosts: Vec<String>,
}

/// Locks a deployment and returns once it takes no writes, with what is told of that. Whoever drops
/// the future, or is told that it took too long, finds the lock in `pending`.
///
/// # Errors
/// If a member cannot be locked; nothing is locked then.
pub async fn lock(
    context: &ActionContext<'_>,
    action: &BackupAction,
    wanted: &MongoAction,
    limit: Duration,
    pending: &mut PendingLock,
) -> Result<(HeldLock, Vec<String>), ActionFailure> {
    let connection = &wanted.connection;
    let login = mongo_login(context.cluster, &action.namespace, connection).await.map_err(no_login)?;
    let ledger = Arc::new(ActionLedger {
        ledger: context.ledger.clone(),
        action: action.name.clone(),
        namespace: action.namespace.clone(),
        connection: connection.clone(),
    });
    let request = request(context, wanted);
    let max_lag = request.selector.max_lag;
    let by = login.clone();
    let taking = pending.0.insert(tokio::spawn(async move { mongo::lock(&by, &request, ledger).await }));
    let taken =
        tokio::time::timeout(limit, taking).await.map_err(|_| ActionFailure::timed_out(limit, None))?;
    pending.0 = None;
    let lock = taken.unwrap_or(Err(MongoError::KeeperGone)).map_err(|error| failed(&error))?;
    let lines = vec![format!("locked {}", lock.parts().join(", "))];
    let active = ActiveLock::new(context.cluster);
    Ok((HeldLock { lock, login, max_lag, active }, lines))
}

impl PendingLock {
    /// Releases the lock once it is taken, for a bounded time: later, it is released by its keeper
    /// or from its record.
    pub async fn abandon(&mut self) {
        let Some(taking) = self.0.take() else { return };
        let release = async {
            if let Ok(Ok(lock)) = taking.await {
                lock.finish().await;
            }
        };
        // What is not released by then, the ledger still has.
        let _ = tokio::time::timeout(ABANDONING, release).await;
    }
}

impl HeldLock {
    /// Releases the deployment.
    pub async fn release(self) -> ReleasedLock {
        let Self { lock, login, max_lag, active } = self;
        let (since, is_standalone) = (lock.since(), lock.parts() == ["standalone"]);
        let ends = lock.finish().await;
        let held = last(&ends) - since;
        if let Some(metrics) = active.cluster.metrics() {
            metrics.lock_held(held.as_secs_f64());
        }
        let rested = RestedMembers { login, max_lag, hosts: Vec::new() };
        let mut released = ReleasedLock { failure: None, lines: Vec::new(), held, rested };
        for end in &ends {
            let failure = match end {
                Ok(end) => {
                    released.lines.push(told(end));
                    released.rested.hosts.extend((!is_standalone).then(|| end.host.clone()));
                    end.failure().as_ref().map(failed)
                }
                Err(error) => Some(failed(error)),
            };
            released.add(failure);
        }
        released
    }
}

impl ReleasedLock {
    /// The first failure is the reason; what else failed is told in the log.
    fn add(&mut self, failure: Option<ActionFailure>) {
        match (&self.failure, failure) {
            (None, failure) => self.failure = failure,
            (Some(_), Some(other)) => self.lines.push(other.to_string()),
            (Some(_), None) => {}
        }
    }
}

impl RestedMembers {
    /// Returns true if none rested.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// Waits until the members have caught up with their primaries; for a bounded time, since the
    /// backup is good in any case. Returns what is told of those that have not.
    pub async fn catch_up(&self) -> Vec<String> {
        let Self { login, max_lag, hosts } = self;
        let waits = hosts.iter().map(|host| mongo::wait_until_caught_up(login, host, *max_lag, CATCHING_UP));
        let behind = join_all(waits).await.into_iter().filter_map(Result::err);
        behind.map(|error| causes(&error)).collect()
    }
}

/// Returns when the last lock ended, or the present time if one may be there still.
fn last(ends: &[Result<LockEnd, MongoError>]) -> Instant {
    let ended: Result<Vec<_>, _> = ends.iter().map(|end| end.as_ref().map(|end| end.ended)).collect();
    ended.ok().and_then(|ended| ended.into_iter().max()).unwrap_or_else(Instant::now)
}

fn told(end: &LockEnd) -> String {
    let LockEnd { host, unlocked, held, .. } = end;
    let others = match unlocked {
        Unlocked::LockedByOthers => "; somebody else has locked it meanwhile, and that lock stays",
        Unlocked::Released | Unlocked::Gone => "",
    };
    format!("{host} took no writes for {:.3} s{others}", held.as_secs_f64())
}

fn request(context: &ActionContext<'_>, wanted: &MongoAction) -> LockRequest {
    let MongoAction {
        connection: _,
        member_selector,
        allow_primary_lock,
        acquire_timeout,
        max_lock_duration,
    } = wanted;
    // Checked with the specification.
    let length = |given: &Option<crate::api::Duration>| given.as_ref().and_then(|given| given.length().ok());
    LockRequest {
        comment: context.comment.clone(),
        selector: selector(member_selector.as_ref()),
        allow_primary: *allow_primary_lock,
        acquire: length(acquire_timeout).unwrap_or(ACQUIRE),
        longest: length(max_lock_duration).unwrap_or(LONGEST),
    }
}

fn selector(wanted: Option<&MongoMembers>) -> MemberSelector {
    let default = MemberSelector::default();
    let Some(MongoMembers { hidden, tags, max_lag }) = wanted else { return default };
    MemberSelector {
        hidden: match hidden.unwrap_or_default() {
            HiddenMemberUse::Prefer => HiddenMembers::Prefer,
            HiddenMemberUse::Allow => HiddenMembers::Allow,
            HiddenMemberUse::Exclude => HiddenMembers::Exclude,
        },
        // A length of zero is none for `length`.
        max_lag: max_lag.as_ref().map_or(default.max_lag, |lag| lag.length().unwrap_or_default()),
        tags: tags.clone(),
    }
}

fn no_login(error: MongoLoginError) -> ActionFailure {
    match &error {
        MongoLoginError::Mongo(error) => failed(error),
        _ => ActionFailure::new(error.category(), error),
    }
}

/// Translates a failure. Names that end in `.svc`, as Services and pods have them, lead nowhere
/// from outside the cluster.
fn failed(error: &MongoError) -> ActionFailure {
    let outside = match error {
        MongoError::Unreachable { host, .. } if host.contains(".svc") => {
            "; names of Services and pods are known inside the cluster only, where the server of Ark runs"
        }
        _ => "",
    };
    let cause = format!("{}{outside}", causes(error)).into();
    ActionFailure { category: error.category(), reason: error.reason(), cause }
}

/// The ledger of a run, as MongoDB's part of it.
struct ActionLedger {
    ledger: ObligationLedger,
    action: String,
    namespace: String,
    connection: MongoConnection,
}

impl ActionLedger {
    fn undo(&self, record: &MongoUndo) -> Undo {
        Undo::Mongo {
            action: self.action.clone(),
            namespace: self.namespace.clone(),
            connection: Box::new(self.connection.clone()),
            record: record.clone(),
        }
    }
}

#[async_trait]
impl MongoLedger for ActionLedger {
    async fn announce(&self, record: &MongoUndo) -> Result<(), LedgerError> {
        Ok(self.ledger.announce(self.undo(record)).await?)
    }

    async fn settle(&self, record: &MongoUndo) -> Result<(), LedgerError> {
        Ok(self.ledger.settle(&self.undo(record)).await?)
    }
}

/// Counts a deployment as locked until it is dropped.
struct ActiveLock {
    cluster: Cluster,
}

impl ActiveLock {
    fn new(cluster: &Cluster) -> Self {
        cluster.metrics().into_iter().for_each(|metrics| metrics.lock_taken());
        Self { cluster: cluster.clone() }
    }
}

impl Drop for ActiveLock {
    fn drop(&mut self) {
        self.cluster.metrics().into_iter().for_each(|metrics| metrics.lock_ended());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn defaults_are_those_of_the_documentation_and_what_is_given_wins() {
        let (cluster, _) = crate::cluster::script::serve(|_, _| crate::cluster::script::broken());
        let context = ActionContext {
            cluster: &cluster,
            ledger: ObligationLedger::default(),
            backup: "nightly".to_owned(),
            is_server: true,
            comment: "ark a/1".into(),
            zeros: Default::default(),
        };
        let asked = |action: serde_json::Value| request(&context, &serde_json::from_value(action).unwrap());
        let usual = asked(json!({"connection": {}}));
        assert_eq!((usual.acquire, usual.longest, usual.allow_primary), (ACQUIRE, LONGEST, false));
        assert_eq!(usual.selector, MemberSelector::default());
        let own = asked(json!({
            "connection": {}, "allowPrimaryLock": true, "acquireTimeout": "2s", "maxLockDuration": "3s",
            "memberSelector": {"hidden": "Exclude", "maxLag": "0s", "tags": {"use": "backup"}},
        }));
        assert_eq!((own.acquire.as_secs(), own.longest.as_secs(), own.allow_primary), (2, 3, true));
        assert_eq!((own.selector.hidden, own.selector.max_lag), (HiddenMembers::Exclude, Duration::ZERO));
        assert_eq!(own.selector.tags["use"], "backup");
    }

    #[test]
    fn from_outside_the_cluster_its_names_are_told_to_lead_nowhere() {
        let unreachable = |host: &str| MongoError::Unreachable {
            host: host.to_owned(),
            doing: "say what it is",
            cause: "no such host".to_owned(),
        };
        let outside = "are known inside the cluster only";
        assert!(failed(&unreachable("db.shop.svc:27017")).to_string().contains(outside));
        assert!(!failed(&unreachable("10.0.0.1:27017")).to_string().contains(outside));
        let foreign = failed(&MongoError::ForeignLock { host: "a:1".to_owned() });
        assert_eq!(foreign.reason, Some("ForeignLock"));
    }
}
