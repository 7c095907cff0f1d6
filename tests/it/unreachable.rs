//! A cluster or a bucket that cannot be reached: the exit code tells which of the two it is, one
//! sentence tells the rest.

use std::fs;

use tempfile::tempdir;

use crate::fake_engine_cluster::{FakeEngineCluster, kubeconfig, nobody};
use crate::support::ark;

#[test]
fn without_any_kubeconfig_the_sentence_says_where_one_belongs() {
    let folder = tempdir().expect("a folder");
    let location = format!("file://{}", folder.path().display());
    says!(ark(["backup", "run", "nightly", "--location", &location]), @r"
        exit 5
        --- stdout
        --- stderr
        ark: no cluster to talk to: there is no kubeconfig (KUBECONFIG is not set and no file /nonexistent/.kube/config) and this is not a pod with a service account; name a kubeconfig with --kubeconfig or KUBECONFIG
    ");
    says!(ark(["restore", "run", "--from-backup", "nightly", "--location", &location]), @r"
        exit 5
        --- stdout
        --- stderr
        ark: no cluster to talk to: there is no kubeconfig (KUBECONFIG is not set and no file /nonexistent/.kube/config) and this is not a pod with a service account; name a kubeconfig with --kubeconfig or KUBECONFIG
    ");
}

/// The file of trusted certificate authorities is empty: an `http://` endpoint is tried all the
/// same, and the refused connection is what ends the command.
#[test]
fn a_machine_that_trusts_no_authority_still_talks_to_a_service_without_tls() {
    let none = tempfile::NamedTempFile::new().expect("a file");
    let location = format!("s3://bucket?region=us-east-1&endpoint=http://{}", nobody());
    let mut list = ark(["bucket", "list", "--location", &location]);
    list.env("SSL_CERT_FILE", none.path()).env("AWS_ACCESS_KEY_ID", "a").env("AWS_SECRET_ACCESS_KEY", "b");
    let run = crate::support::run(&mut list).expect_code(6);
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
}

#[test]
fn a_kubeconfig_that_is_missing_broken_or_has_another_context_is_named() {
    let folder = tempdir().expect("a folder");
    let (good, broken) = (folder.path().join("good"), folder.path().join("broken"));
    fs::write(&good, kubeconfig(nobody())).expect("a file can be written");
    fs::write(&broken, "clusters: 7").expect("a file can be written");
    let location = format!("file://{}", folder.path().display());
    let run = ["backup", "run", "nightly", "--location", &location, "--kubeconfig"];
    says!(ark(run).arg("/nowhere/kubeconfig"), @r"
        exit 5
        --- stdout
        --- stderr
        ark: cannot use the kubeconfig /nowhere/kubeconfig: No such file or directory (os error 2)
    ");
    says!(ark(run).arg(&broken), @r"
        exit 5
        --- stdout
        --- stderr
        ark: cannot use the kubeconfig [folder]: failed to parse kubeconfig YAML: error: line 1 column 11: expected sequence start
         --> <input>:1:11
          |
        1 | clusters: 7
          |           ^ expected sequence start
    ");
    says!(ark(run).arg(&good).args(["--context", "production"]), @r"
        exit 5
        --- stdout
        --- stderr
        ark: the kubeconfig [folder] has no usable context `production`; it has: here
    ");
}

/// Nobody listens at the kubeconfig's address; nothing is claimed in the bucket.
#[test]
fn an_api_server_that_does_not_answer_is_code_5() {
    let folder = tempdir().expect("a folder");
    let file = folder.path().join("kubeconfig");
    fs::write(&file, kubeconfig(nobody())).expect("a file can be written");
    let location = format!("file://{}", folder.path().display());
    let run = ["backup", "run", "nightly", "--location", &location, "--kubeconfig"];
    says!(ark(run).arg(&file), @r"
        exit 5
        --- stdout
        --- stderr
        ark: cannot reach the API server at http://[address] to read the version: Connection refused (os error 111); check that the address is right, that the server runs, and that the network and any firewall let this machine through
    ");
    assert!(!folder.path().join("backups").exists(), "nothing is claimed for a cluster that is not there");
}

/// The location's folder does not exist: reading and writing commands refuse it and do not create
/// it.
#[test]
fn a_folder_that_is_not_there_is_code_6() {
    let folder = tempdir().expect("a folder");
    let location = format!("file://{}/missing", folder.path().display());
    says!(ark(["bucket", "list", "--location", &location]), @r"
        exit 6
        --- stdout
        --- stderr
        ark: opening file://[folder]: folder [folder] does not exist; create it, or add createBucket=true to the location
    ");
    says!(ark(["backup", "verify", "nightly", "--location", &location]), @r"
        exit 6
        --- stdout
        --- stderr
        ark: opening file://[folder]: folder [folder] does not exist; create it, or add createBucket=true to the location
    ");
    says!(FakeEngineCluster::start().ark(["backup", "run", "nightly", "--location", &location]), @r"
        exit 6
        --- stdout
        --- stderr
        ark: opening file://[folder]: folder [folder] does not exist; create it, or add createBucket=true to the location
    ");
    assert!(!folder.path().join("missing").exists(), "nothing is created unasked");
}

/// Nobody listens at the location's endpoint.
#[test]
fn an_s3_service_that_does_not_answer_is_code_6() {
    let location = format!("s3://backups?endpoint=http://{}", nobody());
    let mut command = ark(["bucket", "list", "--location", &location]);
    command.env("AWS_ACCESS_KEY_ID", "a").env("AWS_SECRET_ACCESS_KEY", "b");
    says!(command, @r"
        exit 6
        --- stdout
        --- stderr
        ark: listing s3://backups/backups/: cannot reach http://[address]: Connection refused (os error 111); check the endpoint, the network and the certificate authority
    ");
}
