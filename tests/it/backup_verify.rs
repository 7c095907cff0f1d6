//! `ark backup verify` and `ark bucket verify`, of a sound and of a damaged backup.

use std::fs;

use crate::fixture::Fixture;

/// One bit of the tarball is flipped: `backup verify` names the file, `bucket verify` counts the
/// backup, and `backup download` saves nothing.
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
