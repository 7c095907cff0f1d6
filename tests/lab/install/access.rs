//! The rights that the manifests grant suffice, and are no more than the mode needs: the real server runs with the token of
//! its ServiceAccount.

use std::io::Write as _;

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::manifests::apply_all;
use super::{printed, remove_roles};
use crate::server::{
    BACKUP, DELETION, DOWNLOAD, Home, LOCATION, RESTORE, SCHEDULE, STATUS, Server, ServerOptions,
};
use crate::support::{Cluster, Lab, TestNamespace, eventually, unique};

/// Roles and account of a server in a namespace, and a kubeconfig with nothing but the account's token.
struct Account {
    objects: Vec<Value>,
    kubeconfig: NamedTempFile,
}

impl Account {
    async fn grant(cluster: &Cluster, namespace: &str, flags: &[&str]) -> Self {
        let mut objects = printed(namespace, flags);
        objects.retain(|object| {
            let kind = object["kind"].as_str().expect("a kind");
            kind == "ServiceAccount" || kind.contains("Role")
        });
        apply_all(cluster, &objects).await;
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/ark/token");
        let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}});
        let answer = cluster.create(&path, &request).await;
        let text = std::fs::read_to_string(&cluster.kubeconfig).expect("readable");
        let mut config: Value = serde_saphyr::from_str(&text).expect("a kubeconfig");
        config["users"][0]["user"] = json!({ "token": answer["status"]["token"] });
        let mut kubeconfig = NamedTempFile::new().expect("a file");
        kubeconfig.write_all(config.to_string().as_bytes()).expect("writable");
        Self { objects, kubeconfig }
    }

    fn options(&self, flags: &[&str]) -> ServerOptions {
        ServerOptions {
            kubeconfig: Some(self.kubeconfig.path().to_owned()),
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            ..ServerOptions::default()
        }
    }

    /// Whether the account may, by the API server's own word.
    async fn may(
        &self,
        cluster: &Cluster,
        namespace: &str,
        verb: &str,
        (group, resource): (&str, &str),
    ) -> bool {
        let account =
            &self.objects.iter().find(|object| object["kind"] == "ServiceAccount").expect("one")["metadata"];
        let user =
            format!("system:serviceaccount:{}:ark", account["namespace"].as_str().expect("a namespace"));
        let attributes = json!({"namespace": namespace, "verb": verb, "group": group, "resource": resource});
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {"user": user, "groups": ["system:authenticated"], "resourceAttributes": attributes},
        });
        let answer = cluster.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", &review).await;
        answer["status"]["allowed"] == true
    }
}

