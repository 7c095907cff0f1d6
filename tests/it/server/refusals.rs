//! A cluster in which nothing can be done: no server, no CRDs, no namespace, no rights.

use serde_json::json;

use super::FakeCluster;
use crate::support::Running;

/// The server's Lease has run out, or there is none: `--wait` ends with 1, and the Backup stays
/// for the next server.
#[test]
fn without_a_server_the_wait_ends_and_says_when_one_was_last_seen() {
    let (dead, never) = (FakeCluster::start(), FakeCluster::start());
    dead.lease("ark-0", "2026-01-02T03:04:05.000000Z");
    never.no_lease();
    // Side by side, as each takes ten seconds.
    let first = Running::start(&mut dead.ark(&["backup", "create", "a", "--wait"]));
    let second = Running::start(&mut never.ark(&["backup", "create", "a", "--wait"]));
    let (first, second) = (first.wait().transcript(), second.wait().transcript());
    for said in [&first, &second] {
        assert!(said.contains("\nbackup a: New\n"), "it says how far it is: {said}");
    }
    insta::with_settings!({ filters => crate::FILTERS }, {
        insta::assert_snapshot!(first, @r"
            exit 1
            --- stdout
            --- stderr
            backup a is requested; waiting for it
            ark: no server is running in namespace heptio-ark: it was last heard of at [time]; the Backup stays, and is made as soon as one runs. Start one: `kubectl -n heptio-ark get pods` shows why it is not up, `ark install` prints what to apply, `ark server -n heptio-ark` runs one from here
        ");
        insta::assert_snapshot!(second, @r"
            exit 1
            --- stdout
            --- stderr
            backup a is requested; waiting for it
            ark: no server is running in namespace heptio-ark: there is no Lease `ark-server`, so that none ever ran there; the Backup stays, and is made as soon as one runs. Start one: `kubectl -n heptio-ark get pods` shows why it is not up, `ark install` prints what to apply, `ark server -n heptio-ark` runs one from here
        ");
    });
    assert!(dead.read("backups", "a").is_some(), "the Backup stays");
}

/// Both are a 404 of the API server: a missing namespace is exit code 4, missing CRDs are 1.
#[test]
fn kinds_that_are_not_installed_and_a_missing_namespace_are_told_apart() {
    let cluster = FakeCluster::start();
    cluster.no_namespace();
    says!(cluster.ark(&["backup", "get"]), @r"
        exit 4
        --- stdout
        --- stderr
        ark: there is no namespace `heptio-ark` in this cluster; name Ark's with -n, or install Ark: `ark install` prints what to apply
    ");
    says!(cluster.ark(&["backup", "get", "a"]), @r"
        exit 4
        --- stdout
        --- stderr
        ark: there is no namespace `heptio-ark` in this cluster; name Ark's with -n, or install Ark: `ark install` prints what to apply
    ");
    says!(cluster.ark(&["backup", "create", "a"]), @r"
        exit 4
        --- stdout
        --- stderr
        ark: there is no namespace `heptio-ark` in this cluster; name Ark's with -n, or install Ark: `ark install` prints what to apply
    ");
    cluster.uninstall();
    says!(cluster.ark(&["backup", "get"]), @r"
        exit 1
        --- stdout
        --- stderr
        ark: cannot list backups in namespace heptio-ark: this cluster does not know the kind `backups.ark.heptio.com`, so that Ark is not installed in it; `ark install` prints what to apply, `ark crd` the kinds alone
    ");
    says!(cluster.ark(&["backup", "create", "a"]), @r"
        exit 1
        --- stdout
        --- stderr
        ark: cannot create backup heptio-ark/a: this cluster does not know the kind `backups.ark.heptio.com`, so that Ark is not installed in it; `ark install` prints what to apply, `ark crd` the kinds alone
    ");
}

/// A 403 of the API server is answered with the rule that a role would need.
#[test]
fn what_is_forbidden_names_the_verb_and_the_resource() {
    let cluster = FakeCluster::start();
    cluster.put("backups", "monday", json!({"spec": {}}));
    cluster.forbid("create", "deletebackuprequests");
    cluster.forbid("list", "schedules");
    says!(cluster.ark(&["backup", "delete", "monday", "--confirm"]), @r#"
        exit 1
        --- stdout
        --- stderr
        ark: you may not create deletebackuprequests.ark.heptio.com in namespace heptio-ark: deletebackuprequests.ark.heptio.com is forbidden: User "me" cannot create resource "deletebackuprequests" in API group "ark.heptio.com" in the namespace "heptio-ark"; ask for a role that allows the verb `create` on the resource `deletebackuprequests` of the group `ark.heptio.com` there
    "#);
    says!(cluster.ark(&["schedule", "get"]), @r#"
        exit 1
        --- stdout
        --- stderr
        ark: you may not list schedules.ark.heptio.com in namespace heptio-ark: schedules.ark.heptio.com is forbidden: User "me" cannot list resource "schedules" in API group "ark.heptio.com" in the namespace "heptio-ark"; ask for a role that allows the verb `list` on the resource `schedules` of the group `ark.heptio.com` there
    "#);
}
