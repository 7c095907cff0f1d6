//! The newest backup of a Schedule, among neighbours of every sort.

use chrono::{DateTime, Utc};

use super::*;
use crate::api::{ClusterReference, Origin};
use crate::model::{Category, Wish};

fn add(store: &MemoryStore, name: &str, cluster: &str, began: &str, phase: BackupPhase) {
    let mut backup = Backup::new(name, BackupSpec::default());
    backup.status = Some(BackupStatus {
        phase: Some(phase),
        format_version: Some("2".into()),
        cluster: Some(ClusterReference { uid: cluster.into(), version: "v1".into() }),
        origin: Some(Origin { schedule: Some("s".into()), ..Origin::default() }),
        start_timestamp: Some(began.parse::<DateTime<Utc>>().unwrap().into()),
        ..BackupStatus::default()
    });
    put(store, name, serde_json::to_vec(&backup).unwrap());
}

fn wish() -> Wish<'static> {
    Wish {
        here: "here",
        schedule: None,
        from: None,
        before: None,
        partial: false,
        now: "2025-11-30T03:00:00Z".parse().unwrap(),
    }
}

fn put(store: &MemoryStore, name: &str, document: Vec<u8>) {
    store.insert(&format!("backups/{name}/ark-backup.json"), document);
}

#[tokio::test]
async fn a_bad_neighbour_is_passed_over_and_few_documents_are_read() {
    let (store, bucket) = bucket();
    for day in 1..=28 {
        let (name, began) = (format!("shop-202511{day:02}030000"), format!("2025-11-{day:02}T03:00:07Z"));
        add(&store, &name, "here", &began, BackupPhase::Completed);
    }
    add(&store, "shop-20251128040000", "here", "2025-11-28T04:00:00Z", BackupPhase::PartiallyFailed);
    add(&store, "shop-db-20251129030000", "here", "2025-11-29T03:00:00Z", BackupPhase::Completed);
    put(&store, "shop-20251128050000", b"{".to_vec());
    let newer = br#"{"apiVersion":"ark.heptio.com/v1","kind":"Backup","metadata":{"name":"shop-20251128060000"},"spec":{},"status":{"formatVersion":"9","phase":"Completed"}}"#;
    put(&store, "shop-20251128060000", newer.to_vec());
    let shared: Arc<MemoryStore> = Arc::clone(&store);
    let faults = Faults::new(shared);
    let metered = Bucket::new(Arc::new(faults.clone()));
    let found = metered.newest_backup("shop", &wish()).await.unwrap();
    assert_eq!(found.name.unwrap().as_str(), "shop-20251128030000");
    let passed_over: Vec<_> =
        found.passed_over.iter().map(|(name, error)| (name.as_str(), error.category())).collect();
    let expected = [("shop-20251128060000", Category::Other), ("shop-20251128050000", Category::Corrupt)];
    assert_eq!(passed_over, expected);
    assert!(faults.count(Operation::Get) < 20, "{} documents were read", faults.count(Operation::Get));
    let early = Wish { before: Some("2025-11-10T03:00:00Z".parse().unwrap()), ..wish() };
    let found = bucket.newest_backup("shop", &early).await.unwrap();
    assert_eq!(found.name.unwrap().as_str(), "shop-20251109030000");
    assert!(found.passed_over.is_empty());
    // An error of the store itself is no reason to take an older backup.
    faults.script_always(Operation::Get, Fault::Unreachable);
    assert!(metered.newest_backup("shop", &wish()).await.unwrap_err().is_unreachable());
}

#[tokio::test]
async fn this_cluster_s_newest_is_found_among_others_and_another_s_only_where_it_is_alone() {
    let (store, bucket) = bucket();
    add(&store, "shop-20251101030000", "there", "2025-11-01T03:00:00Z", BackupPhase::Completed);
    let found = bucket.newest_backup("shop", &wish()).await.unwrap();
    assert_eq!(found.name.unwrap().as_str(), "shop-20251101030000");
    assert!(found.notes[0].contains("cluster there"), "{:?}", found.notes);
    add(&store, "shop-20251102030000", "elsewhere", "2025-11-02T03:00:00Z", BackupPhase::Completed);
    let found = bucket.newest_backup("shop", &wish()).await.unwrap();
    assert!(found.name.is_none() && found.why.contains("cluster elsewhere"), "{found:?}");
    let there = Wish { from: Some("there"), ..wish() };
    let found = bucket.newest_backup("shop", &there).await.unwrap();
    assert_eq!(found.name.unwrap().as_str(), "shop-20251101030000");
    add(&store, "shop-20251020030000", "here", "2025-10-20T03:00:00Z", BackupPhase::Completed);
    let found = bucket.newest_backup("shop", &wish()).await.unwrap();
    assert_eq!(found.name.unwrap().as_str(), "shop-20251020030000");
    assert!(found.notes.is_empty(), "{:?}", found.notes);
}

#[tokio::test]
async fn a_backup_that_a_person_named_is_not_the_schedule_s() {
    let (store, bucket) = bucket();
    add(&store, "shop-20251101030000", "here", "2025-11-01T03:00:00Z", BackupPhase::Completed);
    add(&store, "shop-by-hand", "here", "2025-11-02T03:00:00Z", BackupPhase::Completed);
    let found = bucket.newest_backup("shop", &wish()).await.unwrap();
    assert_eq!(found.name.unwrap().as_str(), "shop-20251101030000");
}
