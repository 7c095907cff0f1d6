//! Owner references are pointed at the restored owners, and dropped where the owner does not come back. Pure.

use serde_json::Value;

use super::shape;

/// What became of an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// It is in the cluster, under this uid.
    New(String),
    /// It is not there: a reference to it would have the garbage collector remove the item.
    Gone,
}

/// Replaces each owner's uid; `controller` and `blockOwnerDeletion` stay as they are.
pub(super) fn rewrite(item: &mut Value, owners: &dyn Fn(&str) -> Owner) {
    shape::retain(item, &["metadata", "ownerReferences"], |reference| {
        let Some(Value::String(uid)) = reference.get_mut("uid") else { return false };
        match owners(uid) {
            Owner::New(new) => {
                *uid = new;
                true
            }
            Owner::Gone => false,
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn references_follow_owners_that_come_back_and_drop_the_others() {
        let reference = |uid: &str| json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": uid, "controller": true, "blockOwnerDeletion": true});
        let mut item = json!({"metadata": {"ownerReferences": [reference("old"), reference("lost"), 3]}});
        let owners = |uid: &str| if uid == "old" { Owner::New("new".to_owned()) } else { Owner::Gone };
        rewrite(&mut item, &owners);
        assert_eq!(item, json!({"metadata": {"ownerReferences": [reference("new")]}}));
        rewrite(&mut item, &|_| Owner::Gone);
        assert_eq!(item, json!({"metadata": {}}));
    }
}
