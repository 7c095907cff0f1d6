//! One item as a borrowed view of its page: the few fields that decisions need, and the item's
//! hash. Pure.
//!
//! Nothing is parsed into a tree. One pass over the object's JSON yields the fields of
//! [`ItemView`] and the hash of everything that is not volatile; the bytes themselves travel on
//! untouched. Next: `filter`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use xxhash_rust::xxh3::Xxh3;

use crate::api::{BACKUP_NAME_LABEL, RESTORE_NAME_LABEL};
use crate::model::{ItemOrigin, LabelSet};

/// The fields of one object that decide whether it is taken, borrowed from its page.
#[derive(Debug, Default)]
pub struct ItemView<'a> {
    /// Whether the object has `apiVersion` and `kind` of its own; items in a LIST of built-in
    /// kinds have not.
    pub typed: bool,
    /// `metadata.name`.
    pub name: Cow<'a, str>,
    /// `metadata.namespace`.
    pub namespace: Option<Cow<'a, str>>,
    /// `metadata.uid`.
    pub uid: Cow<'a, str>,
    /// `metadata.resourceVersion`.
    pub resource_version: Cow<'a, str>,
    /// `metadata.labels` as JSON text.
    pub labels: Option<&'a str>,
    /// `metadata.annotations` as JSON text.
    pub annotations: Option<&'a str>,
    /// `metadata.managedFields` as JSON text.
    pub managed_fields: Option<&'a str>,
    /// The owner reference whose `controller` is true.
    pub controller: Option<ItemOwner<'a>>,
    /// `metadata.deletionTimestamp`.
    pub deleted: Option<Cow<'a, str>>,
    /// `metadata.finalizers` as JSON text.
    pub finalizers: Option<&'a str>,
    /// `type` of a Secret.
    pub secret_type: Option<Cow<'a, str>>,
    /// `revision` of a ControllerRevision; `None` for other kinds.
    pub revision: Option<u64>,
    /// `spec` as JSON text.
    pub spec: Option<&'a str>,
    /// The hash (xxh3, 64 bits) of the object without its name and namespace, `managedFields`,
    /// owner references, the labels of a restore, the fields that the server sets on each write,
    /// and `status` where that is a subresource.
    pub hash: u64,
}

/// One entry of `metadata.ownerReferences`.
#[derive(Debug, Default, Deserialize)]
pub struct ItemOwner<'a> {
    /// The owner's uid.
    #[serde(borrow, default)]
    pub uid: Cow<'a, str>,
    #[serde(default)]
    controller: bool,
}

impl<'a> ItemView<'a> {
    /// Reads an object. `status_is_data` means that its kind has no subresource `status`, so that
    /// the field is hashed like any other.
    ///
    /// # Errors
    /// If the text is not a JSON object with a `metadata` object in it.
    pub fn read(body: &'a [u8], status_is_data: bool) -> Result<Self, serde_json::Error> {
        let mut view = Self::default();
        let mut hash = Xxh3::new();
        let mut json = serde_json::Deserializer::from_slice(body);
        let level = BodyLevel::Object { status_is_data };
        Fields { view: &mut view, hash: &mut hash, level }.deserialize(&mut json)?;
        json.end()?;
        view.hash = hash.digest();
        Ok(view)
    }

    /// Returns the labels as a map; empty if there are none or they are no map of strings.
    pub fn label_set(&self) -> LabelSet {
        self.labels.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// Returns true for a Service with a selector that a controller follows, so that the
    /// controller keeps its endpoints.
    pub fn selects(&self) -> bool {
        #[derive(Deserialize)]
        struct Spec {
            selector: Option<LabelSet>,
            r#type: Option<String>,
        }
        let spec = self.spec.filter(|spec| spec.contains("\"selector\"")).map(serde_json::from_str::<Spec>);
        spec.and_then(Result::ok).is_some_and(|spec| {
            spec.r#type.as_deref() != Some("ExternalName")
                && spec.selector.is_some_and(|labels| !labels.is_empty())
        })
    }
}

impl ItemOrigin for ItemView<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    fn label(&self, key: &str) -> Option<Cow<'_, str>> {
        value_of(self.labels, key).map(Cow::Owned)
    }

    fn annotation(&self, key: &str) -> Option<Cow<'_, str>> {
        value_of(self.annotations, key).map(Cow::Owned)
    }

    fn secret_type(&self) -> Option<&str> {
        self.secret_type.as_deref()
    }

    fn managers(&self, field: &str) -> Vec<String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Entry {
            #[serde(default)]
            manager: String,
            #[serde(default)]
            fields_v1: BTreeMap<String, IgnoredAny>,
        }
        let field = format!("f:{field}");
        let entries = self.managed_fields.map(serde_json::from_str::<Vec<Entry>>);
        let owners = entries.and_then(Result::ok).into_iter().flatten();
        owners.filter(|entry| entry.fields_v1.contains_key(&field)).map(|entry| entry.manager).collect()
    }
}

