//! What comes after the items: hooks of restored pods, and Jobs that are run again.

use super::*;
use crate::api::{BACKUP_NAME_LABEL, RESTORE_NAME_LABEL};
use crate::cluster::script::failure;

const PODS: &str = "/api/v1/namespaces/shop/pods";
const SET: &str = "/apis/apps/v1/namespaces/shop/statefulsets/db";
pub(super) const JOB: &str = "/apis/batch/v1/namespaces/shop/jobs/seed";

/// The end of a container's wait, or of its run.
fn status(state: Value) -> Value {
    let status =
        json!({"name": "db", "state": state, "image": "i", "imageID": "", "ready": false, "restartCount": 0});
    json!({"phase": "Pending", "containerStatuses": [status]})
}

/// The pod `shop/db` of the backup with these annotations.
fn pod(annotations: Value) -> (&'static str, Value) {
    let metadata = json!({"name": "db", "namespace": "shop", "uid": "old db", "annotations": annotations});
    let spec = json!({"containers": [{"name": "db", "image": "i"}]});
    ("pods", json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}))
}

/// A StatefulSet `shop/db` of the backup whose pods have these annotations.
fn stateful_set(annotations: Value) -> (&'static str, Value) {
    let metadata = json!({"name": "db", "namespace": "shop", "uid": "old set"});
    let template = json!({"metadata": {"annotations": annotations}, "spec": {"containers": [{"name": "db", "image": "i"}]}});
    let spec = json!({"replicas": 2, "template": template});
    (
        "statefulsets.apps",
        json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": spec}),
    )
}

