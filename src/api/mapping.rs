//! Checks of names and of maps from name to name. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::InvalidSpec;

/// The longest DNS-1123 label, which the name of a namespace is.
const MAX_LABEL: usize = 63;

/// Returns true if `name` can be the name of a namespace.
pub(super) fn is_namespace_name(name: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !name.is_empty()
        && name.len() <= MAX_LABEL
        && name.bytes().all(inside)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// Checks that both sides of each pair are names of namespaces, and that no two namespaces become
/// one. `included` are the namespaces to be restored, where the specification names them.
pub(super) fn check_namespace_mapping(
    mapping: &BTreeMap<String, String>,
    included: &[String],
) -> Vec<InvalidSpec> {
    let names = mapping.iter().flat_map(|(from, to)| [(from, from), (from, to)]);
    let mut wrong: Vec<InvalidSpec> = names
        .filter(|(_, name)| !is_namespace_name(name))
        .map(|(from, name)| {
            let why = format!("`{name}` cannot be the name of a namespace: use at most 63 lower-case letters, digits and `-`");
            InvalidSpec::new(format!("namespaceMapping[{from}]"), why)
        })
        .collect();
    let literal = included.iter().filter(|name| is_namespace_name(name));
    wrong.extend(collisions(mapping, mapping.keys().chain(literal).map(String::as_str)));
    wrong
}

/// Returns a fault for each namespace of the cluster into which several of the `restored`
/// namespaces of the backup would go: items of one name would meet there.
pub fn collisions<'a>(
    mapping: &'a BTreeMap<String, String>,
    restored: impl Iterator<Item = &'a str>,
) -> Vec<InvalidSpec> {
    let mut targets: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for from in restored {
        targets.entry(mapping.get(from).map_or(from, String::as_str)).or_default().insert(from);
    }
    targets
        .into_iter()
        .filter(|(_, from)| from.len() > 1)
        .map(|(target, from)| {
            let named: Vec<String> = from.iter().map(|name| format!("`{name}`")).collect();
            let why = format!(
                "{} would all become `{target}`, where items of one name would meet: map each to a namespace of its own, or restore one of them at a time",
                named.join(" and ")
            );
            InvalidSpec::new("namespaceMapping", why)
        })
        .collect()
}

/// Checks that no side of a pair is empty.
pub(super) fn check_mapping(field: &str, mapping: &BTreeMap<String, String>) -> Vec<InvalidSpec> {
    let empty = |(from, to): &(&String, &String)| from.is_empty() || to.is_empty();
    mapping
        .iter()
        .filter(empty)
        .map(|(from, to)| InvalidSpec::new(field, format!("the pair `{from}: {to}` has an empty side")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
    }

    #[test]
    fn every_name_of_a_mapping_must_be_able_to_be_a_namespace() {
        assert_eq!(check_namespace_mapping(&pairs(&[("prod", "stage"), ("a-1", "b")]), &[]), []);
        let found = check_namespace_mapping(&pairs(&[("prod", ""), ("Prod", "b/c"), ("-a", "a.b")]), &[]);
        assert_eq!(found.len(), 5);
        assert!(found.iter().any(|error| error.to_string().contains("spec.namespaceMapping[Prod]: `b/c`")));
    }

    #[test]
    fn no_two_namespaces_may_become_one() {
        let check = |mapping: &[(&str, &str)], included: &[&str]| {
            let included: Vec<String> = included.iter().map(|name| (*name).to_owned()).collect();
            check_namespace_mapping(&pairs(mapping), &included).len()
        };
        assert_eq!(check(&[("a", "x"), ("b", "x")], &[]), 1);
        assert_eq!(check(&[("a", "b")], &["a", "b"]), 1);
        assert_eq!(check(&[("a", "b"), ("b", "b")], &[]), 1);
        // A chain and a swap give each namespace a target of its own; the meaning of a pattern is
        // known only with the backup.
        assert_eq!(check(&[("a", "b"), ("b", "a")], &["a", "b"]), 0);
        assert_eq!(check(&[("a", "b"), ("b", "c")], &["a", "b", "d"]), 0);
        assert_eq!(check(&[("a", "b")], &["*", "b-*"]), 0);
        let found = collisions(&pairs(&[("a", "b")]), ["a", "b", "c", "b"].into_iter());
        assert_eq!(found.len(), 1);
        assert!(found[0].to_string().contains("`a` and `b` would all become `b`"), "{}", found[0]);
    }

    #[test]
    fn a_mapping_to_nothing_is_refused() {
        assert_eq!(check_mapping("storageClassMapping", &pairs(&[("a", "b")])), []);
        assert_eq!(check_mapping("storageClassMapping", &pairs(&[("a", ""), ("", "b")])).len(), 2);
    }
}
