//! What somebody asks of the command line day by day: a schedule's backups, several at once, what changes meanwhile, when
//! something goes, who answers.

use serde_json::{Value, json};

use super::ArkCluster;
use crate::support::{Running, ark, run};

fn of_schedule(label: &str, version: &str, phase: &str) -> Value {
    json!({
        "metadata": {"labels": {"ark.heptio.com/schedule-name": label}, "resourceVersion": version},
        "spec": {}, "status": {"phase": phase},
    })
}

#[test]
fn what_belongs_to_a_schedule_is_found_by_its_name_however_long() {
    let cluster = ArkCluster::start();
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

#[test]
fn several_are_described_one_after_the_other() {
    let cluster = ArkCluster::start();
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

#[test]
fn what_is_watched_is_shown_again_when_it_changes() {
    let cluster = ArkCluster::start();
    cluster.put("backups", "monday", of_schedule("nightly", "1", "InProgress"));
    cluster.put("backups", "sunday", of_schedule("nightly", "1", "Completed"));
    let running = Running::start(&mut cluster.ark(&["backup", "get", "-w"]));
    cluster.await_lists("backups", 1);
    cluster.put("backups", "monday", of_schedule("nightly", "2", "Completed"));
    let listed = 3;
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

#[test]
fn that_runs_are_hidden_behind_others_of_their_names_is_said_under_the_table() {
    let cluster = ArkCluster::start();
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

#[test]
fn when_a_backup_goes_is_said_as_it_will_be() {
    let cluster = ArkCluster::start();
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
        "message": "its time has come, and it stays: it is the newest good one of Schedule nightly"});
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

#[test]
fn the_location_that_is_used_and_one_that_is_gone_show() {
    let cluster = ArkCluster::start();
    let place = |bucket: &str| json!({"spec": {"provider": "s3", "bucket": bucket}});
    cluster.put("backupstoragelocations", "default", place("one"));
    let mut other = place("two");
    other["status"] = json!({"phase": "Available", "counts": {"backups": 3, "partial": 0, "hidden": 2}});
    cluster.put("backupstoragelocations", "other", other);
    for (name, location) in [("a", "default"), ("b", "former")] {
        cluster.put("backups", name, json!({"spec": {"storageLocation": location}}));
    }
    says!(cluster.ark(&["location", "get"]), @r"
        exit 0
        --- stdout
        NAME      PHASE       PLACE      ACCESS      DEFAULT   LAST SYNCED (UTC)
        default   -           s3://one   ReadWrite   true      -
        other     Available   s3://two   ReadWrite   false     -
        --- stderr
    ");
    says!(cluster.ark(&["location", "describe", "other"]), @r"
        exit 0
        --- stdout
        Name:           other
        Phase:          Available
        Place:          s3://two
        Credentials:    the server's own
        Access:         ReadWrite
        Default:        false
        Identity:       -
        Claiming names: -
        Backups:        3, and 0 unfinished
          2 of its backups and restores are not shown, because other objects of the cluster have their names: `ark restore run --location URL --from-backup NAME`, with the URL of the location, restores from one of them; to have them shown, delete the objects that have their names, and before that the other location where these are of one
        Last checked:   -
        Last synced:    -
        --- stderr
    ");
    says!(cluster.ark(&["location", "set", "other", "--access-mode", "read-only", "--sync-period", "5m"]), @r"
        exit 0
        --- stdout
        location other is changed; `ark location describe` shows how it is used now
        --- stderr
    ");
    let spec = cluster.read("backupstoragelocations", "other").expect("it is there")["spec"].clone();
    assert_eq!(
        spec,
        json!({"provider": "s3", "bucket": "two", "accessMode": "ReadOnly", "syncPeriod": "5m"})
    );
    says!(cluster.ark(&["location", "set", "other"]), @r"
        exit 2
        --- stdout
        --- stderr
        error: the following required arguments were not provided:
          <--access-mode <MODE>|--sync-period <DURATION>|--validation-period <DURATION>>

        Usage: ark location set <--access-mode <MODE>|--sync-period <DURATION>|--validation-period <DURATION>> <NAME>

        For more information, try '--help'.
    ");
    run(&mut cluster.ark(&["location", "set-default", "other"])).expect_code(0);
    says!(cluster.ark(&["location", "get", "default", "other"]), @r"
        exit 0
        --- stdout
        NAME      PHASE       PLACE      ACCESS      DEFAULT   LAST SYNCED (UTC)
        default   -           s3://one   ReadWrite   false     -
        other     Available   s3://two   ReadOnly    true      -
        --- stderr
    ");
    says!(cluster.ark(&["backup", "get"]), @r"
        exit 0
        --- stdout
        NAME   PHASE   ERRORS   WARNINGS   ITEMS   CREATED (UTC)         EXPIRES (UTC)   LOCATION
        a      New     0        0          -       [time]   -               default
        b      New     0        0          -       [time]   -               former (not there)
        --- stderr
        2 more, of backups and restores in location other, cannot be shown, because other objects have their names; `ark location describe other` says how to get at them
    ");
    let described = run(&mut cluster.ark(&["backup", "describe", "b"])).expect_code(0).stdout;
    assert!(described.contains("Location:     former (not there)\n"), "{described}");
    let named = run(&mut cluster.ark(&["backup", "get", "b", "-o", "json"])).expect_code(0).stdout;
    assert!(named.contains("\"storageLocation\": \"former\""), "what is a document stays as it is: {named}");
}

#[test]
fn the_server_says_its_version_when_it_is_asked() {
    let cluster = ArkCluster::start();
    run(&mut ark(["version"])).expect_code(0);
    cluster.script(
        "serverstatusrequests",
        &[json!({"phase": "New"}), json!({"phase": "Processed", "serverVersion": "9.8.7"})],
    );
    let asked = run(&mut cluster.ark(&["version", "--server"])).expect_code(0);
    assert!(asked.stdout.ends_with("the server of namespace heptio-ark is ark 9.8.7\n"), "{}", asked.stdout);
    assert!(cluster.all("serverstatusrequests").is_empty(), "nothing is left behind");
    let asked = run(&mut cluster.ark(&["version", "--server", "-o", "json"])).expect_code(0).stdout;
    let asked: Value = serde_json::from_str(&asked).expect("one JSON document");
    assert_eq!(asked["server"], json!({"version": "9.8.7"}));
}

#[test]
fn deleting_a_restore_that_runs_says_that_it_goes_on_and_how_it_is_stopped() {
    let cluster = ArkCluster::start();
    cluster.put("restores", "long", json!({"spec": {"backupName": "x"}, "status": {"phase": "InProgress"}}));
    says!(cluster.ark(&["restore", "delete", "long", "--confirm"]), @r"
        exit 0
        --- stdout
        the deletion of restore long is requested; what it restored stays
        --- stderr
        restore long is in progress: it goes on to its end, and its record is deleted then; `kubectl -n heptio-ark delete restores.ark.heptio.com long` stops it where it is
    ");
}

#[test]
fn advice_does_not_lead_astray() {
    says!(ark(["backup", "get", "--annotaitons", "a=b"]), @r"
        exit 2
        --- stdout
        --- stderr
        error: unexpected argument '--annotaitons' found

        Usage: ark backup get [OPTIONS] [NAME]...

        For more information, try '--help'.
    ");
    says!(ark(["location", "create", "x", "--bucket", "b"]), @r"
        exit 2
        --- stdout
        --- stderr
        error: unexpected argument '--bucket' found

        Usage: ark location create --url <URL> --quiet <NAME>

        For more information, try '--help'.
    ");
    says!(ark(["backup", "create", "--annotation", "a=b"]), @r"
        exit 2
        --- stdout
        --- stderr
        error: unexpected argument '--annotation' found

          tip: a similar argument exists: '--annotations'

        Usage: ark backup create --annotations <KEY=VALUE> [NAME]

        For more information, try '--help'.
    ");
}
