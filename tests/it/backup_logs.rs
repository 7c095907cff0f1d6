//! `ark backup logs`: the log of a run in a folder.

use crate::fixture::Fixture;

/// One readable line a message by default; with `-o json` the stored lines, each a JSON document.
#[test]
fn the_log_is_printed_for_people_or_as_it_is_stored() {
    let fixture = Fixture::new();
    says!(fixture.command(&["backup", "logs", "monday"]), @r"
        exit 0
        --- stdout
        [time] info    looking for the pods that have hooks
        [time] info    asking the cluster for its revision
        [time] info    asking the cluster for its kinds
        [time] info    taking 3 kinds at revision 1000
        [time] info    listing namespaces
        [time] info    listing secrets
        [time] info    listing configmaps
        [time] info    sealing the backup
        [time] info    took 6 items, 0 warnings, 0 errors
        --- stderr
    ");
    let stored = fixture.run(&["backup", "logs", "monday", "-o", "json"]).expect_code(0).stdout;
    for line in stored.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect("a line is a JSON document");
    }
}
