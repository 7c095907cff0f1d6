//! Tests of the manifests that `ark install` prints.

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Line {
    #[arg(long, default_value = crate::api::DEFAULT_NAMESPACE, value_parser = crate::cli::global::namespace)]
    namespace: String,
    #[command(flatten)]
    command: InstallCommand,
}

fn printed(arguments: &[&str]) -> Vec<Value> {
    let arguments = ["install", "--image", "registry.example/ark:1"].iter().chain(arguments);
    let Line { namespace, command } = Line::try_parse_from(arguments).unwrap();
    let all = manifests(&namespace, &command).unwrap();
    for manifest in &all {
        let read: Value = serde_saphyr::from_str(&manifest.yaml().unwrap()).unwrap();
        assert_eq!(read, manifest.clone().whole(), "the YAML is another object than the JSON");
    }
    all.into_iter().map(Manifest::whole).collect()
}

fn find<'a>(manifests: &'a [Value], kind: &str) -> Option<&'a Value> {
    manifests.iter().find(|manifest| manifest["kind"] == kind)
}

#[test]
fn the_namespace_and_the_kinds_come_first_and_the_server_last() {
    let kinds: Vec<_> =
        printed(&[]).iter().map(|manifest| manifest["kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds[0], "Namespace");
    assert!(kinds[1..8].iter().all(|kind| kind == "CustomResourceDefinition"));
    let expected = [
        "ServiceAccount",
        "ClusterRole",
        "ClusterRoleBinding",
        "ClusterRole",
        "ClusterRoleBinding",
        "ClusterRole",
        "ClusterRoleBinding",
        "Role",
        "RoleBinding",
        "Deployment",
        "Service",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "FlowSchema",
    ];
    assert_eq!(kinds[8..], expected);
}

#[test]
fn everything_of_ours_lies_in_the_namespace_that_was_asked_for() {
    for manifest in printed(&["--namespace", "rescue", "--location", "s3://bucket"]) {
        if let Some(namespace) = manifest["metadata"]["namespace"].as_str() {
            assert_eq!(namespace, "rescue", "{manifest}");
        }
    }
}

#[test]
fn a_location_refers_to_the_secret_that_is_printed_or_named() {
    let manifests = printed(&["--location", "s3://bucket", "--credentials-secret", "mine"]);
    assert!(find(&manifests, "Secret").is_none());
    assert_eq!(find(&manifests, "BackupStorageLocation").unwrap()["spec"]["credential"]["name"], "mine");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "[default]\naws_access_key_id = a\naws_secret_access_key = b\n").unwrap();
    let path = file.path().to_str().unwrap();
    let manifests = printed(&["--location", "s3://bucket", "--credentials-file", path]);
    let location = find(&manifests, "BackupStorageLocation").unwrap();
    assert_eq!(
        location["spec"]["credential"]["name"],
        find(&manifests, "Secret").unwrap()["metadata"]["name"]
    );
}

#[test]
fn a_role_of_the_cloud_is_an_annotation_of_the_account() {
    let manifests =
        printed(&["--service-account-annotations", "eks.amazonaws.com/role-arn=arn:aws:iam::1:role/ark"]);
    let account = find(&manifests, "ServiceAccount").unwrap();
    assert_eq!(account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"], "arn:aws:iam::1:role/ark");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for arguments in [
        &["--namespace", "Rescue"][..],
        &["--pod-annotations", "x"],
        &["--credentials-secret", "mine"],
        &["--restore-only", "--disable-restores"],
        &["--replicas", "0"],
    ] {
        let line = ["install", "--image", "i"].iter().chain(arguments);
        assert!(Line::try_parse_from(line).is_err(), "{arguments:?}");
    }
    assert!(Line::try_parse_from(["install"]).is_err(), "there is no image to fall back to");
}
