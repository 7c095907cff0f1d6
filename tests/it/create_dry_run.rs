//! `ark … create --dry-run`: a manifest is printed, or a flag refused, on this machine alone.

use crate::support::{ark, run};

/// `--snapshot-volumes` is refused for a backup and for a schedule alike.
#[test]
fn volumes_cannot_be_snapshotted_yet_and_a_backup_that_asks_for_it_is_not_made() {
    says!(ark(["backup", "create", "a", "--dry-run", "--snapshot-volumes"]), @r"
        exit 2
        --- stdout
        --- stderr
        ark: --snapshot-volumes: Ark takes no snapshots of volumes yet; leave it out or set it to false, and back the data up by other means
    ");
    says!(ark(["schedule", "create", "a", "--schedule", "@daily", "--dry-run", "--snapshot-volumes=true"]), @r"
        exit 2
        --- stdout
        --- stderr
        ark: --snapshot-volumes: Ark takes no snapshots of volumes yet; leave it out or set it to false, and back the data up by other means
    ");
}

/// `--dry-run` prints the manifest of each resource although the kubeconfig does not exist.
#[test]
fn a_look_at_what_would_be_created_needs_no_cluster() {
    for arguments in [
        &["backup", "create", "a"][..],
        &["restore", "create", "a", "--from-backup", "b"],
        &["schedule", "create", "a", "--schedule", "@daily"],
        &["location", "create", "a", "--url", "s3://backups"],
    ] {
        let mut command = ark(arguments);
        let run = run(command.arg("--dry-run").env("KUBECONFIG", "/nowhere/config")).expect_code(0);
        assert!(run.stdout.starts_with("apiVersion: ark.heptio.com/v1"), "{arguments:?}: {}", run.stdout);
    }
}
