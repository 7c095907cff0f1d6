//! The flags that say what a restore does: one for each field of its specification.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use crate::api::{self, ExistingResourcePolicy, ResourceModifier, RestoreSpec, StatusFilter, velero_rules};
use crate::cli::args::pairs::{equation, mapping, pair};
use crate::cli::args::selection::{SelectionArgs, refused};
use crate::cli::exit::Failure;
use crate::cli::verbs::create::kept;

/// The fields of a restore's specification, its source aside.
#[derive(Args, Debug)]
pub struct RestoreArgs {
    /// Restore namespaces under other names: shop:shop-copy,…
    #[arg(long, value_name = "OLD:NEW", value_delimiter = ',', value_parser = pair)]
    namespace_mappings: Vec<(String, String)>,
    /// What to do with an item that exists and differs: none (leave it and warn), update (change it
    /// in place) or recreate (delete it and create it anew) [default: none]
    #[arg(long, value_name = "POLICY")]
    existing_resource_policy: Option<ExistingResourcePolicy>,
    /// Restore PersistentVolumes, without the data in them [default: those whose reclaim policy is
    /// not Delete]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    restore_volumes: Option<bool>,
    /// Also restore the status of these kinds [default: none]
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    status_include_resources: Vec<String>,
    /// Do not restore the status of these kinds, even if included
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    status_exclude_resources: Vec<String>,
    /// Ask for all node ports of Services as in the backup [default: only for those that a person
    /// chose]
    #[arg(long)]
    preserve_nodeports: bool,
    /// Replace storage classes: gp2:premium,…
    #[arg(long, value_name = "OLD:NEW", value_delimiter = ',', value_parser = pair)]
    storage_class_mappings: Vec<(String, String)>,
    /// Replace container images, whole or by their beginning: old.example.com/=new.example.com/,…
    #[arg(long, value_name = "OLD=NEW", value_delimiter = ',', value_parser = equation)]
    image_mappings: Vec<(String, String)>,
    /// A YAML file of rules that change items: a list as in spec.resourceModifiers, or Velero's
    /// resourceModifierRules
    #[arg(long, value_name = "FILE")]
    resource_modifiers: Option<PathBuf>,
    /// Restore nothing if an item that would be restored into a namespace exists already
    #[arg(long)]
    require_empty: bool,
    /// Keep the record of the restore for this long: 7d, 12h [default: as long as its backup]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true, value_parser = kept)]
    ttl: Option<api::Duration>,
    #[command(flatten)]
    selection: SelectionArgs,
}

impl RestoreArgs {
    /// The specification of a restore from `source`, which says only where from. What is wrong with it is told before
    /// anything is touched.
    pub fn spec(&self, source: RestoreSpec) -> Result<RestoreSpec, Failure> {
        let Self {
            namespace_mappings,
            existing_resource_policy,
            restore_volumes,
            status_include_resources,
            status_exclude_resources,
            preserve_nodeports,
            storage_class_mappings,
            image_mappings,
            resource_modifiers,
            require_empty,
            ttl,
            selection,
        } = self;
        let status = StatusFilter {
            included_resources: status_include_resources.clone(),
            excluded_resources: status_exclude_resources.clone(),
        };
        let spec = RestoreSpec {
            filter: selection.filter()?,
            namespace_mapping: mapping("namespace-mappings", namespace_mappings)?,
            existing_resource_policy: *existing_resource_policy,
            restore_pvs: *restore_volumes,
            restore_status: (status != StatusFilter::default()).then_some(status),
            preserve_node_ports: preserve_nodeports.then_some(true),
            resource_modifiers: match resource_modifiers {
                Some(file) => read_modifiers(file)?,
                None => Vec::new(),
            },
            storage_class_mapping: mapping("storage-class-mappings", storage_class_mappings)?,
            image_mapping: mapping("image-mappings", image_mappings)?,
            require_empty: require_empty.then_some(true),
            ttl: ttl.clone(),
            ..source
        };
        let wrong = spec.validate();
        if wrong.is_empty() { Ok(spec) } else { Err(refused(&wrong)) }
    }
}

/// Reads a list of modifiers, or the document that Velero keeps in a ConfigMap.
fn read_modifiers(file: &Path) -> Result<Vec<ResourceModifier>, Failure> {
    let doing = format!("reading the resource modifiers in {}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| Failure::failed(&doing, &error))?;
    let wrong = |problem: String| {
        Failure::usage(format!(
            "{doing}: {problem}; it should be a YAML list of rules with conditions and patches, or Velero's resourceModifierRules"
        ))
    };
    let document: Value = serde_saphyr::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    if document.get("resourceModifierRules").is_some() {
        return velero_rules(&text).map_err(wrong);
    }
    if !document.is_array() {
        return Err(wrong("there is no list of rules in it".to_owned()));
    }
    serde_json::from_value(document).map_err(|error| wrong(error.to_string()))
}
