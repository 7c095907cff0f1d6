//! `ark bucket list` on buckets of every kind: empty, of Ark, half-written, of others, rubbish.

use std::fs;
use std::path::Path;

use tempfile::tempdir;

use crate::fake_engine_cluster::FakeEngineCluster;
use crate::support::{ark, run};

fn list(folder: &Path, format: &str) -> std::process::Command {
    ark(["bucket", "list", "-o", format, "--location", &format!("file://{}", folder.display())])
}

fn write(folder: &Path, file: &str, text: &str) {
    let path = folder.join(file);
    fs::create_dir_all(path.parent().expect("a file in a folder")).expect("a folder can be made");
    fs::write(path, text).expect("a file can be written");
}

#[test]
fn an_empty_bucket_is_said_to_be_empty() {
    let folder = tempdir().expect("a folder");
    says!(list(folder.path(), "table"), @r"
        exit 0
        --- stdout
        --- stderr
        there are no backups and no restores in this bucket
    ");
    says!(list(folder.path(), "json"), @r"
        exit 0
        --- stdout
        []
        --- stderr
    ");
    says!(list(folder.path(), "name"), @r"
        exit 0
        --- stdout
        --- stderr
    ");
}

/// One complete backup among claims, leftovers of runs that died, backups of Velero and rubbish:
/// `bucket list`, `bucket verify` and `backup describe` name the state of each.
#[test]
fn complete_unfinished_foreign_and_unreadable_ones_are_told_apart() {
    let folder = tempdir().expect("a folder");
    let location = format!("file://{}", folder.path().display());
    let backup = ["backup", "run", "good", "--ttl", "30d", "--location", &location];
    run(&mut FakeEngineCluster::start().ark(backup)).expect_code(0);
    let claim = serde_json::json!({
        "backupUid": "u", "clusterUid": "c", "holder": "host/1", "attempt": 1,
        "claimedAt": "2026-01-02T03:04:05Z", "heartbeat": "2026-01-02T03:09:05Z",
    });
    write(folder.path(), "backups/being-made/claim.json", &claim.to_string());
    write(folder.path(), "backups/left-behind/left-behind.tar.zst", "x");
    write(folder.path(), "backups/of-velero/velero-backup.json", "{}");
    write(folder.path(), "backups/of-velero/of-velero.tar.gz", "x");
    write(folder.path(), "backups/garbled/ark-backup.json", "not JSON");
    write(
        folder.path(),
        "backups/renamed/ark-backup.json",
        &read(folder.path(), "backups/good/ark-backup.json"),
    );
    write(folder.path(), "backups/Holiday photos/beach.jpg", "x");
    write(folder.path(), "restores/back/claim.json", "not JSON");
    says!(list(folder.path(), "table"), @r"
        exit 0
        --- stdout
        KIND      NAME             STATE          ITEMS   SIZE WRITTEN (UTC)
        backup    Holiday photos   Unrecognised   -       [size] [time]
        backup    being-made       Unfinished     -       [size] [time]
        backup    garbled          Unreadable     -       [size] [time]
        backup    good             Completed      6       [size] [time]
        backup    left-behind      Unfinished     -       [size] [time]
        backup    of-velero        Foreign        -       [size] [time]
        backup    renamed          Unreadable     -       [size] [time]
        restore   back             Unfinished     -       [size] [time]
        --- stderr
    ");
    says!(list(folder.path(), "wide"), @r"
        exit 0
        --- stdout
        KIND      NAME             STATE          ITEMS   SIZE WRITTEN (UTC)         EXPIRES (UTC)         FILES   NOTE
        backup    Holiday photos   Unrecognised   -       [size] [time]   -                     1       -
        backup    being-made       Unfinished     -       [size] [time]   -                     1       by host/1 in cluster c, last heard of at [time]
        backup    garbled          Unreadable     -       [size] [time]   -                     1       backups/garbled/ark-backup.json in file://[folder] is not the document that it should be: expected ident at line 1 column 2
        backup    good             Completed      6       [size] [time]   [time]   5       -
        backup    left-behind      Unfinished     -       [size] [time]   -                     1       -
        backup    of-velero        Foreign        -       [size] [time]   -                     2       written by Velero
        backup    renamed          Unreadable     -       [size] [time]   -                     1       backups/renamed/ark-backup.json in file://[folder] is damaged: it names `good` and not `renamed`
        restore   back             Unfinished     -       [size] [time]   -                     1       -
        --- stderr
    ");
    says!(list(folder.path(), "name"), @r"
        exit 0
        --- stdout
        backup/Holiday photos
        backup/being-made
        backup/garbled
        backup/good
        backup/left-behind
        backup/of-velero
        backup/renamed
        restore/back
        --- stderr
    ");
    let json = run(&mut list(folder.path(), "json")).expect_code(0).stdout;
    let rows: Vec<serde_json::Value> = serde_json::from_str(&json).expect("a JSON list");
    assert_eq!(rows.len(), 8, "{json}");
    says!(ark(["bucket", "verify", "--location", &location]), @r"
        exit 1
        --- stdout
        --- stderr
        backup Holiday photos: not checked, as it is no complete backup of this format
        backup being-made: not checked, as it is no complete backup of this format
        error: backup garbled: backups/garbled/ark-backup.json in file://[folder] is not the document that it should be: expected ident at line 1 column 2
        backup left-behind: not checked, as it is no complete backup of this format
        backup of-velero: not checked, as it is no complete backup of this format
        error: backup renamed: backups/renamed/ark-backup.json in file://[folder] is damaged: it names `good` and not `renamed`
        ark: verifying the backups: 2 of 3 are damaged, as the lines above say; make new backups, and look at the storage behind the bucket
    ");
    says!(ark(["backup", "describe", "being-made", "--location", &location]), @r"
        exit 1
        --- stdout
        --- stderr
        ark: the backup `being-made` in file://[folder] is not complete: cluster c (holder host/1) has been making it since [time] and last renewed its claim at [time]
    ");
    says!(ark(["backup", "describe", "left-behind", "--location", &location]), @r"
        exit 1
        --- stdout
        --- stderr
        ark: the backup `left-behind` in file://[folder] is not complete: a run that died left it behind
    ");
    says!(ark(["backup", "describe", "of-velero", "--location", &location]), @r"
        exit 1
        --- stdout
        --- stderr
        ark: the backup `of-velero` in file://[folder] was written by Velero; this version of Ark lists such backups and cannot open them
    ");
    says!(ark(["backup", "describe", "garbled", "--location", &location]), @r"
        exit 1
        --- stdout
        --- stderr
        ark: backups/garbled/ark-backup.json in file://[folder] is not the document that it should be: expected ident at line 1 column 2
    ");
    says!(ark(["backup", "describe", "renamed", "--location", &location]), @r"
        exit 1
        --- stdout
        --- stderr
        ark: backups/renamed/ark-backup.json in file://[folder] is damaged: it names `good` and not `renamed`
    ");
}

fn read(folder: &Path, file: &str) -> String {
    fs::read_to_string(folder.join(file)).expect("the file is there")
}
