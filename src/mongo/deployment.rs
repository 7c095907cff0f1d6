//! The locks of a whole deployment, in the order that its topology asks for.
//!
//! # Flow
//! A task of its own takes the locks, waits, and releases them, so that a caller that is dropped
//! in the middle leaves none. A sharded cluster goes: balancer stopped, members opened, config
//! servers marked, one config server locked, a member of each shard locked; and back: shards, each
//! as soon as the caller is done with it, the config server, the balancer.
//!
//! # Guarantees
//! All locks are released when the caller says so, drops its [`DeploymentLock`], or
//! [`LockRequest::longest`] is over, whichever comes first. Each was announced before it was taken.
//!
//! # Caveats
//! Locks are taken one after another, so what a sharded cluster holds is not of one moment:
//! a transaction over several shards may be half in it. A process that is killed leaves its locks
//! to the records in the ledger.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use futures::join;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use super::balancer::{self, RestingBalancer};
use super::choice::{MemberSelector, choose};
use super::connection::AdminConnection;
use super::error::MongoError;
use super::login::MongoLogin;
use super::marker;
use super::member_lock::{LockEnd, LockTerms, MemberLock, OpenMember};
use super::record::MongoLedger;
use super::topology::{MongoTopology, SetView, discover, parts, view};
use super::unlock::PATIENCE;

/// A member that answers is unlocked within milliseconds; one that does not, must not keep the
/// config servers locked.
const ORDERLY: Duration = Duration::from_secs(5);

/// What is asked of the locks of a deployment.
#[derive(Clone, Debug)]
pub struct LockRequest {
    /// Marks the commands at the servers, for people and for Ark itself: `ark BACKUP/TOKEN`,
    /// with a token that no other backup has.
    pub comment: String,
    /// What is asked of the members; tags are not asked of config servers.
    pub selector: MemberSelector,
    /// Whether the primary is locked where no secondary can be.
    pub allow_primary: bool,
    /// How long to wait for the lock of somebody else, and for a server to take ours.
    pub acquire: Duration,
    /// How long locks are held at most, from the first one on.
    pub longest: Duration,
}

/// The locks of a deployment, which a task of their own holds.
#[derive(Debug)]
pub struct DeploymentLock {
    parts: Vec<String>,
    since: Instant,
    releases: mpsc::Sender<PartRelease>,
    keeper: JoinHandle<Vec<Result<LockEnd, MongoError>>>,
}

/// A part to release, and where its end is told.
type PartRelease = (String, oneshot::Sender<Result<LockEnd, MongoError>>);

/// Locks a deployment and returns once it takes no writes.
///
/// # Errors
/// Fails if any member cannot be found or locked; what was changed until then is undone.
pub async fn lock(
    login: &MongoLogin,
    request: &LockRequest,
    ledger: Arc<dyn MongoLedger>,
) -> Result<DeploymentLock, MongoError> {
    let (releases, orders) = mpsc::channel(1);
    let (taken, outcome) = oneshot::channel();
    let keeper = tokio::spawn(keep(login.clone(), request.clone(), ledger, taken, orders));
    let (parts, since) = outcome.await.map_err(|_| MongoError::KeeperGone)??;
    Ok(DeploymentLock { parts, since, releases, keeper })
}

impl DeploymentLock {
    /// Returns the names of the parts that are locked: `standalone`, the name of the replica set,
    /// or the names of the shards and, last, `config`.
    pub fn parts(&self) -> &[String] {
        &self.parts
    }

    /// Returns when the first lock was sent.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Releases one part; the others stay locked.
    ///
    /// # Errors
    /// Fails if the part is still locked after many tries, or is none that is locked.
    pub async fn release(&self, part: &str) -> Result<LockEnd, MongoError> {
        let (told, end) = oneshot::channel();
        self.releases.send((part.to_owned(), told)).await.map_err(|_| MongoError::KeeperGone)?;
        end.await.map_err(|_| MongoError::KeeperGone)?
    }

    /// Releases all parts that are still locked, starts the balancer if it was stopped, and returns
    /// how each lock ended, and what failed. One that failed does not keep the others.
    pub async fn finish(self) -> Vec<Result<LockEnd, MongoError>> {
        drop(self.releases);
        self.keeper.await.unwrap_or_else(|_| vec![Err(MongoError::KeeperGone)])
    }
}

/// What is held at the moment.
struct HeldParts<'a> {
    terms: LockTerms<'a>,
    request: &'a LockRequest,
    balancer: Option<RestingBalancer>,
    locks: Vec<(String, MemberLock)>,
    /// When the time of the locks is up; known once the first one is about to be taken.
    until: Option<Instant>,
}

