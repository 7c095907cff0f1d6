//! The state that changes while a plan is executed. `run` has the order of the execution.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::account::RestoreAccount;
use super::binding::PvcBindings;
use super::error::Broken;
use super::halt::RestoreHalt;
use super::inventory::EntryId;
use super::links::Links;
use super::noted::Noted;
use super::plan::RestorePlan;
use super::view::RestoreView;
use crate::cluster::{Cluster, Pace};

/// Executes a plan.
#[derive(Debug)]
pub struct Restorer<'a> {
    /// The plan, and what is known of the cluster by now.
    pub view: RestoreView<'a>,
    /// Namespaces of the cluster that cannot be had, each with the reason.
    pub broken_namespaces: HashMap<String, Broken>,
    /// The items that lack references to their owners.
    pub links: Links,
    /// The PVCs that were created for volumes that are there.
    pub bindings: PvcBindings,
    /// Items for which a request was sent, or is about to be sent.
    pub begun: Noted<EntryId>,
    /// Whether a deletion was sent, whatever its answer.
    pub touched: Arc<AtomicBool>,
    /// The limit for creates under way at once, which follows the API server's answers.
    pub pace: Pace,
    /// Tells whether the restore is to end.
    pub halt: RestoreHalt,
}

impl<'a> Restorer<'a> {
    /// Makes the restorer of a plan of which nothing is done yet.
    pub fn new(
        cluster: &'a Cluster,
        plan: &'a RestorePlan,
        halt: &RestoreHalt,
        account: &RestoreAccount<'_>,
    ) -> Self {
        Self {
            view: RestoreView::new(cluster, plan),
            broken_namespaces: HashMap::new(),
            links: Links::default(),
            bindings: PvcBindings::default(),
            begun: Noted::default(),
            touched: Arc::clone(&account.touched),
            pace: cluster.pace(plan.parallel),
            halt: halt.clone(),
        }
    }
}
