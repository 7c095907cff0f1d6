//! What a deployment consists of, as one of its seeds says.

use mongodb::bson::doc;

use super::connection::AdminConnection;
use super::error::MongoError;
use super::login::MongoLogin;
use super::replies::{ReplicaConfig, ReplicaConfigReply, ReplicaStatus, ShardMap, Shards};

/// A replica set as one of its members sees it.
#[derive(Debug)]
pub(super) struct SetView {
    pub(super) status: ReplicaStatus,
    pub(super) config: ReplicaConfig,
}

/// A deployment.
pub(super) enum MongoTopology {
    /// One server without replication.
    Standalone(AdminConnection),
    /// A replica set.
    ReplicaSet(SetView),
    /// A sharded cluster, by way of one of its mongos.
    Sharded(AdminConnection),
}

/// The parts of a sharded cluster, each with addresses of its members.
#[derive(Debug)]
pub(super) struct ShardedParts {
    pub(super) config: Vec<String>,
    /// By the names of the shards; without one that is the config servers at the same time.
    pub(super) shards: Vec<(String, Vec<String>)>,
}

/// Asks the seeds of a login in turn until one says what it belongs to.
///
/// # Errors
/// Fails with the error of the first seed if none does.
pub(super) async fn discover(login: &MongoLogin) -> Result<MongoTopology, MongoError> {
    discover_by(login, &login.seeds()).await
}

/// Asks members of a replica set in turn until one describes the set.
///
/// # Errors
/// Fails with the error of the first member if none does, or if they have no set.
pub(super) async fn view(login: &MongoLogin, hosts: &[String]) -> Result<SetView, MongoError> {
    match discover_by(login, hosts).await? {
        MongoTopology::ReplicaSet(set) => Ok(set),
        MongoTopology::Standalone(other) | MongoTopology::Sharded(other) => Err(MongoError::Reply {
            host: other.host().to_owned(),
            doing: "say what it is",
            cause: "it is no member of a replica set".to_owned(),
        }),
    }
}

async fn discover_by(login: &MongoLogin, hosts: &[String]) -> Result<MongoTopology, MongoError> {
    let mut failure = None;
    for host in hosts {
        match ask(login, host).await {
            Ok(topology) => return Ok(topology),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    Err(failure.unwrap_or_else(|| MongoError::Uri { cause: "it names no host".to_owned() }))
}

async fn ask(login: &MongoLogin, host: &str) -> Result<MongoTopology, MongoError> {
    let connection = login.connect(host).await?;
    let hello = connection.hello().await?;
    if hello.msg.as_deref() == Some("isdbgrid") {
        Ok(MongoTopology::Sharded(connection))
    } else if hello.set_name.is_some() {
        Ok(MongoTopology::ReplicaSet(look(&connection).await?))
    } else {
        Ok(MongoTopology::Standalone(connection))
    }
}

/// Asks a member for status and configuration of its set.
pub(super) async fn look(connection: &AdminConnection) -> Result<SetView, MongoError> {
    let status = connection.ask("tell the state of its replica set", doc! { "replSetGetStatus": 1 }).await?;
    let reply: ReplicaConfigReply =
        connection.ask("tell the configuration of its replica set", doc! { "replSetGetConfig": 1 }).await?;
    Ok(SetView { status, config: reply.config })
}

/// Asks a mongos for shards and config servers.
pub(super) async fn parts(mongos: &AdminConnection) -> Result<ShardedParts, MongoError> {
    const DOING: &str = "tell its config servers";
    let listed: Shards = mongos.ask("list its shards", doc! { "listShards": 1 }).await?;
    let known: ShardMap = mongos.ask(DOING, doc! { "getShardMap": 1 }).await?;
    let Some(config) = known.map.get("config") else {
        let cause = "the map of shards has no config servers".to_owned();
        return Err(MongoError::Reply { host: mongos.host().to_owned(), doing: DOING, cause });
    };
    // Since 8.0 config servers may hold data; then they are a shard of this name as well.
    let shards = listed.shards.into_iter().filter(|shard| shard.name != "config");
    Ok(ShardedParts {
        config: members_of(config),
        shards: shards.map(|shard| (shard.name, members_of(&shard.host))).collect(),
    })
}

/// Returns the addresses in `SET/HOST,HOST`.
fn members_of(text: &str) -> Vec<String> {
    let hosts = text.split_once('/').map_or(text, |(_, hosts)| hosts);
    hosts.split(',').map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_with_and_without_the_name_of_their_set() {
        assert_eq!(members_of("rs0/a:1,b:2"), ["a:1", "b:2"]);
        assert_eq!(members_of("a:1"), ["a:1"]);
    }
}
