//! The path grammar: the meaning of each path of a tarball, of Ark's own layout and of foreign
//! ones. Pure.

use std::fmt::Write as _;

use super::limits::MAX_PATH;
use crate::model::{GroupResource, ItemKey};

/// The layout that the path of an item follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `resources/<kind>/{cluster,namespaces/<namespace>}/<name>.json`: format 2, and before it
    /// Ark 0.5 to 0.11 and Velero 1.x.
    Version2,
    /// `cluster/<kind>/<name>.json`, `namespaces/<namespace>/<kind>/<name>.json`: Ark 0.3 and 0.4.
    Ark03,
}

/// The meaning of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryName {
    /// `metadata/version`.
    MetadataVersion,
    /// `metadata/backup.json`.
    MetadataBackup,
    /// An item.
    Item {
        /// The layout of its path.
        layout: Layout,
        /// The item.
        key: ItemKey,
    },
    /// A copy of an item in a named API version, as Velero 1.4 and later write beside each item;
    /// readers skip it.
    PreferredVersionCopy,
}

/// A path that no backup writes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` {why}")]
pub struct PathError {
    /// The path, shortened and without control characters.
    pub path: String,
    /// The fault.
    pub why: &'static str,
}

const METADATA_VERSION: &str = "metadata/version";
const METADATA_BACKUP: &str = "metadata/backup.json";

/// Returns the path of an item in format 2.
pub fn item_path(key: &ItemKey) -> String {
    let mut path = String::new();
    write_item_path(&mut path, &key.resource, key.namespace.as_deref(), &key.name);
    path
}

/// Appends the path of an item. Backslashes, control characters and `%` of a name become `%XX`:
/// the API server refuses names with a `%`, and the other characters would not survive an
/// extraction.
pub(super) fn write_item_path(path: &mut String, kind: &GroupResource, namespace: Option<&str>, name: &str) {
    path.push_str("resources/");
    path.push_str(kind.as_str());
    match namespace {
        Some(namespace) => {
            path.push_str("/namespaces/");
            path.push_str(namespace);
            path.push('/');
        }
        None => path.push_str("/cluster/"),
    }
    for character in name.chars() {
        if is_escaped(character) {
            // Only ASCII is escaped; writing to a String cannot fail.
            let _ = write!(path, "%{:02X}", u32::from(character));
        } else {
            path.push(character);
        }
    }
    path.push_str(".json");
}

fn is_escaped(character: char) -> bool {
    character.is_ascii_control() || matches!(character, '\\' | '%')
}

/// Parses a path.
///
/// # Errors
/// If the path is absolute, climbs, is empty or too long, holds characters that no backup writes,
/// or fits no layout.
pub fn parse_path(path: &str) -> Result<EntryName, PathError> {
    let wrong = |why| Err(PathError { path: shown(path), why });
    if path.is_empty() {
        return wrong("is empty");
    }
    if path.len() > MAX_PATH {
        return wrong("is longer than any name can be");
    }
    if path.starts_with('/') {
        return wrong("is absolute");
    }
    if path.contains('\\') || path.contains(|character: char| character.is_ascii_control()) {
        return wrong("holds a backslash or a control character");
    }
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return wrong("has an empty part, `.` or `..`");
    }
    match path {
        METADATA_VERSION => return Ok(EntryName::MetadataVersion),
        METADATA_BACKUP => return Ok(EntryName::MetadataBackup),
        _ => {}
    }
    match parse_item(path) {
        Some(name) => Ok(name),
        None => wrong("fits no layout of a backup"),
    }
}

fn parse_item(path: &str) -> Option<EntryName> {
    // No layout has more than six parts; a seventh shows that there are too many.
    let mut parts = [""; 7];
    for (count, part) in path.split('/').enumerate() {
        *parts.get_mut(count)? = part;
    }
    let count = parts.iter().position(|part| part.is_empty())?;
    let item = |layout, kind, namespace: Option<&str>, file| {
        let key =
            ItemKey { resource: kind_of(kind)?, namespace: namespace_of(namespace)?, name: name_of(file)? };
        Some(EntryName::Item { layout, key })
    };
    let copy = |version: &str, kind, namespace: Option<&str>, file| {
        let known = is_version(version) && kind_of(kind).is_some();
        (known && namespace_of(namespace).is_some() && name_of(file).is_some())
            .then_some(EntryName::PreferredVersionCopy)
    };
    match parts.get(..count)? {
        ["resources", kind, "cluster", file] => item(Layout::Version2, kind, None, file),
        ["resources", kind, "namespaces", namespace, file] => {
            item(Layout::Version2, kind, Some(namespace), file)
        }
        ["resources", kind, version, "cluster", file] => copy(version, kind, None, file),
        ["resources", kind, version, "namespaces", namespace, file] => {
            copy(version, kind, Some(namespace), file)
        }
        ["cluster", kind, file] => item(Layout::Ark03, kind, None, file),
        ["namespaces", namespace, kind, file] => item(Layout::Ark03, kind, Some(namespace), file),
        _ => None,
    }
}

/// Parses a kind. Resource and group are DNS names; nothing else becomes a [`GroupResource`].
fn kind_of(text: &str) -> Option<GroupResource> {
    is_dns(text).then(|| GroupResource::parse(text))
}