/// Returns the value of a label or annotation. Most items lack the key, so that the map is parsed
/// only if its text contains the key.
fn value_of(map: Option<&str>, key: &str) -> Option<String> {
    let text = map.filter(|text| text.contains(key))?;
    serde_json::from_str::<LabelSet>(text).ok()?.remove(key)
}

/// Text borrowed from the page unless it holds an escape. Serde fills a plain `Cow` always with a
/// copy.
#[derive(Default, Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Clone, Copy, PartialEq)]
enum BodyLevel {
    Object { status_is_data: bool },
    Metadata,
}

struct Fields<'v, 'a> {
    view: &'v mut ItemView<'a>,
    hash: &'v mut Xxh3,
    level: BodyLevel,
}

impl<'a> DeserializeSeed<'a> for Fields<'_, 'a> {
    type Value = ();
    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Fields<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.level {
            BodyLevel::Object { .. } => "a Kubernetes object",
            BodyLevel::Metadata => "the metadata of a Kubernetes object",
        })
    }

    fn visit_map<M: MapAccess<'a>>(mut self, mut map: M) -> Result<(), M::Error> {
        let mut has_metadata = false;
        while let Some(key) = map.next_key::<Text<'a>>()?.map(|key| key.0) {
            match (self.level, &*key) {
                (BodyLevel::Object { .. }, "metadata") => {
                    has_metadata = true;
                    map.next_value_seed(Fields {
                        view: &mut *self.view,
                        hash: &mut *self.hash,
                        level: BodyLevel::Metadata,
                    })?;
                }
                (BodyLevel::Object { status_is_data: false }, "status") => {
                    map.next_value::<IgnoredAny>()?;
                }
                (BodyLevel::Object { .. }, _) => self.object_field(&key, &mut map)?,
                (BodyLevel::Metadata, _) => self.metadata_field(&key, &mut map)?,
            }
        }
        if self.level != BodyLevel::Metadata && !has_metadata {
            return Err(serde::de::Error::missing_field("metadata"));
        }
        Ok(())
    }
}

impl<'a> Fields<'_, 'a> {
    fn object_field<M: MapAccess<'a>>(&mut self, key: &str, map: &mut M) -> Result<(), M::Error> {
        match key {
            "kind" => {
                self.view.typed = true;
                map.next_value::<IgnoredAny>()?;
            }
            "apiVersion" => {
                map.next_value::<IgnoredAny>()?;
            }
            "spec" => self.view.spec = Some(self.hashed(key, map)?),
            "type" => {
                let raw = self.hashed(key, map)?;
                self.view.secret_type = serde_json::from_str::<Text<'a>>(raw).ok().map(|text| text.0);
            }
            "revision" => {
                let raw = self.hashed(key, map)?;
                self.view.revision = serde_json::from_str(raw).ok();
            }
            _ => {
                self.hashed(key, map)?;
            }
        }
        Ok(())
    }

    fn metadata_field<M: MapAccess<'a>>(&mut self, key: &str, map: &mut M) -> Result<(), M::Error> {
        match key {
            "name" => self.view.name = map.next_value::<Text<'a>>()?.0,
            "namespace" => self.view.namespace = map.next_value::<Option<Text<'a>>>()?.map(|text| text.0),
            "uid" => self.view.uid = map.next_value::<Text<'a>>()?.0,
            "resourceVersion" => self.view.resource_version = map.next_value::<Text<'a>>()?.0,
            "labels" => {
                let raw: &'a RawValue = map.next_value()?;
                self.view.labels = Some(raw.get());
                match without_our_marks(raw.get()) {
                    Some(labels) if labels.is_empty() => {}
                    Some(labels) => self.add(key, &serde_json::json!(labels).to_string()),
                    None => self.add(key, raw.get()),
                }
            }
            "annotations" => self.view.annotations = Some(self.hashed(key, map)?),
            "finalizers" => self.view.finalizers = Some(self.hashed(key, map)?),
            "deletionTimestamp" => {
                self.view.deleted = map.next_value::<Option<Text<'a>>>()?.map(|text| text.0);
            }
            "ownerReferences" => {
                // Not hashed: owners get new uids when they are restored, and that alone is no
                // difference.
                let owners: Vec<ItemOwner<'a>> = map.next_value()?;
                self.view.controller = owners.into_iter().find(|owner| owner.controller);
            }
            "managedFields" => {
                let raw: &'a RawValue = map.next_value()?;
                self.view.managed_fields = Some(raw.get());
            }
            "generation" | "creationTimestamp" | "selfLink" | "deletionGracePeriodSeconds" => {
                map.next_value::<IgnoredAny>()?;
            }
            _ => {
                self.hashed(key, map)?;
            }
        }
        Ok(())
    }

    fn hashed<M: MapAccess<'a>>(&mut self, key: &str, map: &mut M) -> Result<&'a str, M::Error> {
        let raw: &'a RawValue = map.next_value()?;
        self.add(key, raw.get());
        Ok(raw.get())
    }

    fn add(&mut self, key: &str, value: &str) {
        for text in [key, value] {
            self.hash.update(text.as_bytes());
            self.hash.update(&[0]);
        }
    }
}

