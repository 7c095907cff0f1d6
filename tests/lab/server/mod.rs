//! The server: the real `ark server` in a namespace of its own, with objects, buckets and other servers around it.
//!
//! A test makes a [`Home`] (a namespace with Ark's kinds), gives it locations and objects, and starts a [`Server`] in it,
//! or several, one after the other or side by side. A server ends with its test, and its log is printed if the test fails.

mod crashes;
mod daemon;
mod door;
mod download;
mod faults;
mod home;
mod leader;
mod life;
mod meant;
mod readers;
mod records;
mod rounds;
mod runs;
mod schedules;
mod stage;
mod sync;
mod time;

pub use daemon::{Server, ServerOptions};
pub use home::{BACKUP, DELETION, DOWNLOAD, Home, Kind, LOCATION, RESTORE, SCHEDULE, STATUS};

use serde_json::json;

use crate::support::Lab;

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_server_starts_validates_its_location_and_ends_when_it_is_told_to() {
    let lab = Lab::get().await;
    let home = Home::found(&lab.a, "begins").await;
    home.location("default", &lab.bucket(), json!({})).await;
    let server = home.start(ServerOptions::default()).await;
    let location = home.reach(LOCATION, "default", "Available").await;
    assert!(location["status"]["id"].is_string(), "{location}");
    assert_eq!(server.get("/healthz").await.map(|(code, _)| code), Some(200));
    assert_eq!(server.stop().await, Some(0), "{}", server.log());
}
