//! Why something does not begin or go on is shown wherever somebody looks.

use serde_json::{Value, json};

use super::FakeCluster;
use crate::support::{Running, run};

fn condition(type_: &str, reason: &str, message: &str) -> Value {
    json!({"type": type_, "status": "True", "reason": reason, "message": message,
        "lastTransitionTime": "2026-11-21T03:00:00Z"})
}

fn waiting() -> Value {
    let message = "location `default` is Unavailable: bucket `b` does not exist";
    json!({"phase": "New", "conditions": [condition("Waiting", "LocationUnavailable", message)]})
}

/// The condition `Waiting`: its reason stands behind the phase, its message in `describe` and `-o
/// wide`.
#[test]
fn get_and_describe_say_why_a_backup_or_restore_waits() {
    let cluster = FakeCluster::start();
    cluster.put("backups", "monday", json!({"spec": {}, "status": waiting()}));
    cluster.put("restores", "back", json!({"spec": {"backupName": "monday"}, "status": waiting()}));
    says!(cluster.ark(&["backup", "get"]), @r"
        exit 0
        --- stdout
        NAME     PHASE                       ERRORS   WARNINGS   ITEMS   CREATED (UTC)         EXPIRES (UTC)   LOCATION
        monday   New (LocationUnavailable)   0        0          -       [time]   -               -
        --- stderr
    ");
    says!(cluster.ark(&["restore", "get", "-o", "wide"]), @r"
        exit 0
        --- stdout
        NAME   BACKUP   PHASE                       ERRORS   WARNINGS   ITEMS   CREATED (UTC)         COMPLETED (UTC)   SCHEDULE   RAN IN CLUSTER   ORIGIN         WHY
        back   monday   New (LocationUnavailable)   0        0          -       [time]   -                 -          -                this cluster   location `default` is Unavailable: bucket `b` does not exist
        --- stderr
    ");
    says!(cluster.ark(&["backup", "describe", "monday"]), @r"
        exit 0
        --- stdout
        Name:         monday
        Phase:        New
          waits: location `default` is Unavailable: bucket `b` does not exist
        Begun:        -
        Completed:    -
        Expires:      after it has begun, when the server's --default-ttl is over (720h unless it says otherwise)
        Items:        0 ([size] )
        Namespaces:   all
        Kinds:        all
        Cluster-wide: all
        --- stderr
    ");
    says!(cluster.ark(&["restore", "describe", "back"]), @r"
        exit 0
        --- stdout
        Name:         back
        Phase:        New
          waits: location `default` is Unavailable: bucket `b` does not exist
        Backup:       monday
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
    ");
}

/// `schedule describe` lists backups of the schedule that wait or were refused, with the reason.
#[test]
fn a_schedule_says_why_its_backups_wait_or_were_refused() {
    let cluster = FakeCluster::start();
    let spec = json!({"schedule": "@daily", "template": {}});
    cluster.put("schedules", "nightly", json!({"metadata": {"uid": "u-1"}, "spec": spec}));
    let put = |name: &str, mut status: Value| {
        status["origin"] = json!({"schedule": "u-1"});
        let labels = json!({"ark.heptio.com/schedule-name": "nightly"});
        cluster.put("backups", name, json!({"metadata": {"labels": labels}, "spec": {}, "status": status}));
    };
    put("nightly-20261121030000", waiting());
    let refused = condition("Failed", "FailedValidation", "there is no BackupStorageLocation `west`");
    put("nightly-20261120030000", json!({"phase": "FailedValidation", "conditions": [refused]}));
    let described = run(&mut cluster.ark(&["schedule", "describe", "nightly"])).expect_code(0).stdout;
    for line in [
        "  nightly-20261121030000  New (LocationUnavailable): location `default` is Unavailable: bucket `b` does not exist\n",
        "  nightly-20261120030000  FailedValidation: there is no BackupStorageLocation `west`\n",
    ] {
        assert!(described.contains(line), "{described}");
    }
}

/// A DeleteBackupRequest in progress with an error, shown by `backup describe`.
#[test]
fn describe_says_why_a_deletion_does_not_end() {
    let cluster = FakeCluster::start();
    cluster.put("backups", "monday", json!({"spec": {}, "status": {"phase": "Deleting"}}));
    let request = json!({
        "metadata": {"labels": {"ark.heptio.com/backup-name": "monday"}}, "spec": {"backupName": "monday"},
        "status": {"phase": "InProgress", "errors": ["the credentials are not allowed to do this"]},
    });
    cluster.put("deletebackuprequests", "monday-1", request);
    says!(cluster.ark(&["backup", "describe", "monday"]), @r"
        exit 0
        --- stdout
        Name:         monday
        Phase:        Deleting
        Begun:        -
        Completed:    -
        Expires:      never
        Items:        0 ([size] )
        Not deleted:  the credentials are not allowed to do this
        Namespaces:   all
        Kinds:        all
        Cluster-wide: all
        --- stderr
    ");
}

/// A Backup in phase Deleting, but no DeleteBackupRequest of it exists.
#[test]
fn describe_says_that_nobody_asks_for_a_deletion_any_more_and_how_to_keep_the_backup() {
    let cluster = FakeCluster::start();
    cluster.put("backups", "monday", json!({"spec": {}, "status": {"phase": "Deleting"}}));
    says!(cluster.ark(&["backup", "describe", "monday"]), @r"
        exit 0
        --- stdout
        Name:         monday
        Phase:        Deleting
        Begun:        -
        Completed:    -
        Expires:      never
        Items:        0 ([size] )
        Not deleted:  no request asks for this deletion any more, and garbage collection finishes it; `kubectl delete backups.ark.heptio.com monday` keeps what the bucket still has of the backup, which then comes back
        Namespaces:   all
        Kinds:        all
        Cluster-wide: all
        --- stderr
    ");
}

/// A reason that is the same at each look is printed once, for a backup and for a deletion.
#[test]
fn waiting_says_once_why_it_takes_long() {
    let cluster = FakeCluster::start();
    let done = json!({"phase": "Completed", "conditions": [], "progress": {"totalItems": 6, "itemsBackedUp": 6, "bytes": 6}});
    cluster.script("backups", &[waiting(), waiting(), done]);
    says!(cluster.ark(&["backup", "create", "monday", "--wait"]), @r"
        exit 0
        --- stdout
        backup monday: Completed, 6 items in [duration], 0 warnings, 0 errors
        --- stderr
        backup monday is requested; waiting for it
        backup monday waits: location `default` is Unavailable: bucket `b` does not exist
    ");
    let denied = json!({"phase": "InProgress", "errors": ["the credentials are not allowed to do this"]});
    cluster.script(
        "deletebackuprequests",
        &[denied.clone(), denied, json!({"phase": "Processed", "errors": []})],
    );
    says!(cluster.ark(&["backup", "delete", "monday", "--confirm", "--wait"]), @r"
        exit 0
        --- stdout
        backup monday is deleted
        --- stderr
        delete request monday-[uuid] waits: the credentials are not allowed to do this
    ");
}

/// The bucket has let go of the backup, but a foreign finalizer holds the object: the deletion
/// succeeds, a new backup of the name is refused, and both messages name the finalizer.
#[test]
fn what_finalizers_hold_is_said_of_a_backup_that_is_deleted_and_of_its_name() {
    let cluster = FakeCluster::start();
    let held = json!({"finalizers": ["example.com/hold"]});
    cluster.put("backups", "monday", json!({"metadata": held, "spec": {}, "status": {"phase": "Completed"}}));
    cluster.script("deletebackuprequests", &[json!({"phase": "Processed"})]);
    says!(cluster.ark(&["backup", "delete", "monday", "--confirm", "--wait"]), @r"
        exit 0
        --- stdout
        backup monday is gone from its bucket: it is deleted, and its object goes when nobody holds it any more; these finalizers do: example.com/hold
        --- stderr
    ");
    says!(cluster.ark(&["backup", "create", "monday"]), @r"
        exit 1
        --- stdout
        --- stderr
        ark: there is still a backup `monday` in namespace heptio-ark: it is deleted, and its object goes when nobody holds it any more; these finalizers do: example.com/hold; use another name, or wait until it is gone
    ");
}

/// `restore delete --wait` names the finalizer that holds the object, and ends once the object is
/// deleted.
#[test]
fn what_finalizers_hold_is_said_while_a_restore_is_waited_for_to_go() {
    let cluster = FakeCluster::start();
    let going = json!({"finalizers": ["example.com/hold"], "deletionTimestamp": "2026-11-21T03:00:00Z"});
    let restore = json!({"metadata": going, "spec": {"backupName": "x"}, "status": {"phase": "Completed"}});
    cluster.put("restores", "back", restore);
    let waiting = Running::start(&mut cluster.ark(&["restore", "delete", "back", "--confirm", "--wait"]));
    // It looked once to choose, and then waits; what it saw first is said before it looks again.
    cluster.await_lists("restores/back", 3);
    cluster.remove("restores", "back");
    let ended = waiting.wait().expect_code(0);
    assert!(
        ended.stderr.contains("restore back waits: it is deleted")
            && ended.stderr.contains("example.com/hold")
    );
    assert!(ended.stdout.contains("restore back is deleted"), "{}", ended.stdout);
}
