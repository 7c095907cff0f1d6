//! An item that is there already: what the policy says about it. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::compare::Difference;
use super::select::Standing;
use crate::api::{BACKUP_NAME_LABEL, ExistingResourcePolicy as Policy, RESTORE_NAME_LABEL, label_value};
use crate::model::{DEFINITIONS, ItemKey, NAMESPACES};

/// What to do about an item that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is as it should be.
    Unchanged,
    /// It differs and is left as it is.
    Leave,
    /// It differs, and the policy would delete it; but with it would go what no restore brings back.
    Protect,
    /// It is made as it was in the backup, in place.
    Update,
    /// It is deleted and created.
    Recreate,
    /// An earlier attempt of this restore made it.
    Restored,
}

/// What a restore that goes on after an interruption has made before, told by the labels that it puts on everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    restore: String,
    backup: String,
}

impl Earlier {
    /// What earlier attempts of `restore` made of the items of `backup`.
    pub fn new(restore: &str, backup: &str) -> Self {
        Self { restore: label_value(restore), backup: label_value(backup) }
    }

    /// Whether what has these labels is of that.
    pub fn made(&self, labels: &BTreeMap<String, String>) -> bool {
        labels.get(RESTORE_NAME_LABEL) == Some(&self.restore)
            && labels.get(BACKUP_NAME_LABEL) == Some(&self.backup)
    }
}

/// Decides. `standing`: whether the item is selected itself; a namespace that only is needed may be as it likes.
pub fn decide(item: &ItemKey, standing: Standing, difference: &Difference, policy: Policy) -> Verdict {
    let kind = item.kind.as_str();
    let changed = !difference.changed.is_empty();
    let update = if changed { Verdict::Update } else { Verdict::Unchanged };
    if difference.is_none() || (kind == NAMESPACES && standing == Standing::IfNeeded) {
        return Verdict::Unchanged;
    }
    if is_default_account(item) {
        return update;
    }
    // The number is not anybody's but the controller's, which counts anew; see `compare`.
    if kind == "controllerrevisions.apps" && difference.changed == ["revision"] {
        return update;
    }
    match (policy, kind) {
        (Policy::None, _) => Verdict::Leave,
        // Server-side apply adds and changes; what is there besides stays, and is no reason to apply.
        (Policy::Update, _) => update,
        // With a namespace goes all that is in it, with a definition all its resources.
        (Policy::Recreate, NAMESPACES | DEFINITIONS) => update,
        // With a claim or a volume may go the data.
        (Policy::Recreate, "persistentvolumeclaims" | "persistentvolumes") => Verdict::Protect,
        (Policy::Recreate, _) => Verdict::Recreate,
    }
}

/// The verdict about what an earlier attempt of this restore made: it is restored, whatever has become of it since. Only an
/// update is made again, which does no harm and may have been cut short.
pub fn go_on(verdict: Verdict) -> Verdict {
    if verdict == Verdict::Update { verdict } else { Verdict::Restored }
}

/// Whether it is the account that the controller makes in every namespace, mostly before we do.
pub fn is_default_account(item: &ItemKey) -> bool {
    item.kind.as_str() == "serviceaccounts" && item.name == "default"
}

/// The account with what it has besides in the cluster: secrets are added, never taken away.
pub fn merge_account(wanted: &Value, live: &Value) -> Value {
    let mut merged = wanted.clone();
    for list in ["secrets", "imagePullSecrets"] {
        let entries = |side: &Value| side.get(list).and_then(Value::as_array).cloned().unwrap_or_default();
        let mut both = entries(live);
        for entry in entries(wanted) {
            if !both.contains(&entry) {
                both.push(entry);
            }
        }
        if !both.is_empty() {
            merged[list] = both.into();
        }
    }
    merged
}

