//! The options of a rewriting, and the reasons why it may fail.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use super::fitted::Mapping;
use super::modifiers::CompiledModifiers;
use super::volume::DataSource;
use crate::hooks::RestoreHookSelection;
use crate::model::{Category, ItemKey};

/// The annotation in which kubectl keeps what it last applied.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The changes that a restore asks for, and what the rewriting must know of the cluster.
#[derive(Clone, Debug, Default)]
pub struct RewriteOptions {
    /// The name of the Restore, for the label.
    pub restore_name: String,
    /// The name of the Backup, for the label.
    pub backup_name: String,
    /// From the namespace in the backup to the one in the cluster; all pairs are applied at once.
    pub namespace_mapping: BTreeMap<String, String>,
    /// From the old storage class to the new one.
    pub storage_classes: Mapping,
    /// From the beginning of the old image name to that of the new one.
    pub images: Mapping,
    /// A person's own rules, applied last.
    pub modifiers: CompiledModifiers,
    /// The hooks that may ask for init containers; `None` where none may be added.
    pub init_hooks: Option<Arc<RestoreHookSelection>>,
    /// Whether Services keep every node port, chosen or not.
    pub preserve_node_ports: bool,
    /// Names of the PersistentVolumes that will be there, restored or not; a PVC on another one
    /// gets a new volume.
    pub returning_volumes: BTreeSet<String>,
    /// Names of PersistentVolumes of the cluster whose data are at another place than those of the
    /// backup's volume of that name.
    pub volumes_elsewhere: BTreeSet<String>,
    /// Names of PersistentVolumes of the cluster that belong to no PVC, and of which nothing says
    /// that they are those of the backup.
    pub unknown_volumes: BTreeSet<String>,
    /// Names of volumes of the backup that had outlived their PVCs, and stay so: no PVC of the
    /// name gets their data.
    pub outlived_volumes: BTreeSet<String>,
    /// The sources of PVCs, as `data_source` reads them, that will be there; a PVC that gets a
    /// new volume loses any other source.
    pub sources: HashSet<DataSource>,
}

/// The reason why an item cannot be rewritten.
#[derive(Debug, thiserror::Error)]
pub enum RewriteError {
    /// The body is not the item that its path names.
    #[error(
        "cannot restore {key}: the backup holds an object that is not {key} ({why}); check the backup with `ark backup verify`"
    )]
    NotTheItem {
        /// The item that was expected.
        key: ItemKey,
        /// The difference.
        why: String,
    },
    /// A resource modifier does not fit the item.
    #[error(
        "cannot restore {key}: resource modifier {rule} does not fit it; narrow the rule's conditions or mend its path"
    )]
    Modifier {
        /// The item.
        key: ItemKey,
        /// The rule's number, from 1.
        rule: usize,
        /// The operation that failed, where, and why.
        #[source]
        source: json_patch::PatchError,
    },
    /// A resource modifier would turn the item into another one.
    #[error(
        "cannot restore {key}: resource modifier {rule} changes {path}, by which the item is known; use namespaceMapping for namespaces, and leave kind and name as they are"
    )]
    Identity {
        /// The item.
        key: ItemKey,
        /// The rule's number, from 1.
        rule: usize,
        /// The field that the rule changes.
        path: &'static str,
    },
}

impl RewriteError {
    /// Returns the category, for metrics and results.
    pub fn category(&self) -> Category {
        match self {
            Self::NotTheItem { .. } => Category::Corrupt,
            Self::Modifier { .. } | Self::Identity { .. } => Category::Invalid,
        }
    }
}
