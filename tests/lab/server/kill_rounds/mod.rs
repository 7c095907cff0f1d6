//! Killed again and again at random moments under load: no finished backup is lost or altered, none
//! is half-visible, nothing is stuck. Some rounds in the suite; `hack/kill-rounds 200` for many.

mod ledger;
mod load;
mod two_clusters;

use std::time::{Duration, Instant};

use serde_json::json;

use super::{BACKUP, DELETION, Installation, LOCATION, RESTORE, SCHEDULE, Server, ServerOptions};
use crate::process::run;
use crate::restore::store;
use crate::support::{Lab, eventually};
use ledger::Ledger;
use load::{Chance, Load, SHORT_TTL};

/// Rounds in the suite; the environment may ask for more.
const ROUNDS: usize = 8;
const MORE: &str = "ARK_LAB_KILL_ROUNDS";
/// A server lives so long at most, in milliseconds.
const LONGEST_LIFE: u64 = 5_000;
/// Between two looks, and two deeds.
const BEAT: Duration = Duration::from_millis(250);

fn options() -> ServerOptions {
    ServerOptions { sync_period: "1s", gc_period: "1s", ..ServerOptions::default() }
}

fn rounds() -> usize {
    std::env::var(MORE).map_or(ROUNDS, |rounds| rounds.parse().expect("a number of rounds"))
}

/// Starts a server, and lets every other one lead first: some are killed before they lead, and some
/// with everything under way, however slow the machine.
async fn begin_life(installation: &Installation<'_>, chance: &mut Chance) -> Server {
    let server = Server::spawn(installation.cluster, installation.name(), options());
    if chance.below(2) == 0 {
        installation.leads(&server).await;
    }
    server
}

/// One server's life: it works, people ask for things, and then it is gone.
async fn live(installation: &Installation<'_>, load: &mut Load, ledger: &mut Ledger, chance: &mut Chance) {
    // The one before is known to be dead, so that nobody has to wait for its lease to end.
    installation.free_lease().await;
    let server = begin_life(installation, chance).await;
    let end = Instant::now() + Duration::from_millis(chance.below(LONGEST_LIFE));
    while Instant::now() < end {
        server.must_run();
        load.act(installation, chance).await;
        ledger.look(installation).await;
        tokio::time::sleep(BEAT.min(end.saturating_duration_since(Instant::now()))).await;
    }
    server.kill();
}

/// What has not come to an end.
async fn unsettled(installation: &Installation<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for kind in [BACKUP, RESTORE, DELETION] {
        for object in installation.all(kind).await {
            let phase = object["status"]["phase"].as_str().unwrap_or("New");
            // What goes soon, or has been asked to go, is on its way out.
            let goes = object["spec"]["ttl"] == SHORT_TTL && phase == "Completed"
                || !object["metadata"]["annotations"]["ark.heptio.com/deletion-requested"].is_null();
            if goes || ["New", "InProgress", "Deleting"].contains(&phase) {
                found.push(format!("{} {} {phase}", kind.0, object["metadata"]["name"]));
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn killed_at_random_moments_under_load_it_loses_nothing_and_leaves_nothing_half_done() {
    let rounds = rounds();
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let installation = Installation::prepare(&lab.a, "rounds").await;
    installation.location("default", &bucket, json!({})).await;
    let mut chance = Chance::new();
    let mut load = Load::begin(&lab, &installation).await;
    let mut ledger = Ledger::of(store(&bucket).await);
    for round in 0..rounds {
        live(&installation, &mut load, &mut ledger, &mut chance).await;
        if round % 20 == 19 {
            println!("{} rounds: {ledger}", round + 1);
        }
    }

    for schedule in installation.all(SCHEDULE).await {
        installation.delete(SCHEDULE, schedule["metadata"]["name"].as_str().expect("a name")).await;
    }
    let server = installation.start_again(options()).await;
    installation.reach(LOCATION, "default", "Available").await;
    let stuck = std::cell::RefCell::new(Vec::new());
    let settled = eventually("everything comes to an end", async || {
        server.must_run();
        ledger.look(&installation).await;
        let left = unsettled(&installation).await;
        if *stuck.borrow() != left {
            println!("not at an end: {left:?}");
        }
        let done = left.is_empty();
        stuck.replace(left);
        done.then_some(())
    });
    settled.await;
    // The cluster and the bucket come to say the same: a pass of sync and one of collection take a
    // second each.
    eventually("cluster and bucket agree", async || {
        ledger.disagreement(&installation).await.is_none().then_some(())
    })
    .await;
    assert_eq!(server.stop().await, Some(0));
    ledger.settle(&installation).await;
    let mut verify = lab.a.ark(["bucket", "verify", "--location", &bucket]);
    let verified =
        tokio::task::spawn_blocking(move || run(&mut verify)).await.expect("it runs").expect_code(0);
    println!("{rounds} rounds: {ledger}\n{}", verified.stdout);
    assert!(ledger.completed() > 0, "the load was none: {ledger}");
}
