//! `ark backup run` on the fake engine cluster: summary, warnings and errors, and the exit code
//! that tells them.

use std::fs;

use crate::fixture::Fixture;

/// `-o` as a table, `name` and `json`; standard error tells until when the backup is kept.
#[test]
fn a_backup_tells_what_it_took_in_every_format() {
    let fixture = Fixture::new();
    says!(fixture.command(&["backup", "run", "a"]), @r"
        exit 0
        --- stdout
        backup a: Completed, 6 items ([size] , [size] stored) at revision 1000 in [duration], 0 left out, 0 warnings, 0 errors
        --- stderr
        it is kept for ever; --ttl gives it an end, as a server gives its own 30 days
    ");
    says!(fixture.command(&["backup", "run", "b", "-o", "name"]), @r"
        exit 0
        --- stdout
        b
        --- stderr
    ");
    let kept = fixture.run(&["backup", "run", "kept", "--ttl", "30d"]).expect_code(0).stderr;
    assert!(kept.starts_with("it is kept until 2"), "{kept}");
    let answer = fixture.run(&["backup", "run", "c", "-o", "json"]).expect_code(0);
    let document: serde_json::Value = serde_json::from_str(&answer.stdout).expect("one JSON document");
    assert_eq!(document["status"]["phase"], "Completed");
    assert_eq!(document["status"]["progress"]["itemsBackedUp"], 6);
}

/// A second backup of the same name is refused, and no byte of the first one's document changes.
#[test]
fn a_name_that_is_taken_is_code_1_and_the_backup_stays_as_it_is() {
    let fixture = Fixture::new();
    let before = fs::read(fixture.file("ark-backup.json")).expect("the document");
    says!(fixture.command(&["backup", "run", "monday"]), @r"
        exit 1
        --- stdout
        --- stderr
        ark: the backup name `monday` is taken in file://[folder]: a complete one, made in cluster [uuid], is there; use another name, or delete it first
    ");
    assert_eq!(fs::read(fixture.file("ark-backup.json")).expect("the document"), before);
}

/// RBAC forbids to list secrets: the backup is PartiallyFailed and has all other kinds, and
/// `backup diff --live` names the kind that it could not compare.
#[test]
fn a_kind_that_may_not_be_listed_is_code_3_and_the_rest_is_there() {
    let fixture = Fixture::new();
    fixture.cluster.forbid("secrets");
    says!(fixture.command(&["backup", "run", "partial"]), @r#"
        exit 3
        --- stdout
        backup partial: PartiallyFailed, 5 items ([size] , [size] stored) at revision 1000 in [duration], 0 left out, 0 warnings, 1 error
        --- stderr
        error: secrets: listing broke off, so that items of it are missing in this backup: cannot list secrets: secrets is forbidden: User "me" cannot list resource "secrets" (403 Forbidden)
        it is kept for ever; --ttl gives it an end, as a server gives its own 30 days
    "#);
    says!(fixture.command(&["backup", "contents", "partial", "-o", "name"]), @r"
        exit 0
        --- stdout
        namespaces default
        namespaces kube-system
        namespaces shop
        configmaps shop/settings
        configmaps shop/prices
        --- stderr
    ");
    says!(fixture.command(&["backup", "diff", "monday", "--live"]), @r#"
        exit 3
        --- stdout
        --- stderr
        error: secrets: not compared: cannot list secrets: secrets is forbidden: User "me" cannot list resource "secrets" (403 Forbidden)
        0 added, 0 removed, 0 changed, 5 equal
    "#);
}

/// A name that no namespace or kind has is an error, as it may be misspelt; a pattern may match
/// nothing.
#[test]
fn a_namespace_that_is_named_and_not_there_is_code_3_a_pattern_only_a_warning() {
    let fixture = Fixture::new();
    says!(fixture.command(&["backup", "run", "a", "--include-namespaces", "shop,shpo"]), @r"
        exit 3
        --- stdout
        backup a: PartiallyFailed, 4 items ([size] , [size] stored) at revision 1000 in [duration], 0 left out, 0 warnings, 1 error
        --- stderr
        error: there is no namespace `shpo` in this cluster, so that nothing of it is in this backup; `kubectl get namespaces` lists the names
        it is kept for ever; --ttl gives it an end, as a server gives its own 30 days
    ");
    says!(fixture.command(&["backup", "run", "b", "--include-namespaces", "shop,x-*"]), @r"
        exit 0
        --- stdout
        backup b: Completed, 4 items ([size] , [size] stored) at revision 1000 in [duration], 0 left out, 1 warning, 0 errors
        --- stderr
        warning: no namespace matches `x-*`
        it is kept for ever; --ttl gives it an end, as a server gives its own 30 days
    ");
    says!(fixture.command(&["backup", "run", "c", "--include-resources", "configmaps,cofnigmaps"]), @r"
        exit 3
        --- stdout
        backup c: PartiallyFailed, 3 items ([size] , [size] stored) at revision 1000 in [duration], 0 left out, 0 warnings, 1 error
        --- stderr
        error: no kind is called `cofnigmaps` in this cluster, so that nothing of it is in this backup; `kubectl api-resources` lists the names
        it is kept for ever; --ttl gives it an end, as a server gives its own 30 days
    ");
}

/// A selector that matches no object makes a Completed backup without items, and a warning.
#[test]
fn a_backup_that_selects_nothing_says_so() {
    let fixture = Fixture::new();
    let made = fixture.run(&["backup", "run", "empty", "--selector", "app=nobody"]).expect_code(0);
    assert!(made.stdout.starts_with("backup empty: Completed, 0 items"), "{}", made.stdout);
    assert!(made.stderr.contains("warning: nothing in the cluster is selected"), "{}", made.stderr);
}

/// A kind, as of an aggregated API, is listed at a revision other than the backup's: its items are
/// taken, and `kindsOutsideCut` names the kind.
#[test]
fn a_kind_that_cannot_be_read_at_the_cut_is_a_warning_and_stands_in_the_document() {
    let fixture = Fixture::new();
    fixture.cluster.keep_elsewhere("secrets");
    let made = fixture.run(&["backup", "run", "mixed", "-o", "json"]).expect_code(0);
    assert!(made.stderr.contains("warning: secrets: "), "{}", made.stderr);
    let document: serde_json::Value = serde_json::from_str(&made.stdout).expect("one JSON document");
    assert_eq!(document["status"]["kindsOutsideCut"], serde_json::json!(["secrets"]));
    assert_eq!(document["status"]["warnings"], 1);
    let contents = fixture.run(&["backup", "contents", "mixed", "-o", "name"]).expect_code(0);
    assert!(contents.stdout.contains("secrets shop/login"), "{}", contents.stdout);
}

/// An equal second copy is passed over; a different one is a warning, and the archive keeps the
/// first. Both backups are sound.
#[test]
fn an_item_that_a_server_lists_twice_is_in_the_backup_once() {
    let fixture = Fixture::new();
    fixture.cluster.repeat("configmaps", "settings", serde_json::json!({}));
    says!(fixture.command(&["backup", "run", "same"]), @r"
        exit 0
        --- stdout
        backup same: Completed, 6 items ([size] , [size] stored) at revision 1000 in [duration], 0 left out, 0 warnings, 0 errors
        --- stderr
        it is kept for ever; --ttl gives it an end, as a server gives its own 30 days
    ");
    fixture.cluster.repeat("secrets", "login", serde_json::json!({"data": {"password": "bmV3"}}));
    says!(fixture.command(&["backup", "run", "other"]), @r"
        exit 0
        --- stdout
        backup other: Completed, 6 items ([size] , [size] stored) at revision 1000 in [duration], 0 left out, 1 warning, 0 errors
        --- stderr
        warning: secrets shop/login: left out: `resources/secrets/namespaces/shop/login.json` came twice and not the same: the archive keeps what came first
        it is kept for ever; --ttl gives it an end, as a server gives its own 30 days
    ");
    for name in ["same", "other"] {
        fixture.run(&["backup", "verify", name]).expect_code(0);
    }
}

/// `-l app=web` selects a pod alone: the PersistentVolumeClaim that it mounts is backed up and
/// restored with it, unless that kind is excluded.
#[test]
fn a_labelled_pod_brings_the_claim_that_it_names_into_a_backup_and_out_of_one() {
    let fixture = Fixture::new();
    let volumes = serde_json::json!([{"name": "a", "persistentVolumeClaim": {"claimName": "data"}}]);
    fixture.cluster.put("pods", Some("shop"), "web", serde_json::json!({"spec": {"volumes": volumes}}));
    for name in ["data", "other"] {
        fixture.cluster.put("persistentvolumeclaims", Some("shop"), name, serde_json::json!({"spec": {}}));
    }
    fixture.run(&["backup", "run", "part", "-l", "app=web"]).expect_code(0);
    says!(fixture.command(&["backup", "contents", "part", "-o", "name"]), @r"
        exit 0
        --- stdout
        namespaces shop
        persistentvolumeclaims shop/data
        pods shop/web
        --- stderr
    ");
    fixture.run(&["backup", "run", "whole"]).expect_code(0);
    fixture.cluster.remove("pods", "web");
    fixture.cluster.remove("persistentvolumeclaims", "data");
    says!(fixture.command(&["restore", "run", "--from-backup", "whole", "-l", "app=web", "--dry-run"]), @r"
        exit 0
        --- stdout
        skip (there already and equal) namespaces shop
        create persistentvolumeclaims shop/data
        create pods shop/web
        --- stderr
        a restore of backup whole would do this: 2 create, 1 skip (there already and equal); nothing was done
    ");
    says!(fixture.command(&["restore", "run", "--from-backup", "whole", "-l", "app=web", "--include-cluster-resources=false", "--dry-run"]), @r"
        exit 0
        --- stdout
        skip (there already and equal) namespaces shop
        create persistentvolumeclaims shop/data
        create pods shop/web
        --- stderr
        a restore of backup whole would do this: 2 create, 1 skip (there already and equal); nothing was done
    ");
    says!(fixture.command(&["restore", "run", "--from-backup", "whole", "-l", "app=web", "--exclude-resources", "pvc", "--dry-run"]), @r"
        exit 0
        --- stdout
        skip (there already and equal) namespaces shop
        create pods shop/web
        --- stderr
        a restore of backup whole would do this: 1 create, 1 skip (there already and equal); nothing was done
    ");
}
