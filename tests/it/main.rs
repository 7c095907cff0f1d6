//! The library and the command line without a cluster: everything here runs on any machine.

#![cfg(test)] // tells clippy that helpers, too, may expect and panic

/// Runs a command and compares exit code and both streams with a snapshot.
macro_rules! says {
    ($command:expr, @$snapshot:literal) => {
        insta::with_settings!({ filters => $crate::FILTERS }, {
            insta::assert_snapshot!($crate::support::run(&mut $command).transcript(), @$snapshot);
        });
    };
}

mod alerts;
mod argocd_health;
mod backup_contents;
mod backup_describe;
mod backup_diff;
mod backup_download;
mod backup_logs;
mod backup_run;
mod backup_verify;
mod bucket_adopt;
mod bucket_list;
mod container_image;
mod crd_version_completion;
mod create_dry_run;
mod dashboard;
mod fake_engine_cluster;
mod fake_exec;
mod fixture;
mod hooks;
mod http_action;
mod iam_policy;
mod kubectl_plugin;
mod metrics;
mod obligations;
mod repository;
mod restore_run;
mod server;
mod server_port;
mod unreachable;
mod usage;

#[path = "../support/mod.rs"]
mod support;

use support::{Running, ark, run};

/// What differs from run to run, for `insta`.
pub const FILTERS: [(&str, &str); 10] = [
    // How far a run is, is told every five seconds: how often, is a matter of the machine.
    (r"(?m)^(backup|restore|delete request) \S+: (New|InProgress)\b.*\n", ""),
    (r"/tmp/[.\w/-]+", "[folder]"),
    (r"127\.0\.0\.1:\d+", "[address]"),
    (r"/\d+-[0-9a-f]{12}/", "/[attempt]/"),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "[uuid]"),
    (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| UTC)?", "[time]"),
    (r"\b\d+(\.\d+)?(ms|µs|s)\b", "[duration]"),
    // With the blanks that fill a column, whose width they decide.
    (r"\b\d+(\.\d+)? (B|KiB|MiB)\b *", "[size] "),
    (r"SIZE +", "SIZE "),
    (r" +\n", "\n"),
];

/// The helpers of `support` see a program end with an exit code.
#[test]
fn a_command_line_ends_by_itself_and_never_by_a_signal() {
    let running = Running::start(&mut ark(["no-such-verb"]));
    assert!(running.id() > 0);
    assert!(running.wait().code.is_some());
    run(&mut ark(["version"])).expect_code(0);
}

#[test]
fn filters_hide_what_differs_between_runs() {
    let text = "took 1.5s in /tmp/.ark-1/b at 2026-01-02T03:04:05Z as 0fc8dd0a-6c1c-4c5e-9e4f-0a3a5cf0a0a1";
    insta::with_settings!({ filters => FILTERS }, {
        insta::assert_snapshot!(text, @"took [duration] in [folder] at [time] as [uuid]");
    });
}
