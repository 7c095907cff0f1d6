//! BackupStorageLocations: created, changed, described, deleted, and which of them is the default.

use serde_json::json;

use super::FakeCluster;
use crate::support::run;

/// The bucket, prefix and parameters of the URL become fields of the spec; parameters, credentials
/// and schemes that a location cannot have are refused.
#[test]
fn a_location_is_made_from_a_url() {
    let cluster = FakeCluster::start();
    says!(cluster.ark(&["location", "create", "default", "--url", "s3://backups/prod?region=eu-central-1&endpoint=https://minio.example.com&serverSideEncryption=aws:kms&kmsKeyId=k", "--credential", "minio:cloud", "--access-mode", "ReadOnly", "--default", "--sync-period", "30s", "--dry-run"]), @r"
        exit 0
        --- stdout
        apiVersion: ark.heptio.com/v1
        kind: BackupStorageLocation
        metadata:
          name: default
          namespace: heptio-ark
        spec:
          provider: s3
          bucket: backups
          prefix: prod
          config:
            region: eu-central-1
            endpoint: https://minio.example.com
            serverSideEncryption: aws:kms
            kmsKeyId: k
          credential:
            name: minio
            key: cloud
          accessMode: ReadOnly
          default: true
          syncPeriod: [duration]
        --- stderr
        location default: nothing was created
    ");
    says!(cluster.ark(&["location", "create", "folder", "--url", "file:///backups", "--dry-run", "-o", "json"]), @r#"
        exit 0
        --- stdout
        {
          "apiVersion": "ark.heptio.com/v1",
          "kind": "BackupStorageLocation",
          "metadata": {
            "name": "folder",
            "namespace": "heptio-ark"
          },
          "spec": {
            "provider": "fs",
            "bucket": "/backups"
          }
        }
        --- stderr
        location folder: nothing was created
    "#);
    for (url, flags) in [
        ("s3://bucket?profile=me", &[][..]),
        ("file:///b?createBucket=true", &[]),
        ("file:///b", &["--credential", "a:b"]),
        ("ftp://x", &[]),
    ] {
        let arguments = [&["location", "create", "x", "--url", url][..], flags].concat();
        run(&mut cluster.ark(&arguments)).expect_code(2);
    }
    assert_eq!(cluster.all("backupstoragelocations").len(), 0);
}

/// `set-default` takes the mark from the location that was the default before.
#[test]
fn one_location_is_the_default() {
    let cluster = FakeCluster::start();
    run(&mut cluster.ark(&["location", "create", "first", "--url", "s3://first", "--default"]))
        .expect_code(0);
    cluster.put("backupstoragelocations", "second", json!({
        "spec": {"provider": "s3", "bucket": "second", "prefix": "prod", "credential": {"name": "s3", "key": "cloud"}, "config": {"region": "eu-central-1"}},
        "status": {"phase": "Unavailable", "message": "the bucket does not exist", "id": "0fc8dd0a-6c1c-4c5e-9e4f-0a3a5cf0a0a1",
            "capabilities": {"conditionalWrites": true}, "lastSyncedTime": "2026-11-21T03:00:00Z", "counts": {"backups": 3, "partial": 1}},
    }));
    says!(cluster.ark(&["location", "set-default", "second"]), @r"
        exit 0
        --- stdout
        location second is the default; backups that name no location go there
        --- stderr
        location first is no longer the default
    ");
    says!(cluster.ark(&["location", "get"]), @r"
        exit 0
        --- stdout
        NAME     PHASE         PLACE              ACCESS      DEFAULT   LAST SYNCED (UTC)
        first    -             s3://first         ReadWrite   false     -
        second   Unavailable   s3://second/prod   ReadWrite   true      [time]
        --- stderr
    ");
    says!(cluster.ark(&["location", "describe", "second"]), @r"
        exit 0
        --- stdout
        Name:           second
        Phase:          Unavailable
          the bucket does not exist
        Place:          s3://second/prod
          region: eu-central-1
        Credentials:    key cloud of Secret s3
        Access:         ReadWrite
        Default:        true
        Identity:       [uuid]
        Claiming names: safe between clusters
        Backups:        3, and 1 unfinished
        Last checked:   -
        Last synced:    [time]
        --- stderr
    ");
    says!(cluster.ark(&["location", "delete", "first", "--confirm"]), @r"
        exit 0
        --- stdout
        location first is deleted; its bucket is as it was
        --- stderr
    ");
    says!(cluster.ark(&["location", "set-default", "first"]), @r"
        exit 4
        --- stdout
        --- stderr
        ark: there is no location `first` in namespace heptio-ark; `ark location get` lists what is there, and -n names another namespace
    ");
}

/// While no location is marked, the one called `default` is shown as the default; a backup whose
/// location was deleted shows `not there`.
#[test]
fn the_location_that_is_used_and_one_that_is_gone_show() {
    let cluster = FakeCluster::start();
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
          2 of its backups and restores are not shown, because other objects of the cluster have their names: `ark restore run --location URL --from-backup NAME`, with the URL of the location, restores from one of them; to have them shown, delete the objects that have their names (and first the other location, if these objects belong to one)
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
