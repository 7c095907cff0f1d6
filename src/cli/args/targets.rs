//! The objects that a command acts on, and the question whether that is meant.

use std::collections::HashSet;

use clap::{ArgGroup, Args};
use kube::ResourceExt;

use super::selection::check_selector;
use crate::bucket::RunDocument;
use crate::cli::client::{ArkClient, ArkResource};
use crate::cli::exit::Failure;
use crate::cli::output::{Output, count};
use crate::model::ObjectName;

/// Names that a question repeats; more are shown as "…".
const NAMED: usize = 5;

/// Which objects: by name, by label, or all of them.
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("which").required(true).args(["names", "all", "selector"])))]
pub struct ChosenArgs {
    /// The names of the objects to delete
    #[arg(value_name = "NAME")]
    names: Vec<ObjectName>,
    /// Delete all of them in the namespace
    #[arg(long)]
    all: bool,
    /// Delete those with these labels: 'app=web,tier in (a,b),!old'
    #[arg(short = 'l', long, value_name = "LABELS")]
    selector: Option<String>,
    /// Delete without asking
    #[arg(long)]
    confirm: bool,
}

impl ChosenArgs {
    /// Fails, before anything is touched, if the selector is not valid, or if the user neither
    /// agreed (`--confirm`) nor can be asked.
    pub fn check(&self, doing: &str, output: &Output) -> Result<(), Failure> {
        if let Some(selector) = &self.selector {
            check_selector(selector)?;
        }
        if self.confirm || output.can_ask() {
            return Ok(());
        }
        Err(Failure::usage(format!(
            "{doing}: there is no terminal to ask whether that is meant; add --confirm to do it without being asked"
        )))
    }

    /// Returns the objects. Fails, before anything is done, if one of the names does not exist.
    pub async fn choose<K: ArkResource>(&self, client: &ArkClient) -> Result<Vec<K>, Failure> {
        if self.names.is_empty() {
            return client.list(self.selector.as_deref()).await;
        }
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        // A name that is given twice means one object.
        let mut seen = HashSet::new();
        for name in self.names.iter().map(|name| name.as_str()).filter(|name| seen.insert(*name)) {
            match client.find(name).await? {
                Some(object) => found.push(object),
                None => missing.push(name),
            }
        }
        if missing.is_empty() { Ok(found) } else { Err(client.missing::<K>(&missing).await) }
    }

    /// Returns whether the objects are given by name.
    fn is_named(&self) -> bool {
        !self.names.is_empty()
    }

    /// Leaves out, unless they are given by name, the runs that another cluster or another server
    /// of this one made, and prints their number.
    pub async fn spare_others<K: ArkResource + RunDocument>(
        &self,
        client: &ArkClient,
        objects: &mut Vec<K>,
        output: &Output,
    ) {
        if self.is_named() {
            return;
        }
        let here = client.cluster_uid().await;
        let others =
            objects.extract_if(.., |each| is_of_another(each, here.as_deref(), client.namespace())).count();
        if others > 0 {
            output.note(format!(
                "{} of other clusters or servers: kept; name them, or add --from-other-clusters",
                count(others as u64, K::NOUN)
            ));
        }
    }

    /// Asks whether to go on, unless `--confirm` is set, and returns the answer. `consequence` ends
    /// the question.
    pub fn agreed<K: ArkResource>(
        &self,
        doing: &str,
        objects: &[K],
        consequence: &str,
        output: &Output,
    ) -> Result<bool, Failure> {
        if objects.is_empty() {
            output.note(format!("there is no {} to {doing}", K::NOUN));
            return Ok(false);
        }
        if self.confirm {
            return Ok(true);
        }
        let names: Vec<String> = objects.iter().take(NAMED).map(ResourceExt::name_any).collect();
        let more = if objects.len() > NAMED { ", …" } else { "" };
        let question = format!(
            "{doing} {} ({}{more}){consequence}?",
            count(objects.len() as u64, K::NOUN),
            names.join(", ")
        );
        let agreed = output.ask(question)?;
        if !agreed {
            output.note("nothing was done");
        }
        Ok(agreed)
    }
}

/// Returns whether a Backup or Restore came out of a bucket and was made by another cluster, or by
/// the server of another namespace, as far as that is known.
fn is_of_another<D: RunDocument>(run: &D, cluster: Option<&str>, namespace: &str) -> bool {
    run.is_mirror() && !cluster.is_some_and(|cluster| run.is_made_by(cluster, namespace))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::{Backup, Restore, SYNCED_FROM};

    #[test]
    fn what_another_cluster_or_server_made_is_told_from_what_this_one_did() {
        let synced = || json!({SYNCED_FROM: "bucket"});
        let of = |namespace: &str| json!({"cluster": "here", "namespace": namespace});
        for (annotations, origin, cluster, is_another) in [
            (synced(), json!({"cluster": "there"}), Some("here"), true),
            (synced(), json!({"cluster": "here"}), None, true), // nobody knows which cluster this is
            (synced(), json!({"cluster": "here"}), Some("here"), false), // it came back after a loss
            (synced(), of("ark"), Some("here"), false),
            (synced(), of("team-b"), Some("here"), true),
            (json!({}), json!({"cluster": "there"}), None, false),
        ] {
            let object = |kind: &str| -> Value {
                json!({"apiVersion": "ark.heptio.com/v1", "kind": kind, "spec": {}, "status": {"origin": origin},
                    "metadata": {"name": "nightly", "annotations": annotations}})
            };
            let backup: Backup = serde_json::from_value(object("Backup")).unwrap();
            let restore: Restore = serde_json::from_value(object("Restore")).unwrap();
            assert_eq!(is_of_another(&backup, cluster, "ark"), is_another, "{origin} {cluster:?}");
            assert_eq!(is_of_another(&restore, cluster, "ark"), is_another, "{origin} {cluster:?}");
        }
    }
}
