//! One authenticated connection to one server, and commands over it, each with a deadline.

use std::sync::Arc;
use std::time::Duration;

use mongodb::Client;
use mongodb::bson::{Bson, Document, deserialize_from_document, doc};
use serde::de::DeserializeOwned;
use tempfile::TempDir;

use super::error::MongoError;
use super::replies::Hello;

/// Commands that only look answer within milliseconds; a server that swaps may take seconds.
pub(super) const ANSWER: Duration = Duration::from_secs(10);
/// The server's code for a command that it does not have.
const COMMAND_NOT_FOUND: i32 = 59;

/// A connection to one server; the driver opens it anew when it breaks.
#[derive(Clone)]
pub(super) struct AdminConnection {
    host: String,
    client: Client,
    /// Keeps the files alive that the driver reads when it connects.
    _certificates: Option<Arc<TempDir>>,
}

impl AdminConnection {
    /// Wraps a client whose pool has one connection to `host`.
    pub(super) fn new(host: &str, client: Client, certificates: Option<Arc<TempDir>>) -> Self {
        Self { host: host.to_owned(), client, _certificates: certificates }
    }

    /// Returns the address, `host:port`.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Runs a command on the database `admin`.
    ///
    /// # Errors
    /// Fails if the server refuses the command, cannot be reached, or does not answer in time. Only
    /// an error that [`is_answer`](MongoError::is_answer) says that nothing was done.
    pub(super) async fn run(
        &self,
        doing: &'static str,
        command: Document,
        deadline: Duration,
    ) -> Result<Document, MongoError> {
        self.run_on("admin", doing, command, deadline).await
    }

    /// Runs a command on a database, likewise.
    pub(super) async fn run_on(
        &self,
        database: &str,
        doing: &'static str,
        command: Document,
        deadline: Duration,
    ) -> Result<Document, MongoError> {
        let database = self.client.database(database);
        let answer = tokio::time::timeout(deadline, database.run_command(command)).await;
        let late = |_| MongoError::Late { host: self.host.clone(), doing, after: deadline };
        answer.map_err(late)?.map_err(|error| MongoError::of_driver(&self.host, doing, &error))
    }

    /// Runs a command on the database `admin` that only looks, and reads its reply.
    ///
    /// # Errors
    /// Fails as [`run`](Self::run) does, and if the reply is not as expected.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        doing: &'static str,
        command: Document,
    ) -> Result<T, MongoError> {
        let reply = self.run(doing, command, ANSWER).await?;
        self.read(doing, reply)
    }

    /// Reads a reply.
    pub(super) fn read<T: DeserializeOwned>(
        &self,
        doing: &'static str,
        reply: Document,
    ) -> Result<T, MongoError> {
        deserialize_from_document(reply).map_err(|error| MongoError::Reply {
            host: self.host.clone(),
            doing,
            cause: error.to_string(),
        })
    }

    /// Asks the server what it is. The answer comes over the authenticated connection.
    pub(super) async fn hello(&self) -> Result<Hello, MongoError> {
        const DOING: &str = "say what it is";
        match self.ask(DOING, doc! { "hello": 1 }).await {
            Err(MongoError::Refused { code: COMMAND_NOT_FOUND, .. }) => {
                self.ask(DOING, doc! { "isMaster": 1 }).await
            }
            answer => answer,
        }
    }

    /// Opens the connection and checks that the server is the one that was meant.
    ///
    /// # Errors
    /// Fails if another member of the set answers at the address.
    pub(super) async fn expect_itself(self) -> Result<Self, MongoError> {
        match self.hello().await?.me {
            Some(answered) if answered != self.host => {
                Err(MongoError::WrongMember { asked: self.host, answered })
            }
            _ => Ok(self),
        }
    }
}

/// Reads a whole number that servers send as int32, int64 or double.
pub(super) fn whole_number(reply: &Document, field: &str) -> Option<i64> {
    match reply.get(field)? {
        Bson::Int32(number) => Some(i64::from(*number)),
        Bson::Int64(number) => Some(*number),
        #[expect(clippy::cast_possible_truncation, reason = "counts are far below 2^53")]
        Bson::Double(number) => Some(*number as i64),
        _ => None,
    }
}
