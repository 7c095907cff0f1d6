//! The metrics and labels that the server has, and expressions in PromQL held against them. Tests
//! of alert rules and dashboard rest on this file.

use std::collections::{BTreeMap, BTreeSet};

use ark::telemetry::{LatestRun, LocationState, Metrics, RunFigures, RunQueue, ScheduleState, ServerState};
use chrono::{TimeDelta, Utc};
use regex::Regex;

/// Labels that the scrape adds.
const OF_THE_SCRAPE: [&str; 4] = ["cluster", "instance", "namespace", "pod"];

/// Something of everything.
fn state() -> ServerState {
    let now = Some(Utc::now());
    let latest = || LatestRun {
        schedule: "s".into(),
        good: Some(true),
        figures: Some(RunFigures::default()),
        last_good: now,
    };
    let schedule = ScheduleState {
        name: "s".into(),
        phase: "Enabled".into(),
        paused: false,
        since: now,
        next_tick: now,
        interval: Some(TimeDelta::days(1)),
    };
    let location = LocationState {
        name: "l".into(),
        available: true,
        last_sync: now,
        sync_period: 60,
        obligations: Some(0),
    };
    ServerState {
        schedules: vec![schedule],
        locations: vec![location],
        backups: vec![latest()],
        restores: vec![latest()],
        queues: vec![("Backup", RunQueue { waiting: 1, in_progress: 1, waiting_since: now })],
        deleting_since: now,
    }
}

/// Every series name that the server has, with its labels.
pub fn known() -> BTreeMap<String, BTreeSet<String>> {
    let metrics = Metrics::new();
    metrics.observe(|| Some(state()));
    for run in [&metrics.backups, &metrics.restores] {
        run.attempted("s");
        run.succeeded("s");
        run.partially_failed("s");
        run.failed("s");
        run.refused("s");
        run.finished("s", &RunFigures::default());
    }
    metrics.deletion_attempted("s");
    metrics.deletion_succeeded("s");
    metrics.deletion_failed("s");
    metrics.deletion_refused("s");
    metrics.sync_pass("l", 1.0);
    metrics.sync_created("l", 1);
    metrics.sync_deleted("l", 1);
    metrics.sync_failed("l");
    metrics.gc_deleted(1);
    metrics.hook_ran("pre", true, 1.0);
    metrics.reconcile_failed("k");
    metrics.api_request("get", "200");
    metrics.store_request("get", "ok");
    metrics.leader(true);
    metrics.build("0", "0");
    let mut found = BTreeMap::<String, BTreeSet<String>>::new();
    for line in metrics.exposition().expect("a text").lines().filter(|line| !line.starts_with('#')) {
        let series = line.split(' ').next().expect("a series");
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels = labels.trim_end_matches('}').split(',').filter_map(|label| label.split_once('='));
        found.entry(name.to_owned()).or_default().extend(labels.map(|(label, _)| label.to_owned()));
    }
    assert!(found.len() > 40, "{found:#?}");
    found
}

/// What is wrong with an expression: metrics that are not there, labels that its metrics do not
/// have.
pub fn wrong(expression: &str, known: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let pattern = |text: &str| Regex::new(text).expect("a pattern");
    let strings = pattern(r#""[^"]*""#);
    let bare = strings.replace_all(expression, "");
    let names: BTreeSet<_> = pattern(r"\bark_\w+").find_iter(&bare).map(|name| name.as_str()).collect();
    let mut wrong: Vec<_> = names
        .iter()
        .filter(|name| !known.contains_key(**name))
        .map(|name| format!("no metric {name}"))
        .collect();
    if names.is_empty() {
        wrong.push("it asks for nothing of ours".to_owned());
    }
    let had: BTreeSet<_> =
        names.iter().filter_map(|name| known.get(*name)).flatten().map(String::as_str).collect();
    let grouped = pattern(r"\bby \(([^)]*)\)");
    let grouped = grouped.captures_iter(&bare).flat_map(|found| {
        found.extract::<1>().1[0].split(',').map(|label| label.trim().to_owned()).collect::<Vec<_>>()
    });
    // A label is followed by a quoted value; a comparison with a number is none.
    let matched = pattern(r#"(\w+)(?:=~|!~|!=|=)""#)
        .captures_iter(expression)
        .map(|found| found.extract::<1>().1[0].to_owned())
        .collect::<Vec<_>>();
    for label in grouped.chain(matched) {
        if !had.contains(label.as_str()) && !OF_THE_SCRAPE.contains(&label.as_str()) {
            wrong.push(format!("no label {label}"));
        }
    }
    wrong
}

/// The check that the tests of alerts and dashboard use reports unknown metrics and labels, and
/// passes right expressions.
#[test]
fn a_metric_or_label_that_is_not_there_is_found() {
    let known = known();
    assert_eq!(wrong("sum(ark_nothing_total)", &known), ["no metric ark_nothing_total"]);
    assert_eq!(wrong("sum by (flavour) (ark_leader)", &known), ["no label flavour"]);
    assert_eq!(wrong(r#"ark_location_available{schedule="x"}"#, &known), ["no label schedule"]);
    assert!(wrong(r#"ark_location_available{location=~"a|b"} == 0"#, &known).is_empty());
    assert_eq!(wrong("up", &known).len(), 1);
}
