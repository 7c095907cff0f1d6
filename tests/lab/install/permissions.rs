//! The rights that the manifests grant suffice, and are no more than the mode needs: the real
//! server runs with the token of its ServiceAccount.

use std::io::Write as _;

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use ark::model::Opener;

use super::manifests::apply_all;
use super::{printed, remove_roles};
use crate::server::{
    BACKUP, DELETION, DOWNLOAD, Installation, LOCATION, RESTORE, SCHEDULE, STATUS, Server, ServerOptions,
};
use crate::support::{Cluster, Lab, Right, TestNamespace, eventually, unique};

/// Roles and account of a server in a namespace, and a kubeconfig with nothing but the account's
/// token.
pub struct Account {
    /// The account and its roles.
    pub objects: Vec<Value>,
    kubeconfig: NamedTempFile,
}

impl Account {
    /// Creates the account that `ark install` prints with these flags.
    pub async fn grant(cluster: &Cluster, namespace: &str, flags: &[&str]) -> Self {
        let mut objects = printed(namespace, flags);
        objects.retain(|object| {
            let kind = object["kind"].as_str().expect("a kind");
            kind == "ServiceAccount" || kind.contains("Role")
        });
        apply_all(cluster, &objects).await;
        cluster.grants((namespace, "ark"), &objects).await;
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

    /// A server with the account.
    pub fn options(&self, flags: &[&str]) -> ServerOptions {
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
        let home = account["namespace"].as_str().expect("a namespace");
        cluster.allows((home, "ark"), &Right { namespace, verb, group, resource, name: "some" }).await
    }
}

/// Nothing that the server did was more than it may.
pub async fn expect_nothing_refused(server: &Server) {
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
async fn restore(lab: &Lab, home: &Installation<'_>, shop: &TestNamespace) -> TestNamespace {
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
async fn scheduled(home: &Installation<'_>, shop: &TestNamespace) {
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
async fn synced(home: &Installation<'_>) {
    home.delete(BACKUP, "one").await;
    eventually("the backup comes back from the bucket", async || {
        let backup = home.read(BACKUP, "one").await?;
        backup["metadata"]["annotations"]["ark.heptio.com/synced-from"].is_string().then_some(())
    })
    .await;
    home.reach(BACKUP, "one", "Completed").await;
}

/// All that a server does beside restoring, and a restore between, if it may.
async fn live(lab: &Lab, home: &Installation<'_>, shop: &TestNamespace, server: &Server, restores: bool) {
    home.location("default", &lab.bucket(), json!({})).await;
    home.reach(LOCATION, "default", "Available").await;
    home.create(STATUS, "who", json!({})).await;
    home.reach(STATUS, "who", "Processed").await;
    home.create(BACKUP, "one", json!({"includedNamespaces": [shop.name], "includeClusterResources": true}))
        .await;
    home.reach(BACKUP, "one", "Completed").await;
    let key = Opener::new().expect("there is randomness").key();
    let target = json!({"kind": "BackupLog", "name": "one"});
    home.create(DOWNLOAD, "log", json!({"target": target, "publicKey": key})).await;
    let download = home.reach(DOWNLOAD, "log", "Processed").await;
    assert!(download["status"]["sealedURL"].is_string(), "{download}");
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

/// Waits for an Event about an object of the kind: the server sends them beside its work.
async fn expect_events(home: &Installation<'_>, kind: &str) {
    let path = format!("/apis/events.k8s.io/v1/namespaces/{}/events", home.name());
    eventually(&format!("an Event tells of a {kind}"), async || {
        let events = home.cluster.list(&path).await;
        events.iter().any(|event| event["regarding"]["kind"] == kind).then_some(())
    })
    .await;
}

/// The server runs with the token of its ServiceAccount: no request of a backup, a restore, a
/// schedule, a deletion or the sync is forbidden.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn the_rights_suffice_for_all_that_a_server_does() {
    let lab = Lab::get().await;
    let home = Installation::prepare(&lab.a, "access").await;
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

/// Where an object of the server's access is, and labels it as a newer version of the chart would.
async fn relabel(cluster: &Cluster, namespace: &str, object: &Value, label: (&str, &str)) -> String {
    let plural = format!("{}s", object["kind"].as_str().expect("a kind").to_lowercase());
    let name = object["metadata"]["name"].as_str().expect("a name");
    let group = "/apis/rbac.authorization.k8s.io/v1";
    let path = match plural.as_str() {
        "serviceaccounts" => format!("/api/v1/namespaces/{namespace}/{plural}/{name}"),
        "roles" | "rolebindings" => format!("{group}/namespaces/{namespace}/{plural}/{name}"),
        _ => format!("{group}/{plural}/{name}"),
    };
    let mut live = cluster.read(&path).await.expect("it was applied");
    live["metadata"]["labels"][label.0] = json!(label.1);
    cluster.replace(&path, &live).await;
    path
}

/// An account that knows one namespace, by roles as docs/permissions.md says to write them.
async fn know_one(cluster: &Cluster, namespace: &str, shop: &str) -> Account {
    let mut account = Account::grant(cluster, namespace, &["--disable-restores"]).await;
    let (cluster_wide, own): (Vec<_>, Vec<_>) = account
        .objects
        .drain(..)
        .partition(|object| object["kind"].as_str().is_some_and(|kind| kind.starts_with("Cluster")));
    remove_roles(cluster, &cluster_wide).await;
    let group = "rbac.authorization.k8s.io";
    let role = |kind: &str, rules: Value, place: Option<&str>| {
        let mut metadata = json!({"name": unique("few")});
        metadata["namespace"] = json!(place);
        let api_version = format!("{group}/v1");
        let role = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "rules": rules});
        let binding = json!({
            "apiVersion": api_version, "kind": format!("{kind}Binding"), "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": kind, "name": metadata["name"]},
            "subjects": [{"kind": "ServiceAccount", "name": "ark", "namespace": namespace}],
        });
        [role, binding]
    };
    let namespaces = json!([{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list"]}]);
    let all = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["list"]}]);
    account.objects = own;
    account.objects.extend(role("ClusterRole", namespaces, None));
    account.objects.extend(role("Role", all, Some(shop)));
    apply_all(cluster, &account.objects).await;
    cluster.grants((namespace, "ark"), &account.objects).await;
    account
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_server_that_knows_a_few_namespaces_only_makes_complete_backups_of_them() {
    let lab = Lab::get().await;
    let home = Installation::prepare(&lab.a, "few").await;
    let shop = shop(&lab.a).await;
    let account = know_one(&lab.a, home.name(), &shop.name).await;
    eventually("the rights in all namespaces are out of force", async || {
        (!account.may(&lab.a, home.name(), "list", ("", "pods")).await).then_some(())
    })
    .await;
    let server = home.start(account.options(&["--disable-restores"])).await;
    let folder = tempfile::tempdir().expect("a folder");
    home.location("default", &format!("file://{}", folder.path().display()), json!({})).await;
    home.reach(LOCATION, "default", "Available").await;
    let few = |namespace: &str| json!({"includedNamespaces": [namespace], "includeClusterResources": false});
    home.create(BACKUP, "shop", few(&shop.name)).await;
    let backup = home.reach(BACKUP, "shop", "Completed").await;
    assert!(backup["status"]["progress"]["itemsBackedUp"].as_u64() >= Some(6), "{backup}");
    home.create(BACKUP, "other", few(home.name())).await;
    let other = home.reach(BACKUP, "other", "PartiallyFailed").await;
    assert!(other["status"]["errors"].as_u64() >= Some(1), "{other}");
    assert_eq!(server.stop().await, Some(0), "{}", server.log());
    remove_roles(&lab.a, &account.objects).await;
}

/// The backup holds older versions of the account and the roles that the server runs with.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_restore_of_all_leaves_the_server_that_runs_it_as_it_is() {
    let lab = Lab::get().await;
    let home = Installation::prepare(&lab.a, "itself").await;
    let account = Account::grant(&lab.a, home.name(), &[]).await;
    for object in &account.objects {
        relabel(&lab.a, home.name(), object, ("test", home.name())).await;
    }
    let server = home.start(account.options(&[])).await;
    let folder = tempfile::tempdir().expect("a folder");
    home.location("default", &format!("file://{}", folder.path().display()), json!({})).await;
    // All that has this test's label, cluster-scoped or not: the server's access, and nothing of
    // other tests.
    let own =
        json!({"labelSelector": {"matchLabels": {"test": home.name()}}, "includeClusterResources": true});
    home.create(BACKUP, "before", own.clone()).await;
    home.reach(BACKUP, "before", "Completed").await;
    let mut before = Vec::new();
    for object in &account.objects {
        let path = relabel(&lab.a, home.name(), object, ("version", "newer")).await;
        before.push((lab.a.read(&path).await.expect("there"), path));
    }
    for policy in ["Update", "Recreate"] {
        let name = unique(&policy.to_lowercase());
        let mut spec = json!({"backupName": "before", "existingResourcePolicy": policy});
        for (field, value) in own.as_object().expect("fields") {
            spec[field] = value.clone();
        }
        home.create(RESTORE, &name, spec).await;
        home.reach(RESTORE, &name, "Completed").await;
        for (object, path) in &before {
            let now = lab.a.read(path).await;
            assert_eq!(
                now.as_ref().map(|now| &now["metadata"]),
                Some(&object["metadata"]),
                "{policy} {path}"
            );
        }
    }
    home.create(BACKUP, "after", own).await;
    home.reach(BACKUP, "after", "Completed").await;
    assert_eq!(server.stop().await, Some(0), "{}", server.log());
    remove_roles(&lab.a, &account.objects).await;
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_server_that_may_only_read_does_all_but_restores_which_it_refuses() {
    const READS: [&str; 2] = ["--disable-restores", "--disable-hooks"];
    let lab = Lab::get().await;
    let home = Installation::prepare(&lab.a, "reader").await;
    let account = Account::grant(&lab.a, home.name(), &READS).await;
    let shop = shop(&lab.a).await;
    for verb in ["create", "patch", "update", "delete"] {
        assert!(!account.may(&lab.a, &shop.name, verb, ("", "configmaps")).await, "it may {verb}");
    }
    for door in
        ["pods/exec", "pods/attach", "pods/portforward", "pods/proxy", "nodes/proxy", "services/proxy"]
    {
        for verb in ["get", "create"] {
            assert!(!account.may(&lab.a, &shop.name, verb, ("", door)).await, "it may {verb} {door}");
        }
    }
    assert!(!account.may(&lab.a, &shop.name, "escalate", ("rbac.authorization.k8s.io", "roles")).await);
    let server = home.start(account.options(&READS)).await;
    live(&lab, &home, &shop, &server, false).await;
    home.create(RESTORE, "refused", json!({"backupName": "one"})).await;
    let refused = home.reach(RESTORE, "refused", "FailedValidation").await;
    let errors = refused["status"]["validationErrors"].to_string();
    assert!(errors.contains("--disable-restores"), "{errors}");
    expect_nothing_refused(&server).await;
    assert_eq!(server.stop().await, Some(0), "{}", server.log());
    remove_roles(&lab.a, &account.objects).await;
}
