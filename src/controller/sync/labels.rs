//! Selection of the labels of a document that its object gets. Pure.

use std::collections::BTreeMap;

use crate::api::SCHEDULE_NAME_LABEL;

/// Largest number of labels; people use a few.
const MOST: usize = 64;
/// Prefix of Ark's own labels. Of these only [`SCHEDULE_NAME_LABEL`] is taken: the others describe
/// this cluster.
const OURS: &str = "ark.heptio.com/";
/// Domains whose labels tell a tool which objects belong to an application. In another cluster the
/// tool would take the object for its own.
const OF_TOOLS: [&str; 5] = ["k8s.io", "kubernetes.io", "argoproj.io", "fluxcd.io", "helm.sh"];
/// Longest part of a label, and longest domain before it, as the API server has them.
const LONGEST_PART: usize = 63;
const LONGEST_DOMAIN: usize = 253;

/// Returns the labels that the object gets: valid ones, [`MOST`] at most, that of the Schedule
/// first.
pub fn admitted(mut labels: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let schedule = labels.remove_entry(SCHEDULE_NAME_LABEL);
    let others = labels.into_iter().filter(|(key, _)| !key.starts_with(OURS) && !is_of_a_tool(key));
    schedule.into_iter().chain(others).filter(|(key, value)| is_label(key, value)).take(MOST).collect()
}

fn is_of_a_tool(key: &str) -> bool {
    let domain = key.rsplit_once('/').map_or("", |(domain, _)| domain);
    OF_TOOLS
        .iter()
        .any(|tool| domain.strip_suffix(tool).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

/// Returns true if the API server takes the label.
fn is_label(key: &str, value: &str) -> bool {
    let (domain, name) = key.rsplit_once('/').map_or((None, key), |(domain, name)| (Some(domain), name));
    domain.is_none_or(is_domain) && is_part(name) && (value.is_empty() || is_part(value))
}

fn is_part(text: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= LONGEST_PART
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

fn is_domain(text: &str) -> bool {
    let label = |part: &str| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !part.is_empty() && part.bytes().all(inner) && !part.starts_with('-') && !part.ends_with('-')
    };
    text.len() <= LONGEST_DOMAIN && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn labels_that_the_api_server_takes_come_and_others_do_not() {
        let good =
            [("team", "a"), ("example.com/x_y.z", "A-1"), ("empty", ""), (SCHEDULE_NAME_LABEL, "nightly")];
        assert_eq!(admitted(labels(&good)), labels(&good));
        let long = "x".repeat(64);
        let bad = [
            ("", "a"),
            ("-a", "a"),
            ("a/b/c", "a"),
            ("Example.com/a", "a"),
            ("/a", "a"),
            ("a", "b c"),
            ("b", long.as_str()),
            (long.as_str(), "a"),
            ("ark.heptio.com/restore-name", "r"),
        ];
        assert_eq!(admitted(labels(&bad)), BTreeMap::new());
    }

    #[test]
    fn labels_that_tools_of_another_cluster_obey_do_not_come() {
        let of_tools = [
            "app.kubernetes.io/instance",
            "argocd.argoproj.io/instance",
            "kustomize.toolkit.fluxcd.io/name",
            "helm.sh/chart",
        ];
        assert_eq!(admitted(labels(&of_tools.map(|key| (key, "platform")))), BTreeMap::new());
        let of_people = [("myk8s.io/team", "a"), ("app", "shop")];
        assert_eq!(admitted(labels(&of_people)), labels(&of_people));
    }

    #[test]
    fn a_flood_of_labels_is_cut_and_the_schedule_stays() {
        let mut many: BTreeMap<String, String> =
            (0..10_000).map(|number| (format!("a{number}"), "x".to_owned())).collect();
        many.insert(SCHEDULE_NAME_LABEL.to_owned(), "nightly".to_owned());
        let admitted = admitted(many);
        assert_eq!(admitted.len(), MOST);
        assert_eq!(admitted[SCHEDULE_NAME_LABEL], "nightly");
    }
}
