//! Findings about what restored items need and do not have, or what does not come back with them.
//! A dry run reports the same.

use super::*;

/// Restores into a cluster of these objects, and previews the same; returns what both say of an
/// item or a kind.
async fn told(objects: &Objects, items: &Items, spec: &Value, about: &str) -> Vec<String> {
    let messages = |findings: &[Finding]| -> Vec<String> {
        let of = |finding: &&Finding| {
            let item = finding.item.as_ref().map(ToString::to_string);
            item.or_else(|| finding.kind.as_ref().map(ToString::to_string)).as_deref() == Some(about)
        };
        findings.iter().filter(of).map(|finding| finding.message.clone()).collect()
    };
    let foreseen = foresee(&keep(objects.clone(), |_, _| None), items.clone(), spec.clone()).await;
    let came = restore_as(&keep(objects.clone(), |_, _| None), items.clone(), spec.clone()).await;
    assert_eq!(came.phase, RestorePhase::Completed, "{:?}", came.findings);
    let told = messages(&came.findings);
    assert_eq!(messages(&foreseen), told, "{foreseen:?}");
    told
}

fn in_shop(kind: &'static str, mut object: Value) -> (&'static str, Value) {
    object["metadata"]["namespace"] = "shop".into();
    object["metadata"]["uid"] = format!("old {}", object["metadata"]["name"]).into();
    (kind, object)
}

/// A namespace of the cluster.
fn there(name: &str) -> (String, Value) {
    let (_, mut namespace) = namespace(name);
    namespace["status"] = json!({"phase": "Active"});
    (format!("/api/v1/namespaces/{name}"), namespace)
}

fn path(plural: &str, name: &str) -> String {
    format!("/api/v1/namespaces/shop/{plural}/{name}")
}

#[tokio::test(start_paused = true)]
async fn what_is_only_needed_and_differs_in_the_cluster_is_told_once() {
    let items = vec![namespace("shop"), map("shop", "settings", &[])];
    let only_maps = json!({"includedResources": ["configmaps"]});
    let mut objects = Objects::from([there("shop")]);
    assert_eq!(told(&objects, &items, &only_maps, "namespaces shop").await, [""; 0]);
    objects.get_mut("/api/v1/namespaces/shop").unwrap()["metadata"]["labels"] = json!({"team": "other"});
    for policy in ["None", "Update", "Recreate"] {
        let spec = json!({"includedResources": ["configmaps"], "existingResourcePolicy": policy});
        let [warning] = &*told(&objects, &items, &spec, "namespaces shop").await else { panic!("{policy}") };
        assert!(
            warning.contains("differs in metadata.labels[team]") && warning.contains("only comes along"),
            "{warning}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_needed_binding_that_the_mapping_would_change_is_told() {
    let bindings = "clusterrolebindings.rbac.authorization.k8s.io";
    let binding = |namespace: &str| {
        let subject = json!({"kind": "ServiceAccount", "name": "robot", "namespace": namespace});
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "robots", "uid": "old robots"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}, "subjects": [subject]})
    };
    let account = in_shop(
        "serviceaccounts",
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}}),
    );
    let items = vec![namespace("shop"), account, (bindings, binding("shop"))];
    let path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/robots";
    let objects = Objects::from([(path.to_owned(), binding("shop"))]);
    let about = format!("{bindings} robots");
    let (here, copy) = (
        json!({"includedNamespaces": ["shop"]}),
        json!({"includedNamespaces": ["shop"], "namespaceMapping": {"shop": "copy"}}),
    );
    assert_eq!(told(&objects, &items, &here, &about).await, [""; 0]);
    let [warning] = &*told(&objects, &items, &copy, &about).await else { panic!("the copy has no rights") };
    assert!(warning.contains("namespace mapping") && warning.contains("subjects[0].namespace"), "{warning}");
}

