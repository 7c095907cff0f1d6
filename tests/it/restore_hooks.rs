//! Hooks after a restore, on the fake engine cluster, whose pods run as soon as they are created.

use serde_json::{Value, json};

use crate::fixture::Fixture;
use crate::hooks::{pod, ran};

/// A fixture with a backup of the pod `shop/db`, which is gone since and asks for these commands
/// after a restore.
fn with_lost_pod(program: &str, more: &[(&str, &str)]) -> Fixture {
    let fixture = Fixture::new();
    let mut annotations =
        json!({"post.hook.restore.velero.io/command": json!([program, "after"]).to_string()});
    for (key, value) in more {
        annotations[key] = json!(value);
    }
    fixture.cluster.put("pods", Some("shop"), "db", pod(annotations));
    fixture.run(&["backup", "run", "hooked"]).expect_code(0);
    fixture.cluster.remove("pods", "db");
    fixture
}

const RESTORE: [&str; 7] = ["restore", "run", "back", "--from-backup", "hooked", "-o", "json"];

#[test]
fn a_hook_runs_in_a_restored_pod_once_it_is_there() {
    let container = [("post.hook.restore.velero.io/container", "agent")];
    let fixture = with_lost_pod("true", &container);
    let begin = fixture.cluster.asked().len();
    let made = fixture.run(&RESTORE).expect_code(0);
    let document: Value = serde_json::from_str(&made.stdout).expect("one document");
    assert_eq!(document["status"]["hooks"], json!({"attempted": 1, "failed": 0}));
    let asked = fixture.cluster.asked().split_off(begin);
    let command = asked.iter().find(|asked| asked.contains("/exec?")).expect("a command was run");
    assert!(
        command.contains("command=true&command=after") && command.contains("container=agent"),
        "{command}"
    );
    let log = fixture.run(&["restore", "logs", "back"]).expect_code(0).stdout;
    assert!(
        log.contains("pods shop/db: stdout of its post-restore hook (by annotation, `true`): all is well"),
        "{log}"
    );
    let described = fixture.run(&["restore", "describe", "back"]).expect_code(0).stdout;
    assert!(described.contains("Hooks:        1 run, 0 of them failed"), "{described}");
    let again = fixture.run(&["restore", "run", "again", "--from-backup", "hooked"]).expect_code(0);
    let commands = fixture.cluster.asked().into_iter().filter(|asked| asked.contains("/exec?")).count();
    assert_eq!(commands, 1, "a pod that was there runs none: {}", again.stderr);
}

#[test]
fn a_hook_that_fails_is_an_error_of_its_pod_and_the_restore_partially_failed() {
    for (program, says) in [
        ("fail", "it ended with exit code 3; it printed last: the disk is full"),
        ("vanish", "the connection to it ended before anybody said how it went"),
        ("hang", "it had not ended after 1s"),
    ] {
        let fixture = with_lost_pod(program, &[("post.hook.restore.velero.io/exec-timeout", "1s")]);
        let made = fixture.run(&RESTORE).expect_code(3);
        let begin =
            format!("error: pods shop/db: its post-restore hook (by annotation, `{program}`) failed: ");
        assert!(made.stderr.contains(&begin) && made.stderr.contains(says), "{program}: {}", made.stderr);
    }
}

#[test]
fn hooks_that_are_disabled_or_only_looked_at_are_not_run() {
    let fixture = with_lost_pod("true", &[]);
    let looked = fixture.run(&["restore", "run", "--from-backup", "hooked", "--dry-run"]).expect_code(0);
    let says = "create pods shop/db: then the hook `true` is run (by annotation)";
    assert!(looked.stdout.contains(says), "{}", looked.stdout);
    let made = fixture.run(&[&RESTORE[..], &["--disable-hooks"]].concat()).expect_code(0);
    assert!(made.stderr.contains("and none was run (--disable-hooks)"), "{}", made.stderr);
    assert!(!ran(&fixture, "after"));
}
