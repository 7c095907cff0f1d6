//! Tests of whole passes over a folder, against an API server that keeps its objects in memory.

mod folder;

use serde_json::{Value, json};

use super::*;
use crate::api::{DOCUMENT_STAMP, SYNCED_FROM};
use folder::{Folder, HERE, IDLE, own, run};

#[tokio::test]
async fn what_is_synced_says_which_run_it_is_and_is_read_once() {
    let mut folder = Folder::new();
    folder.store("one", "b", 0);
    assert_eq!(folder.pass().await, IDLE + 1);
    let shown = folder.shown().unwrap();
    assert_eq!(shown["status"]["origin"], json!({"location": HERE, "cluster": "b", "run": "one"}));
    assert_eq!(shown["metadata"]["annotations"][SYNCED_FROM], HERE);
    assert!(shown["metadata"]["annotations"][DOCUMENT_STAMP].is_string(), "{shown}");
    assert_eq!(folder.pass().await, IDLE);
    folder.memory = Memory::default(); // the server starts again
    assert_eq!(folder.pass().await, IDLE);
}

#[tokio::test]
async fn a_backup_that_was_deleted_and_made_again_within_the_period_is_shown_as_it_is() {
    for (uid, cluster) in [("two", "b"), ("one", "c"), ("two", "a")] {
        let mut folder = Folder::new();
        folder.store("one", "b", 0);
        folder.pass().await;
        let before = folder.shown().unwrap();
        folder.store(uid, cluster, 5);
        folder.pass().await;
        let shown = folder.shown().expect("the other is shown in the same pass");
        assert_ne!(shown["metadata"]["uid"], before["metadata"]["uid"]);
        assert_eq!(shown["status"]["origin"], json!({"location": HERE, "cluster": cluster, "run": uid}));
        let told = folder.objects.lock().unwrap().events.clone();
        assert!(told.iter().any(|event| event["note"].to_string().contains("backup `same`")), "{told:?}");
        assert_eq!(folder.pass().await, IDLE);
    }
}

#[tokio::test]
async fn an_own_backup_gives_way_to_another_run_of_its_name_and_to_nothing_else() {
    for location in [Some(HERE), None] {
        let mut folder = Folder::new();
        folder.store("mine", "a", 0);
        folder.keep(own("mine", location), "backups");
        assert_eq!(folder.pass().await, IDLE + 1, "nobody has compared them yet");
        assert_eq!(folder.pass().await, IDLE);
        assert_eq!(folder.shown().unwrap(), own("mine", location));
        // The same document written again, by a copy of the bucket.
        folder.store("mine", "a", 5);
        assert_eq!(folder.pass().await, IDLE + 1);
        assert_eq!(folder.pass().await, IDLE);
        assert_eq!(folder.shown().unwrap(), own("mine", location));
        // An unreadable document proves nothing.
        folder.write("backups/same/ark-backup.json", "{");
        folder.pass().await;
        assert_eq!(folder.pass().await, IDLE);
        assert_eq!(folder.shown().unwrap(), own("mine", location));
        // Another cluster has deleted it and made its own.
        folder.store("theirs", "b", 10);
        folder.pass().await;
        let shown = folder.shown().unwrap();
        assert_eq!(shown["metadata"]["annotations"][SYNCED_FROM], HERE);
        assert_eq!(shown["status"]["origin"], json!({"location": HERE, "cluster": "b", "run": "theirs"}));
    }
}

#[tokio::test]
async fn that_backups_of_this_cluster_are_gone_from_the_bucket_is_told_and_of_others_not() {
    // Made here; made here and brought back after a loss of the objects; another cluster's.
    for (cluster, is_object, told) in [("a", true, true), ("a", false, true), ("b", false, false)] {
        let mut folder = Folder::new();
        folder.store("one", cluster, 0);
        if is_object {
            folder.keep(own("one", Some(HERE)), "backups");
        }
        folder.pass().await;
        std::fs::remove_dir_all(folder.folder.path().join("backups")).unwrap();
        folder.pass().await;
        assert_eq!(folder.shown(), None);
        assert_eq!(folder.is_told("BackupsLost", "same"), told, "{cluster} {is_object}");
    }
}

#[tokio::test]
async fn what_lies_in_the_bucket_that_a_location_pointed_at_before_is_not_called_lost() {
    let mut folder = Folder::new();
    folder.keep(own("mine", Some("location-two")), "backups");
    folder.pass().await;
    assert_eq!(folder.shown(), None);
    assert!(!folder.is_told("BackupsLost", ""));
}

