//! Finds the items that the taken ones need: volumes, classes, roles and their bindings, what
//! those need, and, where labels select, the PVCs that workloads name. Pure.
//!
//! A backup asks if only a part of the cluster is taken, a restore if only a part of a backup
//! comes back. Both call in the same order: each taken item of a kind for which
//! [`has_references`](super::has_references) holds is shown to [`ClusterReferences::look`]; then
//! the PVCs to [`ClusterReferences::offer_claim`]; then, kind by kind in the order of [`LEADING`],
//! the cluster-scoped items that [`ClusterReferences::asks`] for to [`ClusterReferences::offer`];
//! [`ClusterReferences::close`] ends the search.

mod bundles;
mod claims;
mod names;
mod pods;
mod roles;
mod shapes;
mod sink;
mod storage;

pub use names::{CLUSTER_ROLE_BINDINGS, CRDS, NAMESPACES, PVCS, VOLUMES};

use std::collections::{HashMap, HashSet};

use super::item::{GroupResource, ItemKey};
use super::selection::LabelQuery;
use bundles::BundleQuery;
use claims::NamedClaims;
use names::{ACCOUNTS, BUNDLES, CLUSTER_ROLES, MUTATING, STORAGE, VALIDATING};
use roles::ClusterRoleView;
use shapes::{Binding, Reference};
use sink::Sink;

/// Cluster-scoped kinds whose items need others, each before the kinds that it leads to.
pub const LEADING: [&str; 13] = [
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    BUNDLES,
    VALIDATING,
    MUTATING,
    VOLUMES,
    STORAGE,
    "volumegroupsnapshotcontents.groupsnapshot.storage.k8s.io",
    "volumesnapshotcontents.snapshot.storage.k8s.io",
    "volumegroupsnapshotclasses.groupsnapshot.storage.k8s.io",
    "volumesnapshotclasses.snapshot.storage.k8s.io",
    "ingressclasses.networking.k8s.io",
    "gatewayclasses.gateway.networking.k8s.io",
];

/// The items of a kind of [`LEADING`] that [`ClusterReferences::offer`] must be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// All items: their bodies tell whether they are needed.
    All,
    /// The items that are in [`ClusterReferences::found`] by then; others change nothing.
    Found,
    /// No item: none would change anything.
    Nothing,
}

/// The cluster-scoped items that are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterScope {
    /// All items that the other terms select.
    All,
    /// The items that items in namespaces need.
    Related,
    /// No items, except Namespaces.
    None,
}

impl ClusterScope {
    /// Returns the scope that `includeClusterResources` names; with `None`, all belong to a
    /// selection of all namespaces.
    pub fn of(include: Option<bool>, all_namespaces: bool) -> Self {
        match include {
            Some(true) => Self::All,
            Some(false) => Self::None,
            None if all_namespaces => Self::All,
            None => Self::Related,
        }
    }
}

/// The items that are needed, gathered body by body.
#[derive(Clone, Debug, Default)]
pub struct ClusterReferences {
    /// The items that were found so far.
    pub found: HashSet<ItemKey>,
    /// Items that are named by group and Kind instead of by their resource: parameters of classes
    /// and policies.
    named: HashSet<NamedReference>,
    /// Policies, each with the name of a parameter of it that a binding names.
    parameters: HashSet<(ItemKey, String)>,
    /// Group and Kind of the parameters that each policy asks for.
    asking: HashMap<ItemKey, (String, String)>,
    /// Trust bundles that are chosen by signer and labels.
    bundles: Vec<BundleQuery>,
    /// The offered roles that gather others, or may be gathered.
    roles: Vec<ClusterRoleView>,
    /// The service accounts that are taken: namespace and name.
    accounts: HashSet<(String, String)>,
    /// The PVCs that workloads name; `None` if PVCs are selected themselves or not wanted.
    claims: Option<NamedClaims>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct NamedReference {
    group: String,
    kind: String,
    name: String,
}

impl ClusterReferences {
    /// Makes a search that finds PVCs, too: a selection by labels takes workloads whose PVCs do
    /// not have the labels.
    pub fn with_claims() -> Self {
        Self { claims: Some(NamedClaims::default()), ..Self::default() }
    }