fn fix() -> Value {
    json!({"post.hook.restore.velero.io/command": r#"["fix", "it"]"#})
}

/// The paths of commands that were to be run; each is refused.
type Commands = Arc<Mutex<Vec<String>>>;

/// A cluster that refuses commands, after `odd` has seen the request.
fn with_commands(mut odd: impl FnMut(&Asked, &mut Objects) + Send + 'static) -> (Cluster, Commands) {
    let commands = Commands::default();
    let noted = Arc::clone(&commands);
    let cluster = keep(Objects::new(), move |asked, objects| {
        odd(asked, objects);
        asked.uri.contains("/exec?").then(|| {
            noted.lock().unwrap().push(asked.uri.clone());
            failure(403, "Forbidden", "no command may be run", "")
        })
    });
    (cluster, commands)
}

fn messages(came: &Came) -> Vec<String> {
    came.findings.iter().map(ToString::to_string).collect()
}

#[tokio::test(start_paused = true)]
async fn hooks_run_in_every_pod_that_a_restored_workload_makes_once_it_runs() {
    let mut looks = 0;
    let (cluster, commands) = with_commands(move |asked, objects| {
        if asked.method != "GET" || asked.uri.split('?').next() != Some(PODS) {
            return;
        }
        looks += 1;
        for number in 0..2 {
            let state = if looks > 3 { json!({"running": {}}) } else { json!({"waiting": {}}) };
            let owner = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "u", "controller": true});
            let name = format!("db-{number}");
            let metadata =
                json!({"name": name, "namespace": "shop", "uid": name, "ownerReferences": [owner]});
            let pod = json!({"metadata": metadata, "spec": {"containers": [{"name": "db"}]}, "status": status(state)});
            objects.insert(format!("{PODS}/{name}"), pod);
        }
    });
    let came = restore_into(&cluster, vec![namespace("shop"), stateful_set(fix())]).await;
    assert_eq!(came.phase, RestorePhase::PartiallyFailed);
    for name in ["db-0", "db-1"] {
        let says = format!(
            "pods shop/{name}: its post-restore hook (by annotation, `fix`) failed: it could not be run: no command may be run"
        );
        assert_eq!(
            messages(&came).iter().filter(|message| **message == says).count(),
            1,
            "{:?}",
            came.findings
        );
    }
    assert_eq!(came.hooks, Some(HookCounts { attempted: 2, failed: 2, locks: Vec::new() }));
    let commands = commands.lock().unwrap();
    assert!(commands.len() == 2 && commands[0].contains("command=fix&command=it"), "{commands:?}");
    assert!((4..60).contains(&came.took.as_secs()), "{:?}", came.took);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_never_runs_is_waited_for_no_longer_than_its_hook_says() {
    let (cluster, commands) = with_commands(|_, objects| {
        if let Some(pod) = objects.get_mut(&format!("{PODS}/db")) {
            pod["status"] = status(json!({"waiting": {"reason": "ImagePullBackOff"}}));
        }
    });
    let hook = |program: &str, on_error: &str| json!({"exec": {"command": [program], "waitTimeout": "20m", "onError": on_error}});
    let hooks = json!({"hooks": {"resources": [
        {"name": "all", "includedNamespaces": ["shop"], "postHooks": [hook("one", "Continue"), hook("two", "Fail"), hook("three", "Fail")]},
        {"name": "idle", "includedNamespaces": ["web"], "postHooks": [hook("four", "Fail")]},
    ]}});
    let came = restore_as(&cluster, vec![namespace("shop"), pod(json!({}))], hooks).await;
    let says = messages(&came).join("\n");
    for program in ["one", "two"] {
        let why = "it was not run: its container `db` does not run: ImagePullBackOff, 20m after the items were restored";
        assert!(
            says.contains(&format!("its post-restore hook (`all` of spec.hooks, `{program}`) failed: {why}")),
            "{says}"
        );
    }
    assert!(
        !says.contains("`three`") && says.contains("the hook `idle` of spec.hooks is run in no pod"),
        "{says}"
    );
    assert_eq!(
        (came.errors().len(), came.hooks),
        (2, Some(HookCounts { attempted: 2, failed: 2, locks: Vec::new() }))
    );
    assert!(
        (1200..1300).contains(&came.took.as_secs()) && commands.lock().unwrap().is_empty(),
        "{:?}",
        came.took
    );
}

#[tokio::test(start_paused = true)]
async fn pods_that_a_workload_does_not_make_are_told_of() {
    let (cluster, _) = with_commands(|_, _| {});
    let came = restore_into(&cluster, vec![namespace("shop"), stateful_set(fix())]).await;
    let [error] = came.errors()[..] else { panic!("{:?}", came.findings) };
    let says = "statefulsets.apps shop/db: its hooks failed: they were not run in all of its pods: 0 of 2 pods are there, 10m after the items were restored";
    assert_eq!(error.to_string(), says);
}

#[tokio::test(start_paused = true)]
async fn an_init_container_is_given_to_a_pod_and_of_a_workload_an_error() {
    let given = Arc::<Mutex<Vec<Value>>>::default();
    let noted = Arc::clone(&given);
    let (cluster, _) = with_commands(move |asked, _| {
        if asked.method == "POST" {
            noted.lock().unwrap().push(serde_json::from_str(&asked.body).unwrap());
        }
    });
    let annotations = || json!({"init.hook.restore.velero.io/container-image": "busybox", "init.hook.restore.velero.io/container-name": "setup"});
    let items = vec![namespace("shop"), pod(annotations()), stateful_set(annotations())];
    let came = restore_into(&cluster, items).await;
    let [error] = came.errors()[..] else { panic!("{:?}", came.findings) };
    let given = given.lock().unwrap().clone();
    let of = |kind: &str| given.iter().find(|body| body["kind"] == kind).unwrap();
    assert_eq!(of("Pod")["spec"]["initContainers"], json!([{"name": "setup", "image": "busybox"}]));
    assert_eq!(of("StatefulSet")["spec"]["template"]["spec"]["initContainers"], Value::Null);
    let says = "statefulsets.apps shop/db: the init container `setup`, for which a hook asks, is not added";
    assert!(error.to_string().starts_with(says) && came.findings.len() == 1, "{:?}", came.findings);
    // Of what was there nothing is lost.
    let there = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "namespace": "shop", "uid": "there"}, "spec": {}});
    let objects = Objects::from([(SET.to_owned(), there)]);
    let items = || vec![namespace("shop"), stateful_set(annotations())];
    for policy in ["None", "Update"] {
        let cluster = keep(objects.clone(), |_, _| None);
        let came = restore_as(&cluster, items(), json!({"existingResourcePolicy": policy})).await;
        assert!(came.errors().is_empty(), "{:?}", came.findings);
    }
}

