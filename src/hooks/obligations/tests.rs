//! Ledgers over a bucket whose store fails by script, and an undoer that notes what it undoes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::sleep;

use super::*;
use crate::api::PendingUndo;
use crate::bucket::Bucket;
use crate::bucket::tests::{Fault, Faults, Operation, faulty_bucket};
use crate::model::Cause;

/// Notes what it undoes, and refuses what has this name.
#[derive(Default)]
struct NotingUndoer {
    undone: Mutex<Vec<String>>,
    refuses: Mutex<Option<&'static str>>,
}

#[async_trait]
impl Undoer for NotingUndoer {
    async fn undo(&self, undo: &Undo) -> Result<bool, ObligationError> {
        let Undo::Scale { name, .. } = undo else { return Ok(false) };
        if Some(name.as_str()) == *self.refuses.lock().unwrap() {
            return Err(ObligationError::Store("not now".into()));
        }
        self.undone.lock().unwrap().push(name.clone());
        Ok(true)
    }
}

impl Default for ObligationLedger {
    /// A ledger over a bucket in memory.
    fn default() -> Self {
        let (_, bucket) = faulty_bucket();
        Self::new(Arc::new(NotingUndoer::default()), bucket, owner("p"), 1, None)
    }
}

#[derive(Debug, Default)]
struct Notes(Mutex<Vec<Option<usize>>>);

#[async_trait]
impl ObligationNotes for Notes {
    async fn note(&self, _: &str, pending: Option<Vec<PendingUndo>>) -> Result<(), Cause> {
        self.0.lock().unwrap().push(pending.map(|pending| pending.len()));
        Ok(())
    }
}

fn owner(process: &str) -> LedgerOwner {
    let run = ObligedRun { kind: "Backup".into(), namespace: None, name: "nightly".into(), uid: "u".into() };
    let holder = ObligationHolder { name: "host/1".into(), namespace: None, process: process.into() };
    LedgerOwner { run, cluster_uid: "here".into(), holder }
}

fn scale(name: &str) -> Undo {
    let (action, name) = ("stop".to_owned(), name.to_owned());
    let (resource, namespace) = ("deployments.apps".to_owned(), "shop".to_owned());
    Undo::Scale { action, resource, namespace, name, uid: "w".to_owned(), replicas: 3 }
}

/// A ledger with what it writes into, and what it undoes with.
fn stand() -> (Faults, Bucket, Arc<NotingUndoer>, ObligationLedger) {
    let (faults, bucket) = faulty_bucket();
    let undoer = Arc::new(NotingUndoer::default());
    let ledger = ObligationLedger::new(Arc::clone(&undoer) as _, bucket.clone(), owner("run"), 1, None);
    (faults, bucket, undoer, ledger)
}

/// What the documents in the bucket say is to be undone.
async fn stored(bucket: &Bucket) -> Vec<String> {
    let mut names = Vec::new();
    for listed in bucket.list_obligations().await.unwrap() {
        let stored = bucket.read_obligations(&listed.id).await.unwrap().unwrap();
        let document = ObligationDocument::parse(&stored.bytes).unwrap();
        names.extend(document.open.iter().map(OpenObligation::describe));
    }
    names
}

async fn only_id(bucket: &Bucket) -> String {
    bucket.list_obligations().await.unwrap().remove(0).id
}

const WEB: &str = "scales deployments.apps shop/web back to 3";
const API: &str = "scales deployments.apps shop/api back to 3";

