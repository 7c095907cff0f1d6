//! What rewriting goes by, and why it may fail.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::fitted::Mapping;
use super::modifiers::CompiledModifiers;
use super::volume::DataSource;
use crate::model::{Category, ItemKey};

/// The annotation in which kubectl keeps what it last applied.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What a restore asks to be changed.
#[derive(Clone, Debug, Default)]
pub struct RewriteOptions {
    /// The Restore's name, for the label.
    pub restore_name: String,
    /// The Backup's name, for the label.
    pub backup_name: String,
    /// From the namespace in the backup to the one in the cluster; applied all at once.
    pub namespace_mapping: BTreeMap<String, String>,
    /// From the old storage class to the new.
    pub storage_classes: Mapping,
    /// From the beginning of the old image name to that of the new.
    pub images: Mapping,
    /// The person's own rules, applied last.
    pub modifiers: CompiledModifiers,
    /// Whether Services keep every node port.
    pub preserve_node_ports: bool,
    /// Names of the PersistentVolumes that will be there, restored or not; a claim on another one gets a new volume.
    pub returning_volumes: BTreeSet<String>,
    /// Names of PersistentVolumes of the cluster whose data are elsewhere than those of the backup's volume of that name.
    pub volumes_elsewhere: BTreeSet<String>,
    /// Names of PersistentVolumes of the cluster that are nobody's, and of which nothing says that they are those of the backup.
    pub unknown_volumes: BTreeSet<String>,
    /// Names of volumes of the backup that had outlived their claims, and stay so: no claim of the name gets their data.
    pub outlived_volumes: BTreeSet<String>,
    /// Of what [`data_source`] says of the claims in the backup, the sources that will be there; a claim that gets a new
    /// volume loses any other.
    pub sources: HashSet<DataSource>,
}

/// Why an item cannot be rewritten.
#[derive(Debug, thiserror::Error)]
pub enum RewriteError {
    /// The item is no object of that name.
    #[error(
        "cannot restore {key}: the backup holds an object that is not {key} ({why}); check the backup with `ark backup verify`"
    )]
    NotTheItem {
        /// The item that was expected.
        key: ItemKey,
        /// What differs.
        why: String,
    },
    /// A patch does not fit the item.
    #[error(
        "cannot restore {key}: resource modifier {rule} does not fit it; narrow the rule's conditions or mend its path"
    )]
    Modifier {
        /// The item.
        key: ItemKey,
        /// The rule's number, from 1.
        rule: usize,
        /// Which operation failed, where, and why.
        #[source]
        source: json_patch::PatchError,
    },
    /// A rule would make the item into another one.
    #[error(
        "cannot restore {key}: resource modifier {rule} changes {path}, by which the item is known; use namespaceMapping for namespaces, and leave kind and name as they are"
    )]
    Identity {
        /// The item.
        key: ItemKey,
        /// The rule's number, from 1.
        rule: usize,
        /// The field that it changes.
        path: &'static str,
    },
}

impl RewriteError {
    /// For metrics and results.
    pub fn category(&self) -> Category {
        match self {
            Self::NotTheItem { .. } => Category::Corrupt,
            Self::Modifier { .. } | Self::Identity { .. } => Category::Invalid,
        }
    }
}
