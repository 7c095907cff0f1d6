//! Hooks around a backup, and `ark hook list` and `run`, on the fake engine cluster, whose node
//! ends commands in every way.

use std::process::Command;

use serde_json::{Value, json};

use crate::fixture::Fixture;
use crate::support::{Run, Running};

/// A pod whose containers run.
pub fn pod(annotations: Value) -> Value {
    let running = |name: &str| json!({"name": name, "state": {"running": {}}});
    json!({
        "metadata": {"annotations": annotations},
        "spec": {"containers": [{"name": "db"}, {"name": "agent"}]},
        "status": {"phase": "Running", "containerStatuses": [running("db"), running("agent")]},
    })
}

/// A fixture with the pod `shop/db`, which has these commands run before and after a backup.
fn with_pod(before: &str, after: &str, more: &[(&str, &str)]) -> Fixture {
    let fixture = Fixture::new();
    let command = |program: &str, phase: &str| json!([program, phase]).to_string();
    let mut annotations = json!({
        "pre.hook.backup.velero.io/command": command(before, "before"),
        "post.hook.backup.ark.heptio.com/command": command(after, "after"),
    });
    for (key, value) in more {
        annotations[key] = json!(value);
    }
    fixture.cluster.put("pods", Some("shop"), "db", pod(annotations));
    fixture
}

fn document(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).expect("one JSON document")
}

/// Whether a command with this argument was run.
pub fn ran(fixture: &Fixture, argument: &str) -> bool {
    let argument = format!("command={argument}");
    fixture.cluster.asked().iter().any(|asked| asked.contains("/exec?") && asked.contains(&argument))
}

/// The hooks before, the cut, the hooks after, and only then the lists at the cut.
#[test]
fn hooks_run_around_the_cut_and_before_anything_is_listed() {
    let fixture = with_pod("true", "true", &[("pre.hook.backup.velero.io/container", "agent")]);
    let begin = fixture.cluster.asked().len();
    let made = fixture.run(&["backup", "run", "quiet", "-o", "json"]).expect_code(0);
    assert_eq!(document(&made)["status"]["hooks"], json!({"attempted": 2, "failed": 0}));
    let asked = fixture.cluster.asked().split_off(begin);
    let at = |what: &[&str]| {
        let found = asked.iter().position(|asked| what.iter().all(|part| asked.contains(part)));
        found.unwrap_or_else(|| panic!("{what:?} is not in {asked:#?}"))
    };
    let order = [
        at(&["/exec?", "command=before", "container=agent"]),
        at(&["/namespaces?limit=1"]),
        at(&["/exec?", "command=after", "container=db"]),
        at(&["resourceVersion=1000"]),
    ];
    assert!(order.is_sorted(), "{order:?} in {asked:#?}");
    let log = fixture.run(&["backup", "logs", "quiet"]).expect_code(0).stdout;
    assert!(
        log.contains("pods shop/db: stdout of its pre hook (by annotation, `true`): all is well"),
        "{log}"
    );
    let described = fixture.run(&["backup", "describe", "quiet"]).expect_code(0).stdout;
    assert!(described.contains("Hooks:        2 run, 0 of them failed"), "{described}");
}

/// What rests for the cut does so until the cut is there.
#[test]
fn the_hooks_after_the_cut_wait_for_it() {
    let fixture = with_pod("true", "true", &[]);
    fixture.cluster.hold("/namespaces?limit=1");
    let running = Running::start(&mut fixture.command(&["backup", "run", "a"]));
    fixture.cluster.await_asked(&["/exec?", "command=before"]);
    assert!(!ran(&fixture, "after"));
    fixture.cluster.go_on();
    running.wait().expect_code(0);
    assert!(ran(&fixture, "after"));
}

/// A backup whose hook fails is PartiallyFailed and names pod and reason; it has the pod, and the
/// hook after it runs.
#[test]
fn a_hook_that_fails_is_an_error_of_its_pod_and_the_one_after_runs() {
    for (program, says) in [
        ("fail", "it ended with exit code 3; it printed last: the disk is full"),
        ("missing", "it could not be run: executable file not found"),
        ("forbidden", "cannot create resource \"pods/exec\""),
        ("vanish", "the connection to it ended before anybody said how it went"),
        ("close", "the connection to it ended before anybody said how it went"),
        ("hang", "it had not ended after 1s"),
    ] {
        let fixture = with_pod(program, "true", &[("pre.hook.backup.velero.io/timeout", "1s")]);
        let made = fixture.run(&["backup", "run", "a", "-o", "json"]).expect_code(3);
        let begin = format!("error: pods shop/db: its pre hook (by annotation, `{program}`) failed: ");
        assert!(made.stderr.contains(&begin) && made.stderr.contains(says), "{program}: {}", made.stderr);
        let status = &document(&made)["status"];
        assert_eq!(status["hooks"], json!({"attempted": 2, "failed": 1}), "{program}");
        assert_eq!((&status["phase"], &status["errors"]), (&json!("PartiallyFailed"), &json!(1)));
        assert!(ran(&fixture, "after"), "{program}");
        let contents = fixture.run(&["backup", "contents", "a", "-o", "name"]).expect_code(0).stdout;
        assert!(contents.contains("pods shop/db"), "{contents}");
    }
}

