//! The server: the real `ark server` in a namespace of its own, with objects, buckets and other
//! servers around it.
//!
//! A test prepares an [`Installation`] (a namespace with Ark's kinds), gives it locations and
//! objects, and starts a [`Server`] in it, or several, one after the other or side by side. A
//! server ends with its test, and its log is printed if the test fails.

mod actions;
mod commands;
mod crashes;
mod database_locks;
mod deletions;
mod download;
mod expiry;
mod faults;
mod installation;
mod intercepted;
mod kill_rounds;
mod leader;
mod lifecycle;
mod obligations;
mod runs;
mod schedules;
mod server_process;
mod sync;
mod waiting;

pub use installation::{BACKUP, DELETION, DOWNLOAD, Installation, Kind, LOCATION, RESTORE, SCHEDULE, STATUS};
pub use server_process::{Server, ServerOptions};

use serde_json::json;

use crate::restore::store;
use crate::support::Lab;

/// The keys of everything in a bucket.
pub async fn keys(bucket: &str) -> Vec<String> {
    let objects = store(bucket).await.list("", false, None).await.expect("listable").objects;
    objects.into_iter().map(|object| object.key.to_string()).collect()
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_server_starts_validates_its_location_and_ends_when_it_is_told_to() {
    let lab = Lab::get().await;
    let installation = Installation::prepare(&lab.a, "begins").await;
    installation.location("default", &lab.bucket(), json!({})).await;
    let server = installation.start(ServerOptions::default()).await;
    let location = installation.reach(LOCATION, "default", "Available").await;
    assert!(location["status"]["id"].is_string(), "{location}");
    assert_eq!(server.get("/healthz").await.map(|(code, _)| code), Some(200));
    assert_eq!(server.stop().await, Some(0), "{}", server.log());
}
