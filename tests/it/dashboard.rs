//! The dashboard for Grafana asks only for metrics and labels that the server has, and shows all
//! of them.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::metrics::{known, wrong};
use crate::repository::read;

/// Each panel queries existing metrics and labels, and each metric, a few derived series aside, is
/// shown by some panel.
#[test]
fn every_panel_asks_for_what_the_server_has() {
    let known = known();
    let board: Value = serde_json::from_str(&read("config/grafana/ark.json")).expect("JSON");
    let panels = board["panels"].as_array().expect("panels");
    let mut asked = BTreeSet::new();
    for panel in panels {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().expect("an expression");
            let found = wrong(expression, &known);
            assert!(found.is_empty(), "{}: {expression}: {found:?}", panel["title"]);
            asked.extend(known.keys().filter(|name| expression.contains(name.as_str())).cloned());
        }
    }
    // What is counted is shown: of a histogram its buckets, of restores and backups alike.
    let unseen = |name: &&String| {
        let silent = [
            "_sum",
            "_count",
            "_attempt_total",
            "_last_status",
            "_last_successful_timestamp",
            "_since_timestamp",
        ];
        !asked.contains(*name) && !silent.iter().any(|end| name.ends_with(end))
    };
    let unseen: Vec<_> = known.keys().filter(unseen).collect();
    assert!(unseen.is_empty(), "no panel shows {unseen:?}");
}