#[tokio::test(start_paused = true)]
async fn the_hooks_of_what_an_earlier_attempt_made_run_also_if_it_is_changed_again() {
    let (_, bucket) = faulty_bucket();
    write_items(&bucket, "nightly", None, vec![namespace("shop"), stateful_set(fix())]).await;
    for (restore, errors) in [("back", 1), ("another", 0)] {
        let mut live = stateful_set(fix()).1;
        live["metadata"]["uid"] = "made".into();
        live["metadata"]["labels"] = json!({RESTORE_NAME_LABEL: restore, BACKUP_NAME_LABEL: "nightly"});
        live["spec"]["replicas"] = 5.into();
        let cluster = keep(Objects::from([(SET.to_owned(), live)]), |_, _| None);
        let request = RestoreRequest {
            attempt: 2,
            record: false,
            ..request(json!({"existingResourcePolicy": "Update"}))
        };
        let ended = run(&cluster, &bucket, &request, &Progress::default(), std::future::pending()).await;
        let findings = ended.unwrap().results.findings;
        let lacking =
            findings.iter().filter(|found| found.message.contains("they were not run in all of its pods"));
        assert_eq!(lacking.count(), errors, "{findings:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_annotation_that_cannot_be_read_is_an_error_and_the_pod_comes_without_its_hook() {
    let (cluster, commands) = with_commands(|_, _| {});
    let annotations = json!({
        "post.hook.restore.velero.io/command": "fix", "post.hook.restore.velero.io/wait-timeout": "soon",
        "init.hook.restore.velero.io/container-image": "busybox", "init.hook.restore.velero.io/command": "[x",
    });
    let came = restore_into(&cluster, vec![namespace("shop"), pod(annotations)]).await;
    let says = messages(&came).join("\n");
    for key in ["post.hook.restore.velero.io/wait-timeout", "init.hook.restore.velero.io/command"] {
        assert!(says.contains(&format!("pods shop/db: its annotation {key} cannot be read")), "{says}");
    }
    assert_eq!((came.errors().len(), came.act(&item("pods", "shop", "db")).action), (2, ItemAction::Create));
    assert!(commands.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn hooks_that_are_disabled_are_refused_in_the_specification_and_a_warning_by_annotation() {
    let (cluster, commands) = with_commands(|_, _| {});
    let (_, bucket) = faulty_bucket();
    write_items(&bucket, "nightly", None, vec![namespace("shop"), pod(fix())]).await;
    let disabled = |spec| RestoreRequest { runs_hooks: false, ..request(spec) };
    let run = async |request: RestoreRequest| {
        run(&cluster, &bucket, &request, &Progress::default(), std::future::pending()).await
    };
    let hooks = json!({"hooks": {"resources": [{"name": "all"}]}});
    let refused = run(disabled(hooks)).await.unwrap_err();
    assert!(matches!(&refused, RestoreError::Specification(wrong) if wrong[0].field == "hooks"), "{refused}");
    let nothing = json!({"hooks": {"resources": []}}); // asks for nothing
    let findings = run(disabled(nothing)).await.unwrap().results.findings;
    let [warning] = &*findings else { panic!("{findings:?}") };
    assert!(
        warning
            .to_string()
            .contains("ask by annotation for hooks (`pods shop/db` among them), and none was run")
    );
    assert!(commands.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_restore_that_is_stopped_says_which_hooks_and_jobs_it_did_not_come_to() {
    let (cluster, _) = with_commands(|_, _| {});
    let (_, bucket) = faulty_bucket();
    write_items(&bucket, "nightly", None, vec![namespace("shop"), pod(fix())]).await;
    let request = request(json!({"rerunJobs": [{"name": "seed"}]}));
    let stop = tokio::time::sleep(Duration::from_secs(60));
    let ended = run(&cluster, &bucket, &request, &Progress::default(), stop).await;
    assert!(matches!(ended, Err(RestoreError::Unfinished { .. })), "{ended:?}");
    let stored = bucket.open_restore(&request.name).await.unwrap();
    let results = stored.results().await.unwrap();
    let says: Vec<String> = results.findings.iter().map(ToString::to_string).collect();
    assert!(
        says.iter()
            .any(|said| said
                .contains("the hooks of 1 restored items (`pods shop/db` among them) were not run")),
        "{says:?}"
    );
    assert!(says.iter().any(|said| said.contains("1 of rerunJobs were not run again")), "{says:?}");
}

#[tokio::test]
async fn a_dry_run_says_which_hooks_and_jobs_would_run() {
    let (cluster, _) = with_commands(|_, _| {});
    let (_, bucket) = faulty_bucket();
    let init = json!({"init.hook.restore.velero.io/container-image": "busybox", "init.hook.restore.velero.io/container-name": "setup"});
    let mut annotations = fix();
    json_patch::merge(&mut annotations, &init);
    write_items(&bucket, "nightly", None, vec![namespace("shop"), pod(annotations), job(true)]).await;
    let spec = json!({"rerunJobs": [{"name": "seed"}, {"name": "nobody", "namespace": "shop"}]});
    let preview = preview(&cluster, &bucket, &request(spec), &Progress::default()).await.unwrap();
    let reason = |kind: &str, name: &str| {
        let act = preview.acts.iter().find(|act| act.item == item(kind, "shop", name)).unwrap();
        act.reason.clone().unwrap_or_default()
    };
    assert_eq!(
        reason("pods", "db"),
        "gets the init container `setup`, then the hook `fix` is run (by annotation)"
    );
    assert_eq!(reason("jobs.batch", "seed"), "then it is run again");
    let [error] = &*preview.results.findings else { panic!("{:?}", preview.results.findings) };
    assert!(
        error.to_string().contains("rerunJobs asks for the Job `nobody` in the namespace shop"),
        "{error}"
    );
}

/// The Job `shop/seed` of the backup, which had ended or not.
pub(super) fn job(has_ended: bool) -> (&'static str, Value) {
    let labels = json!({"app": "seed", "batch.kubernetes.io/controller-uid": "old", "controller-uid": "old"});
    let metadata = json!({"name": "seed", "namespace": "shop", "uid": "old", "labels": labels});
    let spec = json!({"selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": "old"}},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "i"}], "restartPolicy": "Never"}}});
    let ended = json!({"conditions": [{"type": "Complete", "status": "True"}]});
    let status = if has_ended { ended } else { json!({"active": 1}) };
    (
        "jobs.batch",
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec, "status": status}),
    )
}

