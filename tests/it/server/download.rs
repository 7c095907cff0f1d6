//! Parts of a run through the server: logs, contents, results and the backup itself, sound,
//! damaged and out of reach.

use std::fs;

use serde_json::{Value, json};

use super::FakeCluster;
use crate::fake_engine_cluster::nobody;
use crate::fixture::Fixture;
use crate::support::run;

/// A cluster whose server hands out the backup `monday`, which a real run made.
fn cluster() -> (FakeCluster, Fixture) {
    let fixture = Fixture::new();
    let cluster = FakeCluster::start();
    let document = fs::read(fixture.file("ark-backup.json")).expect("the document");
    let document: Value = serde_json::from_slice(&document).expect("JSON");
    cluster.put("backups", "monday", json!({"spec": document["spec"], "status": document["status"]}));
    for (kind, file) in [
        ("BackupLog", "logs.ndjson.zst"),
        ("BackupResults", "results.json.zst"),
        ("BackupResourceList", "index.ndjson.zst"),
        ("BackupContents", "monday.tar.zst"),
    ] {
        cluster.serve_part(kind, fs::read(fixture.file(file)).expect("a part"));
    }
    (cluster, fixture)
}

/// `describe`, `logs`, `contents` and `verify` print the same through the server as from the
/// bucket, and the bucket sees none of the cluster's credentials.
#[test]
fn what_the_server_hands_out_is_what_the_bucket_holds() {
    let (cluster, fixture) = cluster();
    for verb in ["describe", "logs", "contents", "verify"] {
        let through = run(&mut cluster.ark(&["backup", verb, "monday"])).expect_code(0);
        let direct = fixture.run(&["backup", verb, "monday"]).expect_code(0);
        assert_eq!(through.stdout, direct.stdout, "{verb}");
        assert_eq!(through.stderr, "", "{verb}");
    }
    let file = fixture.folder.path().join("saved.tar.zst");
    let to = file.display().to_string();
    run(&mut cluster.ark(&["backup", "download", "monday", "--to", &to])).expect_code(0);
    assert_eq!(
        fs::read(&file).expect("it is saved"),
        fs::read(fixture.file("monday.tar.zst")).expect("a part")
    );
    says!(cluster.ark(&["backup", "diff", "monday", "monday"]), @r"
        exit 0
        --- stdout
        --- stderr
        0 added, 0 removed, 0 changed, 6 equal
    ");
    assert_eq!(cluster.leaked(), 0, "the bucket must not see the cluster's credentials");
    assert_eq!(cluster.all("downloadrequests")[0]["spec"]["target"]["name"], "monday");
    cluster.proxy_downloads();
    let proxied = run(&mut cluster.ark(&["backup", "logs", "monday"])).expect_code(0);
    assert_eq!(proxied.stdout, fixture.run(&["backup", "logs", "monday"]).stdout);
}

/// A damaged tarball, an empty log, a location that is Unavailable, and an address that leads
/// elsewhere in the API server.
#[test]
fn a_part_that_is_not_what_was_written_or_not_there_is_refused() {
    let (cluster, fixture) = cluster();
    let mut tarball = fs::read(fixture.file("monday.tar.zst")).expect("a part");
    tarball[100] ^= 1;
    cluster.serve_part("BackupContents", tarball);
    let to = fixture.folder.path().join("saved.tar.zst").display().to_string();
    says!(cluster.ark(&["backup", "download", "monday", "--to", &to]), @r"
        exit 1
        --- stdout
        --- stderr
        ark: saving the tarball of backup monday: what was read is not what was written once, and nothing was saved; `ark backup verify monday` says where it is damaged
    ");
    cluster.serve_part("BackupLog", Vec::new());
    let cut = run(&mut cluster.ark(&["backup", "logs", "monday"])).expect_code(1);
    assert!(cut.stderr.contains("is damaged: it has 0 bytes, and the document says"), "{}", cut.stderr);
    cluster.script(
        "downloadrequests",
        &[json!({"phase": "Processed", "message": "location `default` is Unavailable"})],
    );
    says!(cluster.ark(&["backup", "logs", "monday"]), @r"
        exit 1
        --- stdout
        --- stderr
        ark: the server cannot hand out backups/monday/[attempt]/logs.ndjson.zst: location `default` is Unavailable; with --location and the bucket's credentials it can be read without the server
    ");
    says!(cluster.ark(&["backup", "describe", "monday"]), @r"
        exit 0
        --- stdout
        Name:         monday
        Phase:        Completed
        Cluster:      [uuid] (v1.35.4)
        Taken:        [time] (all items as they were at resource version 1000)
        Completed:    [time]
        Expires:      never
        Items:        6 ([size] )
        Namespaces:   all
        Kinds:        all
        Cluster-wide: all
        --- stderr
        warning: what was left out and what went wrong is not shown: the server cannot hand out backups/monday/[attempt]/results.json.zst: location `default` is Unavailable; with --location and the bucket's credentials it can be read without the server
    ");
    cluster.script(
        "downloadrequests",
        &[json!({"phase": "Processed", "url": "/api/v1/namespaces/heptio-ark/secrets/login"})],
    );
    says!(cluster.ark(&["backup", "logs", "monday"]), @r"
        exit 1
        --- stdout
        --- stderr
        ark: reading backups/monday/[attempt]/logs.ndjson.zst through the server of namespace heptio-ark: unexpected failure of the store: the server gave an address that is neither in the bucket nor its own
    ");
}

/// The presigned address refuses connections, as that of a bucket inside the cluster does: the
/// part is read through the API server's proxy to the server's pod.
#[test]
fn a_bucket_that_is_not_reached_from_here_is_read_through_the_server() {
    let (cluster, fixture) = cluster();
    cluster.move_bucket(&format!("http://{}", nobody()));
    for verb in ["describe", "logs", "contents", "verify"] {
        let through = run(&mut cluster.ark(&["backup", verb, "monday"])).expect_code(0);
        assert_eq!(through.stdout, fixture.run(&["backup", verb, "monday"]).expect_code(0).stdout, "{verb}");
        assert_eq!(through.stderr, "", "{verb}");
    }
    let told = run(&mut cluster.ark(&["-v", "backup", "logs", "monday"])).expect_code(0);
    assert!(told.stderr.contains("is not reached from here (Connection refused"), "{}", told.stderr);
    cluster.lose_pod();
    says!(cluster.ark(&["backup", "logs", "monday"]), @r#"
        exit 6
        --- stdout
        --- stderr
        ark: reading backups/monday/[attempt]/logs.ndjson.zst through the server of namespace heptio-ark, since the bucket's address http://[address]/bucket/BackupLog is not reached from here (Connection refused (os error 111)): the server that was to hand it out is gone, was started anew, or cannot read the bucket: 404 Not Found: pods "ark-0" not found; what is in the bucket is as it was: try again, and see whether the server's pods run
    "#);
}

/// The address refuses connections, and an older server gives no other: the message names
/// `config.publicUrl`.
#[test]
fn a_server_that_knows_no_other_way_is_told_with_the_setting_that_helps() {
    let (cluster, _fixture) = cluster();
    let address = format!("http://{}/bucket/BackupLog", nobody());
    cluster.script("downloadrequests", &[json!({"phase": "Processed", "url": address})]);
    says!(cluster.ark(&["backup", "logs", "monday"]), @r#"
        exit 1
        --- stdout
        --- stderr
        ark: the bucket's address http://[address]/bucket/BackupLog is not reached from here (Connection refused (os error 111)); and the server of namespace heptio-ark gives no other way, because it or the cluster's DownloadRequest is older than this command: set config.publicUrl of location default to an address that is reached from here
    "#);
}

/// A 404 for the pod is exit code 6 with the advice to try again, and no word of a missing backup.
#[test]
fn a_server_whose_pod_is_gone_is_not_taken_for_lost_data() {
    let (cluster, _fixture) = cluster();
    cluster.proxy_downloads();
    cluster.lose_pod();
    says!(cluster.ark(&["backup", "logs", "monday"]), @r#"
        exit 6
        --- stdout
        --- stderr
        ark: reading backups/monday/[attempt]/logs.ndjson.zst through the server of namespace heptio-ark: the server that was to hand it out is gone, was started anew, or cannot read the bucket: 404 Not Found: pods "ark-0" not found; what is in the bucket is as it was: try again, and see whether the server's pods run
    "#);
}

/// Backups that are new, being deleted, refused or failed have no logs: the reason is printed, and
/// no DownloadRequest created.
#[test]
fn a_backup_that_has_no_parts_says_why() {
    let cluster = FakeCluster::start();
    cluster.put("backups", "new", json!({"spec": {}}));
    cluster.put("backups", "going", json!({"spec": {}, "status": {"phase": "Deleting"}}));
    cluster.put(
        "backups",
        "refused",
        json!({"spec": {}, "status": {"phase": "FailedValidation", "validationErrors": ["no location"]}}),
    );
    cluster.put(
        "backups",
        "failed",
        json!({"spec": {}, "status": {"phase": "Failed", "failureReason": "the bucket is full"}}),
    );
    for (name, why) in [
        ("new", "is not finished yet (New)"),
        ("going", "is being deleted"),
        ("refused", "no location"),
        ("failed", "the bucket is full"),
    ] {
        let said = run(&mut cluster.ark(&["backup", "logs", name])).expect_code(1);
        assert!(said.stderr.contains(why), "{}", said.stderr);
        run(&mut cluster.ark(&["backup", "describe", name])).expect_code(0);
    }
    says!(cluster.ark(&["backup", "describe", "refused"]), @r"
        exit 0
        --- stdout
        Name:         refused
        Phase:        FailedValidation
          error: no location
        Begun:        -
        Completed:    -
        Expires:      after it was created, when the server's --default-ttl is over (720h unless it says otherwise)
        Items:        0 ([size] )
        Namespaces:   all
        Kinds:        all
        Cluster-wide: all
        --- stderr
    ");
    says!(cluster.ark(&["backup", "download", "tuesday"]), @r"
        exit 4
        --- stdout
        --- stderr
        ark: there is no backup `tuesday` in namespace heptio-ark; `ark backup get` lists what is there, and -n names another namespace
    ");
    assert_eq!(cluster.all("downloadrequests").len(), 0);
}
