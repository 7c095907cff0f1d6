//! The flags that select items, and label selectors as kubectl writes them.

use clap::{ArgAction, Args};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use crate::api::{CompiledSelection, Filter, InvalidSpec};
use crate::cli::exit::Failure;

/// Which items; without any of these, all of them.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Selection (default: everything)")]
pub struct SelectionArgs {
    /// Only these namespaces; globs with *, ? and [a-z] work
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub include_namespaces: Vec<String>,
    /// Not these namespaces, even if included: globs work here, too
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub exclude_namespaces: Vec<String>,
    /// Only these kinds, by any name kubectl takes: deployments.apps, deploy, Deployment
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    pub include_resources: Vec<String>,
    /// Not these kinds, even if included
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    pub exclude_resources: Vec<String>,
    /// Only items with these labels: 'app=web,tier in (a,b),!old'; a backup or restore also takes
    /// what these items need, for example PersistentVolumeClaims
    #[arg(short = 'l', long, value_name = "LABELS")]
    pub selector: Option<String>,
    /// Only items that one of several selectors matches: 'app=web or app=db'
    #[arg(long, value_name = "SELECTORS", conflicts_with = "selector")]
    pub or_selector: Option<String>,
    /// Cluster-scoped items: all (true) or none (false) [default: all if every namespace is
    /// selected, otherwise those that the selected items need]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true, action = ArgAction::Set)]
    pub include_cluster_resources: Option<bool>,
}

impl SelectionArgs {
    /// The flags as the API's filter.
    pub fn filter(&self) -> Result<Filter, Failure> {
        let Self {
            include_namespaces,
            exclude_namespaces,
            include_resources,
            exclude_resources,
            selector,
            or_selector,
            include_cluster_resources,
        } = self;
        let or_selectors = or_selector.iter().flat_map(|text| text.split(" or "));
        Ok(Filter {
            included_namespaces: include_namespaces.clone(),
            excluded_namespaces: exclude_namespaces.clone(),
            included_resources: include_resources.clone(),
            excluded_resources: exclude_resources.clone(),
            include_cluster_resources: *include_cluster_resources,
            label_selector: selector.as_deref().map(parse).transpose()?,
            or_label_selectors: or_selectors.map(parse).collect::<Result<_, _>>()?,
        })
    }

    /// The flags compiled, for a look into an index.
    pub fn compile(&self) -> Result<CompiledSelection, Failure> {
        self.filter()?.compile().map_err(|wrong| refused(&wrong))
    }
}

/// The flags behind the fields of a specification, so that a person reads what was typed.
const FLAGS: [(&str, &str); 12] = [
    ("includedNamespaces", "--include-namespaces"),
    ("excludedNamespaces", "--exclude-namespaces"),
    ("includedResources", "--include-resources"),
    ("excludedResources", "--exclude-resources"),
    ("labelSelector", "--selector"),
    ("orLabelSelectors", "--or-selector"),
    ("ttl", "--ttl"),
    ("snapshotVolumes", "--snapshot-volumes"),
    ("namespaceMapping", "--namespace-mappings"),
    ("storageClassMapping", "--storage-class-mappings"),
    ("imageMapping", "--image-mappings"),
    ("resourceModifiers", "--resource-modifiers"),
];

/// Wrong usage: everything that is wrong with a specification, by its flags.
pub fn refused(wrong: &[InvalidSpec]) -> Failure {
    let sentence = |invalid: &InvalidSpec| {
        let InvalidSpec { field, why } = invalid;
        let base = field.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        let flag = FLAGS.iter().find(|(known, _)| *known == base).map_or(field.as_str(), |(_, flag)| flag);
        FLAGS.iter().fold(format!("{flag}: {why}"), |text, (field, flag)| text.replace(field, flag))
    };
    Failure::usage(wrong.iter().map(sentence).collect::<Vec<_>>().join("; "))
}

/// Makes sure that a selector for Ark's own objects, which the API server reads, can be meant.
pub fn check_selector(text: &str) -> Result<(), Failure> {
    parse(text).map(drop)
}

/// Reads `app=web,tier in (a,b),!old`.
fn parse(text: &str) -> Result<LabelSelector, Failure> {
    if text.trim().is_empty() {
        return Err(Failure::usage("a label selector is empty; write it as `app=web`"));
    }
    let mut requirements = Vec::new();
    for part in split(text) {
        let requirement = requirement(part.trim());
        requirements.push(requirement.ok_or_else(|| {
            Failure::usage(format!("`{part}` in the selector `{text}` is not understood; write it as `app=web`, `app!=web`, `tier in (a,b)`, `tier notin (a,b)`, `app` or `!app`"))
        })?);
    }
    Ok(LabelSelector { match_expressions: Some(requirements), match_labels: None })
}

/// Splits at the commas that are not in parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_i32, 0);
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn is_label_value(text: &str) -> bool {
    text.len() <= 63 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn requirement(part: &str) -> Option<LabelSelectorRequirement> {
    let build = |key: &str, operator: &str, values: Vec<String>| {
        let key = key.trim();
        let whole = !key.is_empty()
            && !key.contains(|c: char| c.is_whitespace() || "!=(),".contains(c))
            && values.iter().all(|value| is_label_value(value));
        whole.then(|| LabelSelectorRequirement {
            key: key.to_owned(),
            operator: operator.to_owned(),
            values: (!values.is_empty()).then_some(values),
        })
    };
    let one = |value: &str| vec![value.trim().to_owned()];
    if let Some((key, value)) = part.split_once("!=") {
        return build(key, "NotIn", one(value));
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return build(key, "In", one(value));
    }
    if let Some(inner) = part.strip_suffix(')') {
        let (head, values) = inner.split_once('(')?;
        let (key, operator) = head.trim().rsplit_once(char::is_whitespace)?;
        let operator = match operator {
            "in" => "In",
            "notin" => "NotIn",
            _ => return None,
        };
        return build(key, operator, values.split(',').map(|value| value.trim().to_owned()).collect());
    }
    match part.strip_prefix('!') {
        Some(key) => build(key, "DoesNotExist", Vec::new()),
        None => build(part, "Exists", Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String, Vec<String>)> {
        let selector = parse(text).unwrap();
        let requirements = selector.match_expressions.unwrap();
        requirements.into_iter().map(|r| (r.key, r.operator, r.values.unwrap_or_default())).collect()
    }

    #[test]
    fn selectors_are_read_as_kubectl_reads_them() {
        let of = |key: &str, operator: &str, values: &[&str]| {
            (
                key.to_owned(),
                operator.to_owned(),
                values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>(),
            )
        };
        assert_eq!(
            read("app=web, tier in (a, b),!old,x!=y,z==1,example.com/here"),
            [
                of("app", "In", &["web"]),
                of("tier", "In", &["a", "b"]),
                of("old", "DoesNotExist", &[]),
                of("x", "NotIn", &["y"]),
                of("z", "In", &["1"]),
                of("example.com/here", "Exists", &[]),
            ]
        );
    }

    #[test]
    fn a_selector_that_says_nothing_is_refused() {
        for bad in ["", "=a", "a in b", "a of (b)", "a b", "!", "a=b,,c", "a=b c", "a in (b c)", "a=ü"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