/// Restores `items` and runs the Job again in a cluster that has these objects; a Job that was
/// created ends by this condition. Returns the writes to Jobs, too.
async fn rerun(objects: Objects, items: Items, wanted: Value, ends: &'static str) -> (Came, Vec<Asked>) {
    let writes = Arc::<Mutex<Vec<Asked>>>::default();
    let noted = Arc::clone(&writes);
    let cluster = keep(objects, move |asked, objects| {
        if asked.method != "GET" && asked.uri.contains("/jobs") {
            noted.lock().unwrap().push(asked.clone());
        } else if let Some(job) = objects.get_mut(JOB).filter(|_| asked.uri.contains("/jobs/seed")) {
            job["status"] =
                json!({"conditions": [{"type": ends, "status": "True", "reason": "Why", "message": "so"}]});
        }
        None
    });
    let came = restore_as(&cluster, items, json!({"rerunJobs": wanted})).await;
    let writes = writes.lock().unwrap().clone();
    (came, writes)
}

fn created(asked: &Asked) -> Value {
    assert_eq!(asked.method, "POST", "{asked:?}");
    serde_json::from_str(&asked.body).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_job_that_had_ended_is_made_from_the_backup_and_waited_for() {
    let items = || vec![namespace("shop"), job(true)];
    let selector = json!([{"labelSelector": {"matchLabels": {"app": "seed"}}, "namespace": "shop"}]);
    for wanted in [json!([{"name": "seed"}]), selector] {
        let (came, writes) = rerun(Objects::new(), items(), wanted, "Complete").await;
        assert_eq!((came.phase, came.errors().len()), (RestorePhase::Completed, 0), "{:?}", came.findings);
        let [made] = &*writes else { panic!("{writes:?}") };
        let made = created(made);
        assert_eq!((&made["spec"]["selector"], &made["status"]), (&Value::Null, &Value::Null));
        assert_eq!(made["spec"]["template"]["metadata"]["labels"], json!({"app": "seed"}));
        assert_eq!(made["metadata"]["annotations"]["ark.heptio.com/rerun-by"], "restore");
    }
    let (came, _) = rerun(Objects::new(), items(), json!([{"name": "seed"}]), "Failed").await;
    let [error] = came.errors()[..] else { panic!("{:?}", came.findings) };
    assert_eq!(error.to_string(), "jobs.batch shop/seed: it was run again, and failed: so (Why)");
    let other = json!([{"labelSelector": {"matchLabels": {"app": "other"}}}]);
    let (came, writes) = rerun(Objects::new(), items(), other, "Complete").await;
    assert!(
        writes.is_empty() && came.errors()[0].message.contains("the Job with these labels"),
        "{:?}",
        came.findings
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_there_is_deleted_with_its_pods_and_made_as_it_was() {
    let mut live = job(true).1;
    live["metadata"]["uid"] = "live".into();
    live["metadata"]["labels"]["mine"] = "kept".into();
    live["spec"]["parallelism"] = 3.into();
    let objects = Objects::from([(JOB.to_owned(), live.clone())]);
    let (came, writes) =
        rerun(objects, vec![namespace("shop"), job(true)], json!([{"name": "seed"}]), "Complete").await;
    assert!(came.errors().is_empty(), "{:?}", came.findings);
    let [deleted, made] = &*writes else { panic!("{writes:?}") };
    assert!(
        deleted.method == "DELETE" && deleted.body.contains("Foreground") && deleted.body.contains("live"),
        "{deleted:?}"
    );
    let made = created(made);
    assert_eq!(
        (&made["metadata"]["labels"]["mine"], &made["spec"]["parallelism"]),
        (&json!("kept"), &json!(3))
    );
    assert_eq!(made["metadata"]["labels"]["controller-uid"], Value::Null);
    // The attempt before this one made it.
    live["metadata"]["annotations"] = json!({"ark.heptio.com/rerun-by": "restore"});
    let objects = Objects::from([(JOB.to_owned(), live)]);
    let (came, writes) =
        rerun(objects, vec![namespace("shop"), job(true)], json!([{"name": "seed"}]), "Complete").await;
    assert!(came.errors().is_empty() && writes.is_empty(), "{writes:?} {:?}", came.findings);
}
