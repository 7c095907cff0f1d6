//! Schedules and locations: created, changed, described, deleted.

use serde_json::json;

use super::ArkCluster;
use crate::support::run;

#[test]
fn a_schedule_is_created_paused_described_and_deleted() {
    let cluster = ArkCluster::start();
    says!(cluster.ark(&["schedule", "create", "nightly", "--schedule", "0 3 * * *", "--time-zone", "Europe/Berlin", "--ttl", "30d", "--include-namespaces", "shop", "--keep-at-most", "10", "--skip-immediately", "--dry-run"]), @r"
        exit 0
        --- stdout
        apiVersion: ark.heptio.com/v1
        kind: Schedule
        metadata:
          name: nightly
          namespace: heptio-ark
        spec:
          schedule: CRON_TZ=Europe/Berlin 0 3 * * *
          template:
            includedNamespaces:
            - shop
            ttl: 30d
          skipImmediately: true
          retention:
            maxCount: 10
        --- stderr
        schedule nightly: nothing was created
    ");
    says!(cluster.ark(&["schedule", "create", "x", "--schedule", "61 * * * *", "--keep-for", "9d", "--keep-at-least", "5", "--keep-at-most", "2"]), @r"
        exit 2
        --- stdout
        --- stderr
        ark: --schedule: `61 * * * *` is not a schedule: the minute 61 is out of 0–59; write for example `0 3 * * *`, `@daily`, `@every 6h` or `CRON_TZ=Europe/Berlin 0 3 * * 1-5`; --keep-at-least: cannot be more than --keep-at-most
    ");
    says!(cluster.ark(&["schedule", "create", "x", "--schedule", "0 24 * * *", "--time-zone", "Europe/Berln"]), @r"
        exit 2
        --- stdout
        --- stderr
        ark: --time-zone: `Europe/Berln` is not a time zone of the IANA database, such as Europe/Berlin; --schedule: `0 24 * * *` is not a schedule: the hour 24 is out of 0–23; write for example `0 3 * * *`, `@daily`, `@every 6h` or `CRON_TZ=Europe/Berlin 0 3 * * 1-5`
    ");
    says!(cluster.ark(&["schedule", "create", "x", "--schedule", "CRON_TZ=UTC 0 3 * * *", "--time-zone", "Europe/Berlin"]), @r"
        exit 2
        --- stdout
        --- stderr
        ark: --time-zone: --schedule names a time zone already; leave one of the two out
    ");
    says!(cluster.ark(&["schedule", "create", "nightly", "--schedule", "@daily", "--keep-for", "90d", "--keep-at-least", "3"]), @r"
        exit 0
        --- stdout
        schedule nightly is created; its first backup is made at once; `ark schedule describe` shows what it does
        --- stderr
    ");
    says!(cluster.ark(&["schedule", "pause", "nightly"]), @r"
        exit 0
        --- stdout
        schedule nightly is paused; it makes no backups until `ark schedule unpause`
        --- stderr
    ");
    assert_eq!(cluster.read("schedules", "nightly").expect("it is there")["spec"]["paused"], true);
    cluster.put("backups", "nightly-20261121030000", json!({
        "metadata": {"labels": {"ark.heptio.com/schedule-name": "nightly"}}, "spec": {}, "status": {"phase": "Completed"},
    }));
    says!(cluster.ark(&["schedule", "get"]), @r"
        exit 0
        --- stdout
        NAME      PHASE   SCHEDULE   PAUSED   LAST BACKUP (UTC)   NEXT BACKUP   KEPT
        nightly   -       @daily     true     -                   -             -
        --- stderr
    ");
    says!(cluster.ark(&["schedule", "describe", "nightly"]), @r"
        exit 0
        --- stdout
        Name:          nightly
        Phase:         -
          no server has taken it up yet; where that stays so, none runs here, or it was started with --restore-only or --disable-schedules
        Schedule:      @daily
        Paused:        true
        Last backup:   -
        Next backup:   -
        Last skipped:  -
        Concurrency:   Forbid
        Kept for:      the server's default
        Removed early: older than 90d with at least 3 newer ones
        Location:      the default one
        Namespaces:    all
        Kinds:         all
        Cluster-wide:  all
        Backups:       0
          1 more with its label that it did not make here: another cluster's, an earlier schedule's, or made by hand
        --- stderr
    ");
    says!(cluster.ark(&["unpause", "schedule", "nightly"]), @r"
        exit 0
        --- stdout
        schedule nightly is unpaused; it makes backups again, at ticks from now on; its first one, if it has made none, at once
        --- stderr
    ");
    assert_eq!(cluster.read("schedules", "nightly").expect("it is there")["spec"]["paused"], false);
    says!(cluster.ark(&["schedule", "delete", "nightly"]), @r"
        exit 2
        --- stdout
        --- stderr
        ark: deleting schedules: there is no terminal to ask whether that is meant; add --confirm to do it without being asked
    ");
    says!(cluster.ark(&["schedule", "delete", "--all", "--confirm"]), @r"
        exit 0
        --- stdout
        schedule nightly is deleted
        --- stderr
    ");
    says!(cluster.ark(&["schedule", "pause", "nightly"]), @r"
        exit 4
        --- stdout
        --- stderr
        ark: there is no schedule `nightly` in namespace heptio-ark; `ark schedule get` lists what is there, and -n names another namespace
    ");
    assert_eq!(cluster.all("backups").len(), 1, "its backups stay");
}

#[test]
fn a_location_is_made_from_a_url() {
    let cluster = ArkCluster::start();
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

#[test]
fn one_location_is_the_default() {
    let cluster = ArkCluster::start();
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
