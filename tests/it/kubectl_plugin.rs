//! The program under the names `kubectl-ark` and `kubectl_complete-ark`, as kubectl calls plugins.

use crate::support::run;

/// `kubectl-ark` calls itself `kubectl ark` in its help, and `kubectl_complete-ark` prints
/// completions in the form that kubectl reads.
#[test]
fn a_link_named_kubectl_ark_is_the_plugin_and_another_completes_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let link = |name: &str| {
        let path = folder.path().join(name);
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ark"), &path).expect("a link can be made");
        path
    };
    let mut command = std::process::Command::new(link("kubectl-ark"));
    let help = run(command.args(["backup", "get", "--help"])).expect_code(0).stdout;
    assert!(help.contains("Usage: kubectl ark backup get"), "{help}");
    assert!(help.contains("  kubectl ark backup get"), "{help}");
    let mut command = std::process::Command::new(folder.path().join("kubectl-ark"));
    let script = run(command.args(["completion", "bash"])).expect_code(0).stdout;
    assert!(script.contains("kubectl-ark"), "{script}");
    says!(std::process::Command::new(link("kubectl_complete-ark")).args(["backup", "de"]), @r"
        exit 0
        --- stdout
        describe
        delete
        :4
        --- stderr
    ");
}