#[expect(clippy::option_option, reason = "outside: whether it is a name; inside: whether there is one")]
fn namespace_of(text: Option<&str>) -> Option<Option<String>> {
    match text {
        None => Some(None),
        Some(text) => is_dns(text).then(|| Some(text.to_owned())),
    }
}

/// Returns true if a text can be the kind or namespace in a path.
pub(super) fn is_dns(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    !text.is_empty() && !text.starts_with('.') && !text.ends_with('.') && text.bytes().all(inner)
}

/// Returns true for a version such as `v1`, `v2beta1`, `v1-preferredversion`.
fn is_version(text: &str) -> bool {
    let version = text.strip_suffix("-preferredversion").unwrap_or(text);
    let mut bytes = version.bytes();
    bytes.next() == Some(b'v')
        && bytes.next().is_some_and(|byte| byte.is_ascii_digit())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

fn name_of(file: &str) -> Option<String> {
    let mut rest = file.strip_suffix(".json").filter(|name| !name.is_empty())?;
    let mut name = String::with_capacity(rest.len());
    while let Some((before, after)) = rest.split_once('%') {
        name.push_str(before);
        // Only characters that the writer escapes, and only in the writer's form: one name has one
        // path.
        let code = after.get(..2).filter(|code| !code.bytes().any(|byte| byte.is_ascii_lowercase()))?;
        let character = char::from(u8::from_str_radix(code, 16).ok()?);
        if !is_escaped(character) || code.starts_with('+') {
            return None;
        }
        name.push(character);
        rest = after.get(2..)?;
    }
    name.push_str(rest);
    Some(name)
}

/// Returns a path of unknown origin, shortened and escaped for a message.
fn shown(path: &str) -> String {
    const SHOWN: usize = 200;
    let mut shown: String = path.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if path.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(layout: Layout, key: ItemKey) -> Result<EntryName, PathError> {
        Ok(EntryName::Item { layout, key })
    }

    #[test]
    fn every_layout_of_an_item_is_known() {
        let web = ItemKey::namespaced(GroupResource::parse("deployments.apps"), "shop", "web");
        let admin =
            ItemKey::cluster(GroupResource::parse("clusterroles.rbac.authorization.k8s.io"), "a:b:c.d");
        for (path, layout, key) in [
            ("resources/deployments.apps/namespaces/shop/web.json", Layout::Version2, &web),
            ("namespaces/shop/deployments.apps/web.json", Layout::Ark03, &web),
            (
                "resources/clusterroles.rbac.authorization.k8s.io/cluster/a:b:c.d.json",
                Layout::Version2,
                &admin,
            ),
            ("cluster/clusterroles.rbac.authorization.k8s.io/a:b:c.d.json", Layout::Ark03, &admin),
        ] {
            assert_eq!(parse_path(path), item(layout, key.clone()), "{path}");
        }
        for copy in [
            "resources/pods/v1-preferredversion/namespaces/shop/web.json",
            "resources/deployments.apps/v1beta2/namespaces/shop/web.json",
            "resources/nodes/v1/cluster/n.json",
        ] {
            assert_eq!(parse_path(copy), Ok(EntryName::PreferredVersionCopy), "{copy}");
        }
        assert_eq!(parse_path("metadata/version"), Ok(EntryName::MetadataVersion));
        assert_eq!(parse_path("metadata/backup.json"), Ok(EntryName::MetadataBackup));
    }

    #[test]
    fn a_namespace_may_be_called_cluster() {
        let key = ItemKey::namespaced(GroupResource::parse("pods"), "cluster", "cluster");
        assert_eq!(parse_path(&item_path(&key)), item(Layout::Version2, key));
    }

    #[test]
    fn paths_that_no_backup_writes_are_refused() {
        let long = format!("resources/pods/cluster/{}.json", "a".repeat(MAX_PATH));
        for bad in [
            "",
            "/resources/pods/cluster/a.json",
            "../resources/pods/cluster/a.json",
            "resources/pods/namespaces/../a.json",
            "resources/pods/namespaces/./a.json",
            "resources/pods//a.json",
            "resources/pods/cluster/a.json/",
            "resources/pods/cluster/a.yaml",
            "resources/pods/cluster/.json",
            "resources/pods/cluster/a\0.json",
            "resources/pods/cluster/a\\b.json",
            "resources/pods/cluster/a%2F.json",
            "resources/pods/cluster/a%5c.json",
            "resources/pods/cluster/a%+5.json",
            "resources/pods/cluster/a%",
            "resources/Pods/cluster/a.json",
            "resources/pods/namespaces/A/a.json",
            "resources/pods/other/cluster/a.json",
            "resources/pods/v1/cluster/x/a.json",
            "resources/pods/v1/namespaces/x/y/a.json",
            "metadata/other",
            "etc/passwd",
            &long,
        ] {
            let error = parse_path(bad).unwrap_err();
            assert!(error.path.len() < 1000, "{bad}");
        }
    }

    #[test]
    fn names_that_a_file_cannot_bear_are_escaped_and_come_back() {
        let key = ItemKey::cluster(
            GroupResource::parse("clusterroles.rbac.authorization.k8s.io"),
            "a\\b%\n.json ü",
        );
        let path = item_path(&key);
        assert!(path.ends_with("/a%5Cb%25%0A.json ü.json"), "{path}");
        assert_eq!(parse_path(&path), item(Layout::Version2, key));
    }
}
