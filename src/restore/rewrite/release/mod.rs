//! Maps the namespaces inside Helm's record of a release, a compressed payload that says in which
//! namespaces the release is. Pure.
//!
//! With the old names `helm upgrade` and `helm uninstall` of the restored release would change
//! what is in the old namespace. The payload is whatever the backup holds: parts of its text are
//! replaced and no tree is built of it, so that memory stays within a few times [`LARGEST`].

mod manifest;
mod payload;

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use k8s_openapi::ByteString;
use serde::Deserialize;
use serde::de::value::{Error, StrDeserializer};
use serde_json::Value;

use super::namespaces::NamespaceMap;
use super::shape;
use crate::model::GroupResource;
use manifest::LARGEST;

/// The beginning of the name of such a record, a Secret or a ConfigMap.
const RECORD: &str = "sh.helm.release.v1.";
/// The type of a Secret that is such a record.
const RECORD_TYPE: &str = "helm.sh/release.v1";
/// The path of the payload in the item.
const PAYLOAD: [&str; 2] = ["data", "release"];
/// A payload with its namespaces mapped.
struct Mapped {
    /// The new payload; `None` if nothing in it changes.
    payload: Option<String>,
    /// A mapped namespace that the values of the release name; `None` if they name none.
    in_values: Option<String>,
}

/// Maps the namespaces in the record. `item` is mapped already; `in_backup` is the item's
/// namespace in the backup.
pub(super) fn rewrite(
    kind: &GroupResource,
    in_backup: Option<&str>,
    item: &mut Value,
    map: &NamespaceMap,
    warnings: &mut Vec<String>,
) {
    if map.is_empty() || !is_record(kind, item) {
        return;
    }
    // The API server returns the data of a Secret in base64, and Helm's text is base64 already.
    let layers = if kind.as_str() == "secrets" { 2 } else { 1 };
    let payload = shape::text(item, &PAYLOAD).ok_or("it is not there");
    let mapped = payload.and_then(|payload| map_payload(payload, layers, map));
    let label = |key: &str| shape::text(item, &["metadata", "labels", key]);
    let release = label("name").unwrap_or("?");
    match &mapped {
        // Helm goes on from the values of the newest record; older ones are history.
        Ok(Mapped { in_values: Some(old), .. }) if label("status") != Some("superseded") => {
            let new = map.map(old);
            warnings.push(format!(
                "it is Helm's record of the release `{release}`, and the values in it name the namespace `{old}`, which was not changed: give the next `helm upgrade` values that name `{new}`"
            ));
        }
        Ok(_) => {}
        Err(why) => {
            if let Some(old) = in_backup.filter(|old| map.map(old) != *old) {
                let new = map.map(old);
                warnings.push(format!(
                    "it is Helm's record of the release `{release}`, whose payload was not read ({why}) and still says that the release is in the namespace `{old}`: `helm upgrade` and `helm uninstall` in `{new}` would change what is in `{old}`; delete Helm's records of it in `{new}` and run `helm upgrade --install --take-ownership`"
                ));
            }
        }
    }
    if let Ok(Mapped { payload: Some(payload), .. }) = mapped
        && let Some(place) = shape::at_mut(item, &PAYLOAD)
    {
        *place = Value::String(payload);
    }
}

fn is_record(kind: &GroupResource, item: &Value) -> bool {
    matches!(kind.as_str(), "secrets" | "configmaps")
        && shape::text(item, &["metadata", "name"]).is_some_and(|name| name.starts_with(RECORD))
        && (shape::text(item, &["type"]) == Some(RECORD_TYPE)
            || shape::text(item, &["metadata", "labels", "owner"]) == Some("helm"))
}

/// Maps a payload that is in so many layers of base64, or returns the reason why it cannot be
/// read.
fn map_payload(payload: &str, layers: usize, map: &NamespaceMap) -> Result<Mapped, &'static str> {
    let (json, in_values) = payload::map(&unpack(payload, layers)?, map)?;
    let payload = json.map(|json| pack(&json, layers)).transpose()?;
    Ok(Mapped { payload, in_values })
}

/// Returns the JSON of a payload.
fn unpack(payload: &str, layers: usize) -> Result<String, &'static str> {
    let mut bytes = from_base64(payload)?;
    for _ in 1..layers {
        bytes = from_base64(str::from_utf8(&bytes).map_err(|_| "it is not base64")?)?;
    }
    let mut json = Vec::new();
    let bound = LARGEST as u64 + 1;
    MultiGzDecoder::new(&*bytes).take(bound).read_to_end(&mut json).map_err(|_| "it is not gzip")?;
    if json.len() > LARGEST {
        return Err(manifest::TOO_LARGE);
    }
    String::from_utf8(json).map_err(|_| payload::NOT_A_RELEASE)
}

/// Returns the payload of a JSON: gzip and base64, as Helm writes it, but without a time, so that
/// a second restore makes the same.
fn pack(json: &str, layers: usize) -> Result<String, &'static str> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    let bytes = gzip.write_all(json.as_bytes()).and_then(|()| gzip.finish());
    let mut bytes = bytes.map_err(|_| "it cannot be compressed")?;
    for _ in 1..layers {
        bytes = to_base64(bytes)?.into_bytes();
    }
    to_base64(bytes)
}

fn from_base64(text: &str) -> Result<Vec<u8>, &'static str> {
    let bytes = ByteString::deserialize(StrDeserializer::<Error>::new(text));
    bytes.map(|bytes| bytes.0).map_err(|_| "it is not base64")
}

fn to_base64(bytes: Vec<u8>) -> Result<String, &'static str> {
    match serde_json::to_value(ByteString(bytes)) {
        Ok(Value::String(text)) => Ok(text),
        _ => Err("it cannot be written as base64"),
    }
}

#[cfg(test)]
mod tests;
