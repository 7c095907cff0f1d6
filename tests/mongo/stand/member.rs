//! One member of a stand: its state, which tests change and wait for, and its answers.

use std::time::Duration;

use mongodb::bson::{DateTime, Document, doc};
use tokio::sync::watch;

use super::deployment::Deployment;

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Holds data.
    Data,
    /// Votes only.
    Arbiter,
    /// The router of a sharded cluster.
    Mongos,
}

/// What a member is like at the moment.
#[derive(Clone, Debug)]
pub struct MemberState {
    /// Whether it is the primary of its set.
    pub primary: bool,
    /// How far it lags behind the primary.
    pub lag: Duration,
    /// Whether its set hides it from clients.
    pub hidden: bool,
    /// The name by which it knows itself; its address, unless a test says otherwise.
    pub name: String,
    /// How many locks there are.
    pub locks: u32,
    /// The comments of locks that wait.
    pub waiting: Vec<String>,
    /// How many locks and unlocks were asked for.
    pub asked: (u32, u32),
    /// How many logins were asked for while it was locked.
    pub late_logins: u32,
    /// How often it was asked about its lock while one waits.
    pub looks_while_waiting: u32,
    /// How many writes wait for the end of a lock.
    pub stalled: u32,
    /// How many connections it has turned away.
    pub turned_away: u32,
    /// The number of the mark that it holds, and how often it is still asked until it sees the
    /// newest one.
    pub mark: (i32, u32),
    /// Connections of earlier times are cut.
    pub time: u32,
    /// Whether it lets nobody in.
    pub down: bool,
    /// What it does wrong.
    pub fault: Option<Fault>,
}

/// What a member does wrong. All but `HoldLock` happen once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Cuts the connection before it takes the lock.
    CutBeforeLock,
    /// Cuts the connection once it has taken the lock.
    CutAfterLock,
    /// Cuts the connection once it has released the lock.
    CutAfterUnlock,
    /// Takes a lock only when the fault is over, even if its client is gone by then.
    HoldLock,
    /// Somebody else takes a lock just before ours.
    OtherIsQuicker,
    /// Does not know the field that bounds the wait for a lock.
    UnknownField,
    /// Refuses to lock.
    RefuseLock,
}

/// A member.
pub struct Member {
    /// Its address, `host:port`.
    pub address: String,
    /// The name of its replica set.
    pub set: Option<String>,
    /// What it is.
    pub role: Role,
    state: watch::Sender<MemberState>,
}

impl Member {
    /// Returns a healthy member.
    pub fn new(address: &str, set: Option<&str>, role: Role, primary: bool) -> Self {
        let state = MemberState {
            primary,
            lag: Duration::ZERO,
            hidden: false,
            name: address.to_owned(),
            locks: 0,
            waiting: Vec::new(),
            asked: (0, 0),
            late_logins: 0,
            looks_while_waiting: 0,
            stalled: 0,
            turned_away: 0,
            mark: (0, 0),
            time: 0,
            down: false,
            fault: None,
        };
        let (address, set) = (address.to_owned(), set.map(str::to_owned));
        Self { address, set, role, state: watch::Sender::new(state) }
    }

    /// Returns the state.
    pub fn state(&self) -> MemberState {
        self.state.borrow().clone()
    }

    /// Changes the state.
    pub fn change(&self, change: impl FnOnce(&mut MemberState)) {
        self.state.send_modify(change);
    }

    /// Waits until the state is so.
    pub async fn until(&self, is_so: impl FnMut(&MemberState) -> bool) {
        self.state.subscribe().wait_for(is_so).await.expect("the member is there");
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        self.change(|state| state.time += 1);
    }

    /// Cuts all connections and forgets the locks, as a restart does.
    pub fn restart(&self) {
        self.change(|state| (state.locks, state.time) = (0, state.time + 1));
    }

    /// Returns whether a fault happens now.
    pub fn suffers(&self, fault: Fault) -> bool {
        let mut happens = false;
        self.change(|state| {
            happens = state.fault == Some(fault);
            if happens {
                state.fault = None;
            }
        });
        happens
    }

    /// Takes a lock, at once or when [`Fault::HoldLock`] is over, and returns how many there are.
    pub async fn lock(&self, comment: String) -> u32 {
        self.change(|state| state.waiting.push(comment.clone()));
        self.until(|state| state.fault != Some(Fault::HoldLock)).await;
        self.change(|state| {
            state.waiting.retain(|waiting| *waiting != comment);
            state.locks += 1;
        });
        self.state().locks
    }

    /// Answers `hello`.
    pub fn hello(&self, deployment: &Deployment) -> Document {
        let state = self.state();
        let mut answer = doc! {
            "helloOk": true, "maxBsonObjectSize": 16_777_216, "maxMessageSizeBytes": 48_000_000,
            "maxWriteBatchSize": 100_000, "localTime": DateTime::now(), "minWireVersion": 0, "maxWireVersion": 21,
            "readOnly": false, "saslSupportedMechs": ["SCRAM-SHA-256"], "ok": 1.0,
        };
        let writable = self.set.is_none() || state.primary;
        answer.insert("isWritablePrimary", writable);
        answer.insert("ismaster", writable);
        if self.role == Role::Mongos {
            answer.insert("msg", "isdbgrid");
        }
        if let Some(set) = &self.set {
            let members = deployment.members_of(set);
            let seen = members.iter().filter(|member| member.role == Role::Data && !member.state().hidden);
            answer.insert("setName", set);
            answer.insert("me", &state.name);
            answer.insert("secondary", !state.primary && self.role == Role::Data);
            answer.insert("arbiterOnly", self.role == Role::Arbiter);
            answer.insert("hidden", state.hidden);
            answer.insert("hosts", seen.map(|member| member.address.clone()).collect::<Vec<_>>());
            if let Some(primary) = members.iter().find(|member| member.state().primary) {
                answer.insert("primary", &primary.address);
            }
        }
        answer
    }

    /// Returns the member's lines in `replSetGetStatus` and `replSetGetConfig`; the primary wrote
    /// last at `now`.
    pub fn described(&self, id: i32, now: DateTime) -> (Document, Document) {
        let state = self.state();
        let (number, name) = match self.role {
            Role::Arbiter => (7, "ARBITER"),
            _ if state.down => (8, "(not reachable/healthy)"),
            _ if state.primary => (1, "PRIMARY"),
            _ => (2, "SECONDARY"),
        };
        let mut status = doc! {
            "_id": id, "name": &self.address, "health": if state.down { 0.0 } else { 1.0 },
            "state": number, "stateStr": name,
        };
        if self.role == Role::Data {
            let lag = i64::try_from(state.lag.as_millis()).expect("a short lag");
            status.insert("optimeDate", DateTime::from_millis(now.timestamp_millis() - lag));
        }
        let config = doc! {
            "_id": id, "host": &self.address, "arbiterOnly": self.role == Role::Arbiter, "buildIndexes": true,
            "hidden": state.hidden, "priority": if state.hidden { 0 } else { 1 }, "tags": {},
            "secondaryDelaySecs": 0_i64, "votes": 1,
        };
        (status, config)
    }
}
