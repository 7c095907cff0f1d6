//! `ark crd`, `ark version` and `ark completion`, which need neither cluster nor bucket.

use crate::support::{ark, run};

/// The commands run without kubeconfig and location; a completion knows the verbs and flags.
#[test]
fn definitions_completions_and_the_version_need_neither_cluster_nor_bucket() {
    says!(ark(["crd", "-o", "name"]), @r"
        exit 0
        --- stdout
        backups.ark.heptio.com
        restores.ark.heptio.com
        schedules.ark.heptio.com
        backupstoragelocations.ark.heptio.com
        deletebackuprequests.ark.heptio.com
        downloadrequests.ark.heptio.com
        serverstatusrequests.ark.heptio.com
        --- stderr
    ");
    says!(ark(["version"]), @r"
        exit 0
        --- stdout
        ark 0.1.0, format 2
        --- stderr
    ");
    says!(ark(["version", "-o", "json"]), @r#"
        exit 0
        --- stdout
        {
          "format": 2,
          "version": "0.1.0"
        }
        --- stderr
    "#);
    let crds = run(&mut ark(["crd"])).expect_code(0).stdout;
    assert_eq!(crds.matches("kind: CustomResourceDefinition").count(), 7, "{crds}");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = run(&mut ark(["completion", shell])).expect_code(0).stdout;
        assert!(script.contains("contents") && script.contains("namespace-mappings"), "{shell}");
    }
}
