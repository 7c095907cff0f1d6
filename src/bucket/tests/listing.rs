//! Listings of everything that can lie in a bucket.

use super::*;
use crate::bucket::{RunKind, RunState, Writer};

fn put(store: &MemoryStore, keys: &[&str]) {
    for key in keys {
        store.insert(key, "{}");
    }
}

#[tokio::test]
async fn ours_and_foreign_and_garbage_are_told_apart_page_by_page() {
    let (store, bucket) = bucket();
    make(&bucket, &claim("run")).await.unwrap();
    put(
        &store,
        &[
            "README",
            "backups/loose",
            "backups/Bad Name/ark-backup.json",
            "backups/ark10/ark-backup.json",
            "backups/ark10/ark10.tar.gz",
            "backups/junk/a/b/c",
            "backups/nightly-2/index.ndjson.zst",
            "backups/vel/vel.tar.gz",
            "backups/vel/velero-backup.json",
            "backups/vel/vel-logs.gz",
            "kopia/ns/x",
            "old/ark-backup.json",
            "old/old.tar.gz",
            "other/file",
        ],
    );
    let entries = list(&bucket).await;
    let states: Vec<(&str, &RunState)> =
        entries.iter().map(|entry| (entry.name.as_str(), &entry.state)).collect();
    assert_eq!(
        states,
        [
            ("Bad Name", &RunState::Unrecognised),
            ("ark10", &RunState::Foreign(Writer::Ark010)),
            ("junk", &RunState::Unrecognised),
            ("nightly-2", &RunState::Partial(None)),
            ("nightly", &RunState::Complete),
            ("vel", &RunState::Foreign(Writer::Velero)),
            ("old", &RunState::Foreign(Writer::Ark03)),
        ]
    );
    assert_eq!(entries[4].objects, 5);
    assert!(entries[4].size > 10);
    assert!(bucket.list_restores().try_collect::<Vec<_>>().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_listing_alone_tells_what_is_complete_and_whether_its_items_are_there() {
    let (store, bucket) = bucket();
    make(&bucket, &claim("run")).await.unwrap();
    put(
        &store,
        &[
            "backups/ark10/ark-backup.json",
            "backups/ark10/ark10.tar.gz",
            "backups/Bad/ark-backup.json",
            "backups/begun/claim.json",
            "backups/empty/ark-backup.json",
            "restores/back/ark-restore.json",
        ],
    );
    let runs: Vec<_> = bucket.list_runs(RunKind::Backup).try_collect().await.unwrap();
    let told: Vec<_> = runs
        .iter()
        .map(|run| (run.name(), run.document().is_some(), run.has_tarball(), run.is_partial()))
        .collect();
    assert_eq!(
        told,
        [
            ("Bad", false, false, false),
            ("ark10", false, false, false),
            ("begun", false, false, true),
            ("empty", true, false, false),
            ("nightly", true, true, false),
        ]
    );
    assert_eq!(runs[3].document().unwrap().size, 2);
    let restores: Vec<_> = bucket.list_runs(RunKind::Restore).try_collect().await.unwrap();
    assert!(restores.len() == 1 && restores[0].document().is_some());
    let keys = runs[4].keys().unwrap();
    assert!(bucket.has_items(&keys).await.unwrap() && !bucket.has(keys.claim()).await.unwrap());
    let tarball = bucket.open_backup(&name()).await.unwrap().parts().tarball().clone();
    store.remove(tarball.as_str());
    // Parts that another attempt left are not those that the document names.
    put(&store, &["backups/nightly/9-0123456789ab/nightly.tar.zst"]);
    assert!(!bucket.has_items(&keys).await.unwrap());
}

#[tokio::test]
async fn a_listing_tells_which_attempts_were_finished() {
    let (store, bucket) = bucket();
    let parts = |folder: &str, files: &[&str]| -> Vec<String> {
        files.iter().map(|file| format!("backups/{folder}{file}")).collect()
    };
    let all = ["index.ndjson.zst", "b.tar.zst", "results.json.zst"];
    for (name, keys) in [
        ("a", parts("a/1-0123456789ab/", &["index.ndjson.zst", "a.tar.zst", "results.json.zst"])),
        ("b", parts("b/", &all)),
        (
            "c",
            [
                parts("c/1-0123456789ab/", &["index.ndjson.zst", "c.tar.zst"]),
                parts("c/2-0123456789ab/", &["results.json.zst"]),
            ]
            .concat(),
        ),
        ("d", parts("d/1-0123456789ab/", &["d.tar.zst"])),
    ] {
        keys.iter().for_each(|key| store.insert(key, "x"));
        let entry = list(&bucket).await.into_iter().find(|entry| entry.name == name).unwrap();
        assert_eq!(entry.finished, ["a", "b"].contains(&name), "{name}");
    }
}

#[tokio::test]
async fn a_document_of_another_kind_is_not_taken_for_a_run() {
    let (store, bucket) = bucket();
    let mut other = serde_json::to_value(document("nightly", Vec::new())).unwrap();
    other["kind"] = "Restore".into();
    store.insert("backups/nightly/ark-backup.json", serde_json::to_vec(&other).unwrap());
    let error = bucket.open_backup(&name()).await.unwrap_err().to_string();
    assert!(error.ends_with("it holds a Restore and not a Backup"), "{error}");
}

#[tokio::test]
async fn a_run_in_progress_and_one_that_nobody_knows_are_told_when_they_are_opened() {
    let (store, bucket) = bucket();
    let error = bucket.open_backup(&name()).await.unwrap_err();
    assert!(error.is_not_found() && error.to_string().contains("`ark bucket list`"), "{error}");
    let attempt = bucket.claim_backup(&name(), &claim("run")).await.unwrap();
    let error = bucket.open_backup(&name()).await.unwrap_err();
    assert!(error.to_string().contains("cluster-a (holder host/run) has been making it"), "{error}");
    drop(attempt);
    store.insert("backups/nightly/ark-backup.json", "[1,2]");
    let error = bucket.open_backup(&name()).await.unwrap_err();
    assert!(error.to_string().starts_with("backups/nightly/ark-backup.json in memory"), "{error}");
}

#[tokio::test]
async fn a_document_is_bounded_and_must_agree_with_its_name() {
    let (store, bucket) = bucket();
    let key = "backups/nightly/ark-backup.json";
    let mut newer = document("nightly", Vec::new());
    newer.status.as_mut().unwrap().format_version = Some("3.1".into());
    for (wrong, told) in [
        (serde_json::to_vec(&document("weekly", Vec::new())).unwrap(), "names `weekly` and not `nightly`"),
        (serde_json::to_vec(&newer).unwrap(), "use a newer Ark"),
        (vec![b' '; (1 << 20) + 1], "larger than 1048576 bytes"),
    ] {
        store.insert(key, wrong);
        let error = bucket.open_backup(&name()).await.unwrap_err();
        assert!(error.to_string().contains(told), "{error}");
    }
}
