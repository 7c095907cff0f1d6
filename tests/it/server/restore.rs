//! Restores through the server: created, followed, deleted.

use std::collections::BTreeSet;

use serde_json::json;

use super::FakeCluster;
use crate::support::run;

/// `restore create`: with `--dry-run` the manifest, without flags a request, with `--wait` the run
/// to its end; then `get`, `describe` and `logs` of the restores.
#[test]
fn a_restore_is_requested_printed_or_waited_for() {
    let cluster = FakeCluster::start();
    says!(cluster.ark(&["restore", "create", "back", "--from-backup", "monday", "--include-namespaces", "shop", "--namespace-mappings", "shop:copy", "--existing-resource-policy", "update", "--dry-run"]), @r"
        exit 0
        --- stdout
        apiVersion: ark.heptio.com/v1
        kind: Restore
        metadata:
          name: back
          namespace: heptio-ark
        spec:
          backupName: monday
          includedNamespaces:
          - shop
          namespaceMapping:
            shop: copy
          existingResourcePolicy: Update
        --- stderr
        restore back: nothing was created
    ");
    says!(cluster.ark(&["restore", "create", "back", "--from-schedule", "nightly", "--before", "2026-11-21T03:00:00Z"]), @r"
        exit 0
        --- stdout
        restore back is requested; `ark restore describe back` says how far it is
        --- stderr
    ");
    let stored = cluster.read("restores", "back").expect("it is created");
    assert_eq!(stored["spec"], json!({"scheduleName": "nightly", "before": "2026-11-21T03:00:00Z"}));
    says!(cluster.ark(&["restore", "create", "b", "--from-backup", "monday"]), @r"
        exit 4
        --- stdout
        --- stderr
        ark: there is no backup `monday` in namespace heptio-ark; `ark backup get` lists what is there, and -n names another namespace
    ");
    assert!(cluster.read("restores", "b").is_none(), "nothing is left behind");
    cluster.put("backups", "monday", json!({"spec": {}, "status": {"phase": "Completed"}}));
    let done = json!({"phase": "Completed", "created": 5, "skipped": 1, "progress": {"totalItems": 6, "itemsRestored": 6}});
    cluster.script("restores", &[json!({"phase": "InProgress"}), done]);
    says!(cluster.ark(&["restore", "create", "b", "--from-backup", "monday", "--wait"]), @r"
        exit 0
        --- stdout
        restore b: Completed, 5 created, 0 updated, 1 skipped in [duration], 0 warnings, 0 errors
        --- stderr
        restore b is requested; waiting for it
    ");
    let note = "this cluster has no backup of the schedule; it is one of cluster b";
    cluster.script(
        "restores",
        &[json!({"phase": "Completed", "backupName": "nightly-20261121030000", "choice": [note]})],
    );
    says!(cluster.ark(&["restore", "create", "n", "--from-schedule", "nightly", "--from-cluster", "b", "--allow-partially-failed", "--wait"]), @r"
        exit 0
        --- stdout
        restore n from backup nightly-20261121030000: Completed, 0 created, 0 updated, 0 skipped in [duration], 0 warnings, 0 errors
        --- stderr
        restore n is requested; waiting for it
        warning: this cluster has no backup of the schedule; it is one of cluster b
    ");
    let stored = cluster.read("restores", "n").expect("it is created");
    assert_eq!(
        stored["spec"],
        json!({"scheduleName": "nightly", "fromCluster": "b", "allowPartiallyFailed": true})
    );
    says!(cluster.ark(&["restore", "describe", "n"]), @r"
        exit 0
        --- stdout
        Name:         n
        Phase:        Completed
        Backup:       nightly-20261121030000
          this cluster has no backup of the schedule; it is one of cluster b
        Schedule:     nightly
        Begun:        -
        Completed:    -
        Expires:      with its backup
        Items:        0 of 0
        Done:         0 created, 0 updated, 0 skipped
        Namespaces:   all
        Kinds:        all
        Cluster-wide: all
        Existing:     None
        --- stderr
        warning: what went wrong is not shown: reading restores/n/results.json.zst through the server of namespace heptio-ark: there is no such object
    ");
    cluster.script("restores", &[json!({"phase": "FailedValidation", "validationErrors": ["spec.backupName: there is no backup `monday`"]})]);
    says!(cluster.ark(&["restore", "create", "c", "--from-backup", "monday", "--wait"]), @r"
        exit 1
        --- stdout
        restore c: FailedValidation, 0 created, 0 updated, 0 skipped in [duration], 0 warnings, 0 errors
        --- stderr
        restore c is requested; waiting for it
        error: spec.backupName: there is no backup `monday`
        ark: restore c was refused and never begun, as the lines above say; create another one, and delete this one with `ark restore delete c`
    ");
    says!(cluster.ark(&["restore", "create"]), @r"
        exit 2
        --- stdout
        --- stderr
        error: the following required arguments were not provided:
          <--from-backup <BACKUP>|--from-schedule <SCHEDULE>>

        Usage: ark restore create <--from-backup <BACKUP>|--from-schedule <SCHEDULE>> [NAME]

        For more information, try '--help'.
    ");
    // As a loop over namespaces creates them: several in one second.
    let unnamed = ["restore", "create", "--from-backup", "monday", "-o", "name"];
    let named: BTreeSet<_> = (0..3).map(|_| run(&mut cluster.ark(&unnamed)).expect_code(0).stdout).collect();
    assert!(named.len() == 3 && named.iter().all(|name| name.starts_with("monday-20")), "{named:?}");
    says!(cluster.ark(&["restore", "get", "b"]), @r"
        exit 0
        --- stdout
        NAME   BACKUP   PHASE       ERRORS   WARNINGS   ITEMS   CREATED (UTC)         COMPLETED (UTC)
        b      monday   Completed   0        0          6       [time]   -
        --- stderr
    ");
    says!(cluster.ark(&["restore", "describe", "c"]), @r"
        exit 0
        --- stdout
        Name:         c
        Phase:        FailedValidation
          error: spec.backupName: there is no backup `monday`
        Backup:       monday
        Begun:        -
        Completed:    -
        Expires:      after it was created, when the server's --default-ttl is over
        Items:        0 of 0
        Done:         0 created, 0 updated, 0 skipped
        Namespaces:   all
        Kinds:        all
        Cluster-wide: all
        Existing:     None
        --- stderr
    ");
    says!(cluster.ark(&["restore", "logs", "c"]), @r"
        exit 1
        --- stdout
        --- stderr
        ark: restore c was refused and never begun: spec.backupName: there is no backup `monday`
    ");
}

/// `restore delete` marks the Restore by an annotation, upon which the server deletes it; others
/// stay as they are.
#[test]
fn the_deletion_of_restores_is_requested_and_its_end_awaited() {
    let cluster = FakeCluster::start();
    for name in ["one", "two"] {
        cluster.put("restores", name, json!({"spec": {"backupName": "x"}, "status": {"phase": "Completed"}}));
    }
    says!(cluster.ark(&["restore", "delete", "--all"]), @r"
        exit 2
        --- stdout
        --- stderr
        ark: deleting restores: there is no terminal to ask whether that is meant; add --confirm to do it without being asked
    ");
    says!(cluster.ark(&["restore", "delete", "three", "--confirm"]), @r"
        exit 4
        --- stdout
        --- stderr
        ark: there is no restore `three` in namespace heptio-ark; `ark restore get` lists what is there, and -n names another namespace
    ");
    says!(cluster.ark(&["restore", "delete", "one", "--confirm"]), @r"
        exit 0
        --- stdout
        the deletion of restore one is requested; what it restored stays
        --- stderr
    ");
    let asked = cluster.read("restores", "one").expect("the server deletes it, not the command");
    assert!(asked["metadata"]["annotations"]["ark.heptio.com/deletion-requested"].is_string(), "{asked}");
    assert!(cluster.read("restores", "two").expect("it is kept")["metadata"].get("annotations").is_none());
}

/// Without NAME, a name is made of the time: if another cluster's run has it in the bucket, the
/// refused object is deleted and one of a later second created. A NAME that was typed is kept, and
/// refused.
#[test]
fn a_name_that_another_cluster_has_taken_in_the_same_second_is_given_up_for_a_later_one() {
    let cluster = FakeCluster::start();
    cluster.put("backups", "monday", json!({"spec": {}, "status": {"phase": "Completed"}}));
    let taken = json!({"type": "NameTaken", "status": "True", "reason": "NameTaken", "message": "it is taken",
        "lastTransitionTime": "2026-11-21T03:00:00Z"});
    let refused = json!({"phase": "FailedValidation", "conditions": [taken], "validationErrors": ["its name is taken"]});
    cluster.script("restores", &[json!({"phase": "Completed"})]);
    cluster.script("backups", &[json!({"phase": "Completed"})]);
    for (arguments, plural) in [
        (vec!["restore", "create", "--from-backup", "monday", "--wait"], "restores"),
        (vec!["backup", "create", "--wait"], "backups"),
    ] {
        let before = cluster.all(plural).len();
        cluster.script_next(plural, std::slice::from_ref(&refused));
        let made = run(&mut cluster.ark(&arguments)).expect_code(0);
        assert!(
            made.stderr.contains("in the bucket; trying a later one") && made.stdout.contains("Completed")
        );
        assert_eq!(cluster.all(plural).len(), before + 1, "the one that was refused is gone");
    }
    // A name that somebody gave is theirs to change.
    cluster.script_next("restores", &[refused]);
    let named = ["restore", "create", "mine", "--from-backup", "monday", "--wait"];
    assert!(run(&mut cluster.ark(&named)).expect_code(1).stderr.contains("its name is taken"));
}

/// `--all` leaves out restores that were synced from the bucket, unless `--from-other-clusters` is
/// given.
#[test]
fn all_restores_are_those_that_this_server_ran() {
    let cluster = FakeCluster::start();
    let ended = json!({"phase": "Completed", "origin": {"cluster": "another"}});
    cluster.put("restores", "own", json!({"spec": {"backupName": "x"}, "status": {"phase": "Completed"}}));
    let marks = json!({"annotations": {"ark.heptio.com/synced-from": "bucket"}});
    cluster.put(
        "restores",
        "theirs",
        json!({"metadata": marks, "spec": {"backupName": "x"}, "status": ended}),
    );
    says!(cluster.ark(&["restore", "delete", "--all", "--confirm"]), @r"
        exit 0
        --- stdout
        the deletion of restore own is requested; what it restored stays
        --- stderr
        1 restore of other clusters or servers: kept; name them, or add --from-other-clusters
    ");
    says!(cluster.ark(&["restore", "delete", "--all", "--from-other-clusters", "--confirm"]), @r"
        exit 0
        --- stdout
        the deletion of restore own is requested; what it restored stays
        the deletion of restore theirs is requested; what it restored stays
        --- stderr
    ");
}

/// `restore delete` of a restore in progress: only its record is deleted, once the run has ended.
#[test]
fn deleting_a_restore_that_runs_says_that_it_goes_on_and_how_it_is_stopped() {
    let cluster = FakeCluster::start();
    cluster.put("restores", "long", json!({"spec": {"backupName": "x"}, "status": {"phase": "InProgress"}}));
    says!(cluster.ark(&["restore", "delete", "long", "--confirm"]), @r"
        exit 0
        --- stdout
        the deletion of restore long is requested; what it restored stays
        --- stderr
        restore long is in progress: it goes on to its end, and its record is deleted then; `kubectl -n heptio-ark delete restores.ark.heptio.com long` stops it where it is
    ");
}
