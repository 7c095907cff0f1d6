//! Two clusters with a Schedule of one name on one bucket, both killed again and again: each keeps
//! to its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ark::api::SCHEDULE_TOKEN;
use ark::store::ObjectStore;
use chrono::DateTime;
use serde_json::{Value, json};

use super::super::{BACKUP, Installation, LOCATION, SCHEDULE, Server};
use super::ledger::{Ledger, read_document};
use super::load::Chance;
use super::{BEAT, begin_life, options, rounds, unsettled};
use crate::backup::config_map;
use crate::process::run;
use crate::restore::store;
use crate::support::{Cluster, Lab, eventually};

/// The Schedule of both.
const NAME: &str = "nightly";
/// A server lives so long at most, in milliseconds: long enough for a tick or two.
const LONGEST_LIFE: u64 = 12_000;
/// What the first of them keeps of its backups; the second keeps all.
const KEPT: usize = 3;

/// One of the clusters, and what was seen of the backups that its Schedule made.
struct Twin<'a> {
    installation: Installation<'a>,
    store: Arc<dyn ObjectStore>,
    /// The ticks, in seconds, that the Schedule says it made a backup for.
    ticks: BTreeSet<i64>,
    /// The Backups, by name: the tick that each was made for, and the document once it was
    /// Completed.
    made: BTreeMap<String, (i64, Option<Vec<u8>>)>,
}

impl<'a> Twin<'a> {
    async fn found(cluster: &'a Cluster, bucket: &str) -> Self {
        let installation = Installation::prepare(cluster, "twins").await;
        installation.location("default", bucket, json!({})).await;
        config_map(cluster, installation.name(), "object", &json!({"text": "some".repeat(1000)})).await;
        Self { installation, store: store(bucket).await, ticks: BTreeSet::new(), made: BTreeMap::new() }
    }

    async fn schedule(&self, retention: Option<Value>) {
        let template = json!({"includedNamespaces": [self.installation.name()]});
        let mut spec = json!({"schedule": "@every 4s", "template": template, "concurrencyPolicy": "Allow"});
        if let Some(retention) = retention {
            spec["retention"] = retention;
        }
        self.installation.create(SCHEDULE, NAME, spec).await;
    }

    /// The Backups that its Schedule made.
    async fn own(&self) -> Vec<Value> {
        let mut own = self.installation.all(BACKUP).await;
        own.retain(|backup| {
            let marks = &backup["metadata"]["annotations"];
            marks.get("ark.heptio.com/synced-from").is_none() && marks.get(SCHEDULE_TOKEN).is_some()
        });
        own
    }

    async fn look(&mut self) {
        let schedule = self.installation.read(SCHEDULE, NAME).await.expect("the Schedule is there");
        for backup in self.own().await {
            let name = backup["metadata"]["name"].as_str().expect("a name");
            let token = backup["metadata"]["annotations"][SCHEDULE_TOKEN].as_str().expect("a text");
            let tick = token.split_once('.').and_then(|(tick, _)| tick.parse().ok()).expect("a tick");
            let completed = backup["status"]["phase"] == "Completed";
            let is_new = self.made.get(name).is_none_or(|(_, document)| document.is_none());
            if is_new {
                let document = if completed { read_document(&*self.store, name).await } else { None };
                self.made.insert(name.to_owned(), (tick, document));
            }
        }
        if let Some(last) = schedule["status"]["lastBackup"].as_str() {
            self.ticks.insert(DateTime::parse_from_rfc3339(last).expect("a time").timestamp());
        }
    }

    /// Some servers' lives, one after the other.
    async fn live(&mut self, chance: &mut Chance) {
        for _ in 0..rounds() {
            self.installation.free_lease().await;
            let server = begin_life(&self.installation, chance).await;
            let end = Instant::now() + Duration::from_millis(chance.below(LONGEST_LIFE));
            while Instant::now() < end {
                server.must_run();
                self.look().await;
                tokio::time::sleep(BEAT.min(end.saturating_duration_since(Instant::now()))).await;
            }
            server.kill();
        }
    }

    /// Lets a last server finish what was begun.
    async fn settle(&mut self) -> Server {
        let path = format!("{}/{NAME}", self.installation.path(SCHEDULE));
        self.installation.cluster.merge(&path, &json!({"spec": {"paused": true}})).await;
        let server = self.installation.start_again(options()).await;
        self.installation.reach(LOCATION, "default", "Available").await;
        eventually("everything comes to an end", async || {
            server.must_run();
            self.look().await;
            let schedule = self.installation.read(SCHEDULE, NAME).await.expect("the Schedule is there");
            let left = unsettled(&self.installation).await;
            (left.is_empty() && schedule["status"]["pending"].is_null()).then_some(())
        })
        .await;
        server
    }

