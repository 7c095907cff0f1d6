//! Backups in the cluster: listed, watched and described, with the time at which each expires.

use serde_json::{Value, json};

use super::FakeCluster;
use super::backup::made;
use crate::support::{Running, run};

#[test]
fn backups_are_listed_in_every_format() {
    let cluster = FakeCluster::start();
    says!(cluster.ark(&["backup", "get"]), @r"
        exit 0
        --- stdout
        --- stderr
        there are no backups in namespace heptio-ark
    ");
    cluster.put("backupstoragelocations", "default", json!({"spec": {"provider": "s3", "bucket": "b"}}));
    cluster.put("backups", "monday", made("shop"));
    cluster.put("backups", "tuesday", json!({"spec": {}}));
    says!(cluster.ark(&["backup", "get"]), @r"
        exit 0
        --- stdout
        NAME      PHASE       ERRORS   WARNINGS   ITEMS   CREATED (UTC)         EXPIRES (UTC)         LOCATION
        monday    Completed   0        1          6       [time]   [time]   default
        tuesday   New         0        0          -       [time]   -                     -
        --- stderr
    ");
    says!(cluster.ark(&["get", "backups", "-o", "wide"]), @r"
        exit 0
        --- stdout
        NAME      PHASE       ERRORS   WARNINGS   ITEMS   CREATED (UTC)         EXPIRES (UTC)         LOCATION   SCHEDULE   MADE IN CLUSTER                        ORIGIN         WHY
        monday    Completed   0        1          6       [time]   [time]   default    nightly    [uuid]   this cluster   -
        tuesday   New         0        0          -       [time]   -                     -          -          -                                      this cluster   -
        --- stderr
    ");
    says!(cluster.ark(&["backup", "get", "-l", "ark.heptio.com/schedule-name=nightly", "-o", "name"]), @r"
        exit 0
        --- stdout
        monday
        --- stderr
    ");
    says!(cluster.ark(&["backup", "get", "tuesday", "-o", "yaml"]), @r#"
        exit 0
        --- stdout
        apiVersion: ark.heptio.com/v1
        kind: Backup
        metadata:
          creationTimestamp: "[time]"
          name: tuesday
          namespace: heptio-ark
        spec: {}
        --- stderr
    "#);
    says!(cluster.ark(&["backup", "get", "monday", "wednesday", "-o", "name"]), @r"
        exit 4
        --- stdout
        monday
        --- stderr
        ark: there is no backup `wednesday` in namespace heptio-ark; `ark backup get` lists what is there, and -n names another namespace
    ");
    let list = run(&mut cluster.ark(&["backup", "get", "-o", "json"])).expect_code(0).stdout;
    let list: Value = serde_json::from_str(&list).expect("one JSON document");
    assert_eq!((&list["kind"], list["items"].as_array().map(Vec::len)), (&json!("List"), Some(2)));
}

fn of_schedule(label: &str, version: &str, phase: &str) -> Value {
    json!({
        "metadata": {"labels": {"ark.heptio.com/schedule-name": label}, "resourceVersion": version},
        "spec": {}, "status": {"phase": phase},
    })
}

/// `--schedule` finds backups by their label, which ends in a hash where the name is too long for
/// a label, and restores by their spec.
#[test]
fn what_belongs_to_a_schedule_is_found_by_its_name_however_long() {
    let cluster = FakeCluster::start();
    let long = "this-is-a-very-long-name-that-is-too-long-to-be-a-label-value-in-kubernetes";
    let hashed = "this-is-a-very-long-name-that-is-too-long-to-be-a-label-v01d493";
    cluster.put("backups", "one", of_schedule(hashed, "1", "Completed"));
    cluster.put("backups", "two", of_schedule("nightly", "1", "Completed"));
    cluster.put("restores", "back", json!({"spec": {"scheduleName": long}}));
    cluster.put("restores", "other", json!({"spec": {"backupName": "one"}}));
    let names = |noun: &str, schedule: &str| {
        let get = ["get", noun, "--schedule", schedule, "-o", "name"];
        run(&mut cluster.ark(&get)).expect_code(0).stdout
    };
    assert_eq!(names("backups", long), "one\n");
    assert_eq!(names("backups", "nightly"), "two\n");
    assert_eq!(names("restores", long), "back\n");
    says!(cluster.ark(&["backup", "get", "--schedule", "weekly"]), @r"
        exit 0
        --- stdout
        --- stderr
        there are no backups of schedule weekly in namespace heptio-ark
    ");
}

/// `describe` with two names prints one below the other; with `-o json` one List.
#[test]
fn several_are_described_one_after_the_other() {
    let cluster = FakeCluster::start();
    for name in ["monday", "tuesday"] {
        cluster.put("restores", name, json!({"spec": {"backupName": "x"}}));
        cluster.put("backups", name, json!({"spec": {}}));
    }
    let described = run(&mut cluster.ark(&["backup", "describe", "monday", "tuesday"])).expect_code(0).stdout;
    assert_eq!(described.matches("Name:").count(), 2, "{described}");
    assert!(described.contains("\n\nName:         tuesday\n"), "{described}");
    let described =
        run(&mut cluster.ark(&["restore", "describe", "monday", "tuesday", "-o", "json"])).expect_code(0);
    let list: Value = serde_json::from_str(&described.stdout).expect("one JSON document");
    assert_eq!((&list["kind"], list["items"].as_array().map(Vec::len)), (&json!("List"), Some(2)));
}

/// `backup get -w` prints a row anew when its object has changed, and no other row.
#[test]
fn what_is_watched_is_shown_again_when_it_changes() {
    let cluster = FakeCluster::start();
    cluster.put("backups", "monday", of_schedule("nightly", "1", "InProgress"));
    cluster.put("backups", "sunday", of_schedule("nightly", "1", "Completed"));
    let running = Running::start(&mut cluster.ark(&["backup", "get", "-w"]));
    cluster.await_lists("backups", 1);
    cluster.put("backups", "monday", of_schedule("nightly", "2", "Completed"));
    // The next list shows it, and the one after that is asked for once it is printed.
    let listed = cluster.lists("backups") + 2;
    cluster.await_lists("backups", listed);
    std::process::Command::new("kill")
        .args(["-INT", &running.id().to_string()])
        .status()
        .expect("kill can be started");
    let shown = running.wait().expect_code(0).stdout;
    let lines: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().take(2).collect()).collect();
    assert_eq!(
        lines,
        [["NAME", "PHASE"], ["monday", "InProgress"], ["sunday", "Completed"], ["monday", "Completed"]],
        "{shown}"
    );
}

/// A location holds runs that are not shown, because other objects have their names: `get` without
/// a name counts them and names the location.
#[test]
fn that_runs_are_hidden_behind_others_of_their_names_is_said_under_the_table() {
    let cluster = FakeCluster::start();
    cluster.put("backups", "monday", json!({"spec": {}, "status": {"phase": "Completed"}}));
    for (location, hidden) in [("east", 0), ("west", 2)] {
        let status = json!({"phase": "Available", "counts": {"backups": 5, "partial": 0, "hidden": hidden}});
        let spec = json!({"provider": "fs", "bucket": "/backups"});
        cluster.put("backupstoragelocations", location, json!({"spec": spec, "status": status}));
    }
    for noun in ["backup", "restore"] {
        let told = run(&mut cluster.ark(&[noun, "get"])).expect_code(0).stderr;
        assert!(told.contains("2 more") && told.contains("`ark location describe west`"), "{told}");
        assert!(!told.contains("east"), "{told}");
    }
    let named = run(&mut cluster.ark(&["backup", "get", "monday"])).expect_code(0).stderr;
    assert!(!named.contains("more"), "{named}");
}

/// The time of expiry in `get` and `describe`: before a run by its TTL, for the last good backup
/// of a schedule with the reason why it stays, for a restore with its backup or by its own TTL.
#[test]
fn when_a_backup_goes_is_said_as_it_will_be() {
    let cluster = FakeCluster::start();
    let expires = |noun: &str, name: &str| {
        let described = run(&mut cluster.ark(&["describe", noun, name])).expect_code(0).stdout;
        let line = described.lines().find_map(|line| line.strip_prefix("Expires:")).expect("it is said");
        line.trim().to_owned()
    };
    let put = |name: &str, ttl: Option<&str>, phase: &str| {
        let spec = ttl.map_or_else(|| json!({}), |ttl| json!({"ttl": ttl}));
        cluster.put("backups", name, json!({"spec": spec, "status": {"phase": phase}}));
    };
    put("new", Some("7d"), "New");
    put("untold", None, "New");
    put("refused", Some("7d"), "FailedValidation");
    put("run", None, "Failed");
    assert_eq!(expires("backup", "new"), "7d after it has begun");
    assert!(expires("backup", "untold").contains("--default-ttl"));
    assert_eq!(expires("backup", "refused"), "7d after it was created");
    assert_eq!(expires("backup", "run"), "never");
    let kept = json!({"type": "KeptAsLastGood", "status": "True", "reason": "LastGood", "lastTransitionTime": "2026-11-21T03:00:00Z",
        "message": "the backup has expired and is kept: it is the newest good one of Schedule nightly"});
    let over = json!({"phase": "Completed", "expiration": "2026-11-21T03:00:00Z", "conditions": [kept]});
    cluster.put("backups", "kept", json!({"spec": {}, "status": over}));
    let told = expires("backup", "kept");
    assert!(told.starts_with("2026-11-21T03:00:00Z (") && told.ends_with("of Schedule nightly)"), "{told}");
    let listed = run(&mut cluster.ark(&["backup", "get", "kept", "-o", "wide"])).expect_code(0).stdout;
    assert!(
        listed.contains("2026-11-21 03:00:00 (kept)") && listed.contains("of Schedule nightly"),
        "{listed}"
    );
    cluster.put("restores", "plain", json!({"spec": {"backupName": "run"}}));
    let ended = json!({"phase": "Failed", "completionTimestamp": "2026-11-21T03:00:00Z", "origin": {"cluster": "c-1"}});
    cluster.put("restores", "timed", json!({"spec": {"backupName": "run", "ttl": "1d"}, "status": ended}));
    assert_eq!(expires("restore", "plain"), "with its backup");
    assert_eq!(expires("restore", "timed"), "2026-11-22T03:00:00Z");
    let described = run(&mut cluster.ark(&["restore", "describe", "timed"])).expect_code(0).stdout;
    assert!(described.contains("Ran in:       cluster c-1\n"), "{described}");
    let wide = run(&mut cluster.ark(&["restore", "get", "-o", "wide"])).expect_code(0).stdout;
    assert!(wide.contains("RAN IN CLUSTER") && wide.contains("c-1"), "{wide}");
    says!(cluster.ark(&["backup", "get", "new", "run"]), @r"
        exit 0
        --- stdout
        NAME   PHASE    ERRORS   WARNINGS   ITEMS   CREATED (UTC)         EXPIRES (UTC)   LOCATION
        new    New      0        0          -       [time]   -               -
        run    Failed   0        0          -       [time]   never           -
        --- stderr
    ");
    says!(cluster.ark(&["schedule", "create", "audit", "--schedule", "@yearly", "--ttl", "never", "--annotations", "owner=legal,why=law", "--dry-run"]), @r#"
        exit 0
        --- stdout
        apiVersion: ark.heptio.com/v1
        kind: Schedule
        metadata:
          annotations:
            owner: legal
            why: law
          name: audit
          namespace: heptio-ark
        spec:
          schedule: "@yearly"
          template:
            ttl: 100y
        --- stderr
        schedule audit: nothing was created
    "#);
    says!(cluster.ark(&["backup", "create", "x", "--ttl", "0", "--dry-run"]), @r"
        exit 2
        --- stdout
        --- stderr
        error: invalid value '0' for '--ttl <DURATION>': `0` is not a duration: it is zero; write for example `30d`, `12h` or `1h30m`; `never` keeps it for a hundred years

        For more information, try '--help'.
    ");
    says!(cluster.ark(&["restore", "create", "x", "--from-backup", "run", "--ttl", "1d", "--dry-run"]), @r"
        exit 0
        --- stdout
        apiVersion: ark.heptio.com/v1
        kind: Restore
        metadata:
          name: x
          namespace: heptio-ark
        spec:
          backupName: run
          ttl: 1d
        --- stderr
        restore x: nothing was created
    ");
}
