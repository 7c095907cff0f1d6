//! Brings a document into the cluster: reads and checks it, creates the object, writes its status.
//!
//! The content of a bucket is hostile: `bucket` bounds and parses it, `mirrored` strips it, and the
//! API server checks it against the schema. A server that dies between the two writes leaves an
//! object that is marked as synced and has no status; the next pass completes it.

use kube::ResourceExt as _;
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::mirrored::{Life, Mirrored, disclaim, mirror};
use super::survey::WantedDocument;
use crate::bucket::{BucketError, RunKeys};
use crate::controller::buckets::OpenLocation;
use crate::controller::context::Context;
use crate::controller::error::ControllerError;
use crate::model::causes;
use crate::store::StoreError;

/// Longest reason of a rejection, in characters; the API server's answers repeat the object.
const LONGEST_REASON: usize = 500;
/// Codes with which the API server refuses an object for ever: malformed, too large, against the
/// schema.
const REFUSALS: [u16; 3] = [400, 413, 422];

/// Outcome of bringing in a document.
#[derive(Debug)]
pub enum Brought {
    /// The object was created.
    Created,
    /// The object existed and has its status now.
    Completed,
    /// Somebody else was faster, or the document is gone; the next pass sees what there is.
    Overtaken,
    /// The document cannot become an object, and why.
    Rejected(String),
}

/// Brings one document in.
///
/// # Errors
/// If the bucket or the API server fails; a later pass tries again.
pub async fn bring<K: Mirrored>(
    context: &Context,
    location: &OpenLocation,
    wanted: &WantedDocument,
) -> Result<Brought, ControllerError> {
    let Some(keys) = RunKeys::parse(K::KIND, &wanted.name) else { return Ok(Brought::Overtaken) };
    let document = match location.bucket.open_run::<K>(keys).await {
        Ok(run) => run.into_document(),
        Err(error) => return judge(error, &wanted.name),
    };
    if document.has_items() && !wanted.tarball {
        return Ok(Brought::Rejected("its tarball is not there".to_owned()));
    }
    let (cluster, namespace) = (&context.identity.uid, &context.settings.namespace);
    let mut object = mirror(document, location, namespace, wanted.stamp);
    if !object.is_made_by(cluster, namespace) {
        disclaim(&mut object);
    }
    let api = context.api::<K>();
    match &wanted.object {
        Some(uid) => complete(&api, object, uid).await,
        None => create(&api, object).await,
    }
}

/// Creates the object and then writes its status.
async fn create<K>(api: &Api<K>, object: K) -> Result<Brought, ControllerError>
where
    K: Mirrored + Serialize + DeserializeOwned,
{
    let doing = format!("create the {} `{}` that the bucket has", K::KIND, object.name_any());
    match ControllerError::within(doing, api.create(&PostParams::default(), &object)).await {
        Ok(created) => record(api, object, created, Brought::Created).await,
        Err(error) if error.is_conflict() => Ok(Brought::Overtaken),
        Err(error) => refused(error),
    }
}

async fn complete<K: Mirrored>(api: &Api<K>, object: K, uid: &str) -> Result<Brought, ControllerError> {
    let doing = format!("read the {} `{}`, which lacks its status", K::KIND, object.name_any());
    match ControllerError::within(doing, api.get_opt(&object.name_any())).await? {
        Some(found) if found.uid().as_deref() == Some(uid) && found.life() == Life::Unbegun => {
            record(api, object, found, Brought::Completed).await
        }
        _ => Ok(Brought::Overtaken),
    }
}

/// Writes the status of an object. If the API server refuses it the object is deleted again:
/// without a status it would say nothing.
async fn record<K: Mirrored>(
    api: &Api<K>,
    mut object: K,
    mut created: K,
    brought: Brought,
) -> Result<Brought, ControllerError> {
    *object.meta_mut() = std::mem::take(created.meta_mut());
    let name = object.name_any();
    let doing = format!("write the status of the {} `{name}` that the bucket has", K::KIND);
    let parameters = PostParams::default();
    let error = match ControllerError::within(doing, api.replace_status(&name, &parameters, &object)).await {
        Ok(_) => return Ok(brought),
        Err(error) if error.is_conflict() || error.is_not_found() => return Ok(Brought::Overtaken),
        Err(error) => error,
    };
    let refused = refused(error)?;
    delete(api, &name, object.uid().as_deref()).await?;
    Ok(refused)
}

/// Deletes an object if it still has this uid. Returns true if it was there.
///
/// # Errors
/// If the API server fails.
pub async fn delete<K>(api: &Api<K>, name: &str, uid: Option<&str>) -> Result<bool, ControllerError>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned,
{
    let doing = format!("delete the {} `{name}`, whose document the bucket has no longer", K::kind(&()));
    let preconditions = Preconditions { uid: uid.map(str::to_owned), resource_version: None };
    let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    match ControllerError::within(doing, api.delete(name, &parameters)).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() || error.is_conflict() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Judges a document that cannot be read: rejected for its content, or an error if only the store
/// failed.
pub fn judge(error: BucketError, name: &str) -> Result<Brought, ControllerError> {
    match &error {
        error if error.is_not_found() => Ok(Brought::Overtaken),
        BucketError::Incomplete { .. } => Ok(Brought::Overtaken),
        BucketError::Store(StoreError::TooLarge { .. })
        | BucketError::Corrupt { .. }
        | BucketError::Document { .. }
        | BucketError::NewerFormat { .. }
        | BucketError::Foreign { .. } => Ok(Brought::Rejected(shortened(&causes(&error)))),
        _ => Err(ControllerError::bucket(format!("read the document of `{name}`"))(error)),
    }
}

/// Judges an object that the API server refused: rejected for its content, or an error if only the
/// server failed.
fn refused(error: ControllerError) -> Result<Brought, ControllerError> {
    if REFUSALS.iter().any(|code| error.is_status(*code)) {
        Ok(Brought::Rejected(shortened(&causes(&error))))
    } else {
        Err(error)
    }
}

/// Returns a reason cut to [`LONGEST_REASON`], without control characters, which would break a log
/// line.
fn shortened(reason: &str) -> String {
    let short: String = reason.chars().take(LONGEST_REASON).collect();
    let cut = if short.len() < reason.len() { "…" } else { "" };
    let plain: String = short.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    plain + cut
}
