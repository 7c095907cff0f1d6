//! Fills a cluster: the sample application, and objects in number beside it.

use std::path::Path;

use ark::cluster::{Bound, Catalog, Cluster, Patch, Propagation, ResourceInfo};
use futures::{TryStreamExt as _, stream};
use serde_json::{Value, json};

use super::{Failed, PATIENCE, kind};

/// The sample application, from the root of the repository.
const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/samples/application");

/// Its namespace.
const NAMESPACE: &str = "shop";

/// Creates that are under way at once.
const AT_ONCE: usize = 16;

/// Applies the sample and creates so many more objects, half ConfigMaps and half Secrets.
pub async fn load(cluster: &Cluster, objects: usize) -> Result<String, Failed> {
    let applied = apply_sample(cluster).await?;
    let (configmaps, secrets) = (kind(cluster, "configmaps").await?, kind(cluster, "secrets").await?);
    stream::iter((0..objects).map(Ok))
        .try_for_each_concurrent(AT_ONCE, |number| {
            let kind = if number % 2 == 0 { &configmaps } else { &secrets };
            async move { put(cluster, kind, &format!("item-{number:05}"), number).await }
        })
        .await?;
    Ok(format!("{applied} objects of the sample application and {objects} more"))
}

/// Edits one object, adds one and removes one.
pub async fn change(cluster: &Cluster) -> Result<String, Failed> {
    let configmaps = kind(cluster, "configmaps").await?;
    put(cluster, &configmaps, "item-00000", 4711).await?;
    put(cluster, &configmaps, "added-later", 0).await?;
    cluster.delete(&configmaps, Some(NAMESPACE), "item-00002", None, Propagation::Background).await?;
    Ok("one object changed, one added, one removed".to_owned())
}

async fn put(cluster: &Cluster, kind: &ResourceInfo, name: &str, number: usize) -> Result<(), Failed> {
    let text = format!("{:x}", number.wrapping_mul(0x9e37_79b9)).repeat(20);
    let (field, text) = if kind.kind == "Secret" { ("stringData", text) } else { ("data", text) };
    let mut object = json!({
        "apiVersion": kind.api_version(), "kind": kind.kind,
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"batch": (number % 10).to_string()}},
    });
    object[field] = json!({ "text": text });
    apply(cluster, kind, &object).await
}

/// Applies the files in the order of their names; a definition is waited for before what it defines
/// comes.
async fn apply_sample(cluster: &Cluster) -> Result<usize, Failed> {
    let mut files: Vec<_> =
        std::fs::read_dir(SAMPLE)?.map(|entry| Ok(entry?.path())).collect::<Result<_, Failed>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let mut catalog = cluster.catalog().await?;
    let mut applied = 0;
    for file in files {
        for object in documents(&file)? {
            let info = kind_of(&catalog, &object)?;
            apply(cluster, info, &object).await?;
            applied += 1;
            if info.kind == "CustomResourceDefinition" {
                cluster.crd_established(name(&object), &Bound::new(PATIENCE, PATIENCE)).await?;
                catalog = cluster.catalog().await?;
            }
        }
    }
    Ok(applied)
}

fn documents(file: &Path) -> Result<Vec<Value>, Failed> {
    let text = std::fs::read_to_string(file)?;
    serde_saphyr::from_multiple(&text).map_err(|error| format!("{}: {error}", file.display()).into())
}

fn kind_of<'a>(catalog: &'a Catalog, object: &Value) -> Result<&'a ResourceInfo, Failed> {
    let (version, name) = (object["apiVersion"].as_str(), object["kind"].as_str());
    let found =
        catalog.kinds.iter().find(|info| Some(&*info.api_version()) == version && Some(&*info.kind) == name);
    found.ok_or_else(|| format!("the cluster has no kind {version:?} {name:?}").into())
}

async fn apply(cluster: &Cluster, info: &ResourceInfo, object: &Value) -> Result<(), Failed> {
    let namespace = object["metadata"]["namespace"].as_str();
    let apply = Patch::Apply { object: object.to_string(), manager: "demo" };
    cluster.patch(info, namespace, name(object), &apply).await?;
    Ok(())
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}
