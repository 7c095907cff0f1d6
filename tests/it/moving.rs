//! Verifying, downloading and adopting: backups as files, sound and damaged.

use std::fs;
use std::path::PathBuf;

use tempfile::tempdir;

use crate::fixture::Fixture;
use crate::support::{ark, run};

#[test]
fn a_sound_backup_verifies_and_a_damaged_one_is_code_1() {
    let fixture = Fixture::new();
    says!(fixture.command(&["backup", "verify", "monday"]), @r"
        exit 0
        --- stdout
        backup monday is sound: 6 items in 5 files, all read and compared with their hashes
        --- stderr
    ");
    let mut tarball = fs::read(fixture.file("monday.tar.zst")).expect("the tarball");
    let middle = tarball.len() / 2;
    tarball[middle] ^= 1;
    fs::write(fixture.file("monday.tar.zst"), &tarball).expect("it can be damaged");
    let damaged = fixture.run(&["backup", "verify", "monday"]).expect_code(1);
    assert_eq!(damaged.stdout, "");
    let key = fixture.file("monday.tar.zst");
    let key = key.strip_prefix(fixture.folder.path()).expect("in the folder").display();
    assert!(damaged.stderr.contains(&format!("error: {key}")), "{}", damaged.stderr);
    assert!(damaged.stderr.contains("ark: verifying backup monday: it is damaged"), "{}", damaged.stderr);
    let bucket = fixture.run(&["bucket", "verify"]).expect_code(1);
    assert!(bucket.stderr.contains("1 of 1 are damaged"), "{}", bucket.stderr);
    let download = fixture.folder.path().join("out.tar.zst");
    let to = download.display().to_string();
    let said = fixture.run(&["backup", "download", "monday", "--to", &to]).expect_code(1);
    assert!(said.stderr.contains("nothing was saved"), "{}", said.stderr);
    assert!(!download.exists());
}

#[test]
fn a_download_never_replaces_a_file_unasked() {
    let fixture = Fixture::new();
    let file = fixture.folder.path().join("out.tar.zst");
    let to = file.display().to_string();
    let download = || fixture.command(&["backup", "download", "monday", "--to", &to]);
    says!(download(), @r"
        exit 0
        --- stdout
        saved [folder] ([size] )
        --- stderr
    ");
    let saved = fs::read(&file).expect("the file");
    assert_eq!(saved, fs::read(fixture.file("monday.tar.zst")).expect("the tarball"));
    fs::write(&file, "mine").expect("the file can be changed");
    says!(download(), @r"
        exit 1
        --- stdout
        --- stderr
        ark: saving the tarball to [folder]: the file exists; name another with --to, or replace it with --force
    ");
    assert_eq!(fs::read(&file).expect("the file"), b"mine");
    run(download().arg("--force")).expect_code(0);
    assert_eq!(fs::read(&file).expect("the file"), saved);
}

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
