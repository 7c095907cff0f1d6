//! Rewrites an item from what was backed up to what is to be created: pure functions, one concern
//! a file.
//!
//! [`Rewriter::rewrite`] calls them in order. It assumes nothing of the item's shape: what is not
//! shaped as the API server shapes it is left alone, and of an unknown kind only the metadata
//! changes.

mod chosen;
mod default_class;
mod definition;
mod field_owners;
mod fitted;
mod image;
mod init_hooks;
mod job;
mod labels;
mod modifiers;
mod namespaces;
mod options;
mod owners;
mod pod;
mod release;
mod replicas;
mod rollout;
mod secret;
mod service;
mod service_account;
mod shape;
mod skip;
mod snapshot;
mod storage_class;
mod strip;
mod volume;

pub use chosen::{PortKey, annotations_by_hand};
pub use default_class::unmark_default;
pub use field_owners::{are_ours, merge_field_owners};
pub use fitted::Mapping;
pub use modifiers::{CompiledModifiers, InvalidModifier};
pub use options::{LAST_APPLIED, RewriteError, RewriteOptions};
pub use owners::{Owner, OwnerView};
pub use service_account::is_made_for;
pub use skip::never_restored;
pub use snapshot::{CONTENTS, SNAPSHOTS};
pub use volume::{DataSource, data_source, is_retained, other_storage, volume_comes_back};

use serde_json::Value;

use crate::model::{GroupResource, ItemKey, NAMESPACES};
use namespaces::NamespaceMap;

/// Rewrites the items of one restore.
#[derive(Clone, Debug)]
pub struct Rewriter {
    options: RewriteOptions,
    namespaces: NamespaceMap,
    plain: bool,
}

/// Facts about an item beside its body.
#[derive(Clone, Copy)]
pub struct ItemShape<'a> {
    /// Returns what became of an owner.
    pub owners: &'a dyn Fn(&OwnerView<'_>) -> Owner,
    /// Whether `status` is an ordinary field of the kind, which a create takes, rather than a
    /// subresource.
    pub status_is_data: bool,
}

/// An item as it is to be created.
#[derive(Clone, Debug, PartialEq)]
pub struct Rewritten {
    /// The object.
    pub body: Value,
    /// The namespace in the cluster; `None` if the item is cluster-scoped.
    pub namespace: Option<String>,
    /// The name in the cluster; another one than in the backup only for a Namespace.
    pub name: String,
    /// The status as it was in the backup, if a create does not take it; else `None`.
    pub status: Option<Value>,
    /// Warnings for a person.
    pub warnings: Vec<String>,
    /// The hook that the item's pods do not get, for a person; `None` if they get all.
    pub lost_hook: Option<String>,
    /// The reason why the item must not be created at all; `None` if it may be.
    pub left_out: Option<String>,
    /// The `metadata.managedFields` to write back after the create, because server-side applies to
    /// come rest on them; `None` if there is nothing to give back.
    pub field_owners: Option<Value>,
    /// Whether the namespace mapping changed a cluster-scoped item: an object of that name in the
    /// cluster is never written over.
    pub mapped: bool,
    /// The references whose owners are not there yet, with the uids of the backup; the body does
    /// not have them.
    pub awaited: Vec<Value>,
    /// Whether the item is a Service that asks for a node port or an address: it is made before
    /// those that take any.
    pub wants_fixed_address: bool,
}

impl Rewriter {
    /// Makes the rewriter of one restore.
    pub fn new(options: RewriteOptions) -> Self {
        let namespaces = NamespaceMap::new(&options.namespace_mapping);
        Self { options, namespaces, plain: false }
    }

    /// Makes a rewriter for items of the cluster, which takes off them what the other takes off
    /// those of the backup, so that the two compare. What the cluster allotted (addresses, ports,
    /// volumes) stays.
    pub fn plain() -> Self {
        Self { plain: true, ..Self::new(RewriteOptions::default()) }
    }

    /// Returns the name in the cluster of a namespace of the backup.
    pub fn namespace<'a>(&'a self, in_backup: &'a str) -> &'a str {
        self.namespaces.map(in_backup)
    }

    /// Returns a sentence for each mapping and rule that fitted none of the rewritten items.
    pub fn without_effect(&self) -> Vec<String> {
        let RewriteOptions { storage_classes, images, modifiers, .. } = &self.options;
        let classes = storage_classes.without_effect().map(|class| {
            format!("storageClassMapping names `{class}`, for which nothing that was restored asks")
        });
        let images = images.without_effect().map(|image| {
            format!("imageMapping names `{image}`, with which no image of what was restored begins")
        });
        let rules = modifiers.without_effect().map(|rule| {
            format!("resourceModifiers[{rule}] fits no item that was restored; look at its conditions")
        });
        classes.chain(images).chain(rules).collect()
    }

