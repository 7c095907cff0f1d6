//! What the chart and the kustomization repeat of other files, and that values, their schema, their
//! table and `ci/` know the same.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

use super::{expect_generated, root};

const CHART: &str = "charts/ark";

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A line of values.yaml that sets something: what, and what the comment above says of it.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    path: Vec<String>,
    comment: String,
}

/// The entries of values.yaml. Examples in comments are indented.
fn entries(values: &str) -> Vec<Entry> {
    let (mut found, mut path, mut comment) = (Vec::new(), Vec::<String>::new(), Vec::<String>::new());
    for line in values.lines() {
        let begin = line.trim_start();
        let depth = (line.len() - begin.len()) / 2;
        match (begin.strip_prefix("# "), begin.split_once(':')) {
            (Some(words), _) => comment.extend((!words.starts_with(' ')).then(|| words.to_owned())),
            (None, Some((key, _))) if key.chars().all(char::is_alphanumeric) => {
                path.truncate(depth);
                path.push(key.to_owned());
                found.push(Entry { path: path.clone(), comment: std::mem::take(&mut comment).join(" ") });
            }
            _ => comment.clear(),
        }
    }
    found
}

fn at<'a>(value: &'a Value, path: &[String]) -> &'a Value {
    path.iter().fold(value, |value, key| &value[key])
}

#[test]
fn comments_of_values_belong_to_what_follows_them() {
    let values =
        "# Of nothing.\n\n# One,\n# and more.\n#   an: example\none:\n  # Below.\n  two: 2\nthree: []\n";
    let entry = |path: &[&str], comment: &str| Entry {
        path: path.iter().map(|key| (*key).to_owned()).collect(),
        comment: comment.to_owned(),
    };
    let expected =
        [entry(&["one"], "One, and more."), entry(&["one", "two"], "Below."), entry(&["three"], "")];
    assert_eq!(entries(values), expected);
}

#[test]
fn the_table_of_the_charts_values_is_made_of_their_comments() {
    let path = format!("{CHART}/README.md");
    let readme = text(&path);
    let (values, defaults) = (text(&format!("{CHART}/values.yaml")), yaml(&format!("{CHART}/values.yaml")));
    let all = entries(&values);
    let mut table = "| Value | Default | Meaning |\n|---|---|---|\n".to_owned();
    for Entry { path, comment } in &all {
        let is_group = all.iter().any(|other| other.path.len() > path.len() && other.path.starts_with(path));
        let default = if is_group { String::new() } else { format!("`{}`", at(&defaults, path)) };
        if !is_group || !comment.is_empty() {
            table.push_str(&format!("| `{}` | {default} | {comment} |\n", path.join(".")));
        }
    }
    let (begin, end) = ("<!-- values: generated -->\n", "<!-- end of values -->");
    let (before, rest) = readme.split_once(begin).expect("a begin");
    let (_, after) = rest.split_once(end).expect("an end");
    expect_generated(&root().join(path), &format!("{before}{begin}{table}{end}{after}"));
}

/// Whether the schema names what is at a path, where it does not leave that open.
fn knows(schema: &Value, part: &Value, path: &[String]) -> bool {
    let part = match part["$ref"].as_str() {
        Some(reference) => &schema["definitions"][reference.trim_start_matches("#/definitions/")],
        None => part,
    };
    let Some((key, rest)) = path.split_first() else { return part.is_object() };
    match part.get("properties") {
        Some(properties) => properties.get(key).is_some_and(|next| knows(schema, next, rest)),
        None => part["additionalProperties"] != false,
    }
}

#[test]
fn every_value_is_known_to_the_schema_and_set_in_the_file_that_sets_everything() {
    let schema: Value = serde_json::from_str(&text(&format!("{CHART}/values.schema.json"))).expect("JSON");
    let everything = yaml(&format!("{CHART}/ci/everything-values.yaml"));
    // One of two takes the place of the other.
    let apart = BTreeSet::from(["credentials.content", "openshift"]);
    for Entry { path, .. } in entries(&text(&format!("{CHART}/values.yaml"))) {
        let name = path.join(".");
        assert!(knows(&schema, &schema, &path), "the schema does not know {name}");
        let is_set = !at(&everything, &path).is_null();
        assert!(is_set || apart.contains(name.as_str()), "ci/everything-values.yaml does not set {name}");
    }
    for key in schema["properties"].as_object().expect("an object").keys().filter(|key| *key != "global") {
        let values = yaml(&format!("{CHART}/values.yaml"));
        assert!(values.get(key).is_some(), "values.yaml does not have {key}");
    }
}

#[test]
fn the_alert_rules_and_the_dashboard_of_the_chart_are_those_of_the_repository() {
    for (from, to) in [("prometheus/alerts.yaml", "alerts.yaml"), ("grafana/ark.json", "dashboard.json")] {
        expect_generated(&root().join(CHART).join("files").join(to), &text(&format!("config/{from}")));
    }
}

#[test]
fn the_kustomization_is_what_install_prints() {
    let version = env!("CARGO_PKG_VERSION");
    let image = format!("registry.example/ark:{version}");
    let output = Command::new(env!("CARGO_BIN_EXE_ark")).args(["install", "--image", &image]).output();
    let printed = String::from_utf8(output.expect("ark can be started").stdout).expect("ark speaks UTF-8");
    let documents = printed.split("---\n").filter(|document| !document.is_empty());
    let ours = documents.filter(|document| !document.contains("kind: CustomResourceDefinition\n"));
    let mut wanted =
        "# Generated from `ark install`: ARK_UPDATE=1 cargo test --test architecture\n".to_owned();
    ours.for_each(|document| wanted.push_str(&format!("---\n{document}")));
    expect_generated(&root().join("config/default/ark.yaml"), &wanted);
}
