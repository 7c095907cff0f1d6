//! The receiver of the names that items name.

use super::bundles::BundleQuery;
use crate::model::item::GroupResource;

/// Receives the names that an item names.
pub trait Sink {
    /// Notes that an item of this kind is needed, if there is a name.
    fn need(&mut self, kind: &str, name: Option<String>);
    /// Notes that an item is needed whose kind is named by group and Kind.
    fn need_named(&mut self, group: String, kind: String, name: String);
    /// Notes that the parameter of this name is needed, whose kind the policy tells.
    fn need_parameter_of(&mut self, policies: &str, policy: &str, name: String);
    /// Notes that the item is a policy that asks for parameters of this group and Kind.
    fn asks_for_parameters(&mut self, policies: &GroupResource, group: String, kind: String);
    /// Notes that trust bundles are needed.
    fn need_bundles(&mut self, query: BundleQuery);
    /// Notes that a PVC in the item's namespace is needed.
    fn need_claim(&mut self, name: Option<String>);
    /// Notes that the PVCs made from the item's template of this name are needed.
    fn need_claims_of(&mut self, template: Option<String>);
}
