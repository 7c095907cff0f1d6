//! What takes the names that an item names.

use super::bundles::BundleQuery;
use crate::model::item::GroupResource;

/// Takes the names that an item names.
pub trait Sink {
    /// An item of this kind is needed, if the name says one.
    fn need(&mut self, kind: &str, name: Option<String>);
    /// An item is needed whose kind is named by group and Kind.
    fn need_named(&mut self, group: String, kind: String, name: String);
    /// The parameter of this name is needed, whose kind the policy says.
    fn need_parameter_of(&mut self, policies: &str, policy: &str, name: String);
    /// The item is a policy that asks for parameters of this group and Kind.
    fn asks_for_parameters(&mut self, policies: &GroupResource, group: String, kind: String);
    /// Trust bundles are needed.
    fn need_bundles(&mut self, query: BundleQuery);
    /// A claim in the item's namespace is needed.
    fn need_claim(&mut self, name: Option<String>);
    /// The claims that the item's template of this name has made are needed.
    fn need_claims_of(&mut self, template: Option<String>);
}
