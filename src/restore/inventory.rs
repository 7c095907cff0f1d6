//! Keeps what planning needs of the index, in little memory: names once, no labels, no paths.
//! Pure.
//!
//! Next on the way: `survey`, `steps`.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::itself::Itself;
use super::owners::OldUid;
use super::select::{Inclusion, Selection};
use crate::archive::{IndexFrame, IndexItem, IndexedResource, MAX_KINDS, item_path};
use crate::model::{GroupResource, ItemKey, NAMESPACES, PVCS};

/// One item of the index that is selected, or may come along.
#[derive(Debug)]
pub struct InventoryEntry {
    /// Place of the item's kind in [`Inventory::kinds`].
    pub kind: u16,
    /// Place of the item's namespace in [`Inventory::namespaces`]; `None` if the item is
    /// cluster-scoped.
    pub namespace: Option<u32>,
    /// `metadata.name`.
    pub name: Box<str>,
    /// Number of the frame that holds the body.
    pub frame: u32,
    /// Bytes from the beginning of the decompressed frame to the body.
    pub offset: u64,
    /// Bytes of the body.
    pub size: u64,
    /// The uid that the item had when it was backed up; `None` if the index has none.
    pub uid: Option<OldUid>,
    /// The uid of the item's controller; `None` if there is none.
    pub owner: Option<OldUid>,
    /// The revision of a ReplicaSet or ControllerRevision; `None` for other kinds.
    pub rollout: Option<u64>,
    /// Whether the item is selected, or comes only along with others.
    pub inclusion: Inclusion,
}

/// Place of an entry in [`Inventory::entries`].
pub type EntryId = u32;

/// All that planning needs of the index.
#[derive(Debug, Default)]
pub struct Inventory {
    /// The uid of the cluster that was backed up; empty if the backup does not say it.
    pub cluster: String,
    /// The server of Ark that stays as it is, whatever the backup has of it; `None` if no server
    /// is known.
    pub itself: Option<Itself>,
    /// Every kind of the backup.
    pub kinds: Vec<IndexedResource>,
    /// Every namespace of the backup, selected or not.
    pub namespaces: Vec<Box<str>>,
    /// The items that may be restored, in the tarball's order.
    pub entries: Vec<InventoryEntry>,
    /// The uids of the controllers of items that are in the backup and not among the entries.
    pub owners_elsewhere: HashSet<OldUid>,
    /// The PVCs that are in the backup and not among the entries: place of the namespace, and
    /// name.
    claims_elsewhere: BTreeSet<(u32, Box<str>)>,
    /// The frames, by their numbers.
    pub frames: HashMap<u32, IndexFrame>,
    namespace_ids: HashMap<Box<str>, u32>,
    kind_ids: HashMap<GroupResource, u16>,
}

impl Inventory {
    /// Makes an inventory without items that knows the kinds of the index's header.
    pub fn new(kinds: Vec<IndexedResource>) -> Self {
        // The decoder refuses a header with more kinds than a u16 counts.
        let kind_ids = kinds.iter().zip(0..=u16::MAX).map(|(info, id)| (info.resource.clone(), id)).collect();
        Self { kinds, kind_ids, ..Self::default() }
    }

    /// Keeps an item if the selection reaches it. `own` is the selection of the backup itself:
    /// what it does not reach came along into the backup.
    ///
    /// # Errors
    /// When the item's path names no item, or its kind is one too many; the text says which.
    pub fn add(
        &mut self,
        item: &IndexItem,
        selection: &Selection<'_>,
        own: Option<&Selection<'_>>,
    ) -> Result<(), String> {
        let key = item.key().map_err(|error| error.to_string())?;
        let kind = self.kind_id(&key)?;
        let namespace = key.namespace.as_deref().map(|name| self.namespace_id(name));
        if key.resource.as_str() == NAMESPACES {
            self.namespace_id(&key.name); // an empty one is known, too
        }
        let judge = |by: &Selection<'_>| by.judge(&self.kinds[usize::from(kind)], &key, &item.labels);
        let info = &self.kinds[usize::from(kind)];
        // A restore that names the kind means its items, for whatever reason they are in the
        // backup.
        let along =
            || !selection.names(info) && own.is_some_and(|own| judge(own) != Some(Inclusion::Selected));
        let inclusion = judge(selection).map(|inclusion| match inclusion {
            Inclusion::Selected if along() => Inclusion::Along,
            inclusion => inclusion,
        });
        let owner = item.owner.as_deref().and_then(OldUid::read);
        let Some(inclusion) = inclusion else {
            self.owners_elsewhere.extend(owner);
            if let (PVCS, Some(namespace)) = (key.resource.as_str(), namespace) {
                self.claims_elsewhere.insert((namespace, key.name.into()));
            }
            return Ok(());
        };
        self.entries.push(InventoryEntry {
            kind,
            namespace,
            name: key.name.into(),
            frame: item.frame,
            offset: item.offset,
            size: item.size,
            uid: OldUid::read(&item.uid),
            owner,
            rollout: item.rollout,
            inclusion,
        });
        Ok(())
    }

    /// Keeps the place of a frame.
    pub fn add_frame(&mut self, frame: IndexFrame) {
        self.frames.insert(frame.frame, frame);
    }

    /// Returns the kind of an entry.
    pub fn kind(&self, entry: &InventoryEntry) -> &GroupResource {
        &self.kinds[usize::from(entry.kind)].resource
    }

    /// Returns the namespace of an entry, or `None` if the entry is cluster-scoped.
    pub fn namespace(&self, entry: &InventoryEntry) -> Option<&str> {
        entry.namespace.and_then(|id| self.namespaces.get(id as usize)).map(|name| &**name)
    }

