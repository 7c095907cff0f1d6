//! A backup that is being restored, in whichever cluster, is not removed.

use chrono::{TimeDelta, Utc};

use super::*;

fn reading(uid: &str) -> Claim {
    Claim { reads: Some("nightly".to_owned()), ..Claim::new(uid, "cluster-b", "host/2") }
}

#[tokio::test]
async fn what_a_living_restore_reads_is_kept_until_it_has_ended() {
    let (store, bucket) = bucket();
    make(&bucket, &claim("run")).await.unwrap();
    let restore = bucket.claim_restore(&"back".parse().unwrap(), &reading("restore")).await.unwrap();
    let error = bucket.remove_backup(&name(), None, "one").await.unwrap_err();
    let text = error.to_string();
    for part in ["`nightly`", "restore `back` of cluster cluster-b (holder host/2)", "24 h after that"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains("claim.json"), "nobody is told to delete what is alive: {text}");
    assert!(matches!(error, BucketError::InUse { .. }));
    assert!(!store.keys().contains(&"backups/nightly/claim.json".to_owned()), "the name is free again");
    bucket.open_backup(&name()).await.unwrap();
    restore.begin_reading(&name()).await.unwrap();
    restore.discard().await.unwrap();
    bucket.remove_backup(&name(), None, "one").await.unwrap();
    assert!(store.keys().is_empty());
}

#[tokio::test]
async fn only_of_a_reader_that_is_silent_it_is_told_which_key_to_delete() {
    let (store, bucket) = bucket();
    make(&bucket, &claim("run")).await.unwrap();
    let silent = Claim { heartbeat: Utc::now() - TimeDelta::minutes(30), ..reading("silent") };
    store.insert("restores/silent/claim.json", serde_json::to_vec(&silent).unwrap());
    let error = bucket.remove_backup(&name(), None, "one").await.unwrap_err().to_string();
    assert!(error.contains("delete restores/silent/claim.json below the location's prefix"), "{error}");
}

#[tokio::test]
async fn a_restore_that_finds_its_backup_later_says_so_and_its_heartbeats_go_on_saying_it() {
    let (_, bucket) = bucket();
    make(&bucket, &claim("run")).await.unwrap();
    let unsaid = Claim { reads: None, ..reading("restore") };
    let restore = bucket.claim_restore(&"back".parse().unwrap(), &unsaid).await.unwrap();
    restore.begin_reading(&name()).await.unwrap();
    restore.clone().renew().await.unwrap();
    assert!(matches!(bucket.remove_backup(&name(), None, "one").await, Err(BucketError::InUse { .. })));
}

#[tokio::test]
async fn a_removal_that_came_to_nothing_keeps_nobody_from_reading() {
    let (store, bucket) = bucket();
    make(&bucket, &claim("run")).await.unwrap();
    let restore = bucket.claim_restore(&"back".parse().unwrap(), &reading("restore")).await.unwrap();
    for (minutes, readable) in [(1, false), (16, true)] {
        let since = Utc::now() - TimeDelta::minutes(minutes);
        let removal =
            Claim { removing: true, heartbeat: since, process: None, ..Claim::new("removal", "", "pod/3") };
        store.insert("backups/nightly/claim.json", serde_json::to_vec(&removal).unwrap());
        let begun = restore.begin_reading(&name()).await;
        assert_eq!(begun.is_ok(), readable, "{minutes} minutes later");
        let until = (since + TimeDelta::minutes(15)).format("%H:%M:%S UTC on").to_string();
        assert!(begun.err().is_none_or(|error| error.to_string().contains(&until)), "{until}");
    }
}

#[tokio::test]
async fn a_removal_that_is_refused_again_and_again_keeps_nobody_from_reading() {
    let (faults, bucket) = faulty_bucket();
    make(&bucket, &claim("run")).await.unwrap();
    for _ in 0..2 {
        let restore = bucket.claim_restore(&"back".parse().unwrap(), &claim("restore")).await.unwrap();
        faults.script_always(Operation::Delete, Fault::Forbidden);
        assert!(bucket.remove_backup(&name(), None, "one").await.is_err());
        faults.heal();
        restore.begin_reading(&name()).await.unwrap();
        assert!(matches!(bucket.remove_backup(&name(), None, "one").await, Err(BucketError::InUse { .. })));
        bucket.open_backup(&name()).await.unwrap();
        restore.discard().await.unwrap();
    }
    bucket.remove_backup(&name(), None, "one").await.unwrap();
}

#[tokio::test]
async fn a_removal_without_an_answer_keeps_its_claim_as_the_document_may_still_go() {
    let (faults, bucket) = faulty_bucket();
    make(&bucket, &claim("run")).await.unwrap();
    let restore = bucket.claim_restore(&"back".parse().unwrap(), &claim("restore")).await.unwrap();
    faults.script_always(Operation::Delete, Fault::Unavailable);
    assert!(bucket.remove_backup(&name(), None, "one").await.is_err());
    faults.heal();
    assert!(matches!(restore.begin_reading(&name()).await, Err(BucketError::Incomplete { .. })));
}

#[tokio::test]
async fn restores_of_other_backups_and_those_that_died_keep_nobody() {
    let (store, bucket) = bucket();
    make(&bucket, &claim("run")).await.unwrap();
    let other = Claim { reads: Some("weekly".to_owned()), ..reading("other") };
    bucket.claim_restore(&"other".parse().unwrap(), &other).await.unwrap();
    let long_ago = Utc::now() - TimeDelta::hours(documents::DEAD_AFTER_HOURS + 1);
    let dead = Claim { heartbeat: long_ago, ..reading("dead") };
    store.insert("restores/dead/claim.json", serde_json::to_vec(&dead).unwrap());
    // A claim that outlived its commit.
    store.insert("restores/over/claim.json", serde_json::to_vec(&reading("over")).unwrap());
    store.insert("restores/over/ark-restore.json", "{}");
    bucket.remove_backup(&name(), None, "one").await.unwrap();
}

#[tokio::test]
async fn of_a_restore_and_a_removal_that_meet_one_sees_the_other() {
    let (_, bucket) = bucket();
    make(&bucket, &claim("run")).await.unwrap();
    let keys = crate::bucket::RunKeys::backup(&name()).unwrap();
    // The removal has claimed the name; it has not looked for readers yet.
    let removing = Claim { removing: true, ..Claim::new("removal", "", "pod/3") };
    let removing = bucket.take_claim(&keys, &removing).await.unwrap().unwrap();
    let restore = bucket.claim_restore(&"back".parse().unwrap(), &reading("restore")).await.unwrap();
    let told = restore.begin_reading(&name()).await.unwrap_err();
    assert!(told.to_string().contains("is not complete: pod/3 has been removing it since"), "{told}");
    assert!(bucket.refuse_while_read(&name()).await.is_err(), "and the removal sees the restore");
    bucket.release(&keys, &removing).await.unwrap();
    restore.begin_reading(&name()).await.unwrap();
}