/// Where no command can run, none is run.
#[test]
fn a_container_that_is_not_there_or_does_not_run_is_told() {
    let fixture = with_pod("true", "true", &[("pre.hook.backup.velero.io/container", "nobody")]);
    let made = fixture.run(&["backup", "run", "a"]).expect_code(3);
    assert!(made.stderr.contains("the pod has no container `nobody`; it has db, agent"), "{}", made.stderr);
    let mut waiting = pod(json!({"pre.hook.backup.velero.io/command": "true"}));
    waiting["status"]["containerStatuses"][0]["state"] = json!({"waiting": {"reason": "CrashLoopBackOff"}});
    fixture.cluster.put("pods", Some("shop"), "db", waiting);
    let made = fixture.run(&["backup", "run", "b"]).expect_code(3);
    let says = "its container `db` does not run: CrashLoopBackOff";
    assert!(made.stderr.contains(says), "{}", made.stderr);
    let mut ended = pod(json!({"pre.hook.backup.velero.io/command": "true"}));
    ended["status"]["phase"] = json!("Succeeded");
    fixture.cluster.put("pods", Some("shop"), "db", ended);
    let made = fixture.run(&["backup", "run", "c", "-o", "json"]).expect_code(0);
    assert_eq!(document(&made)["status"]["hooks"], Value::Null, "a pod that has ended has nothing to run");
    let log = fixture.run(&["backup", "logs", "c"]).expect_code(0).stdout;
    assert!(log.contains("pods shop/db: it has ended (Succeeded or Failed)"), "{log}");
}

/// Megabytes of output neither hang the hook nor fill the log: the end is kept.
#[test]
fn a_flood_of_output_is_read_to_its_end_and_the_end_is_kept() {
    let fixture = with_pod("flood", "true", &[]);
    fixture.run(&["backup", "run", "a"]).expect_code(0);
    let log = fixture.run(&["backup", "logs", "a"]).expect_code(0).stdout;
    assert!(log.contains("printed more to stdout than is kept"), "{log}");
    assert!(log.contains(": the end of the flood"), "{log}");
    assert!(log.lines().filter(|line| line.contains("once more")).count() < 50, "{log}");
}

/// A thousand pods with hooks, of which every tenth prints megabytes, take little more memory than
/// one does.
#[test]
fn a_thousand_pods_that_have_hooks_fit_into_the_memory_of_a_backup() {
    const MOST: u64 = 24 << 20;
    let peak = |pods: u64| {
        let fixture = Fixture::new();
        for number in 0..pods {
            let program = if number % 10 == 0 { "flood" } else { "true" };
            let annotations = json!({
                "pre.hook.backup.velero.io/command": program, "post.hook.backup.velero.io/command": "true",
                "note": "x".repeat(4096),
            });
            fixture.cluster.put("pods", Some("shop"), &format!("db-{number}"), pod(annotations));
        }
        let running = Running::start(&mut fixture.command(&["backup", "run", "a", "-o", "json"]));
        let (made, peak) = running.wait_with_peak();
        let status = &document(&made.expect_code(0))["status"];
        assert_eq!(status["hooks"], json!({"attempted": 2 * pods, "failed": 0}));
        peak
    };
    let (one, thousand) = (peak(1), peak(1000));
    assert!(one > 0 && thousand <= one + MOST, "{} and {} MiB", one >> 20, thousand >> 20);
}

/// A pod whose annotations cannot be read is an error; neither of its hooks is run, so that nothing
/// is stopped that is not started again.
#[test]
fn an_annotation_that_cannot_be_read_runs_none_of_the_pod_s_hooks() {
    let fixture = with_pod("true", "true", &[("post.hook.backup.ark.heptio.com/timeout", "soon")]);
    let made = fixture.run(&["backup", "run", "a"]).expect_code(3);
    let says =
        "its annotation post.hook.backup.ark.heptio.com/timeout cannot be read: `soon` is not a duration";
    assert!(made.stderr.contains(says), "{}", made.stderr);
    assert!(!ran(&fixture, "before") && !ran(&fixture, "after"));
    let listed = fixture.cluster.ark(["hook", "list"]);
    let listed = crate::support::run(&mut { listed }).expect_code(3);
    assert!(listed.stderr.contains(says), "{}", listed.stderr);
}

