//! The alert rules and the dashboard ask only for metrics and labels that the server has, and each rule has tests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ark::telemetry::{LatestRun, LocationState, Metrics, RunFigures, RunQueue, ScheduleState, ServerState};
use chrono::{TimeDelta, Utc};
use regex::Regex;
use serde_json::Value;

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
fn known() -> BTreeMap<String, BTreeSet<String>> {
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

/// What is wrong with an expression: metrics that are not there, labels that its metrics do not have.
fn wrong(expression: &str, known: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
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

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .expect("a file of the repository")
}

#[test]
fn every_alert_asks_for_what_the_server_has_and_says_what_to_do() {
    let known = known();
    let rules: Value = serde_saphyr::from_str(&read("config/prometheus/alerts.yaml")).expect("YAML");
    let rules = rules["groups"][0]["rules"].as_array().expect("rules");
    assert!(rules.len() >= 8);
    for rule in rules {
        let text =
            |value: &Value| value.as_str().unwrap_or_else(|| panic!("it lacks something: {rule}")).to_owned();
        let (name, expression) = (text(&rule["alert"]), text(&rule["expr"]));
        let found = wrong(&expression, &known);
        assert!(found.is_empty(), "{name}: {found:?}");
        assert!(["critical", "warning"].contains(&text(&rule["labels"]["severity"]).as_str()), "{name}");
        assert!(text(&rule["annotations"]["summary"]).len() > 20, "{name}");
        assert!(text(&rule["annotations"]["description"]).len() > 60, "{name}");
        assert!(!text(&rule["for"]).is_empty(), "{name}");
    }
}

/// The rules that fire in a test, each at some time in it.
fn firing(test: &Value) -> BTreeSet<String> {
    let name = Regex::new(r#"alertname="(\w+)""#).expect("a pattern");
    let asked = test["promql_expr_test"].as_array().expect("what is asked");
    let samples = asked.iter().flat_map(|asked| {
        assert_eq!(asked["expr"], r#"ALERTS{alertstate="firing"}"#, "all that fires is asked for: {test}");
        asked["exp_samples"].as_array().expect("samples").clone()
    });
    let labels = samples.map(|sample| sample["labels"].as_str().expect("labels").to_owned());
    labels.map(|labels| name.captures(&labels).expect("an alert")[1].to_owned()).collect()
}

#[test]
fn every_rule_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() {
    let yaml = |path| -> Value { serde_saphyr::from_str(&read(path)).expect("YAML") };
    let (rules, cases) = (yaml("config/prometheus/alerts.yaml"), yaml("config/prometheus/alerts.test.yaml"));
    assert_eq!(cases["rule_files"][0], "alerts.yaml");
    let known = known();
    let mut tested = BTreeMap::<&str, BTreeSet<bool>>::new();
    for test in cases["tests"].as_array().expect("tests") {
        let (rule, _) = test["name"].as_str().and_then(|name| name.split_once(": ")).expect("a rule");
        tested.entry(rule).or_default().insert(firing(test).contains(rule));
        for series in test["input_series"].as_array().expect("series") {
            let series = series["series"].as_str().expect("a series");
            let found = if series.starts_with("up{") { Vec::new() } else { wrong(series, &known) };
            assert!(found.is_empty(), "{}: {series}: {found:?}", test["name"]);
        }
    }
    let rules = rules["groups"][0]["rules"].as_array().expect("rules");
    let rules: BTreeSet<_> = rules.iter().map(|rule| rule["alert"].as_str().expect("a name")).collect();
    assert_eq!(tested.keys().copied().collect::<BTreeSet<_>>(), rules);
    let half: Vec<_> = tested.iter().filter(|(_, cases)| cases.len() < 2).collect();
    assert!(half.is_empty(), "only fires, or only does not: {half:?}");
}

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

#[test]
fn a_metric_or_label_that_is_not_there_is_found() {
    let known = known();
    assert_eq!(wrong("sum(ark_nothing_total)", &known), ["no metric ark_nothing_total"]);
    assert_eq!(wrong("sum by (flavour) (ark_leader)", &known), ["no label flavour"]);
    assert_eq!(wrong(r#"ark_location_available{schedule="x"}"#, &known), ["no label schedule"]);
    assert!(wrong(r#"ark_location_available{location=~"a|b"} == 0"#, &known).is_empty());
    assert_eq!(wrong("up", &known).len(), 1);
}