    /// Notes what the body of a taken or needed item names. A body of unknown shape names nothing.
    pub fn note_references(&mut self, kind: &GroupResource, body: &[u8]) {
        match kind.as_str() {
            ACCOUNTS => self.accounts.extend(shapes::place(body)),
            CLUSTER_ROLES => self.keep_role(None, body),
            _ => shapes::find_references(kind, body, &mut BodyReferences { needs: self, body }),
        }
    }

    /// Returns which items of a kind of [`LEADING`] are to be offered, at its turn.
    pub fn asks(&self, kind: &str) -> Offer {
        let all = match kind {
            CLUSTER_ROLE_BINDINGS => !self.accounts.is_empty(),
            CLUSTER_ROLES => !self.roles.is_empty() || self.needs_any(kind),
            BUNDLES => !self.bundles.is_empty(),
            _ => return if self.needs_any(kind) { Offer::Found } else { Offer::Nothing },
        };
        if all { Offer::All } else { Offer::Nothing }
    }

    /// Notes an item of a kind of [`LEADING`], taken or not, if it is needed.
    pub fn offer(&mut self, kind: &GroupResource, name: &str, body: &[u8]) {
        match kind.as_str() {
            CLUSTER_ROLE_BINDINGS => {
                let Ok(binding) = serde_json::from_slice::<Binding>(body) else { return };
                if binding.subjects.iter().flatten().any(|subject| self.has_taken(subject)) {
                    self.need(CLUSTER_ROLE_BINDINGS, Some(name.to_owned()));
                    self.note_references(kind, body);
                }
            }
            CLUSTER_ROLES => self.keep_role(Some(name), body),
            BUNDLES if self.bundles.iter().any(|query| query.chooses(body)) => {
                self.need(BUNDLES, Some(name.to_owned()));
            }
            _ if self.needs(kind, name) => self.note_references(kind, body),
            _ => {}
        }
    }

    /// Notes a PVC: if an item names it, it is needed, and so is what it names.
    pub fn offer_claim(&mut self, namespace: &str, name: &str, body: &[u8]) {
        if self.names_claim(namespace, name) {
            let kind = GroupResource::parse(PVCS);
            self.note_references(&kind, body);
            self.found.insert(ItemKey::namespaced(kind, namespace, name));
        }
    }

    /// Returns whether an item that was looked at names the PVC.
    pub fn names_claim(&self, namespace: &str, name: &str) -> bool {
        self.claims.as_ref().is_some_and(|claims| claims.has(namespace, name))
    }

    /// Returns whether an item that was looked at names any PVC.
    pub fn names_claims(&self) -> bool {
        self.claims.as_ref().is_some_and(|claims| !claims.is_empty())
    }

    /// Returns whether a subject of a binding is a taken service account, in any of the forms that
    /// one can be named by. Groups of all accounts (`system:serviceaccounts`) do not count: what
    /// is bound to everybody is the cluster's.
    fn has_taken(&self, subject: &Reference) -> bool {
        let Reference { kind, name, namespace } = subject;
        let taken =
            |namespace: &str, name: &str| self.accounts.contains(&(namespace.to_owned(), name.to_owned()));
        match &**kind {
            "ServiceAccount" => taken(namespace, name),
            "User" => name
                .strip_prefix("system:serviceaccount:")
                .and_then(|rest| rest.split_once(':'))
                .is_some_and(|(namespace, name)| taken(namespace, name)),
            "Group" => name
                .strip_prefix("system:serviceaccounts:")
                .is_some_and(|group| self.accounts.iter().any(|(namespace, _)| namespace == group)),
            _ => false,
        }
    }

    /// Ends the search: roles gather roles, and items that are named by their Kind are found among
    /// `kinds`, the cluster-scoped resources with their Kinds.
    pub fn close<'a>(&mut self, kinds: impl Iterator<Item = (&'a GroupResource, &'a str)>) {
        self.gather_roles();
        for (policy, name) in std::mem::take(&mut self.parameters) {
            if let Some((group, kind)) = self.asking.get(&policy).cloned() {
                self.named.insert(NamedReference { group, kind, name });
            }
        }
        let kinds: Vec<(&GroupResource, &str)> = kinds.collect();
        for NamedReference { group, kind, name } in std::mem::take(&mut self.named) {
            let meant =
                |(resource, word): &&(&GroupResource, &str)| resource.group() == group && *word == kind;
            if let Some((resource, _)) = kinds.iter().find(meant) {
                self.found.insert(ItemKey::cluster((*resource).clone(), name));
            }
        }
    }

