//! Checks of names and of maps from name to name. Pure.

use std::collections::BTreeMap;

use super::InvalidSpec;

/// Longest DNS-1123 label: the name of a namespace.
const MAX_LABEL: usize = 63;

/// Whether `name` can be the name of a namespace.
pub(super) fn is_namespace_name(name: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !name.is_empty()
        && name.len() <= MAX_LABEL
        && name.bytes().all(inside)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// Both sides of each pair must be names of namespaces.
pub(super) fn check_namespace_mapping(mapping: &BTreeMap<String, String>) -> Vec<InvalidSpec> {
    let names = mapping.iter().flat_map(|(from, to)| [(from, from), (from, to)]);
    names
        .filter(|(_, name)| !is_namespace_name(name))
        .map(|(from, name)| {
            let why = format!("`{name}` cannot be the name of a namespace: use at most 63 lower-case letters, digits and `-`");
            InvalidSpec::new(format!("namespaceMapping[{from}]"), why)
        })
        .collect()
}

/// Neither side of a pair may be empty.
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
        assert_eq!(check_namespace_mapping(&pairs(&[("prod", "stage"), ("a-1", "b")])), []);
        let found = check_namespace_mapping(&pairs(&[("prod", ""), ("Prod", "b/c"), ("-a", "a.b")]));
        assert_eq!(found.len(), 5);
        assert!(found.iter().any(|error| error.to_string().contains("spec.namespaceMapping[Prod]: `b/c`")));
    }

    #[test]
    fn a_mapping_to_nothing_is_refused() {
        assert_eq!(check_mapping("storageClassMapping", &pairs(&[("a", "b")])), []);
        assert_eq!(check_mapping("storageClassMapping", &pairs(&[("a", ""), ("", "b")])).len(), 2);
    }
}
