//! Tests that the programs of the machine open what is written.

use std::path::Path;
use std::process::Command;

use super::*;

/// Runs a program and returns what it printed.
fn run(directory: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).current_dir(directory).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program} must be installed for this test: {error}"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn tar_lists_and_extracts_the_tarball() {
    let long = Sample::new("clusterroles.rbac.authorization.k8s.io", None, &"n".repeat(180), 5);
    let samples = [
        Sample::new("namespaces", None, "shop", 9),
        Sample::new("clusterroles.rbac.authorization.k8s.io", None, "system:controller:x", 600),
        long,
        Sample::new("configmaps", Some("shop"), "big", FRAME_TARGET + 1),
        Sample::new("configmaps", Some("shop"), "wëb 1", 0),
    ];
    let archive = pack(&samples);
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    // Without the program zstd, tar still has to open what is inside.
    let compressed = Command::new("zstd").arg("--version").output().is_ok();
    let (bytes, zstd) = if compressed {
        (archive.tarball, "--zstd")
    } else {
        (zstd::stream::decode_all(&archive.tarball[..]).unwrap(), "--no-auto-compress")
    };
    std::fs::write(directory.join("archive"), bytes).unwrap();

    let listed = run(directory, "tar", &[zstd, "--quoting-style=literal", "-tf", "archive"]);
    let paths: Vec<String> = samples.iter().map(|sample| item_path(&sample.key)).collect();
    assert_eq!(listed.lines().take(2).collect::<Vec<_>>(), ["metadata/version", "metadata/backup.json"]);
    assert_eq!(listed.lines().skip(2).collect::<Vec<_>>(), paths);

    run(directory, "tar", &[zstd, "-xf", "archive"]);
    for (path, sample) in paths.iter().zip(&samples) {
        assert_eq!(std::fs::read(directory.join(path)).unwrap(), sample.body, "{path}");
    }
    let modified = std::fs::metadata(directory.join(&paths[0])).unwrap().modified().unwrap();
    let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(since, 1_700_000_000, "the cut's time");
}
