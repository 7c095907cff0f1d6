//! `ark backup download`: the tarball of a backup becomes a file.

use std::fs;

use crate::fixture::Fixture;
use crate::support::run;

/// `--to` names a file that exists: the file stays, and `--force` replaces it.
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