/// Takes all locks, tells of it, and releases them when told to, when nobody waits any more, or
/// when their time is up.
async fn keep(
    login: MongoLogin,
    request: LockRequest,
    ledger: Arc<dyn MongoLedger>,
    taken: oneshot::Sender<Result<(Vec<String>, Instant), MongoError>>,
    mut orders: mpsc::Receiver<PartRelease>,
) -> Vec<Result<LockEnd, MongoError>> {
    let terms = LockTerms { comment: &request.comment, acquire: request.acquire, ledger: &*ledger };
    let mut held = HeldParts { terms, request: &request, balancer: None, locks: Vec::new(), until: None };
    if let Err(cause) = held.take_all(&login).await {
        let failed = held.release_all(false).await.into_iter().find_map(Result::err);
        let error = match failed {
            Some(undo) => MongoError::NotUndone { undo: Box::new(undo), cause: Box::new(cause) },
            None => cause,
        };
        // Nobody may wait any more; then nobody needs to know.
        let _ = taken.send(Err(error));
        return Vec::new();
    }
    let until = held.until.unwrap_or_else(Instant::now);
    let since = held.locks.first().map_or(until, |(_, lock)| lock.since());
    let _ = taken.send(Ok((held.locks.iter().rev().map(|(part, _)| part.clone()).collect(), since)));
    let expired = loop {
        match timeout_at(until, orders.recv()).await {
            Ok(Some((part, told))) => {
                let _ = told.send(held.release(&part).await);
            }
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    let rest = held.expect_rest().await;
    let mut ends = held.release_all(expired).await;
    ends.extend(rest.err().map(Err));
    ends
}

impl HeldParts<'_> {
    async fn take_all(&mut self, login: &MongoLogin) -> Result<(), MongoError> {
        match discover(login).await? {
            MongoTopology::Standalone(server) => {
                let member = OpenMember::open(login, server.host()).await?;
                self.take("standalone", member).await
            }
            MongoTopology::ReplicaSet(set) => {
                let member = self.open(login, &set, &self.request.selector).await?;
                self.take(&set.config.name, member).await
            }
            MongoTopology::Sharded(mongos) => self.take_sharded(login, mongos).await,
        }
    }

    async fn take_sharded(&mut self, login: &MongoLogin, mongos: AdminConnection) -> Result<(), MongoError> {
        let parts = parts(&mongos).await?;
        self.balancer = Some(balancer::stop(mongos, self.terms.ledger).await?);
        let config = view(login, &parts.config).await?;
        let untagged = MemberSelector { tags: BTreeMap::new(), ..self.request.selector.clone() };
        let config_member = self.open(login, &config, &untagged).await?;
        let mut shards = Vec::new();
        for (name, hosts) in &parts.shards {
            let set = view(login, hosts).await?;
            shards.push((name, self.open(login, &set, &self.request.selector).await?));
        }
        mark(login, &config, &config_member).await?;
        self.take("config", config_member).await?;
        for (name, member) in shards {
            self.take(name, member).await?;
        }
        Ok(())
    }

    async fn open(
        &self,
        login: &MongoLogin,
        set: &SetView,
        selector: &MemberSelector,
    ) -> Result<OpenMember, MongoError> {
        OpenMember::open(login, &choose(set, selector, self.request.allow_primary)?).await
    }

    async fn take(&mut self, part: &str, member: OpenMember) -> Result<(), MongoError> {
        let until = *self.until.get_or_insert_with(|| Instant::now() + self.request.longest);
        let left = until.saturating_duration_since(Instant::now());
        self.terms.acquire = self.request.acquire.min(left);
        let lock = member.lock(&self.terms).await?;
        self.locks.push((part.to_owned(), lock));
        Ok(())
    }

    /// Releases one part. What cannot be released before the time of the others is up, is tried
    /// again with them.
    async fn release(&mut self, part: &str) -> Result<LockEnd, MongoError> {
        let at = self.locks.iter().position(|(name, _)| name == part);
        let at = at.ok_or_else(|| MongoError::NotHeld { part: part.to_owned() })?;
        let left = self.until.map(|until| until.saturating_duration_since(Instant::now()));
        let patience = left.unwrap_or_default().min(PATIENCE);
        let end = self.locks[at].1.release(&self.terms, patience, false).await?;
        self.locks.remove(at);
        Ok(end)
    }

    /// Checks that chunks have stayed where they were.
    async fn expect_rest(&self) -> Result<(), MongoError> {
        match &self.balancer {
            Some(balancer) if !self.locks.is_empty() => balancer.expect_rest().await,
            _ => Ok(()),
        }
    }

    /// Releases everything: the first lock, which is that of the config servers, after the others
    /// or when these take too long, and the balancer last.
    async fn release_all(&mut self, expired: bool) -> Vec<Result<LockEnd, MongoError>> {
        let mut ends = match self.locks.split_first() {
            Some((first, others)) => self.release_in_order(first, others, expired).await,
            None => Vec::new(),
        };
        self.locks.clear();
        ends.extend(self.start_balancer().await);
        ends
    }

    async fn release_in_order(
        &self,
        (_, first): &(String, MemberLock),
        others: &[(String, MemberLock)],
        expired: bool,
    ) -> Vec<Result<LockEnd, MongoError>> {
        let others = others.iter().map(|(_, lock)| lock.release(&self.terms, PATIENCE, expired));
        let mut others = pin!(join_all(others));
        let in_order = timeout(ORDERLY, &mut others).await;
        let (first, mut ends) = join!(first.release(&self.terms, PATIENCE, expired), async {
            match in_order {
                Ok(ends) => ends,
                Err(_) => others.await,
            }
        });
        ends.push(first);
        ends
    }

    /// Returns the failure, if there is one.
    async fn start_balancer(&mut self) -> Vec<Result<LockEnd, MongoError>> {
        let Some(balancer) = self.balancer.take() else { return Vec::new() };
        balancer.restore(self.terms.ledger).await.err().map(Err).into_iter().collect()
    }
}

/// Marks the config servers and waits until the mark is at the member that will be locked.
async fn mark(login: &MongoLogin, config: &SetView, member: &OpenMember) -> Result<(), MongoError> {
    // A set without a primary has no member that may be locked either.
    let Some(primary) = config.primary() else { return Ok(()) };
    let number = marker::write(&login.connect(primary).await?.expect_itself().await?).await?;
    marker::wait_for(member.control(), number).await
}
