//! From a namespace of the backup to the one that it comes back as. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

/// From the name in the backup to the name in the cluster.
#[derive(Clone, Debug, Default)]
pub struct NamespaceMap(pub(super) BTreeMap<String, String>);

impl NamespaceMap {
    /// Keeps the pairs that change something.
    pub fn new(pairs: &BTreeMap<String, String>) -> Self {
        let differ = |(from, to): &(&String, &String)| from != to;
        Self(pairs.iter().filter(differ).map(|(from, to)| (from.clone(), to.clone())).collect())
    }

    /// The name in the cluster.
    pub fn map<'a>(&'a self, name: &'a str) -> &'a str {
        self.0.get(name).map_or(name, String::as_str)
    }

    /// Whether every namespace keeps its name.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Maps a place that holds a namespace's name; anything else is left alone.
    pub(super) fn replace(&self, place: &mut Value) {
        if let Some(new) = place.as_str().and_then(|old| self.0.get(old)) {
            *place = Value::String(new.clone());
        }
    }
}
