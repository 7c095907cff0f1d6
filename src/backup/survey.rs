//! The first look, when only a part of the cluster is wanted: which namespaces hold something that is taken, and which
//! cluster-scoped items the taken ones need.
//!
//! The tarball is in restore order, and there a definition comes before its resources and a volume before its claim. What is
//! needed must so be known before the first item is written. The survey lists at the same cut, takes the same verdicts,
//! and keeps names only. Next on the way: `collect`.

use std::collections::HashSet;

use super::filter::{Filter, Verdict};
use super::item::ItemView;
use super::plan::Plan;
use crate::api::CompiledSelection;
use crate::cluster::KindInfo;
use crate::model::{Accounts, DEFINITIONS, ItemKey, Kind, NAMESPACES, Needs, refers};

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// Whether namespaces are selected as a kind, not only as the home of what is taken.
    pub namespaces_named: bool,
    /// Whether definitions are selected as a kind, not only as what the taken resources need.
    pub definitions_named: bool,
    /// The namespaces in which something is taken, and their service accounts.
    pub accounts: Accounts,
    /// Cluster-scoped items that the taken ones need.
    pub needs: Needs,
}

/// The kind whose items cluster role bindings speak of.
const ACCOUNTS: &str = "serviceaccounts";

/// The kinds to look at: all that may be taken when labels or kinds narrow the selection, else only those that refer to
/// others and those with a definition. `defined`: names of all definitions.
pub fn kinds_to_survey<'a>(plan: &'a Plan, narrows: bool, defined: &HashSet<String>) -> Vec<&'a KindInfo> {
    let look = |info: &&KindInfo| {
        let kind = info.kind.as_str();
        if kind == NAMESPACES || kind == DEFINITIONS {
            return false;
        }
        defined.contains(kind) || (info.namespaced && (narrows || kind == ACCOUNTS || refers(&info.kind)))
    };
    plan.kinds.iter().filter(look).collect()
}

/// The kind of this name if the plan has it.
pub fn the_kind<'a>(plan: &'a Plan, kind: &str) -> Vec<&'a KindInfo> {
    plan.kinds.iter().filter(|info| info.kind.as_str() == kind).collect()
}

impl Survey {
    /// An empty survey of what `selection` means.
    pub fn of(plan: &Plan, selection: &CompiledSelection) -> Self {
        let named = |kind: &str| {
            the_kind(plan, kind).iter().any(|info| selection.kinds.takes(&info.kind, info.aliases()))
        };
        Self { namespaces_named: named(NAMESPACES), definitions_named: named(DEFINITIONS), ..Self::default() }
    }

    /// Looks at one item; `filter` must not rest on a survey.
    pub fn look(&mut self, filter: &Filter<'_>, info: &KindInfo, body: &[u8], defined: &HashSet<String>) {
        let Ok(item) = ItemView::read(body) else { return };
        if filter.judge(info, &item) != Verdict::Take {
            return;
        }
        let kind = info.kind.as_str();
        if defined.contains(kind) {
            self.needs.found.insert(ItemKey::cluster(Kind::parse(DEFINITIONS), kind));
        }
        let Some(namespace) = item.namespace.as_deref() else { return };
        if !self.accounts.namespaces.contains(namespace) {
            self.accounts.namespaces.insert(namespace.to_owned());
        }
        if kind == ACCOUNTS {
            self.accounts.accounts.insert((namespace.to_owned(), item.name.into_owned()));
        } else if refers(&info.kind) {
            self.needs.look(body);
        }
    }

    /// Looks at one cluster role binding: needed when it speaks of a taken service account, and its role with it.
    pub fn look_at_cluster_binding(&mut self, body: &[u8]) {
        if let Ok(item) = ItemView::read(body) {
            self.needs.look_at_binding(&item.name, body, &self.accounts);
        }
    }
}
