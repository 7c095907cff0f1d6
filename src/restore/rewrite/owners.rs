//! Points owner references at the restored owners, and sets the others aside: `links` gives them
//! back once their owners are found. Pure.

use std::fmt;

use serde_json::Value;

use super::shape;

/// An owner, as the item refers to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnerView<'a> {
    /// The owner's uid in the backup.
    pub uid: &'a str,
    /// The apiVersion under which the item names the owner.
    pub api_version: &'a str,
    /// The owner's kind, as `Deployment`.
    pub kind: &'a str,
    /// The owner's name.
    pub name: &'a str,
}

/// The fate of an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The owner is in the cluster, under this uid.
    New(String),
    /// The owner is not known to be in the cluster: a reference to it would have the garbage
    /// collector remove the item.
    Awaited,
}

impl<'a> OwnerView<'a> {
    /// Reads an element of `metadata.ownerReferences`; returns `None` if it has no uid.
    pub fn read(reference: &'a Value) -> Option<Self> {
        let text = |key: &str| shape::text(reference, &[key]);
        Some(Self {
            uid: text("uid")?,
            api_version: text("apiVersion").unwrap_or_default(),
            kind: text("kind").unwrap_or_default(),
            name: text("name").unwrap_or_default(),
        })
    }

    /// Returns whether both name the same object, even by different versions of its kind, or made
    /// anew.
    pub fn is_same_object(&self, other: &Self) -> bool {
        self.group() == other.group() && (self.kind, self.name) == (other.kind, other.name)
    }

    /// Returns the group of the owner's kind; empty for the core group.
    pub fn group(&self) -> &'a str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }
}

impl fmt::Display for OwnerView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// Replaces each owner's uid; `controller` and `blockOwnerDeletion` stay as they are. Removes the
/// references whose owners are awaited, and returns them as they are in the backup.
pub(super) fn rewrite(item: &mut Value, owners: &dyn Fn(&OwnerView<'_>) -> Owner) -> Vec<Value> {
    let mut awaited = Vec::new();
    shape::retain(item, &["metadata", "ownerReferences"], |reference| {
        let Some(owner) = OwnerView::read(reference) else { return false };
        match owners(&owner) {
            Owner::New(new) => {
                reference["uid"] = Value::String(new);
                true
            }
            Owner::Awaited => {
                awaited.push(reference.take());
                false
            }
        }
    });
    awaited
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn references_follow_owners_that_come_back_and_wait_for_the_others() {
        let reference = |uid: &str| json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": uid, "controller": true, "blockOwnerDeletion": true});
        let mut item = json!({"metadata": {"ownerReferences": [reference("old"), 3, reference("later")]}});
        let owners = |owner: &OwnerView<'_>| match (owner.uid, owner.api_version, owner.kind, owner.name) {
            ("old", "apps/v1", "Deployment", "web") => Owner::New("new".to_owned()),
            _ => Owner::Awaited,
        };
        assert_eq!(rewrite(&mut item, &owners), [reference("later")]);
        assert_eq!(item, json!({"metadata": {"ownerReferences": [reference("new")]}}));
        assert_eq!(rewrite(&mut item, &|_| Owner::Awaited).len(), 1);
        assert_eq!(item, json!({"metadata": {}}));
    }
}
