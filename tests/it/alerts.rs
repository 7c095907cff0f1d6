//! The alert rules for Prometheus ask only for metrics and labels that the server has, and each
//! rule has cases of its own.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde_json::Value;

use crate::metrics::{known, wrong};
use crate::repository::read;

/// Each rule queries existing metrics and labels, and has a severity, a summary, a description and
/// a `for`.
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

/// The cases of `alerts.test.yaml` are counted for each rule; promtool runs them in
/// `hack/check.sh`.
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
