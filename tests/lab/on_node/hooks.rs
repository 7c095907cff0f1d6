//! Hooks in pods that run: real exec streams, and every way in which they end.

use serde_json::{Value, json};

use super::IMAGE;
use crate::server::{BACKUP, Installation, SCHEDULE, ServerOptions};
use crate::support::{Cluster, Lab, TestNamespace, eventually};

/// The first process of a container: it dies of TERM.
pub const MAIN: [&str; 3] = ["sh", "-c", "trap 'exit 1' TERM; while :; do sleep 1; done"];

/// Creates a pod of another user than root with these annotations, and waits until it runs. Its
/// container `done` has ended.
pub async fn running_pod(cluster: &Cluster, namespace: &str, name: &str, annotations: Value) {
    let container = |name: &str, command: Value| json!({"name": name, "image": IMAGE, "command": command});
    let pod = json!({
        "metadata": {"name": name, "annotations": annotations, "labels": {"app": name}},
        "spec": {
            "terminationGracePeriodSeconds": 0, "restartPolicy": "Never", "securityContext": {"runAsUser": 65532},
            "containers": [container("main", json!(MAIN)), container("done", json!(["true"]))],
        },
    });
    let pods = format!("/api/v1/namespaces/{namespace}/pods");
    cluster.create(&pods, &pod).await;
    eventually("one container runs and the other has ended", async || {
        let pod = cluster.read(&format!("{pods}/{name}")).await?;
        let statuses = pod["status"]["containerStatuses"].as_array()?.clone();
        let is = |name: &str, state: &str| {
            statuses.iter().any(|each| each["name"] == name && each["state"][state].is_object())
        };
        (is("main", "running") && is("done", "terminated")).then_some(())
    })
    .await;
}

fn shell(command: &str) -> Value {
    json!(["sh", "-c", command])
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn hooks_bracket_the_instant_of_a_backup() {
    let lab = Lab::get().await;
    let namespace = TestNamespace::create(&lab.a, "hooked").await;
    let annotations = json!({
        "pre.hook.backup.velero.io/command": r#"["sh", "-c", "id -u > /tmp/state"]"#,
        "post.hook.backup.velero.io/command": r#"["sh", "-c", "echo user $(cat /tmp/state) was at rest"]"#,
    });
    running_pod(&lab.a, &namespace.name, "db", annotations).await;
    let home = Installation::prepare(&lab.a, "hooks").await;
    home.location("default", &lab.bucket(), json!({})).await;
    let server = home.start(ServerOptions::default()).await;
    home.create(BACKUP, "quiet", json!({"includedNamespaces": [&namespace.name]})).await;
    let made = home.reach(BACKUP, "quiet", "Completed").await;
    assert_eq!(made["status"]["hooks"], json!({"attempted": 2, "failed": 0}), "{made}");
    let logs = crate::process::run(&mut lab.a.ark(["backup", "logs", "quiet", "-n", home.name()]));
    assert!(logs.expect_code(0).stdout.contains("user 65532 was at rest"));
    let (_, metrics) = server.get("/metrics").await.expect("metrics are served");
    for phase in ["pre", "post"] {
        let line = format!("ark_hooks_total{{phase=\"{phase}\",outcome=\"success\"}} 1");
        assert!(metrics.lines().any(|said| said == line), "{metrics}");
    }
}

/// Each hook says Continue, so that all are run; the last one ends its container.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn every_way_in_which_a_command_ends_is_told() {
    let lab = Lab::get().await;
    let namespace = TestNamespace::create(&lab.a, "ends").await;
    running_pod(&lab.a, &namespace.name, "db", json!({})).await;
    let cases = [
        (json!({"command": ["true"]}), "its pre hook (`0` of spec.hooks, `true`) succeeded"),
        (
            json!({"command": shell("echo the disk is full >&2; exit 7")}),
            "ended with exit code 7; it printed last: the disk is full",
        ),
        (json!({"command": ["no-such-program"]}), "it could not be run: "),
        (json!({"command": ["sleep", "600"], "timeout": "2s"}), "it had not ended after 2s"),
        (
            json!({"command": shell("yes once more | head -c 20000000; echo the end of the flood")}),
            ": the end of the flood",
        ),
        (json!({"command": shell("echo closed; exec >&- 2>&-; sleep 1")}), ": closed"),
        (json!({"command": ["id", "-u"]}), ": 65532"),
        (
            json!({"command": ["true"], "container": "nobody"}),
            "the pod has no container `nobody`; it has main, done",
        ),
        (
            json!({"command": ["true"], "container": "done"}),
            "its container `done` does not run: it ended with exit code 0",
        ),
        (
            json!({"command": shell("kill -TERM 1; sleep 60")}),
            "its pre hook (`9` of spec.hooks, `sh`) failed: ",
        ),
    ];
    let hooks = cases.iter().enumerate().map(|(number, (exec, _))| {
        let mut exec = exec.clone();
        exec["onError"] = json!("Continue");
        json!({"name": number.to_string(), "pre": [{"exec": exec}]})
    });
    let template =
        json!({"includedNamespaces": [&namespace.name], "hooks": {"resources": hooks.collect::<Vec<_>>()}});
    let home = Installation::prepare(&lab.a, "hooks").await;
    home.create(SCHEDULE, "cases", json!({"schedule": "@daily", "paused": true, "template": template})).await;
    let run = ["hook", "run", "--from-schedule", "cases", "--all", "-n", home.name()];
    let said = crate::process::run(&mut lab.a.ark(run)).expect_code(3).stderr;
    for (exec, says) in cases {
        assert!(said.contains(says), "{exec}: {says} is not in {said}");
    }
    assert_eq!(said.matches("error: ").count(), 6, "{said}");
}