/// Nothing that the server did was more than it may.
async fn expect_nothing_refused(server: &Server) {
    let log = server.log();
    let refused: Vec<_> = log.lines().filter(|line| line.to_lowercase().contains("forbidden")).collect();
    assert!(refused.is_empty(), "{refused:#?}");
    let (code, metrics) = server.get("/metrics").await.expect("metrics are served");
    assert_eq!(code, 200);
    assert!(metrics.contains("ark_api_requests_total{"), "requests are not counted:\n{metrics}");
    let refused: Vec<_> = metrics.lines().filter(|line| line.contains("code=\"403\"")).collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

/// An application whose roles grant more than the server itself has.
async fn shop(cluster: &Cluster) -> TestNamespace {
    let shop = TestNamespace::create(cluster, "shop").await;
    let core = format!("/api/v1/namespaces/{}", shop.name);
    let rbac = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}", shop.name);
    let group = "rbac.authorization.k8s.io";
    let named = |kind: &str, rest: Value| {
        let mut object = rest;
        object["kind"] = json!(kind);
        object["metadata"] = json!({"name": "web"});
        object
    };
    cluster
        .create(&format!("{core}/configmaps"), &named("ConfigMap", json!({"data": {"greeting": "hello"}})))
        .await;
    cluster
        .create(&format!("{core}/secrets"), &named("Secret", json!({"stringData": {"password": "x"}})))
        .await;
    cluster.create(&format!("{core}/serviceaccounts"), &named("ServiceAccount", json!({}))).await;
    let rules = json!({"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]});
    cluster.create(&format!("{rbac}/roles"), &named("Role", rules)).await;
    let binding = json!({
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "web"},
        "subjects": [{"kind": "ServiceAccount", "name": "web", "namespace": shop.name}],
    });
    cluster.create(&format!("{rbac}/rolebindings"), &named("RoleBinding", binding)).await;
    shop
}

async fn expect_copy(lab: &Lab, namespace: &str) {
    for path in ["configmaps/web", "secrets/web", "serviceaccounts/web"] {
        let path = format!("/api/v1/namespaces/{namespace}/{path}");
        assert!(lab.a.read(&path).await.is_some(), "{path} did not come back");
    }
    for path in ["roles/web", "rolebindings/web"] {
        let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/{path}");
        assert!(lab.a.read(&path).await.is_some(), "{path} did not come back");
    }
}

/// A restore under another name, then over what was changed there, by each policy.
async fn restore(lab: &Lab, home: &Home<'_>, shop: &TestNamespace) -> TestNamespace {
    let copy = TestNamespace::reserve(&lab.a, "copy");
    let greeting = format!("/api/v1/namespaces/{}/configmaps/web", copy.name);
    for (policy, expected) in
        [("None", "hello"), ("None", "changed"), ("Update", "hello"), ("Recreate", "hello")]
    {
        if let Some(mut changed) = lab.a.read(&greeting).await {
            changed["data"]["greeting"] = json!("changed");
            lab.a.replace(&greeting, &changed).await;
        }
        let spec = json!({
            "backupName": "one", "existingResourcePolicy": policy,
            "namespaceMapping": { shop.name.as_str(): copy.name.as_str() },
        });
        let name = unique(&policy.to_lowercase());
        home.create(RESTORE, &name, spec).await;
        home.reach(RESTORE, &name, "Completed").await;
        expect_copy(lab, &copy.name).await;
        let now = lab.a.read(&greeting).await.expect("it is there");
        assert_eq!(now["data"]["greeting"], expected, "{policy}");
    }
    copy
}

/// What a Schedule makes: once at creation, then by the clock.
async fn scheduled(home: &Home<'_>, shop: &TestNamespace) {
    let template = json!({"includedNamespaces": [shop.name]});
    let spec = json!({"schedule": "@every 3s", "template": template, "useOwnerReferences": true});
    home.create(SCHEDULE, "often", spec).await;
    eventually("two scheduled backups are Completed", async || {
        let done = home.all(BACKUP).await.into_iter().filter(|backup| {
            backup["metadata"]["labels"]["ark.heptio.com/schedule-name"] == "often"
                && backup["status"]["phase"] == "Completed"
        });
        (done.count() >= 2).then_some(())
    })
    .await;
    home.delete(SCHEDULE, "often").await;
}

/// A backup that is lost here comes back from the bucket.
async fn synced(home: &Home<'_>) {
    home.delete(BACKUP, "one").await;
    eventually("the backup comes back from the bucket", async || {
        let backup = home.read(BACKUP, "one").await?;
        backup["metadata"]["annotations"]["ark.heptio.com/synced-from"].is_string().then_some(())
    })
    .await;
    home.reach(BACKUP, "one", "Completed").await;
}

/// All that a server does beside restoring, and a restore between, if it may.
async fn live(lab: &Lab, home: &Home<'_>, shop: &TestNamespace, server: &Server, restores: bool) {
    home.location("default", &lab.bucket(), json!({})).await;
    home.reach(LOCATION, "default", "Available").await;
    home.create(STATUS, "who", json!({})).await;
    home.reach(STATUS, "who", "Processed").await;
    home.create(BACKUP, "one", json!({"includedNamespaces": [shop.name], "includeClusterResources": true}))
        .await;
    home.reach(BACKUP, "one", "Completed").await;
    home.create(DOWNLOAD, "log", json!({"target": {"kind": "BackupLog", "name": "one"}})).await;
    let download = home.reach(DOWNLOAD, "log", "Processed").await;
    assert!(download["status"]["downloadURL"].is_string(), "{download}");
    let copy = if restores { Some(restore(lab, home, shop).await) } else { None };
    scheduled(home, shop).await;
    synced(home).await;
    home.create(DELETION, "one", json!({"backupName": "one"})).await;
    home.gone(BACKUP, "one").await;
    home.create(BACKUP, "brief", json!({"includedNamespaces": [shop.name], "ttl": "3s"})).await;
    eventually("an expired backup is removed", async || {
        let gone = home.read(BACKUP, "brief").await.is_none();
        (gone && server.log().contains("brief")).then_some(())
    })
    .await;
    expect_events(home, "Backup").await;
    drop(copy);
}

async fn expect_events(home: &Home<'_>, kind: &str) {
    let path = format!("/apis/events.k8s.io/v1/namespaces/{}/events", home.name());
    let list = home.cluster.read(&path).await.expect("events are served");
    let events = list["items"].as_array().expect("a list");
    assert!(
        events.iter().any(|event| event["regarding"]["kind"] == kind),
        "no Event tells of a {kind}: {events:#?}"
    );
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn the_rights_suffice_for_all_that_a_server_does() {
    let lab = Lab::get().await;
    let home = Home::found(&lab.a, "access").await;
    let account = Account::grant(&lab.a, home.name(), &[]).await;
    let shop = shop(&lab.a).await;
    let server = home.start(account.options(&[])).await;
    live(&lab, &home, &shop, &server, true).await;
    expect_events(&home, "Restore").await;
    expect_nothing_refused(&server).await;
    assert_eq!(server.stop().await, Some(0), "{}", server.log());
    // `update` is for existingResourcePolicy Update, and no more than `patch` is.
    for verb in ["watch", "deletecollection", "impersonate"] {
        assert!(!account.may(&lab.a, &shop.name, verb, ("", "configmaps")).await, "it may {verb}");
    }
    remove_roles(&lab.a, &account.objects).await;
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_server_that_may_only_read_does_all_but_restores_which_it_refuses() {
    let lab = Lab::get().await;
    let home = Home::found(&lab.a, "reader").await;
    let account = Account::grant(&lab.a, home.name(), &["--disable-restores"]).await;
    let shop = shop(&lab.a).await;
    for verb in ["create", "patch", "update", "delete"] {
        assert!(!account.may(&lab.a, &shop.name, verb, ("", "configmaps")).await, "it may {verb}");
    }
    assert!(!account.may(&lab.a, &shop.name, "escalate", ("rbac.authorization.k8s.io", "roles")).await);
    let server = home.start(account.options(&["--disable-restores"])).await;
    live(&lab, &home, &shop, &server, false).await;
    home.create(RESTORE, "refused", json!({"backupName": "one"})).await;
    let refused = home.reach(RESTORE, "refused", "FailedValidation").await;
    let errors = refused["status"]["validationErrors"].to_string();
    assert!(errors.contains("--disable-restores"), "{errors}");
    expect_nothing_refused(&server).await;
    assert_eq!(server.stop().await, Some(0), "{}", server.log());
    remove_roles(&lab.a, &account.objects).await;
}
