//! Replies of MongoDB, with the fields that a decision needs. Private shapes of the wire; numbers
//! are read as doubles, since servers send int32, int64 and double for the same field.

use std::collections::BTreeMap;

use mongodb::bson::{DateTime, Document};
use serde::Deserialize;

/// The reply to `hello`, and of old servers to `isMaster`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Hello {
    /// `isdbgrid`, if the server is a mongos.
    pub(super) msg: Option<String>,
    /// The replica set that the server belongs to.
    pub(super) set_name: Option<String>,
    /// The member's own address in the configuration.
    pub(super) me: Option<String>,
}

/// The reply to `replSetGetStatus`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReplicaStatus {
    /// How many members must acknowledge a write for `w: majority`; since 4.2.1.
    pub(super) write_majority_count: Option<f64>,
    pub(super) members: Vec<MemberStatus>,
}

/// A member in the reply to `replSetGetStatus`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MemberStatus {
    pub(super) name: String,
    /// 1 if the member answers heartbeats.
    pub(super) health: f64,
    /// 1: primary, 2: secondary, 7: arbiter.
    pub(super) state: f64,
    pub(super) state_str: Option<String>,
    pub(super) optime_date: Option<DateTime>,
    /// Absent for the member that answers.
    pub(super) ping_ms: Option<f64>,
}

/// The reply to `replSetGetConfig`.
#[derive(Debug, Deserialize)]
pub(super) struct ReplicaConfigReply {
    pub(super) config: ReplicaConfig,
}

/// The configuration of a replica set.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReplicaConfig {
    #[serde(rename = "_id")]
    pub(super) name: String,
    pub(super) members: Vec<MemberConfig>,
}

/// A member in the configuration.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct MemberConfig {
    pub(super) host: String,
    pub(super) arbiter_only: bool,
    pub(super) hidden: bool,
    pub(super) build_indexes: Option<bool>,
    pub(super) votes: Option<f64>,
    /// Seconds; `slaveDelay` before 5.0.
    #[serde(alias = "slaveDelay")]
    pub(super) secondary_delay_secs: f64,
    pub(super) tags: BTreeMap<String, String>,
}

/// The reply to `currentOp`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct RunningOperations {
    /// Only there while the server is locked.
    pub(super) fsync_lock: bool,
    pub(super) inprog: Vec<RunningOperation>,
}

/// An operation under way.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RunningOperation {
    pub(super) command: Document,
}

/// The reply to `balancerStatus`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BalancerStatus {
    /// `full`, `autoSplitOnly` or `off`.
    pub(super) mode: String,
    #[serde(default)]
    pub(super) in_balancer_round: bool,
}

/// The reply to `listShards`.
#[derive(Debug, Deserialize)]
pub(super) struct Shards {
    pub(super) shards: Vec<Shard>,
}

/// A shard: its name, and `SET/HOST,HOST`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Shard {
    #[serde(rename = "_id")]
    pub(super) name: String,
    pub(super) host: String,
}

/// The reply to `getShardMap`.
#[derive(Debug, Deserialize)]
pub(super) struct ShardMap {
    /// `config` and each shard, with `SET/HOST,HOST`.
    pub(super) map: BTreeMap<String, String>,
}