#[tokio::test]
async fn the_same_runs_in_a_location_of_another_name_are_not_called_replaced() {
    let mut folder = Folder::new();
    folder.store("one", "b", 0);
    folder.pass().await;
    let mut before = folder.shown().unwrap();
    before["spec"]["storageLocation"] = json!("earlier");
    before["metadata"]["labels"] = json!({"ark.heptio.com/storage-location": "earlier"});
    folder.keep(before, "backups");
    folder.pass().await;
    assert_eq!(folder.shown().unwrap()["spec"]["storageLocation"], "default");
    assert!(!folder.is_told("RunsReplaced", ""));
}

#[tokio::test]
async fn a_copy_of_what_came_out_of_a_bucket_is_refused_with_the_reason_and_hides_no_document() {
    let mut folder = Folder::new();
    let marks = json!({SYNCED_FROM: HERE, DOCUMENT_STAMP: "2026-11-21T03:00:00Z/7/9"});
    folder.keep(
        json!({"apiVersion": "ark.heptio.com/v1", "kind": "Backup", "spec": {"storageLocation": "default"},
            "metadata": {"name": "same", "namespace": "ark", "uid": "copy", "annotations": marks}}),
        "backups",
    );
    for _ in 0..2 {
        folder.pass().await;
        let shown = folder.shown().expect("it stays, so that somebody reads why");
        assert_eq!(shown["status"]["phase"], "FailedValidation");
        assert!(shown["status"]["validationErrors"][0].to_string().contains(SYNCED_FROM), "{shown}");
    }
    assert!(folder.is_told("FailedValidation", "create it without"));
    folder.store("one", "b", 0);
    folder.pass().await;
    assert_eq!(folder.shown().unwrap()["status"]["phase"], "Completed");
}

#[tokio::test]
async fn a_run_of_another_cluster_or_server_is_not_said_to_be_complete_here() {
    let of = |cluster: &str, namespace: Value| {
        let mut made = run("one", cluster);
        made["status"]["origin"] = json!({"cluster": cluster, "namespace": namespace});
        made
    };
    for (document, is_complete) in [
        (of("a", json!("ark")), "True"),
        (of("a", Value::Null), "True"),
        (of("a", json!("team-b")), "False"),
        (of("b", json!("ark")), "False"),
    ] {
        let mut folder = Folder::new();
        folder.store("one", "b", 0);
        folder.write("backups/same/ark-backup.json", &document.to_string());
        folder.pass().await;
        let shown = folder.shown().unwrap();
        let condition = &shown["status"]["conditions"][0];
        assert_eq!(
            (&condition["type"], &condition["status"]),
            (&json!("Complete"), &json!(is_complete)),
            "{document}"
        );
        assert_eq!(shown["status"]["phase"], "Completed");
        let is_said = condition["message"].to_string().contains("nothing was run here");
        assert_eq!(is_said, is_complete == "False", "{condition}");
    }
}

#[tokio::test]
async fn a_backup_of_the_bucket_that_a_location_pointed_at_before_gives_way() {
    let mut folder = Folder::new();
    folder.store("theirs", "b", 0);
    folder.keep(own("mine", Some("location-two")), "backups");
    folder.pass().await;
    let shown = folder.shown().unwrap();
    assert_eq!(shown["status"]["origin"], json!({"location": HERE, "cluster": "b", "run": "theirs"}));
    assert_eq!(folder.pass().await, IDLE);
}

#[tokio::test]
async fn a_document_that_was_rejected_comes_when_the_definitions_take_it() {
    let mut folder = Folder::new();
    folder.store("one", "b", 1);
    folder.objects.lock().unwrap().definitions = 1;
    let looked = folder.pass().await;
    assert!(folder.shown().is_none());
    let again = folder.pass().await;
    assert!(again < looked && folder.shown().is_none(), "it is as it was: {again} of {looked}");
    folder.objects.lock().unwrap().definitions = 2;
    folder.pass().await;
    assert_eq!(folder.shown().unwrap()["status"]["phase"], "Completed");
}

#[tokio::test]
async fn a_pass_over_a_location_that_is_gone_or_another_by_now_brings_nothing_in() {
    let mut folder = Folder::new();
    folder.store("run", "b", 0);
    let (context, _, feeding) = folder.server().await;
    let there = context.locations.find(Some("default")).unwrap();
    let (mut other, mut gone) = (there.as_ref().clone(), there.as_ref().clone());
    other.metadata.uid = Some("before".to_owned());
    gone.metadata.name = Some("deleted".to_owned());
    for former in [other, gone] {
        assert!(!make_pass(&context, &Arc::new(former), &mut folder.memory).await);
        assert_eq!(folder.shown(), None);
    }
    make_pass(&context, &there, &mut folder.memory).await;
    assert!(folder.shown().is_some());
    feeding.abort();
}