/// Ctrl-C cuts a hook short that hangs; the hook after it runs all the same, and nothing is left in
/// the bucket.
#[test]
fn a_backup_that_is_stopped_runs_the_hooks_after_those_that_it_began() {
    let fixture = with_pod("hang", "true", &[("pre.hook.backup.velero.io/timeout", "10m")]);
    let running = Running::start(&mut fixture.command(&["backup", "run", "a"]));
    fixture.cluster.await_asked(&["/exec?", "command=before"]);
    let sent = Command::new("sh").args(["-c", "kill -INT \"$0\"", &running.id().to_string()]).status();
    assert!(sent.expect("sh can be started").success());
    running.wait().expect_code(1);
    assert!(ran(&fixture, "after"));
    fixture.run(&["backup", "describe", "a"]).expect_code(4);
}

/// `--disable-hooks` runs none, and says which pods asked for some.
#[test]
fn hooks_that_are_disabled_are_a_warning() {
    let fixture = with_pod("true", "true", &[]);
    let made = fixture.run(&["backup", "run", "a", "--disable-hooks"]).expect_code(0);
    let says = "the pod shop/db asks by annotation for hooks, and none was run";
    assert!(made.stderr.contains(says), "{}", made.stderr);
    assert!(!ran(&fixture, "before"));
}

fn schedule(first: &Value) -> Value {
    json!({
        "apiVersion": "ark.heptio.com/v1", "kind": "Schedule",
        "spec": {"schedule": "@daily", "template": {"includedNamespaces": ["shop"], "hooks": {"resources": [
            {"name": "freeze", "labelSelector": {"matchLabels": {"app": "web"}},
                "pre": [{"exec": first}, {"exec": {"command": ["true", "second"]}}],
                "post": [{"exec": {"container": "agent", "command": ["true", "after"], "timeout": "1m"}}]},
        ]}}},
    })
}

/// Which hooks would run, also those of a schedule's template.
#[test]
fn hooks_are_listed_as_a_backup_would_run_them() {
    let fixture = with_pod("true", "true", &[("pre.hook.backup.velero.io/on-error", "Continue")]);
    fixture.cluster.put("pods", Some("shop"), "web", pod(json!({})));
    says!(fixture.cluster.ark(["hook", "list"]), @r#"
        exit 0
        --- stdout
        NAMESPACE   POD   PHASE   CONTAINER   COMMAND             TIMEOUT   FROM
        shop        db    pre     the first   ["true","before"]   [duration]       by annotation
        shop        db    post    the first   ["true","after"]    [duration]       by annotation
        --- stderr
    "#);
    let first = json!({"command": ["true", "first"], "onError": "Continue"});
    fixture.cluster.put("schedules", Some("heptio-ark"), "nightly", schedule(&first));
    says!(fixture.cluster.ark(["hook", "list", "--from-schedule", "nightly"]), @r#"
        exit 0
        --- stdout
        NAMESPACE   POD   PHASE   CONTAINER   COMMAND             TIMEOUT   FROM
        shop        db    pre     the first   ["true","before"]   [duration]       by annotation
        shop        db    post    the first   ["true","after"]    [duration]       by annotation
        shop        web   pre     the first   ["true","first"]    [duration]       `freeze` of spec.hooks
        shop        web   pre     the first   ["true","second"]   [duration]       `freeze` of spec.hooks
        shop        web   post    agent       ["true","after"]    1m        `freeze` of spec.hooks
        --- stderr
    "#);
    says!(fixture.cluster.ark(["hook", "list", "--include-namespaces", "default"]), @r#"
        exit 0
        --- stdout
        --- stderr
        no pod of such a backup has hooks
    "#);
}

/// A hook that fails and does not say Continue keeps those that follow it in its pod and phase from
/// running; the hooks after a backup run in any case.
#[test]
fn what_follows_a_hook_that_failed_runs_only_after_continue() {
    for (on_error, follows) in [("Fail", false), ("Continue", true)] {
        let fixture = Fixture::new();
        fixture.cluster.put("pods", Some("shop"), "web", pod(json!({})));
        let first = json!({"command": ["fail", "first"], "onError": on_error});
        fixture.cluster.put("schedules", Some("heptio-ark"), "nightly", schedule(&first));
        let mut command = fixture.cluster.ark(["hook", "run", "--from-schedule", "nightly", "shop/web"]);
        let said = crate::support::run(&mut command).expect_code(3);
        let says = "error: pods shop/web: its pre hook (`freeze` of spec.hooks, `fail`) failed";
        assert!(said.stderr.contains(says), "{}", said.stderr);
        assert_eq!((ran(&fixture, "second"), ran(&fixture, "after")), (follows, true), "{on_error}");
    }
    let fixture = Fixture::new();
    let mut command = fixture.cluster.ark(["hook", "run", "shop/nobody"]);
    let said = crate::support::run(&mut command).expect_code(4);
    assert!(said.stderr.contains("no pod of such a backup has the name shop/nobody"), "{}", said.stderr);
}