/// Returns the labels without those that a restore adds: that an item was restored is no
/// difference. Returns `None` if there are none of these, which is nearly always.
fn without_our_marks(labels: &str) -> Option<LabelSet> {
    if !labels.contains(RESTORE_NAME_LABEL) {
        return None;
    }
    let mut labels: LabelSet = serde_json::from_str(labels).ok()?;
    labels.remove(RESTORE_NAME_LABEL);
    labels.remove(BACKUP_NAME_LABEL);
    Some(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: &str = r#"{"metadata":{"name":"a","namespace":"n","uid":"u1","resourceVersion":"7","labels":{"app":"é"},
        "ownerReferences":[{"uid":"x"},{"uid":"rs","controller":true}],"managedFields":[{"manager":"m"}]},"spec":{"x":1},"status":{"phase":"Running"}}"#;

    #[test]
    fn a_view_borrows_what_decisions_need() {
        let view = ItemView::read(POD.as_bytes(), false).unwrap();
        assert_eq!((&*view.name, view.namespace.as_deref(), &*view.uid), ("a", Some("n"), "u1"));
        assert_eq!(view.controller.as_ref().map(|owner| &*owner.uid), Some("rs"));
        assert_eq!(view.label("app").as_deref(), Some("é"));
        assert!(!view.typed && view.deleted.is_none());
    }

    #[test]
    fn the_hash_sees_what_a_person_changed_and_not_what_the_server_did() {
        let hash = |text: &str| ItemView::read(text.as_bytes(), false).unwrap().hash;
        let volatile = POD
            .replace("\"7\"", "\"8\"")
            .replace("Running", "Failed")
            .replace("\"m\"", "\"k\"")
            .replace("u1", "u2");
        assert_eq!(hash(POD), hash(&volatile));
        assert_ne!(hash(POD), hash(&POD.replace("\"x\":1", "\"x\":2")));
        assert_ne!(hash(POD), hash(&POD.replace("\"app\"", "\"apq\"")));
    }

    #[test]
    fn a_status_that_is_a_plain_field_is_data() {
        let hash = |text: &str| ItemView::read(text.as_bytes(), true).unwrap().hash;
        assert_ne!(hash(POD), hash(&POD.replace("Running", "Failed")));
        let bare = r#"{"metadata":{"name":"a"},"spec":{}}"#;
        assert_eq!(hash(bare), ItemView::read(bare.as_bytes(), false).unwrap().hash);
    }

    #[test]
    fn a_service_selects_when_a_controller_follows_its_selector() {
        for (spec, selects) in [
            (r#"{"selector":{"app":"web"}}"#, true),
            (r#"{"selector":{"app":"web"},"type":"ExternalName"}"#, false),
            (r#"{"selector":{}}"#, false),
            (r#"{"selector":null}"#, false),
            (r#"{"ports":[{"name":"selector"}]}"#, false),
        ] {
            let text = format!(r#"{{"metadata":{{"name":"a"}},"spec":{spec}}}"#);
            assert_eq!(ItemView::read(text.as_bytes(), false).unwrap().selects(), selects, "{spec}");
        }
    }

    #[test]
    fn that_an_item_was_restored_is_no_difference() {
        let hash = |labels: &str| {
            let text = format!(r#"{{"metadata":{{"name":"a"{labels}}}}}"#);
            ItemView::read(text.as_bytes(), false).unwrap().hash
        };
        let marks = r#""ark.heptio.com/backup-name":"b","ark.heptio.com/restore-name":"r""#;
        assert_eq!(hash(""), hash(&format!(r#","labels":{{{marks}}}"#)));
        assert_eq!(
            hash(r#","labels":{"app":"web"}"#),
            hash(&format!(r#","labels":{{"app":"web",{marks}}}"#))
        );
        assert_ne!(hash(r#","labels":{"app":"web"}"#), hash(&format!(r#","labels":{{"app":"db",{marks}}}"#)));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for bad in ["[]", "1", "{}", r#"{"metadata":3}"#, r#"{"metadata":{}} x"#, ""] {
            assert!(ItemView::read(bad.as_bytes(), false).is_err(), "{bad}");
        }
    }
}
