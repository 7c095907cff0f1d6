//! The mark of a backup on the config servers: a document written by majority. A config secondary
//! that has it holds all metadata of the cluster from before.

use std::time::Duration;

use mongodb::bson::{Document, doc};
use tokio::time::{Instant, sleep};

use super::connection::{ANSWER, AdminConnection, whole_number};
use super::error::MongoError;
use super::unlock::PAUSE;

/// A secondary that may be locked is 21 s behind at most; twice that is not waited for.
const ARRIVAL: Duration = Duration::from_secs(45);
/// How long a majority may take to acknowledge the mark, in milliseconds.
const ACKNOWLEDGED: i32 = 15_000;
const DATABASE: &str = "config";
const COLLECTION: &str = "BackupControl";
const DOCUMENT: &str = "BackupControlDocument";
const WRITE: &str = "write the mark of the backup";

/// Writes the mark on the primary of the config servers and returns its number.
///
/// # Errors
/// Fails if the mark is not acknowledged by a majority.
pub(super) async fn write(primary: &AdminConnection) -> Result<i64, MongoError> {
    let command = doc! {
        "findAndModify": COLLECTION,
        "query": { "_id": DOCUMENT },
        "update": { "$inc": { "counter": 1 } },
        "new": true,
        "upsert": true,
        "writeConcern": { "w": "majority", "wtimeout": ACKNOWLEDGED },
    };
    let longest = ANSWER + Duration::from_millis(ACKNOWLEDGED.unsigned_abs().into());
    let reply = primary.run_on(DATABASE, WRITE, command, longest).await?;
    let odd = |cause: &str| MongoError::Reply {
        host: primary.host().to_owned(),
        doing: WRITE,
        cause: cause.to_owned(),
    };
    if let Ok(error) = reply.get_document("writeConcernError") {
        return Err(odd(error.get_str("errmsg").unwrap_or("no majority acknowledged it")));
    }
    let number = reply.get_document("value").ok().and_then(counter);
    number.ok_or_else(|| odd("it has no counter"))
}

/// Waits until a config server has the mark.
///
/// # Errors
/// Fails if it does not arrive in time.
pub(super) async fn wait_for(member: &AdminConnection, number: i64) -> Result<(), MongoError> {
    let deadline = Instant::now() + ARRIVAL;
    loop {
        let command = doc! {
            "find": COLLECTION,
            "filter": { "_id": DOCUMENT },
            "limit": 1,
            "singleBatch": true,
            "readConcern": { "level": "majority" },
        };
        let reply = member.run_on(DATABASE, "read the mark of the backup", command, ANSWER).await?;
        let batch = reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
        let seen = batch.ok().and_then(|batch| counter(batch.first()?.as_document()?));
        if seen.is_some_and(|seen| seen >= number) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(MongoError::MarkLate { host: member.host().to_owned(), after: ARRIVAL });
        }
        sleep(PAUSE).await;
    }
}

fn counter(mark: &Document) -> Option<i64> {
    whole_number(mark, "counter")
}
