//! Downloads: the server's access to a backup or restore, as an object store of the few parts of
//! one run, each behind an address that a DownloadRequest yields. A user who may create such
//! requests needs no credentials of the bucket.
//!
//! Where the bucket cannot be reached from here, the server is asked for addresses of its own: they
//! lead through the API server. The bytes are checked as if they came from the bucket itself: the
//! document is the object in the cluster, which states size and hash of each part.

mod fetch;
mod parts;
mod store;

pub use self::parts::{Downloadable, RunPart};

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use uuid::Uuid;

use self::fetch::Fetcher;
use self::parts::PartsState;
use self::store::{DownloadStore, LiveDocument, Looked};
use super::args::location::SourceArgs;
use super::client::ArkClient;
use super::client::bare;
use super::client::wait::{Waited, wait};
use super::exit::Failure;
use super::global::Global;
use super::output::Output;
use crate::api::{
    BackupStorageLocation, DownloadKind, DownloadRequest, DownloadRequestSpec, DownloadTarget, label_value,
};
use crate::bucket::{Bucket, PartKeys, RunKeys, StoredRun};
use crate::model::{Opener, Results};
use crate::store::{Action, ObjectKey, Operation, StoreError};

/// Characters of a run's name in the name of its request; the rest of the 253 characters makes the
/// name unique.
const NAMED: usize = 200;

/// Returns the bucket that holds a run: the one that the flags name, or the server's downloads of
/// the parts that are wanted.
pub async fn bucket<K: Downloadable>(
    global: &Global,
    source: &SourceArgs,
    name: &K::Name,
    wanted: RunPart,
    output: &Output,
) -> Result<Bucket, Failure> {
    if let Some(location) = source.bucket() {
        return location.bucket().await;
    }
    let keys = K::keys(name).map_err(StoreError::from)?;
    let client = ArkClient::open(global).await?;
    let object: K = client.get(keys.name()).await?;
    open(&client, &object, &keys, wanted, output).await
}

/// A run with its results, for `describe`.
pub struct Described<K> {
    /// The document of the run, or its object in the cluster.
    pub object: K,
    /// The findings of the run; `None` if they are not wanted or not there. A failure leaves
    /// `object` usable: it is shown without findings.
    pub results: Result<Option<Results>, Failure>,
}

/// Reads a run from the bucket, or from the cluster and the server's downloads.
pub async fn describe<K: Downloadable>(
    global: &Global,
    source: &SourceArgs,
    name: &K::Name,
    with_results: bool,
    output: &Output,
) -> Result<Described<K>, Failure> {
    let keys = K::keys(name).map_err(StoreError::from)?;
    if let Some(location) = source.bucket() {
        let stored: StoredRun<K> = location.bucket().await?.open_run(keys).await?;
        let results = if with_results { Some(stored.results().await?) } else { None };
        return Ok(Described { object: stored.into_document(), results: Ok(results) });
    }
    let client = ArkClient::open(global).await?;
    let object: K = client.get(keys.name()).await?;
    let results = if with_results && object.has_parts().is_ok() {
        results(&client, &object, keys, output).await.map(Some)
    } else {
        Ok(None)
    };
    Ok(Described { object: bare(&object), results })
}

async fn results<K: Downloadable>(
    client: &ArkClient,
    object: &K,
    keys: RunKeys,
    output: &Output,
) -> Result<Results, Failure> {
    let bucket = open(client, object, &keys, RunPart::Results, output).await?;
    Ok(bucket.open_run::<K>(keys).await?.results().await?)
}

/// Opens the server's downloads of a run, with the wanted parts and no others.
async fn open<K: Downloadable>(
    client: &ArkClient,
    object: &K,
    keys: &RunKeys,
    wanted: RunPart,
    output: &Output,
) -> Result<Bucket, Failure> {
    object.has_parts()?;
    let named = PartKeys::named(keys, object.objects()).map_err(StoreError::from)?;
    let all = K::parts(&named);
    if wanted == RunPart::Everything {
        let known = |key: &str| all.iter().any(|(_, known, _)| known.as_str() == key);
        if let Some(other) = object.objects().iter().map(|object| &object.key).find(|key| !known(key)) {
            return Err(Failure::because(format!(
                "{} {} has a part that the server does not hand out: {other}; name the bucket with --location, and its credentials as usual",
                K::NOUN,
                keys.name()
            )));
        }
    }
    let mut parts = all;
    parts.retain(|(part, ..)| wanted == RunPart::Everything || wanted == *part);
    let certificates = location(client, object).await.and_then(|location| location.spec.config?.ca_cert);
    let fetcher = Fetcher::new(client.kube().clone(), client.namespace(), certificates);
    let mut described = format!("the server of namespace {}", client.namespace());
    let mut addresses = addresses(client, keys.name(), &parts, false, output).await?;
    if let Some(why) = unreached(&fetcher, &described, &addresses).await? {
        tracing::info!("{why}; taking the way through {described}");
        addresses = self::addresses(client, keys.name(), &parts, true, output).await?;
        // An older server, or an older definition of DownloadRequest, ignores `throughServer` and
        // gives the bucket's address again.
        if !addresses.values().all(|address| fetcher.is_own(address)) {
            return Err(nowhere(&why, &described, object.location()));
        }
        described = format!("{described}, since {why}");
    }
    let document = serde_json::to_vec(&bare(object))
        .map_err(|error| Failure::failed(&format!("reading {} {}", K::NOUN, keys.name()), &error))?;
    let (api, name) = (client.api::<K>(), keys.name().to_owned());
    let look = move || -> Looked {
        let (api, name) = (api.clone(), name.clone());
        Box::pin(async move {
            let now = api.get_opt(&name).await?.filter(|now| !matches!(now.stage(), PartsState::Deleting));
            Ok(now.map(|now| serde_json::to_vec(&bare(&now))).transpose()?.map(Into::into))
        })
    };
    Ok(Bucket::new(Arc::new(DownloadStore {
        described,
        document: LiveDocument::new(keys.document().clone(), document.into(), look),
        addresses,
        fetcher,
    })))
}