    /// Rewrites one item. `key` is the item's name in the backup.
    ///
    /// # Errors
    /// When the body is not the item that `key` names, or a resource modifier does not fit it.
    pub fn rewrite(
        &self,
        kind: &GroupResource,
        key: &ItemKey,
        mut item: Value,
        shape: ItemShape<'_>,
    ) -> Result<Rewritten, RewriteError> {
        check_identity(key, &item)?;
        let options = &self.options;
        let mut warnings = Vec::new();
        let status = if shape.status_is_data { None } else { strip::take_status(&mut item) };

        let mut field_owners = None;
        // The field owners are read before `strip` removes them. An item of the cluster keeps what
        // it was allotted, and is warned of nothing.
        if !self.plain {
            let kept = service::rewrite(kind, &mut item, options.preserve_node_ports);
            field_owners = field_owners::given_back(&item, kept);
            pod::tell_of_node(kind, &item, &mut warnings);
            job::tell_of_work(kind, &item, status.as_ref(), &mut warnings);
            rollout::tell_of_older(kind, status.as_ref(), &mut warnings);
            volume::rewrite_claim(kind, &mut item, options, &mut warnings);
            replicas::rewrite(&mut item);
        }
        strip::rewrite(&mut item);
        let awaited = owners::rewrite(&mut item, shape.owners);
        definition::rewrite(kind, &mut item);
        job::rewrite(kind, &mut item);
        pod::rewrite(kind, &mut item);
        secret::rewrite(kind, &mut item);
        service_account::rewrite(kind, &mut item);
        volume::rewrite(kind, &mut item, options);
        let left_out = snapshot::rewrite(kind, &mut item, status.as_ref(), &mut warnings);
        storage_class::rewrite(kind, &mut item, &options.storage_classes);
        let (namespace, name) = self.target(kind, key);
        let lost_hook = options
            .init_hooks
            .as_ref()
            .and_then(|hooks| init_hooks::rewrite(kind, namespace.as_deref(), &mut item, hooks));
        image::rewrite(kind, &mut item, &options.images);
        let mapped = self.map(kind, key, &mut item, &mut warnings);
        options.modifiers.apply(kind, key, &mut item)?;
        strip::rewrite(&mut item); // a modifier may have put back what the API server refuses
        if !self.plain {
            labels::rewrite(&mut item, &options.restore_name, &options.backup_name);
        }

        let wants_fixed_address = service::wants_fixed_address(kind, &item);
        let body = item;
        Ok(Rewritten {
            body,
            namespace,
            name,
            status,
            warnings,
            lost_hook,
            left_out,
            field_owners,
            mapped,
            awaited,
            wants_fixed_address,
        })
    }

    /// Maps the namespaces in an item; returns whether that changed a cluster-scoped item.
    fn map(&self, kind: &GroupResource, key: &ItemKey, item: &mut Value, warnings: &mut Vec<String>) -> bool {
        let shared = key.namespace.is_none() && kind.as_str() != NAMESPACES;
        let before = (shared && !self.namespaces.is_empty()).then(|| item.clone());
        namespaces::rewrite(kind, item, &self.namespaces, warnings);
        release::rewrite(kind, key.namespace.as_deref(), item, &self.namespaces, warnings);
        before.is_some_and(|before| before != *item)
    }

    /// Returns a new Namespace for items whose namespace the backup does not hold; `name` is the
    /// one in the cluster.
    pub fn bare_namespace(&self, name: &str) -> Value {
        let mut item =
            serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        labels::rewrite(&mut item, &self.options.restore_name, &self.options.backup_name);
        item
    }

    fn target(&self, kind: &GroupResource, key: &ItemKey) -> (Option<String>, String) {
        let namespace = key.namespace.as_deref().map(|namespace| self.namespace(namespace).to_owned());
        let name = if kind.as_str() == NAMESPACES { self.namespace(&key.name) } else { &key.name };
        (namespace, name.to_owned())
    }
}

/// Checks that the body is the object that its path in the archive names; otherwise the restore
/// would create something else.
fn check_identity(key: &ItemKey, item: &Value) -> Result<(), RewriteError> {
    let wrong = |why: String| Err(RewriteError::NotTheItem { key: key.clone(), why });
    if shape::at(item, &["metadata"]).is_none_or(|metadata| !metadata.is_object()) {
        return wrong("it has no metadata".to_owned());
    }
    let (name, namespace) =
        (shape::text(item, &["metadata", "name"]), shape::text(item, &["metadata", "namespace"]));
    if name != Some(&key.name) {
        return wrong(format!("its name is `{}`", name.unwrap_or_default()));
    }
    if namespace != key.namespace.as_deref() {
        return wrong(format!("its namespace is `{}`", namespace.unwrap_or_default()));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
