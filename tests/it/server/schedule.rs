//! Schedules: created, paused, described, deleted.

use serde_json::json;

use super::FakeCluster;

/// The life of a schedule, with `--dry-run` and flags that are refused; its backups outlive it.
#[test]
fn a_schedule_is_created_paused_described_and_deleted() {
    let cluster = FakeCluster::start();
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
          no server has taken up this schedule yet; if that stays so, no server runs here, or the server was started with --restore-only or --disable-schedules
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