    /// Returns whether the cluster-scoped item is needed, as far as is known.
    pub fn needs(&self, kind: &GroupResource, name: &str) -> bool {
        self.found.contains(&ItemKey::cluster(kind.clone(), name))
    }

    /// Returns whether any item of the kind is needed, as far as is known.
    pub fn needs_any(&self, kind: &str) -> bool {
        self.found.iter().any(|key| key.resource.as_str() == kind)
    }

    fn need(&mut self, kind: &str, name: Option<String>) {
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            self.found.insert(ItemKey::cluster(GroupResource::parse(kind), name));
        }
    }

    /// Keeps a role's labels and selectors until all roles are known. A role without `name` is
    /// taken itself, and only gathers.
    fn keep_role(&mut self, name: Option<&str>, body: &[u8]) {
        let Some(role) = ClusterRoleView::read(name, body) else { return };
        if role.gathers.is_some() || (name.is_some() && !role.labels.is_empty()) {
            self.roles.push(role);
        }
    }

    /// Finds the roles that needed roles gather: an aggregated role has no rules of its own, so
    /// that the roles that its selectors choose come with it, and what those choose.
    fn gather_roles(&mut self) {
        let roles = std::mem::take(&mut self.roles);
        let mut todo: Vec<&LabelQuery> = Vec::new();
        let wanted = |needs: &Self, role: &ClusterRoleView| {
            role.name.as_ref().is_none_or(|name| needs.needs(&GroupResource::parse(CLUSTER_ROLES), name))
        };
        for role in &roles {
            todo.extend(role.gathers.as_ref().filter(|_| wanted(self, role)));
        }
        while let Some(gathers) = todo.pop() {
            for role in roles.iter().filter(|role| gathers.matches(&role.labels)) {
                let Some(name) = &role.name else { continue };
                if self.found.insert(ItemKey::cluster(GroupResource::parse(CLUSTER_ROLES), name)) {
                    todo.extend(&role.gathers);
                }
            }
        }
    }
}

/// Notes the references of one body.
struct BodyReferences<'a> {
    needs: &'a mut ClusterReferences,
    body: &'a [u8],
}

impl BodyReferences<'_> {
    /// Returns where names of PVCs go, and namespace and name of the item; `None` if PVCs are not
    /// asked for.
    fn claims(&mut self) -> Option<(&mut NamedClaims, String, String)> {
        let claims = self.needs.claims.as_mut()?;
        let (namespace, name) = shapes::place(self.body)?;
        Some((claims, namespace, name))
    }
}

impl Sink for BodyReferences<'_> {
    fn need(&mut self, kind: &str, name: Option<String>) {
        self.needs.need(kind, name);
    }

    fn need_named(&mut self, group: String, kind: String, name: String) {
        self.needs.named.insert(NamedReference { group, kind, name });
    }

    fn need_parameter_of(&mut self, policies: &str, policy: &str, name: String) {
        if !name.is_empty() {
            self.needs.parameters.insert((ItemKey::cluster(GroupResource::parse(policies), policy), name));
        }
    }

    fn asks_for_parameters(&mut self, policies: &GroupResource, group: String, kind: String) {
        if let Some((_, name)) = shapes::place(self.body) {
            self.needs.asking.insert(ItemKey::cluster(policies.clone(), name), (group, kind));
        }
    }

    fn need_bundles(&mut self, query: BundleQuery) {
        if !self.needs.bundles.contains(&query) {
            self.needs.bundles.push(query);
        }
    }

    fn need_claim(&mut self, name: Option<String>) {
        if let Some(name) = name
            && let Some((claims, namespace, _)) = self.claims()
        {
            claims.add(namespace, name);
        }
    }

    fn need_claims_of(&mut self, template: Option<String>) {
        if let Some(template) = template
            && let Some((claims, namespace, set)) = self.claims()
        {
            claims.add_template(namespace, &set, &template);
        }
    }
}

#[cfg(test)]
mod tests;
