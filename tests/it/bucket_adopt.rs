//! `ark bucket adopt`: a tarball becomes a backup of a bucket.

use std::path::PathBuf;

use tempfile::tempdir;

use crate::fixture::Fixture;
use crate::support::{ark, run};

/// A tarball alone makes a complete backup; a name that is taken, a file that is no tarball and
/// one that does not exist are refused.
#[test]
fn a_saved_backup_is_adopted_by_another_bucket() {
    let fixture = Fixture::new();
    let other = tempdir().expect("a folder");
    let location = format!("file://{}", other.path().display());
    let adopt = |file: PathBuf| {
        let mut command = ark(["bucket", "adopt", "--location", &location]);
        command.arg(file);
        command
    };
    says!(adopt(fixture.file("monday.tar.zst")), @r"
        exit 0
        --- stdout
        backup monday is in the bucket: 6 items
        --- stderr
    ");
    for (name, location) in [("ours", &fixture.location), ("theirs", &location)] {
        let contents = ["backup", "contents", "monday", "-o", "json", "--location", location];
        let listed = run(&mut ark(contents)).expect_code(0).stdout;
        assert_eq!(listed.lines().count(), 6, "{name}: {listed}");
    }
    run(&mut ark(["backup", "verify", "monday", "--location", &location])).expect_code(0);
    says!(adopt(fixture.file("monday.tar.zst")), @r"
        exit 1
        --- stdout
        --- stderr
        ark: the backup name `monday` is taken in file://[folder]: a complete one, made in cluster [uuid], is there; use another name, or delete it first
    ");
    says!(adopt(fixture.file("ark-backup.json")), @r"
        exit 1
        --- stdout
        --- stderr
        ark: cannot adopt [folder]: it is damaged: frame 0 (byte 0 of the tarball) is not valid: no zstd frame begins here
    ");
    says!(adopt(fixture.file("missing.tar.zst")), @r"
        exit 1
        --- stdout
        --- stderr
        ark: cannot read the tarball [folder]: No such file or directory (os error 2)
    ");
}
