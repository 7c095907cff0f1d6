//! The role for hooks, without the one for restores, which may do everything.

use serde_json::json;

use super::permissions::{Account, expect_nothing_refused};
use super::remove_roles;
use crate::server::{BACKUP, Installation};
use crate::support::{Lab, TestNamespace};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn the_role_for_hooks_suffices_to_scale_and_to_run_jobs() {
    const FLAGS: [&str; 1] = ["--disable-restores"];
    let lab = Lab::get().await;
    let home = Installation::prepare(&lab.a, "hooking").await;
    let account = Account::grant(&lab.a, home.name(), &FLAGS).await;
    let shop = TestNamespace::create(&lab.a, "acted").await;
    let pod = json!({"containers": [{"name": "a", "image": "example.com/a"}], "restartPolicy": "Never"});
    let cron_job = json!({
        "metadata": {"name": "check"},
        "spec": {"schedule": "@yearly", "suspend": true, "jobTemplate": {"spec": {"template": {"spec": pod}}}},
    });
    lab.a.create(&format!("/apis/batch/v1/namespaces/{}/cronjobs", shop.name), &cron_job).await;
    let template = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": pod["containers"]}});
    let set = json!({
        "metadata": {"name": "web"},
        "spec": {"replicas": 2, "serviceName": "web", "selector": {"matchLabels": {"app": "web"}}, "template": template},
    });
    let sets = format!("/apis/apps/v1/namespaces/{}/statefulsets", shop.name);
    lab.a.create(&sets, &set).await;
    home.location("default", &lab.bucket(), json!({})).await;
    let server = home.start(account.options(&FLAGS)).await;
    let workloads = json!([{"resource": "sts", "name": "web"}]);
    let actions = json!([
        {"name": "rest", "namespace": shop.name, "timeout": "1m", "scale": {"workloads": workloads}},
        {"name": "check", "namespace": shop.name, "phase": "Post", "timeout": "3s", "job": {"fromCronJob": "check"}},
    ]);
    let spec = json!({"includedNamespaces": [shop.name], "hooks": {"actions": actions}});
    home.create(BACKUP, "one", spec).await;
    // No node runs the Job.
    let ended = home.reach(BACKUP, "one", "PartiallyFailed").await;
    assert_eq!(ended["status"]["errors"], 1, "{ended}");
    let set = lab.a.read(&format!("{sets}/web")).await.expect("it is there");
    assert_eq!((&set["spec"]["replicas"], &set["metadata"]["annotations"]), (&json!(2), &json!(null)));
    let jobs = lab.a.list(&format!("/apis/batch/v1/namespaces/{}/jobs", shop.name)).await;
    assert!(jobs.is_empty(), "{jobs:?}");
    expect_nothing_refused(&server).await;
    assert_eq!(server.stop().await, Some(0), "{}", server.log());
    remove_roles(&lab.a, &account.objects).await;
}
