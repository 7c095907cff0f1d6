//! The document that says what a run has yet to undo: shape, and checks of what is read. Pure.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::ObligationError;
use super::holder::ObligationHolder;
use super::undo::Undo;
use crate::api::PendingUndo;

/// The format that is written, and the newest that is read.
const FORMAT: u64 = 1;

/// What a run has yet to undo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObligationDocument {
    /// The format of the document.
    format: u64,
    /// The run that made the changes.
    pub run: ObligedRun,
    /// The uid of the cluster in which the changes were made.
    pub cluster_uid: String,
    /// The process that holds the document.
    #[serde(flatten)]
    pub holder: ObligationHolder,
    /// When its holder last wrote it.
    pub heartbeat: DateTime<Utc>,
    /// What is to be undone, the newest last.
    pub open: Vec<OpenObligation>,
}

/// The run that made changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObligedRun {
    /// `Backup`.
    pub kind: String,
    /// The namespace of the object; `None` for a run of a command line, which has no object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The name of the run.
    pub name: String,
    /// The uid of the run.
    pub uid: String,
}

/// One change that is to be undone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenObligation {
    /// What undoes the change, in words.
    pub what: String,
    /// When it was written down, right before the change.
    pub since: DateTime<Utc>,
    /// When it is undone whatever else happens.
    pub deadline: DateTime<Utc>,
    /// What undoes the change; as it was read, since a later version may know more.
    pub undo: Map<String, Value>,
}

impl ObligationDocument {
    /// Creates a document that is written now.
    pub fn new(
        run: ObligedRun,
        cluster_uid: String,
        holder: ObligationHolder,
        open: Vec<OpenObligation>,
    ) -> Self {
        Self { format: FORMAT, run, cluster_uid, holder, heartbeat: Utc::now(), open }
    }

    /// Reads a document. The error says what is wrong with it.
    ///
    /// # Errors
    /// If it is no such document, of a newer format, or holds control characters.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let read: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if read.format > FORMAT {
            return Err(format!("it has format {}, and this version reads up to {FORMAT}", read.format));
        }
        if read.texts().any(|text| text.contains(char::is_control)) {
            return Err("it holds control characters".to_owned());
        }
        Ok(read)
    }

    /// Returns all that is shown of the document.
    fn texts(&self) -> impl Iterator<Item = &String> {
        let Self { format: _, run, cluster_uid, holder, heartbeat: _, open } = self;
        let ObligedRun { kind, namespace, name, uid } = run;
        let texts = [kind, name, uid, cluster_uid, &holder.name, &holder.process];
        texts.into_iter().chain(namespace).chain(open.iter().map(|each| &each.what))
    }

    /// Returns the document as it is stored.
    pub(super) fn encode(&self) -> Result<Bytes, ObligationError> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| ObligationError::Store(error.into()))?;
        Ok(Bytes::from(text))
    }
}

impl OpenObligation {
    /// Creates the record of a change that is made now and undone at the deadline at the latest.
    pub(super) fn new(undo: &Undo, deadline: DateTime<Utc>) -> Result<Self, ObligationError> {
        let unwritable = |error: serde_json::Error| ObligationError::Store(error.into());
        let written = serde_json::from_value(serde_json::to_value(undo).map_err(unwritable)?);
        Ok(Self { what: undo.to_string(), since: Utc::now(), deadline, undo: written.map_err(unwritable)? })
    }

    /// Returns what undoes the change, or `None` if this version does not know such a change.
    pub fn undo(&self) -> Option<Undo> {
        serde_json::from_value(Value::Object(self.undo.clone())).ok()
    }

    /// Returns what undoes the change in words: what is known of it, and not only what the document
    /// says that it is.
    pub fn describe(&self) -> String {
        let known = self.undo().map(|undo| undo.to_string());
        known.unwrap_or_else(|| self.what.clone()).replace(char::is_control, "?")
    }

    /// Returns the same for a status.
    pub(super) fn pending(&self) -> PendingUndo {
        PendingUndo { what: self.what.clone(), since: self.since.into(), undo: self.undo.clone() }
    }
}

impl From<&PendingUndo> for OpenObligation {
    /// Returns the obligation of a status; its time is over.
    fn from(pending: &PendingUndo) -> Self {
        let since = pending.since.time();
        Self { what: pending.what.clone(), since, deadline: since, undo: pending.undo.clone() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written() -> Value {
        json!({
            "format": 1, "run": {"kind": "Backup", "namespace": "ark", "name": "nightly", "uid": "u"},
            "clusterUid": "c", "holder": "pod", "process": "p", "heartbeat": "2026-11-28T03:00:10Z",
            "open": [{
                "what": "scales deployments.apps shop/web back to 3", "since": "2026-11-28T03:00:00Z",
                "deadline": "2026-11-28T04:00:00Z",
                "undo": {"type": "scale", "action": "stop", "resource": "deployments.apps",
                    "namespace": "shop", "name": "web", "uid": "w", "replicas": 3},
            }],
        })
    }

    fn parse(document: &Value) -> Result<ObligationDocument, String> {
        ObligationDocument::parse(document.to_string().as_bytes())
    }

    #[test]
    fn a_document_reads_as_it_was_written_and_knows_what_undoes_its_changes() {
        let read = parse(&written()).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&read.encode().unwrap()).unwrap(), written());
        let undo = read.open[0].undo().unwrap();
        assert!(matches!(&undo, Undo::Scale { replicas: 3, .. }), "{undo:?}");
        assert_eq!(undo.to_string(), read.open[0].what);
        let made = OpenObligation::new(&undo, Utc::now()).unwrap();
        assert_eq!((made.what, made.undo), (read.open[0].what.clone(), read.open[0].undo.clone()));
    }

    #[test]
    fn hostile_documents_are_refused_and_unknown_changes_are_left_alone() {
        for bytes in ["", "{}", "[]", "{\"format\":1}", "\u{0}", "nonsense"] {
            assert!(ObligationDocument::parse(bytes.as_bytes()).is_err(), "{bytes}");
        }
        let mut newer = written();
        newer["format"] = json!(2);
        assert!(parse(&newer).unwrap_err().contains("format 2"));
        for field in ["/clusterUid", "/holder", "/run/name", "/run/namespace", "/open/0/what"] {
            let mut hostile = written();
            *hostile.pointer_mut(field).unwrap() = json!("a\u{1b}[2J");
            assert!(parse(&hostile).unwrap_err().contains("control"), "{field}");
        }
        for undo in [json!({"type": "explode"}), json!({"type": "scale", "replicas": "all"}), json!({})] {
            let mut unknown = written();
            unknown["open"][0]["undo"] = undo.clone();
            let read = parse(&unknown).unwrap();
            assert_eq!(read.open[0].undo(), None, "{undo}");
            assert_eq!(serde_json::from_slice::<Value>(&read.encode().unwrap()).unwrap(), unknown);
        }
    }
}
