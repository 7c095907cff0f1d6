//! Backups through the server: created, awaited, deleted.

use serde_json::{Value, json};

use super::FakeCluster;
use crate::support::{Running, run};

/// A Backup of a schedule as the server leaves it once it is Completed.
pub fn made(name: &str) -> Value {
    json!({
        "metadata": {"labels": {"ark.heptio.com/schedule-name": "nightly"}},
        "spec": {"storageLocation": "default", "includedNamespaces": [name]},
        "status": {
            "phase": "Completed", "startTimestamp": "2026-11-21T03:00:01Z", "completionTimestamp": "2026-11-21T03:00:09Z",
            "expiration": "2026-12-21T03:00:01Z", "revision": "1000", "formatVersion": "2", "warnings": 1,
            "progress": {"totalItems": 6, "itemsBackedUp": 6, "bytes": 1224},
            "cluster": {"uid": "0fc8dd0a-6c1c-4c5e-9e4f-0a3a5cf0a0a1", "version": "v1.35.4"},
        },
    })
}

/// `backup create`: with `--dry-run` the manifest, without flags a request, with `--wait` the run
/// to its end, with an exit code for each final phase.
#[test]
fn a_backup_is_requested_printed_or_waited_for() {
    let cluster = FakeCluster::start();
    says!(cluster.ark(&["backup", "create", "a", "--include-namespaces", "shop", "--ttl", "7d", "--snapshot-volumes=false", "--labels", "team=web", "--storage-location", "offsite", "--dry-run"]), @r"
        exit 0
        --- stdout
        apiVersion: ark.heptio.com/v1
        kind: Backup
        metadata:
          labels:
            team: web
          name: a
          namespace: heptio-ark
        spec:
          includedNamespaces:
          - shop
          snapshotVolumes: false
          ttl: 7d
          storageLocation: offsite
        --- stderr
        backup a: nothing was created
    ");
    assert_eq!(cluster.all("backups").len(), 0);
    says!(cluster.ark(&["backup", "create", "a", "-l", "app=web"]), @r"
        exit 0
        --- stdout
        backup a is requested; `ark backup describe a` says how far it is
        --- stderr
    ");
    let stored = cluster.read("backups", "a").expect("it is created");
    assert_eq!(stored["spec"]["labelSelector"]["matchExpressions"][0]["key"], "app");
    says!(cluster.ark(&["backup", "create", "a"]), @r"
        exit 1
        --- stdout
        --- stderr
        ark: there is already a backup `a` in namespace heptio-ark; use another name, or delete that one first
    ");
    let status = |phase: &str, done: u64| json!({"phase": phase, "progress": {"totalItems": 6, "itemsBackedUp": done, "bytes": done}});
    cluster.script("backups", &[status("InProgress", 2), status("Completed", 6)]);
    says!(cluster.ark(&["backup", "create", "b", "--wait"]), @r"
        exit 0
        --- stdout
        backup b: Completed, 6 items in [duration], 0 warnings, 0 errors
        --- stderr
        backup b is requested; waiting for it
    ");
    says!(cluster.ark(&["-q", "create", "backup", "c", "--wait", "-o", "name"]), @r"
        exit 0
        --- stdout
        c
        --- stderr
    ");
    cluster.script("backups", &[json!({"phase": "PartiallyFailed", "errors": 2, "warnings": 1, "progress": {"totalItems": 6, "itemsBackedUp": 4, "bytes": 1}})]);
    says!(cluster.ark(&["backup", "create", "d", "--wait"]), @r"
        exit 3
        --- stdout
        backup d: PartiallyFailed, 4 items in [duration], 1 warning, 2 errors
        --- stderr
        backup d is requested; waiting for it
        `ark backup describe d` says what went wrong
    ");
    cluster.script("backups", &[json!({"phase": "Failed", "failureReason": "the bucket vanished"})]);
    says!(cluster.ark(&["backup", "create", "e", "--wait"]), @r"
        exit 1
        --- stdout
        backup e: Failed, 0 items in [duration], 0 warnings, 0 errors
        --- stderr
        backup e is requested; waiting for it
        ark: backup e failed: the bucket vanished
    ");
    let errors = ["spec.storageLocation: there is no location `nowhere`", "spec.ttl: it is zero"];
    cluster.script("backups", &[json!({"phase": "FailedValidation", "validationErrors": errors})]);
    says!(cluster.ark(&["backup", "create", "f", "--wait"]), @r"
        exit 1
        --- stdout
        backup f: FailedValidation, 0 items in [duration], 0 warnings, 0 errors
        --- stderr
        backup f is requested; waiting for it
        error: spec.storageLocation: there is no location `nowhere`
        error: spec.ttl: it is zero
        ark: backup f was refused and never begun, as the lines above say; create another one, and delete this one with `ark backup delete f`
    ");
    let unnamed = run(&mut cluster.ark(&["backup", "create", "-o", "name"])).expect_code(0).stdout;
    assert!(
        unnamed.trim().len() == 14 && unnamed.trim().bytes().all(|byte| byte.is_ascii_digit()),
        "{unnamed}"
    );
}

/// `--from-schedule` copies the template, in which `--ttl` may be changed and the selection may
/// not.
#[test]
fn a_backup_from_a_schedule_takes_its_template_and_label() {
    let cluster = FakeCluster::start();
    cluster.put("schedules", "nightly", json!({"spec": {
        "schedule": "@daily", "template": {"ttl": "720h", "storageLocation": "offsite", "includedNamespaces": ["shop"]},
    }}));
    says!(cluster.ark(&["backup", "create", "now", "--from-schedule", "nightly", "--ttl", "1h"]), @r"
        exit 0
        --- stdout
        backup now is requested; `ark backup describe now` says how far it is
        --- stderr
    ");
    let backup = cluster.read("backups", "now").expect("it is created");
    assert_eq!(
        backup["spec"],
        json!({"ttl": "1h", "storageLocation": "offsite", "includedNamespaces": ["shop"]})
    );
    assert_eq!(backup["metadata"]["labels"], json!({"ark.heptio.com/schedule-name": "nightly"}));
    says!(cluster.ark(&["backup", "create", "--from-schedule", "nightly", "--include-namespaces", "x"]), @r"
        exit 2
        --- stdout
        --- stderr
        ark: --from-schedule takes the items that schedule `nightly` selects; leave the selection flags out, or leave --from-schedule out
    ");
    says!(cluster.ark(&["backup", "create", "--from-schedule", "weekly"]), @r"
        exit 4
        --- stdout
        --- stderr
        ark: there is no schedule `weekly` in namespace heptio-ark; `ark schedule get` lists what is there, and -n names another namespace
    ");
}

/// Without a terminal, `--confirm` is required; one unknown name keeps all from being deleted; a
/// deletion that the server refuses is exit code 1.
#[test]
fn deleting_needs_a_word_and_takes_names_labels_or_all() {
    let cluster = FakeCluster::start();
    for name in ["monday", "tuesday", "wednesday"] {
        cluster.put("backups", name, made("shop"));
    }
    says!(cluster.ark(&["backup", "delete", "monday"]), @r"
        exit 2
        --- stdout
        --- stderr
        ark: deleting backups: there is no terminal to ask whether that is meant; add --confirm to do it without being asked
    ");
    says!(cluster.ark(&["backup", "delete"]), @r"
        exit 2
        --- stdout
        --- stderr
        error: the following required arguments were not provided:
          <NAME|--all|--selector <LABELS>>

        Usage: ark backup delete <NAME|--all|--selector <LABELS>>

        For more information, try '--help'.
    ");
    says!(cluster.ark(&["backup", "delete", "monday", "friday", "--confirm"]), @r"
        exit 4
        --- stdout
        --- stderr
        ark: there is no backup `friday` in namespace heptio-ark; `ark backup get` lists what is there, and -n names another namespace
    ");
    assert_eq!(cluster.all("deletebackuprequests").len(), 0);
    cluster.script("deletebackuprequests", &[json!({"phase": "InProgress"})]);
    says!(cluster.ark(&["backup", "delete", "monday", "--confirm"]), @r"
        exit 0
        --- stdout
        the deletion of backup monday is requested
        --- stderr
    ");
    cluster.script(
        "deletebackuprequests",
        &[json!({"phase": "Processed", "errors": ["location `default` is ReadOnly"]})],
    );
    says!(cluster.ark(&["backup", "delete", "monday", "--confirm"]), @r"
        exit 1
        --- stdout
        --- stderr
        error: backup monday: location `default` is ReadOnly
        ark: 1 of 1 backups were not deleted, as the lines above say
    ");
    cluster.script(
        "deletebackuprequests",
        &[json!({"phase": "InProgress", "errors": ["location `default` is not Available"]})],
    );
    says!(cluster.ark(&["backup", "delete", "monday", "--confirm"]), @r"
        exit 0
        --- stdout
        the deletion of backup monday is requested
        --- stderr
        backup monday is not deleted yet: location `default` is not Available
    ");
    let requests = cluster.all("deletebackuprequests");
    assert_eq!(requests[0]["spec"]["backupName"], "monday");
    assert_eq!(requests[0]["metadata"]["labels"], json!({"ark.heptio.com/backup-name": "monday"}));
    cluster.script("deletebackuprequests", &[json!({"phase": "InProgress"}), json!({"phase": "Processed"})]);
    says!(cluster.ark(&["backup", "delete", "tuesday", "--confirm", "--wait"]), @r"
        exit 0
        --- stdout
        backup tuesday is deleted
        --- stderr
    ");
    assert!(cluster.read("backups", "tuesday").is_none());
    cluster.script(
        "deletebackuprequests",
        &[json!({"phase": "Processed", "errors": ["it is being restored by `back`"]})],
    );
    says!(cluster.ark(&["backup", "delete", "--all", "--confirm", "--wait"]), @r"
        exit 1
        --- stdout
        --- stderr
        error: backup monday: it is being restored by `back`
        error: backup wednesday: it is being restored by `back`
        ark: 2 of 2 backups were not deleted, as the lines above say
    ");
}

/// SIGINT during `backup create --wait`: the command ends with 1, and the Backup stays.
#[test]
fn ctrl_c_ends_the_waiting_and_not_the_backup() {
    let cluster = FakeCluster::start();
    cluster.script("backups", &[json!({"phase": "InProgress"})]);
    let running = Running::start(&mut cluster.ark(&["backup", "create", "long", "--wait"]));
    cluster.await_status("backups", "long");
    let id = running.id().to_string();
    std::process::Command::new("kill").args(["-INT", &id]).status().expect("kill can be started");
    insta::with_settings!({ filters => crate::FILTERS }, {
        insta::assert_snapshot!(running.wait().transcript(), @r"
            exit 1
            --- stdout
            --- stderr
            backup long is requested; waiting for it
            ark: no longer waiting for backup long; the server goes on with it, and `ark backup get` says how far it is
        ");
    });
    assert!(cluster.read("backups", "long").is_some());
}