impl Verdict {
    /// What a person should know of an item that is left as it is; None when it is not.
    pub fn warning(self, difference: &Difference) -> Option<String> {
        let paths = difference.describe();
        match self {
            Self::Leave => Some(format!(
                "it is in the cluster already, differs in {paths}, and was left as it is; existingResourcePolicy Update or Recreate changes it"
            )),
            Self::Protect => Some(format!(
                "it is in the cluster already, differs in {paths}, and was left as it is, because deleting it may delete its data; existingResourcePolicy Update changes it in place"
            )),
            Self::Unchanged | Self::Update | Self::Recreate | Self::Restored => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Kind;

    #[test]
    fn the_policy_decides_about_what_differs_and_data_is_safe() {
        let none = Difference::default();
        let changed = Difference { changed: vec!["spec.x".into()], extra: vec![] };
        let counted = Difference { changed: vec!["revision".into()], extra: vec![] };
        let extra = Difference { changed: vec![], extra: vec!["data.x".into()] };
        for (kind, difference, policy, expected) in [
            ("configmaps", &none, Policy::Recreate, Verdict::Unchanged),
            ("configmaps", &changed, Policy::None, Verdict::Leave),
            ("configmaps", &extra, Policy::None, Verdict::Leave),
            ("configmaps", &changed, Policy::Update, Verdict::Update),
            ("configmaps", &extra, Policy::Update, Verdict::Unchanged),
            ("configmaps", &changed, Policy::Recreate, Verdict::Recreate),
            ("configmaps", &extra, Policy::Recreate, Verdict::Recreate),
            (NAMESPACES, &changed, Policy::Recreate, Verdict::Update),
            (DEFINITIONS, &extra, Policy::Recreate, Verdict::Unchanged),
            ("persistentvolumeclaims", &changed, Policy::Recreate, Verdict::Protect),
            ("persistentvolumes", &changed, Policy::Update, Verdict::Update),
            ("serviceaccounts", &changed, Policy::None, Verdict::Update),
            ("controllerrevisions.apps", &counted, Policy::None, Verdict::Update),
            ("controllerrevisions.apps", &changed, Policy::None, Verdict::Leave),
        ] {
            let item = ItemKey::cluster(Kind::parse(kind), "default");
            assert_eq!(decide(&item, Standing::Selected, difference, policy), expected, "{kind} {policy:?}");
        }
        let home = ItemKey::cluster(Kind::parse(NAMESPACES), "a");
        assert_eq!(decide(&home, Standing::IfNeeded, &changed, Policy::None), Verdict::Unchanged);
        let account = ItemKey::namespaced(Kind::parse("serviceaccounts"), "a", "web");
        assert_eq!(decide(&account, Standing::Selected, &changed, Policy::None), Verdict::Leave);
    }

    #[test]
    fn what_an_earlier_attempt_made_is_neither_told_nor_made_twice() {
        let earlier = Earlier::new("r", &"b".repeat(80));
        let labels = |restore: &str, backup: &str| {
            let pairs = [(RESTORE_NAME_LABEL, restore), (BACKUP_NAME_LABEL, backup)];
            pairs.map(|(label, value)| (label.to_owned(), label_value(value))).into()
        };
        assert!(earlier.made(&labels("r", &"b".repeat(80))));
        assert!(!earlier.made(&labels("r", "another")) && !earlier.made(&labels("s", &"b".repeat(80))));
        assert!(!earlier.made(&BTreeMap::new()));
        for verdict in [Verdict::Unchanged, Verdict::Leave, Verdict::Protect, Verdict::Recreate] {
            assert_eq!(go_on(verdict), Verdict::Restored);
        }
        assert_eq!(go_on(Verdict::Update), Verdict::Update);
        assert_eq!(Verdict::Restored.warning(&Difference::default()), None);
    }

    #[test]
    fn an_account_keeps_what_it_has_and_gets_what_was_stored() {
        let account = |secrets: &[&str]| {
            let secrets: Vec<Value> =
                secrets.iter().map(|name| serde_json::json!({ "name": name })).collect();
            serde_json::json!({"imagePullSecrets": secrets})
        };
        let merge = |wanted: &[&str], live: &[&str]| merge_account(&account(wanted), &account(live));
        assert_eq!(merge(&["a", "b"], &["c", "b"]), account(&["c", "b", "a"]));
        assert_eq!(merge(&["b"], &["c", "b"]), account(&["c", "b"]));
        assert_eq!(merge_account(&serde_json::json!({}), &serde_json::json!({})), serde_json::json!({}));
    }
}
