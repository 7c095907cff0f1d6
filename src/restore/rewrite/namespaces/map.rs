//! Maps a namespace of the backup to the one that it comes back as. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

/// The mapping from names in the backup to names in the cluster.
#[derive(Clone, Debug, Default)]
pub struct NamespaceMap(pub(super) BTreeMap<String, String>);

impl NamespaceMap {
    /// Keeps the pairs that change something.
    pub fn new(pairs: &BTreeMap<String, String>) -> Self {
        let differ = |(from, to): &(&String, &String)| from != to;
        Self(pairs.iter().filter(differ).map(|(from, to)| (from.clone(), to.clone())).collect())
    }

    /// Returns the name in the cluster.
    pub fn map<'a>(&'a self, name: &'a str) -> &'a str {
        self.0.get(name).map_or(name, String::as_str)
    }

    /// Returns whether every namespace keeps its name.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Maps a value that is a namespace's name; any other value is left alone.
    pub(super) fn replace(&self, place: &mut Value) {
        if let Some(new) = place.as_str().and_then(|old| self.0.get(old)) {
            *place = Value::String(new.clone());
        }
    }
}