/// Returns the location of a run, whose name may be hashed as a label's value; `None` for a user
/// who may not read locations and does without its certificates.
async fn location<K: Downloadable>(client: &ArkClient, object: &K) -> Option<BackupStorageLocation> {
    let name = object.location()?;
    if let Some(location) = client.find::<BackupStorageLocation>(name).await.ok()? {
        return Some(location);
    }
    let all: Vec<BackupStorageLocation> = client.list(None).await.ok()?;
    all.into_iter().find(|location| label_value(&location.name_any()) == name)
}

/// Requests the addresses of parts and returns them by key. `through_server` asks for addresses of
/// the server itself instead of the bucket's.
async fn addresses(
    client: &ArkClient,
    name: &str,
    parts: &[(RunPart, &ObjectKey, DownloadKind)],
    through_server: bool,
    output: &Output,
) -> Result<BTreeMap<String, String>, Failure> {
    let mut requests = Vec::new();
    for (_, key, kind) in parts {
        let opener =
            Opener::new().ok_or_else(|| Failure::because("this machine has no randomness to be had"))?;
        let target = DownloadTarget { kind: *kind, name: name.to_owned() };
        let spec = DownloadRequestSpec {
            target,
            through_server: through_server.then_some(true),
            public_key: Some(opener.key()),
        };
        let request = client.create(&request(spec, client.namespace())).await?;
        requests.push((*key, request.name_any(), opener));
    }
    let mut addresses = BTreeMap::new();
    for (key, request, opener) in requests {
        addresses.insert(key.as_str().to_owned(), address(client, &request, opener, key, output).await?);
    }
    Ok(addresses)
}

/// Returns why the bucket cannot be reached from here, or `None` if it can; one of the addresses is
/// tried.
async fn unreached(
    fetcher: &Fetcher,
    described: &str,
    addresses: &BTreeMap<String, String>,
) -> Result<Option<String>, Failure> {
    let Some((key, address)) = addresses.first_key_value() else { return Ok(None) };
    let action = Action { operation: Operation::Get, target: format!("{key} through {described}") };
    Ok(fetcher.unreached(address, &action).await?)
}

/// Returns the failure that the server gives no address of its own.
fn nowhere(why: &str, described: &str, location: Option<&str>) -> Failure {
    let location = location.unwrap_or("default");
    Failure::because(format!(
        "{why}; and {described} gives no other way, because it or the cluster's DownloadRequest is older than this command: \
         set config.publicUrl of location {location} to an address that is reached from here"
    ))
}

fn request(spec: DownloadRequestSpec, namespace: &str) -> DownloadRequest {
    let begin: String = spec.target.name.chars().take(NAMED).collect();
    let mut request = DownloadRequest::new(&format!("{begin}-{}", Uuid::new_v4()), spec);
    request.metadata = ObjectMeta { namespace: Some(namespace.to_owned()), ..request.metadata };
    request
}

/// Waits for the answer to a request and returns the address of a part; only `opener` can read it.
async fn address(
    client: &ArkClient,
    request: &str,
    opener: Opener,
    key: &ObjectKey,
    output: &Output,
) -> Result<String, Failure> {
    let what = "what is in the bucket can be read without one, with --location and the bucket's credentials";
    let refused = |why: &str| {
        Failure::because(format!(
            "the server cannot hand out {key}: {why}; with --location and the bucket's credentials it can be read without the server"
        ))
    };
    match wait::<DownloadRequest>(client, request, what, output).await? {
        Waited::Gone => Err(refused("somebody deleted the request for it")),
        Waited::Done(request) => {
            let status = request.status.unwrap_or_default();
            let why = status
                .message
                .unwrap_or_else(|| "it gives no reason, or is older than this command".to_owned());
            let sealed = status.sealed_url.ok_or_else(|| refused(&why))?;
            opener.open(&sealed).ok_or_else(|| refused("its answer is not for this command"))
        }
    }
}