    /// Returns the names of the PVCs in a namespace of the backup that are not restored, since the
    /// selection does not reach them.
    pub fn claims_elsewhere(&self, namespace: Option<&str>) -> impl Iterator<Item = &str> {
        let id = namespace.and_then(|name| self.namespace_ids.get(name)).copied();
        let claims = self.claims_elsewhere.iter().filter(move |(home, _)| Some(*home) == id);
        claims.map(|(_, name)| &**name)
    }

    /// Returns whether the entry belongs to the server of Ark that stays as it is.
    pub fn is_itself(&self, entry: &InventoryEntry) -> bool {
        let itself = self.itself.as_ref();
        itself.is_some_and(|itself| itself.is(self.kind(entry), self.namespace(entry), &entry.name))
    }

    /// Returns the entry's name in the backup.
    pub fn key(&self, entry: &InventoryEntry) -> ItemKey {
        ItemKey {
            resource: self.kind(entry).clone(),
            namespace: self.namespace(entry).map(str::to_owned),
            name: entry.name.to_string(),
        }
    }

    /// Returns the entry in the form in which its frame is asked for the body.
    pub fn place(&self, entry: &InventoryEntry) -> IndexItem {
        IndexItem {
            path: item_path(&self.key(entry)),
            frame: entry.frame,
            offset: entry.offset,
            size: entry.size,
            uid: String::new(),
            resource_version: String::new(),
            hash: 0,
            labels: Default::default(),
            owner: None,
            rollout: None,
        }
    }

    /// Returns the entry at a place.
    pub fn entry(&self, id: EntryId) -> &InventoryEntry {
        &self.entries[id as usize]
    }

    fn namespace_id(&mut self, name: &str) -> u32 {
        if let Some(id) = self.namespace_ids.get(name) {
            return *id;
        }
        let id = u32::try_from(self.namespaces.len()).unwrap_or(u32::MAX);
        self.namespaces.push(name.into());
        self.namespace_ids.insert(name.into(), id);
        id
    }

    /// Returns the place of the item's kind. A kind that the header lacks is added, known by its
    /// plural alone.
    fn kind_id(&mut self, key: &ItemKey) -> Result<u16, String> {
        if let Some(id) = self.kind_ids.get(&key.resource) {
            return Ok(*id);
        }
        let id = u16::try_from(self.kinds.len()).ok().filter(|id| usize::from(*id) < MAX_KINDS);
        let id = id.ok_or_else(|| format!("it holds items of more than {MAX_KINDS} kinds"))?;
        self.kinds.push(IndexedResource {
            resource: key.resource.clone(),
            version: String::new(),
            kind: String::new(),
            singular: String::new(),
            short_names: Vec::new(),
            namespaced: key.namespace.is_some(),
            status_is_data: false,
        });
        self.kind_ids.insert(key.resource.clone(), id);
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::CompiledSelection;
    use crate::model::GroupResource;

    #[test]
    fn an_archive_of_more_kinds_than_there_are_numbers_is_an_error() {
        let kind = |number: usize| IndexedResource {
            resource: GroupResource::parse(&format!("k{number}.example.com")),
            version: String::new(),
            kind: String::new(),
            singular: String::new(),
            short_names: Vec::new(),
            namespaced: true,
            status_is_data: false,
        };
        let terms = crate::api::RestoreSpec::default().selection().unwrap();
        let selection = Selection::new(&terms);
        let mut inventory = Inventory::new((0..MAX_KINDS - 1).map(kind).collect());
        let mut add = |number: usize| {
            let path = format!("resources/k{number}.example.com/namespaces/a/b.json");
            inventory.add(&IndexItem { path, ..blank() }, &selection, None)
        };
        add(MAX_KINDS - 1).unwrap();
        add(7).unwrap();
        assert!(add(MAX_KINDS).unwrap_err().contains("more than 65535 kinds"));
    }

    #[test]
    fn what_came_along_into_the_backup_comes_and_is_not_meant_itself() {
        let compiled = |filter: serde_json::Value| {
            serde_json::from_value::<crate::api::Filter>(filter).unwrap().compile().unwrap()
        };
        let (all, shop) =
            (compiled(serde_json::json!({})), compiled(serde_json::json!({"includedNamespaces": ["shop"]})));
        let inclusion = |path: &str, wanted: &CompiledSelection| {
            let mut inventory = Inventory::default();
            let (wanted, own) = (Selection::new(wanted), Selection::new(&shop));
            inventory.add(&IndexItem { path: path.to_owned(), ..blank() }, &wanted, Some(&own)).unwrap();
            inventory.entries.first().map(|entry| entry.inclusion)
        };
        let role = "resources/clusterroles.rbac.authorization.k8s.io/cluster/reader.json";
        assert_eq!(inclusion(role, &all), Some(Inclusion::Along));
        assert_eq!(inclusion(role, &shop), Some(Inclusion::IfNeeded));
        let roles = compiled(serde_json::json!({"includedResources": ["clusterroles"]}));
        assert_eq!(inclusion(role, &roles), Some(Inclusion::Selected));
        assert_eq!(inclusion("resources/secrets/namespaces/shop/a.json", &all), Some(Inclusion::Selected));
    }

    fn blank() -> IndexItem {
        IndexItem {
            path: String::new(),
            frame: 0,
            offset: 0,
            size: 0,
            uid: String::new(),
            resource_version: String::new(),
            hash: 0,
            labels: Default::default(),
            owner: None,
            rollout: None,
        }
    }
}
