//! `ark backup diff`: a backup beside the live cluster or another backup.

use crate::fixture::Fixture;

/// Against the live cluster, against a later backup, and against itself: `+` is added, `-`
/// removed, `~` changed.
#[test]
fn a_diff_shows_what_was_added_removed_and_changed() {
    let fixture = Fixture::new();
    fixture.cluster.put("configmaps", Some("shop"), "prices", serde_json::json!({"data": {"apple": "1.30"}}));
    fixture.cluster.put("configmaps", Some("shop"), "opening-hours", serde_json::json!({"data": {}}));
    fixture.cluster.remove("secrets", "login");
    says!(fixture.command(&["backup", "diff", "monday", "--live"]), @r"
        exit 0
        --- stdout
        ~ configmaps shop/prices
        + configmaps shop/opening-hours
        - secrets shop/login
        --- stderr
        1 added, 1 removed, 1 changed, 4 equal
    ");
    fixture.run(&["backup", "run", "tuesday"]).expect_code(0);
    says!(fixture.command(&["backup", "diff", "monday", "tuesday"]), @r"
        exit 0
        --- stdout
        ~ configmaps shop/prices
        + configmaps shop/opening-hours
        - secrets shop/login
        --- stderr
        1 added, 1 removed, 1 changed, 4 equal
    ");
    says!(fixture.command(&["backup", "diff", "monday", "tuesday", "-o", "json"]), @r#"
        exit 0
        --- stdout
        {"change":"changed","kind":"configmaps","name":"prices","namespace":"shop"}
        {"change":"added","kind":"configmaps","name":"opening-hours","namespace":"shop"}
        {"change":"removed","kind":"secrets","name":"login","namespace":"shop"}
        --- stderr
        1 added, 1 removed, 1 changed, 4 equal
    "#);
    says!(fixture.command(&["backup", "diff", "tuesday", "tuesday"]), @r"
        exit 0
        --- stdout
        --- stderr
        0 added, 0 removed, 0 changed, 6 equal
    ");
}
