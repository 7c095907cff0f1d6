//! The lock of one member: opened, announced, taken, released.

use std::time::Duration;

use mongodb::bson::{Document, doc};
use tokio::time::{Instant, sleep};

use super::connection::{AdminConnection, whole_number};
use super::error::MongoError;
use super::login::MongoLogin;
use super::operations::lock_state;
use super::record::{MongoLedger, MongoUndo, announce, settle};
use super::unlock::{PATIENCE, PAUSE, Unlocked, unlock};

/// The server gives up by itself after the time that it is told; what it says then needs this long.
const GRACE: Duration = Duration::from_secs(5);
/// The server's code for a field that it does not know.
const UNKNOWN_FIELD: i32 = 40415;

/// How a lock ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockEnd {
    /// The member.
    pub host: String,
    /// What became of the lock.
    pub unlocked: Unlocked,
    /// For how long the member took no writes.
    pub held: Duration,
    /// When that ended.
    pub ended: Instant,
    /// Whether the lock ended because its time was up.
    pub expired: bool,
}

impl LockEnd {
    /// Returns whether the member took no writes until its caller released it.
    pub fn lasted(&self) -> bool {
        !self.expired && self.unlocked != Unlocked::Gone
    }

    /// Returns why the lock did not last, or `None` if it did.
    pub fn failure(&self) -> Option<MongoError> {
        let host = || self.host.clone();
        match self {
            Self { expired: true, held, .. } => Some(MongoError::LockExpired { host: host(), after: *held }),
            Self { unlocked: Unlocked::Gone, .. } => Some(MongoError::LockLost { host: host() }),
            _ => None,
        }
    }
}

/// What each lock of one backup has in common.
pub(super) struct LockTerms<'a> {
    /// Marks our commands at the server, for people and for ourselves.
    pub(super) comment: &'a str,
    /// How long to wait for the lock of somebody else, and for the server to take ours.
    pub(super) acquire: Duration,
    /// Stores what undoes each lock.
    pub(super) ledger: &'a dyn MongoLedger,
}

/// Both connections to a member that is about to be locked. They are authenticated by now: a
/// locked server may not be able to do so. A command that waits for a lock occupies one of them.
pub(super) struct OpenMember {
    locking: AdminConnection,
    control: AdminConnection,
}

impl OpenMember {
    /// Connects to a member.
    ///
    /// # Errors
    /// Fails if the member cannot be reached, refuses the credentials, or is another one.
    pub(super) async fn open(login: &MongoLogin, host: &str) -> Result<Self, MongoError> {
        let control = login.connect(host).await?.expect_itself().await?;
        let locking = login.connect(host).await?.expect_itself().await?;
        Ok(Self { locking, control })
    }

    /// Locks the member. Who else holds a lock is waited for, until `terms.acquire` is over.
    ///
    /// # Errors
    /// Fails if somebody else holds a lock, if the record cannot be stored, or the server does not
    /// lock. What was taken then, or may have been, is released.
    pub(super) async fn lock(self, terms: &LockTerms<'_>) -> Result<MemberLock, MongoError> {
        let deadline = Instant::now() + terms.acquire;
        let record = MongoUndo::Unlock { host: self.host().to_owned(), comment: terms.comment.to_owned() };
        loop {
            self.wait_for_others(terms.comment, deadline).await?;
            announce(terms.ledger, &record).await?;
            let since = Instant::now();
            match self.take(terms).await {
                Ok(1) => return Ok(MemberLock { member: self, record, since }),
                // Somebody else was quicker. Ours goes, theirs stays.
                Ok(_) => self.give_up(terms, &record).await?,
                Err(error) => {
                    // What the server refused was not done, and whatever is locked is not ours.
                    if error.is_answer() {
                        settle(terms.ledger, &record).await?;
                    } else {
                        self.give_up(terms, &record).await?;
                    }
                    return Err(error);
                }
            }
        }
    }

    /// Returns the connection that no lock occupies.
    pub(super) fn control(&self) -> &AdminConnection {
        &self.control
    }

    fn host(&self) -> &str {
        self.control.host()
    }

    /// Waits until nobody holds a lock.
    async fn wait_for_others(&self, comment: &str, deadline: Instant) -> Result<(), MongoError> {
        while lock_state(&self.control, comment).await?.locked {
            if Instant::now() >= deadline {
                return Err(MongoError::ForeignLock { host: self.host().to_owned() });
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Sends the lock and returns how many there are now.
    async fn take(&self, terms: &LockTerms<'_>) -> Result<i64, MongoError> {
        const DOING: &str = "lock";
        let command = doc! { "fsync": 1, "lock": true, "comment": terms.comment };
        let mut bounded = command.clone();
        // An int64 is refused.
        let most = i32::try_from(terms.acquire.as_millis()).unwrap_or(i32::MAX);
        bounded.insert("fsyncLockAcquisitionTimeoutMillis", most);
        let send = |command: Document| self.locking.run(DOING, command, terms.acquire + GRACE);
        let reply = match send(bounded).await {
            // Servers before 7.0.2 either ignore the field or refuse it.
            Err(MongoError::Refused { code: UNKNOWN_FIELD, .. }) => send(command).await?,
            reply => reply?,
        };
        // Servers before 3.4 do not count; there is no second lock then.
        Ok(whole_number(&reply, "lockCount").unwrap_or(1))
    }

    /// Releases a lock that was taken, or may have been, and removes its record.
    async fn give_up(&self, terms: &LockTerms<'_>, record: &MongoUndo) -> Result<(), MongoError> {
        unlock(&self.control, terms.comment, PATIENCE).await?;
        settle(terms.ledger, record).await
    }
}

/// A member that takes no writes. Whoever drops this leaves the lock to its record.
pub(super) struct MemberLock {
    member: OpenMember,
    record: MongoUndo,
    since: Instant,
}

impl MemberLock {
    /// Returns when the lock was sent.
    pub(super) fn since(&self) -> Instant {
        self.since
    }

    /// Releases the lock, within `patience`, and removes its record.
    ///
    /// # Errors
    /// Fails if the member is still locked after many tries; the record stays then.
    pub(super) async fn release(
        &self,
        terms: &LockTerms<'_>,
        patience: Duration,
        expired: bool,
    ) -> Result<LockEnd, MongoError> {
        let unlocked = unlock(&self.member.control, terms.comment, patience).await?;
        let (ended, host) = (Instant::now(), self.member.host().to_owned());
        let end = LockEnd { host, unlocked, held: ended - self.since, ended, expired };
        settle(terms.ledger, &self.record).await?;
        Ok(end)
    }
}
