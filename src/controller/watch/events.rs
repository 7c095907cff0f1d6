//! Kubernetes Events on Ark's own objects, which `kubectl describe` shows for an hour.

use std::time::Duration;

use kube::Resource;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::time::timeout;

/// Deadline of an Event: work does not wait longer for a courtesy.
const DEADLINE: Duration = Duration::from_secs(5);
/// Longest note in bytes that the API server takes.
const LONGEST_NOTE: usize = 1024;
/// Name of the reporting controller.
const CONTROLLER: &str = "ark";

/// Publishes Events on Ark's objects. One that cannot be published is only logged.
#[derive(Clone)]
pub struct Events {
    recorder: Recorder,
}

impl Events {
    /// Creates a publisher in the name of `holder`, this server.
    pub fn new(client: kube::Client, holder: &str) -> Self {
        let reporter = Reporter { controller: CONTROLLER.to_owned(), instance: Some(shortened(holder, 128)) };
        Self { recorder: Recorder::new(client, reporter) }
    }

    /// Publishes that something went as it should; `reason` is one word in CamelCase, preferably
    /// the phase.
    pub async fn changed<K: Resource<DynamicType = ()>>(&self, object: &K, reason: &str, note: &str) {
        self.tell(object, EventType::Normal, reason, note).await;
    }

    /// Publishes that something went wrong, or needs somebody's attention.
    pub async fn warned<K: Resource<DynamicType = ()>>(&self, object: &K, reason: &str, note: &str) {
        self.tell(object, EventType::Warning, reason, note).await;
    }

    /// Publishes which fields were given and have no effect here, each with the reason. Normal, not
    /// a warning: nothing is wrong.
    pub async fn ignored<K: Resource<DynamicType = ()>>(&self, object: &K, fields: &[String]) {
        if fields.is_empty() {
            return;
        }
        let (kind, name, note) = (K::kind(&()), object.meta().name.as_deref(), fields.join("; "));
        tracing::info!(%kind, name, "{note}");
        self.tell(object, EventType::Normal, "FieldsIgnored", &note).await;
    }

    /// Publishes an Event within [`DEADLINE`]; a failure is only logged.
    async fn tell<K: Resource<DynamicType = ()>>(
        &self,
        object: &K,
        type_: EventType,
        reason: &str,
        note: &str,
    ) {
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(shortened(note, LONGEST_NOTE)),
            action: reason.to_owned(),
            secondary: None,
        };
        let regarding = object.object_ref(&());
        let failed = match timeout(DEADLINE, self.recorder.publish(&event, &regarding)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => crate::model::causes(&error),
            Err(_) => format!("no answer within {} s", DEADLINE.as_secs()),
        };
        let (kind, name) = (K::kind(&()), regarding.name.unwrap_or_default());
        tracing::warn!(%kind, name, reason, note, "cannot record an Event: {failed}");
    }
}

/// Returns at most `most` bytes of the text, cut between characters and marked as cut.
fn shortened(text: &str, most: usize) -> String {
    const MARK: &str = "…";
    if text.len() <= most {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(most - MARK.len());
    format!("{}{MARK}", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_note_is_cut_between_characters() {
        assert_eq!(shortened("short", 10), "short");
        assert_eq!(shortened("aaaaéééé", 9), "aaaaé…");
        assert!(shortened(&"é".repeat(1000), LONGEST_NOTE).len() <= LONGEST_NOTE);
    }
}
