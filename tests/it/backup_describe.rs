//! `ark backup describe` of a backup in a folder: its summary, the answer where there is no such
//! backup, and documents that somebody else wrote.

use crate::fixture::Fixture;

/// Each verb on a backup that the bucket does not have ends with exit code 4.
#[test]
fn what_is_not_there_is_code_4() {
    let fixture = Fixture::new();
    says!(fixture.command(&["backup", "describe", "tuesday"]), @r"
        exit 4
        --- stdout
        --- stderr
        ark: there is no backup `tuesday` in file://[folder]; `ark bucket list` shows what is there
    ");
    for verb in ["contents", "logs", "verify", "download"] {
        let said = fixture.run(&["backup", verb, "tuesday"]).expect_code(4);
        assert!(said.stderr.contains("there is no backup `tuesday`"), "{verb}: {}", said.stderr);
    }
    fixture.run(&["backup", "diff", "monday", "tuesday"]).expect_code(4);
}

/// The summary of a complete backup; `--details` adds the files in the bucket.
#[test]
fn a_description_says_when_what_and_what_was_left_out() {
    let fixture = Fixture::new();
    says!(fixture.command(&["backup", "describe", "monday"]), @r"
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
        Left out:     0
        Warnings:     0
        Errors:       0
        --- stderr
    ");
    let details = fixture.run(&["backup", "describe", "monday", "--details"]).expect_code(0);
    let tarball = fixture.file("monday.tar.zst");
    let tarball = tarball.strip_prefix(fixture.folder.path()).expect("in the folder").display();
    assert!(details.stdout.contains(&format!("  {tarball}  ")), "{}", details.stdout);
}

/// A document in the bucket holds escape sequences: every format prints them spelled out, such as
/// `\u001b`.
#[test]
fn what_a_bucket_says_does_not_steer_a_terminal() {
    let fixture = Fixture::new();
    let file = fixture.file("ark-backup.json");
    let text = std::fs::read_to_string(&file).expect("there is a document");
    let mut document: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let hostile = "a\u{1b}[2J\u{9b}31m\u{7}b";
    document["status"]["failureReason"] = hostile.into();
    document["metadata"]["labels"] = serde_json::json!({"ark.heptio.com/schedule-name": hostile});
    std::fs::write(&file, document.to_string()).expect("it can be written");
    for format in ["table", "wide", "json", "yaml", "name"] {
        for verb in [&["backup", "describe", "monday"][..], &["bucket", "list"]] {
            let run = fixture.run(&[verb, &["-o", format]].concat());
            for said in [&run.stdout, &run.stderr] {
                assert!(!said.contains(['\u{1b}', '\u{9b}', '\u{7}']), "{verb:?} {format}: {said:?}");
            }
        }
    }
    let told = fixture.run(&["backup", "describe", "monday"]).expect_code(0);
    assert!(told.stdout.contains(r"a\u001b[2J\u009b31m\u0007b"), "{}", told.stdout);
    let told = fixture.run(&["backup", "describe", "monday", "-o", "json"]).expect_code(0);
    let told: serde_json::Value = serde_json::from_str(&told.stdout).expect("it is JSON");
    assert!(told.to_string().contains(r"a\u001b[2J"), "{told}");
}