    /// What bucket and cluster do not both have. One of its own that came to nothing, and says why,
    /// hides another's of its name.
    async fn disagreement(&self, ledger: &Ledger) -> Option<String> {
        let found = ledger.disagreement(&self.installation).await?;
        let mut hiding = self.own().await;
        hiding.retain(says_why);
        let hidden = |difference: &&str| {
            let hides = |backup: &Value| {
                let name = backup["metadata"]["name"].as_str().expect("a name");
                *difference == format!("Backup {name} is only on one side")
            };
            hiding.iter().any(hides)
        };
        let others: Vec<&str> = found.split("; ").filter(|difference| !hidden(difference)).collect();
        (!others.is_empty()).then(|| others.join("; "))
    }

    /// Every tick has a backup of its own, or one that says why it has none; and those that were to
    /// be kept are as they were.
    async fn judge(&self, kept: usize) {
        for tick in &self.ticks {
            let of_tick = self.made.values().filter(|(made_for, _)| made_for == tick);
            assert!(of_tick.count() > 0, "no backup was made for {tick}: {:?}", self.made.keys());
        }
        let completed = self.made.iter();
        let completed =
            completed.filter_map(|(name, (tick, document))| Some((name, tick, document.as_ref()?)));
        let completed: Vec<_> = completed.collect();
        let ticks: BTreeSet<_> = completed.iter().map(|(_, tick, _)| tick).collect();
        assert_eq!(ticks.len(), completed.len(), "two backups of one tick: {:?}", self.made.keys());
        for backup in self.own().await {
            assert!(backup["status"]["phase"] == "Completed" || says_why(&backup), "{backup}");
        }
        for (name, _, document) in completed.iter().rev().take(kept) {
            assert_eq!(
                read_document(&*self.store, name).await.as_ref(),
                Some(*document),
                "{name} is not as it was"
            );
        }
    }
}

/// Whether a Backup that came to nothing says why.
fn says_why(backup: &Value) -> bool {
    let status = &backup["status"];
    !status["failureReason"].is_null() || !status["validationErrors"].is_null()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn two_clusters_that_are_killed_at_random_moments_each_keep_their_own_on_one_bucket() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let (mut a, mut b) = (Twin::found(&lab.a, &bucket).await, Twin::found(&lab.b, &bucket).await);
    // At once, so that their ticks are of the same second and they want the same names.
    tokio::join!(a.schedule(Some(json!({"maxCount": KEPT}))), b.schedule(None));
    let (mut of_a, mut of_b) = (Chance::new(), Chance::new());
    of_b.below(LONGEST_LIFE); // so that they are not killed at the same moments
    tokio::join!(a.live(&mut of_a), b.live(&mut of_b));

    let (server_a, server_b) = tokio::join!(a.settle(), b.settle());
    let (ledger, last) = (Ledger::of(store(&bucket).await), std::cell::RefCell::new((None, None)));
    eventually("both clusters and the bucket agree", async || {
        let (of_a, of_b) = (a.disagreement(&ledger).await, b.disagreement(&ledger).await);
        if *last.borrow() != (of_a.clone(), of_b.clone()) {
            println!("the first: {of_a:?}; the second: {of_b:?}");
            last.replace((of_a.clone(), of_b.clone()));
        }
        (of_a.is_none() && of_b.is_none()).then_some(())
    })
    .await;
    assert_eq!((server_a.stop().await, server_b.stop().await), (Some(0), Some(0)));
    for (twin, kept) in [(&mut a, KEPT), (&mut b, usize::MAX)] {
        // What ended last may not have been seen before.
        twin.look().await;
        twin.judge(kept).await;
    }
    let mut verify = lab.a.ark(["bucket", "verify", "--location", &bucket]);
    tokio::task::spawn_blocking(move || run(&mut verify)).await.expect("it runs").expect_code(0);
    println!("{} ticks of the first, {} of the second: {:?}", a.ticks.len(), b.ticks.len(), b.made.keys());
    assert!(!a.ticks.is_empty() && !b.ticks.is_empty(), "no server lived long enough");
}