#[tokio::test]
async fn what_undoes_a_change_is_in_bucket_and_status_before_the_change_and_gone_when_it_is_undone() {
    let (faults, bucket) = faulty_bucket();
    drop(faults);
    let (undoer, notes) = (Arc::new(NotingUndoer::default()), Arc::new(Notes::default()));
    let ledger =
        ObligationLedger::new(undoer, bucket.clone(), owner("run"), 2, Some(Arc::clone(&notes) as _));
    ledger.announce(scale("web")).await.unwrap();
    assert_eq!(stored(&bucket).await, [WEB]);
    ledger.announce(scale("api")).await.unwrap();
    assert_eq!(stored(&bucket).await, [WEB, API]);
    assert_eq!(ledger.open(), [scale("web"), scale("api")]);
    assert!(only_id(&bucket).await.starts_with("backup-u-2-"));
    ledger.settle(&scale("web")).await.unwrap();
    assert_eq!(stored(&bucket).await, [API]);
    ledger.clone().settle(&scale("api")).await.unwrap();
    assert_eq!(bucket.list_obligations().await.unwrap(), []);
    assert_eq!(
        (ledger.open(), &*notes.0.lock().unwrap()),
        (Vec::new(), &vec![Some(1), Some(2), Some(1), None])
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_confirmed_write_nothing_is_changed_and_nothing_of_it_stays() {
    for operation in [Operation::Head, Operation::Get, Operation::Put] {
        for fault in [Fault::Unavailable, Fault::AnswerLost] {
            let (faults, bucket, undoer, ledger) = stand();
            ledger.announce(scale("web")).await.unwrap();
            faults.script(operation, 1, fault.clone());
            match ledger.announce(scale("api")).await {
                Ok(()) => assert_eq!(stored(&bucket).await, [WEB, API], "{operation:?} {fault:?}"),
                Err(_) => {
                    assert_eq!(ledger.open(), [scale("web")]);
                    sleep(Duration::from_secs(11)).await;
                    assert_eq!(stored(&bucket).await, [WEB], "{operation:?} {fault:?}");
                }
            }
            assert_eq!(ledger.finish().await, []);
            assert_eq!(bucket.list_obligations().await.unwrap(), []);
            assert!(undoer.undone.lock().unwrap().ends_with(&["web".to_owned()]));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_is_tried_to_be_removed_for_long() {
    let (faults, bucket, _, ledger) = stand();
    ledger.announce(scale("web")).await.unwrap();
    for nth in 1..10 {
        faults.script(Operation::Head, nth, Fault::Unavailable);
    }
    ledger.settle(&scale("web")).await.unwrap();
    assert_eq!(bucket.list_obligations().await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_run_removes_the_record_of_a_change_that_was_never_made() {
    let (faults, bucket, undoer, ledger) = stand();
    faults.script(Operation::Put, 1, Fault::AnswerLost);
    ledger.announce(scale("web")).await.unwrap_err();
    assert_eq!(stored(&bucket).await, [WEB]);
    faults.script(Operation::Head, 1, Fault::Unavailable);
    assert_eq!(ledger.finish().await, []);
    assert_eq!(bucket.list_obligations().await.unwrap(), []);
    assert!(undoer.undone.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_document_is_renewed_while_its_ledger_lives_and_not_after() {
    let (_, bucket, _, ledger) = stand();
    ledger.announce(scale("web")).await.unwrap();
    let id = only_id(&bucket).await;
    let bytes = async || bucket.read_obligations(&id).await.unwrap().unwrap().bytes;
    let first = bytes().await;
    sleep(Duration::from_secs(11)).await;
    let second = bytes().await;
    assert_ne!(first, second);
    assert!(is_held_here(&id));
    drop(ledger);
    assert!(!is_held_here(&id));
    sleep(SILENT).await;
    assert_eq!(bytes().await, second);
}

#[tokio::test(start_paused = true)]
async fn what_lasts_too_long_is_undone_tried_again_and_told() {
    let (_, bucket, undoer, ledger) = stand();
    *undoer.refuses.lock().unwrap() = Some("web");
    ledger.announce_for(scale("web"), Duration::from_secs(60)).await.unwrap();
    ledger.announce_for(scale("api"), Duration::from_secs(600)).await.unwrap();
    sleep(Duration::from_secs(80)).await;
    assert_eq!((ledger.open().len(), stored(&bucket).await.len()), (2, 2));
    *undoer.refuses.lock().unwrap() = None;
    sleep(Duration::from_secs(20)).await;
    assert_eq!((ledger.open(), stored(&bucket).await), (vec![scale("api")], vec![API.to_owned()]));
    let told = ledger.finish().await;
    assert!(matches!(&*told, [one] if one.message.contains("its time was over")), "{told:?}");
    assert_eq!(*undoer.undone.lock().unwrap(), ["web", "api"]);
}

#[tokio::test]
async fn the_end_of_a_run_undoes_the_newest_first_and_tells_what_it_could_not_undo() {
    let (_, bucket, undoer, ledger) = stand();
    for name in ["web", "stuck", "api"] {
        ledger.announce(scale(name)).await.unwrap();
    }
    *undoer.refuses.lock().unwrap() = Some("stuck");
    let told = ledger.finish().await;
    assert_eq!(*undoer.undone.lock().unwrap(), ["api", "web"]);
    assert!(matches!(&*told, [one] if one.message.contains("shop/stuck") && one.message.contains("not now")));
    assert_eq!(stored(&bucket).await.len(), 1, "somebody else undoes it later");
}

#[tokio::test(start_paused = true)]
async fn another_process_undoes_the_newest_first_and_a_slow_holder_brings_nothing_back() {
    let (_, bucket, undoer, ledger) = stand();
    ledger.announce(scale("web")).await.unwrap();
    ledger.announce(scale("api")).await.unwrap();
    let id = only_id(&bucket).await;
    let other =
        ObligationHolder { name: "server".into(), namespace: Some("ark".into()), process: "other".into() };
    let became = undo_left(Arc::clone(&undoer) as _, &bucket, &id, &other, None).await.unwrap();
    let undone = vec![API.to_owned(), WEB.to_owned()];
    assert_eq!(became, UndoneObligations { undone, failed: Vec::new() });
    assert!(matches!(ledger.announce(scale("late")).await, Err(ObligationError::Taken)));
    ledger.settle(&scale("api")).await.unwrap();
    // It undoes again what it may have changed after the other one had looked.
    sleep(Duration::from_secs(11)).await;
    assert_eq!(*undoer.undone.lock().unwrap(), ["api", "web", "web"]);
    assert_eq!(bucket.list_obligations().await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_was_asleep_undoes_what_it_changed_since_and_the_run_is_told() {
    let (_, bucket, undoer, ledger) = stand();
    ledger.announce(scale("web")).await.unwrap();
    let id = only_id(&bucket).await;
    let other =
        ObligationHolder { name: "server".into(), namespace: Some("ark".into()), process: "other".into() };
    let other_undoer = Arc::new(NotingUndoer::default());
    undo_left(other_undoer, &bucket, &id, &other, None).await.unwrap();
    sleep(Duration::from_secs(11)).await;
    assert_eq!(*undoer.undone.lock().unwrap(), ["web"]);
    let told = ledger.finish().await;
    assert!(matches!(&*told, [one] if one.message.contains("another process undid")), "{told:?}");
    assert_eq!((ledger.open(), bucket.list_obligations().await.unwrap()), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn what_cannot_be_undone_stays_for_the_next_one_and_what_is_unknown_as_it_was_read() {
    let (_, bucket, undoer, ledger) = stand();
    ledger.announce(scale("web")).await.unwrap();
    let id = only_id(&bucket).await;
    let stored_before = bucket.read_obligations(&id).await.unwrap().unwrap();
    let mut document: serde_json::Value = serde_json::from_slice(&stored_before.bytes).unwrap();
    let mut unknown = document["open"][0].clone();
    unknown["undo"] = serde_json::json!({"type": "later", "field": 1});
    unknown["what"] = "does something new".into();
    document["open"].as_array_mut().unwrap().push(unknown.clone());
    let bytes = document.to_string().into_bytes().into();
    assert!(bucket.write_obligations(&id, Some(&stored_before), bytes).await.unwrap());
    drop(ledger);
    let other =
        ObligationHolder { name: "server".into(), namespace: Some("ark".into()), process: "other".into() };
    *undoer.refuses.lock().unwrap() = Some("web");
    let became = undo_left(Arc::clone(&undoer) as _, &bucket, &id, &other, None).await.unwrap();
    assert_eq!((became.undone.len(), became.failed.len()), (0, 2));
    *undoer.refuses.lock().unwrap() = None;
    let became = undo_left(Arc::clone(&undoer) as _, &bucket, &id, &other, None).await.unwrap();
    assert_eq!((became.undone, became.failed[0].0.as_str()), (vec![WEB.to_owned()], "does something new"));
    let left = bucket.read_obligations(&id).await.unwrap().unwrap();
    let left: serde_json::Value = serde_json::from_slice(&left.bytes).unwrap();
    assert_eq!(
        (&left["open"], &left["process"]),
        (&serde_json::json!([unknown]), &serde_json::json!("other"))
    );
}

#[tokio::test]
async fn the_next_attempt_undoes_what_the_one_before_left_and_nothing_of_other_runs() {
    let (_, bucket, undoer, ledger) = stand();
    ledger.announce(scale("web")).await.unwrap();
    drop(ledger);
    let another = LedgerOwner { run: ObligedRun { uid: "v".into(), ..owner("x").run }, ..owner("x") };
    let another = ObligationLedger::new(Arc::clone(&undoer) as _, bucket.clone(), another, 1, None);
    another.announce(scale("api")).await.unwrap();
    let undoing: Arc<dyn Undoer> = Arc::clone(&undoer) as _;
    let failed = undo_earlier(&undoing, &bucket, &owner("next"), None).await.unwrap();
    assert_eq!((failed, stored(&bucket).await), (Vec::new(), vec![API.to_owned()]));
    assert_eq!(*undoer.undone.lock().unwrap(), ["web"]);
}

#[tokio::test(start_paused = true)]
async fn what_another_process_undoes_meanwhile_is_waited_for_and_only_what_it_leaves_is_told() {
    for undoes in [true, false] {
        let (faults, bucket, undoer, ledger) = stand();
        ledger.announce(scale("web")).await.unwrap();
        let id = only_id(&bucket).await;
        drop(ledger);
        let another = async {
            sleep(Duration::from_secs(1)).await;
            let before = bucket.read_obligations(&id).await.unwrap().unwrap();
            let bytes = [&before.bytes[..], b"\n"].concat().into();
            assert!(bucket.write_obligations(&id, Some(&before), bytes).await.unwrap());
            sleep(Duration::from_secs(30)).await;
            let now = bucket.read_obligations(&id).await.unwrap().unwrap();
            assert!(!undoes || bucket.delete_obligations(&id, &now).await.unwrap());
        };
        // The next attempt has read the document, and its write comes second.
        faults.script(Operation::Put, 1, Fault::Delay(Duration::from_secs(5)));
        let undoing: Arc<dyn Undoer> = Arc::clone(&undoer) as _;
        let next = owner("next");
        let (failed, ()) = tokio::join!(undo_earlier(&undoing, &bucket, &next, None), another);
        let failed: Vec<_> = failed.unwrap().into_iter().map(|(what, _)| what).collect();
        assert_eq!(failed, if undoes { vec![] } else { vec![WEB] });
    }
}

#[tokio::test]
async fn a_damaged_or_huge_document_is_told_and_left_alone() {
    let (_, bucket, undoer, _) = stand();
    let other =
        ObligationHolder { name: "server".into(), namespace: Some("ark".into()), process: "other".into() };
    for bytes in [bytes::Bytes::from_static(b"{\"format\":7"), bytes::Bytes::from(vec![b' '; 1 << 20])] {
        assert!(bucket.write_obligations("backup-x-1", None, bytes.clone()).await.unwrap());
        let end = undo_left(Arc::clone(&undoer) as _, &bucket, "backup-x-1", &other, None).await;
        assert!(matches!(end, Err(ObligationError::Unreadable(_))), "{end:?}");
        let stored = bucket.read_obligations("backup-x-1").await.unwrap().unwrap();
        assert_eq!(stored.bytes, bytes);
        assert!(bucket.delete_obligations("backup-x-1", &stored).await.unwrap());
    }
    let huge = bytes::Bytes::from(vec![b' '; (1 << 20) + 1]);
    assert!(bucket.write_obligations("backup-x-1", None, huge).await.is_err());
    assert!(bucket.write_obligations("../backups/nightly/claim", None, bytes::Bytes::new()).await.is_err());
}