#[tokio::test(start_paused = true)]
async fn what_a_finished_job_owned_comes_back_without_an_owner_and_says_so() {
    let job = in_shop(
        "jobs.batch",
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate"},
            "spec": {}, "status": {"completionTime": "2026-11-28T03:00:00Z"}}),
    );
    let owner = json!({"apiVersion": "batch/v1", "kind": "Job", "name": "migrate", "uid": job.1["metadata"]["uid"], "controller": true});
    let items = vec![namespace("shop"), map("shop", "result", &[owner]), job];
    let came = restore_into(&keep(Objects::new(), |_, _| None), items).await;
    let result = item("configmaps", "shop", "result");
    assert_eq!(came.act(&result).action, ItemAction::Create);
    let [warning] = came.warnings(&result)[..] else { panic!("{:?}", came.findings) };
    assert!(
        warning.starts_with("its owner, Job migrate, is neither restored nor in the cluster"),
        "{warning}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_without_its_account_is_told() {
    let account =
        |name: &str| json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}});
    let note = json!({"kubernetes.io/service-account.name": "robot"});
    let token = json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": {"name": "robots-own", "annotations": note}});
    let items =
        vec![namespace("shop"), in_shop("serviceaccounts", account("robot")), in_shop("secrets", token)];
    let about = "secrets shop/robots-own";
    let secrets = json!({"includedResources": ["secrets"]});
    let [warning] = &*told(&Objects::new(), &items, &secrets, about).await else { panic!("nothing is told") };
    assert!(warning.contains("`robot`, which is not in the cluster"), "{warning}");
    // The account is in the cluster, or comes, too.
    let objects = Objects::from([(path("serviceaccounts", "robot"), account("robot"))]);
    assert_eq!(told(&objects, &items, &secrets, about).await, [""; 0]);
    assert_eq!(told(&Objects::new(), &items, &json!({}), about).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_stateful_set_whose_claims_were_not_selected_is_told() {
    let claim = |name: &str| {
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
            "spec": {}, "status": {"phase": "Pending"}})
    };
    let template = json!({"metadata": {"name": "data"}, "spec": {}});
    let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}, "spec": {"volumeClaimTemplates": [template]}});
    let (claims, set) = ("persistentvolumeclaims", in_shop("statefulsets.apps", set));
    let mine = in_shop(claims, claim("data-db-0"));
    let items = vec![namespace("shop"), mine, in_shop(claims, claim("other")), set];
    let about = "statefulsets.apps shop/db";
    let sets = json!({"includedResources": ["statefulsets"]});
    let [warning] = &*told(&Objects::new(), &items, &sets, about).await else { panic!("nothing is told") };
    assert!(warning.starts_with("its claim `data-db-0` is in the backup, was not selected"), "{warning}");
    let objects = Objects::from([(path(claims, "data-db-0"), claim("data-db-0"))]);
    assert_eq!(told(&objects, &items, &sets, about).await, [""; 0]);
    assert_eq!(told(&Objects::new(), &items, &json!({}), about).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn custom_resources_that_were_done_and_may_be_done_again_are_told_once_a_kind() {
    let run = |name: &str, phase: &str| {
        let object = json!({"apiVersion": "example.com/v1", "kind": "Run", "metadata": {"name": name}, "spec": {}, "status": {"phase": phase}});
        in_shop("runs.example.com", object)
    };
    let items =
        vec![namespace("shop"), run("first", "Succeeded"), run("second", "Failed"), run("third", "Running")];
    let about = "runs.example.com";
    let [warning] = &*told(&Objects::new(), &items, &json!({}), about).await else {
        panic!("nothing is told")
    };
    assert!(
        warning.starts_with("what 2 of them ask for was done") && warning.contains("`shop/first`"),
        "{warning}"
    );
    // A resource that is in the cluster already does not begin anew.
    let objects = Objects::from([
        there("shop"),
        ("/apis/example.com/v1/namespaces/shop/runs/first".to_owned(), run("first", "Succeeded").1),
        ("/apis/example.com/v1/namespaces/shop/runs/second".to_owned(), run("second", "Failed").1),
    ]);
    assert_eq!(told(&objects, &items, &json!({}), about).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn finished_jobs_that_an_operator_may_make_again_are_told() {
    let job = |owner: Value| {
        let object = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate", "ownerReferences": [owner]},
            "spec": {}, "status": {"completionTime": "2026-11-28T03:00:00Z"}});
        in_shop("jobs.batch", object)
    };
    let owner = |version: &str, kind: &str| json!({"apiVersion": version, "kind": kind, "name": "app", "uid": "old app", "controller": true});
    let items = |owner: Value| vec![namespace("shop"), job(owner)];
    let operated = items(owner("example.com/v1", "App"));
    let [warning] = &*told(&Objects::new(), &operated, &json!({}), "jobs.batch").await else {
        panic!("nothing is told")
    };
    assert!(warning.starts_with("1 of them had ended and are left out (`shop/migrate`"), "{warning}");
    // The Job is in the cluster, or nobody makes it again.
    let mut objects = Objects::from([there("shop")]);
    let path = "/apis/batch/v1/namespaces/shop/jobs/migrate";
    objects.insert(path.to_owned(), operated[1].1.clone());
    assert_eq!(told(&objects, &operated, &json!({}), "jobs.batch").await, [""; 0]);
    let ticked = items(owner("batch/v1", "CronJob"));
    assert_eq!(told(&Objects::new(), &ticked, &json!({}), "jobs.batch").await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_has_another_volume_by_now_frees_none() {
    let [(volumes, volume), (claims, claim)] = claim_and_volume();
    let (mut released, mut there) = (volume.clone(), claim.clone());
    released["status"]["phase"] = "Released".into();
    there["metadata"]["uid"] = "another life".into();
    let items = vec![namespace("shop"), (volumes, volume), (claims, claim)];
    for (other, frees) in [(Some("pv-2"), 0), (None, 1)] {
        let mut objects = Objects::from([("/api/v1/persistentvolumes/pv-1".to_owned(), released.clone())]);
        if let Some(other) = other {
            there["spec"]["volumeName"] = other.into();
            objects.insert(path(claims, "data"), there.clone());
        }
        let freed = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&freed);
        let cluster = keep(objects, move |asked, objects| {
            if asked.method == "POST" && asked.uri.contains(claims) {
                return None;
            }
            if let Some(claim) = objects.get_mut(&path("persistentvolumeclaims", "data")) {
                claim["status"]["phase"] = "Bound".into();
            }
            let frees = asked.method == "PATCH" && asked.uri.starts_with("/api/v1/persistentvolumes/pv-1");
            frees.then(|| {
                seen.lock().unwrap().push(asked.body.clone());
                answer(200, "{}")
            })
        });
        let came = restore_into(&cluster, items.clone()).await;
        assert_eq!(came.phase, RestorePhase::Completed, "{:?}", came.findings);
        let freed: Vec<String> =
            freed.lock().unwrap().iter().filter(|body| body.contains("remove")).cloned().collect();
        assert_eq!(freed.len().min(1), frees, "{other:?}: {freed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn pods_that_the_operator_of_a_custom_resource_makes_anew_are_left_to_it_and_told() {
    let run = json!({"apiVersion": "example.com/v1", "kind": "Run", "metadata": {"name": "db", "labels": {"app": "db"}}, "spec": {}});
    let run = in_shop("runs.example.com", run);
    let owner = json!({"apiVersion": "example.com/v1", "kind": "Run", "name": "db", "uid": run.1["metadata"]["uid"], "controller": true});
    let pod = |name: &str, prefix: &str| {
        let metadata = json!({"name": name, "generateName": prefix, "labels": {"app": "db"}, "ownerReferences": [owner]});
        let volumes = json!([{"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}}]);
        let spec = if prefix.is_empty() { json!({}) } else { json!({"volumes": volumes}) };
        in_shop("pods", json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}))
    };
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "disk"},
        "spec": {}, "status": {"phase": "Pending"}});
    let claim = in_shop("persistentvolumeclaims", claim);
    let items = vec![namespace("shop"), claim, run, pod("launcher-x7k2p", "launcher-"), pod("db-0", "")];
    let labelled = json!({"labelSelector": {"matchLabels": {"app": "db"}}});
    let came = restore_as(&keep(Objects::new(), |_, _| None), items.clone(), labelled).await;
    assert_eq!(came.phase, RestorePhase::Completed, "{:?}", came.findings);
    // What the pod names comes all the same: its successor needs it.
    assert_eq!(came.act(&item("persistentvolumeclaims", "shop", "disk")).action, ItemAction::Create);
    let made = |name: &str| {
        let item = item("pods", "shop", name);
        came.acts.iter().any(|act| act.item == item && act.action == ItemAction::Create)
    };
    assert!(made("db-0") && !made("launcher-x7k2p"), "{:?}", came.acts);
    let [warning] = &*told(&Objects::new(), &items, &json!({}), "pods").await else {
        panic!("nothing is told")
    };
    assert!(
        warning.starts_with("1 of them have generated names") && warning.contains("`shop/launcher-x7k2p`"),
        "{warning}"
    );
    // Without their custom resource the pods come by themselves.
    assert_eq!(told(&Objects::new(), &items, &json!({"includedResources": ["pods"]}), "pods").await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_a_snapshot_is_told_that_its_content_is_the_original_s() {
    let (snapshots, contents) =
        ("volumesnapshots.snapshot.storage.k8s.io", "volumesnapshotcontents.snapshot.storage.k8s.io");
    let version = "snapshot.storage.k8s.io/v1";
    let reference =
        json!({"kind": "VolumeSnapshot", "namespace": "shop", "name": "monday", "uid": "old \"monday\""});
    let content = json!({"apiVersion": version, "kind": "VolumeSnapshotContent", "metadata": {"name": "c", "uid": "old c"},
        "spec": {"driver": "d", "deletionPolicy": "Retain", "source": {"volumeHandle": "v"}, "volumeSnapshotRef": reference},
        "status": {"snapshotHandle": "snap-1", "readyToUse": true}});
    let snapshot = in_shop(
        snapshots,
        json!({"apiVersion": version, "kind": "VolumeSnapshot", "metadata": {"name": "monday"},
            "spec": {"source": {"persistentVolumeClaimName": "data"}}, "status": {"boundVolumeSnapshotContentName": "c", "readyToUse": true}}),
    );
    let live = |path: &str| format!("/apis/{version}/{path}");
    let objects = Objects::from([
        there("shop"),
        (live("volumesnapshotcontents/c"), content.clone()),
        (live("namespaces/shop/volumesnapshots/monday"), snapshot.1.clone()),
    ]);
    let items = vec![namespace("shop"), (contents, content), snapshot];
    let copy = json!({"includedNamespaces": ["shop"], "namespaceMapping": {"shop": "copy"}});
    let told = told(&objects, &items, &copy, &format!("{contents} c")).await;
    assert!(told.iter().any(|warning| warning.contains("namespace mapping")), "{told:?}");
}
