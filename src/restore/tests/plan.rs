//! The plan of a restore, which a dry run and a run share.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_plan_is_made_and_previewed_without_a_write_and_a_run_does_what_was_foreseen() {
    let (_, bucket) = faulty_bucket();
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "one", "uid": "old one"}});
    let items = vec![("nodes", node), map("shop", "a", &[]), map("shop", "b", &[])];
    write_items(&bucket, "nightly", None, items).await;
    let writes = Arc::<Mutex<Vec<String>>>::default();
    let written = Arc::clone(&writes);
    let cluster = keep(Objects::new(), move |asked, _| {
        if asked.method != "GET" {
            written.lock().unwrap().push(asked.uri.clone());
        }
        None
    });
    let (request, progress) = (request(json!({})), Progress::default());
    let spec = CompiledSpec::compile(&request.spec).unwrap();
    let mut account = RestoreAccount::open(&request.name, &progress).unwrap();
    let plan = open(&cluster, &bucket, &request, spec, None, &mut account).await.unwrap();
    // The namespace, which the backup does not hold, counts as an item.
    assert_eq!(plan.to_string(), "restoring 3 items of the backup nightly, leaving 1 out");

    let mut foreseen = preview::foresee(&cluster, &plan, &mut account).await.unwrap();
    assert_eq!(*writes.lock().unwrap(), [""; 0]);
    let left_out = foreseen.pop().unwrap();
    assert!(matches!(left_out.action, ItemAction::Skip(_)), "{left_out:?}");

    let mut account = RestoreAccount::open(&request.name, &progress).unwrap();
    let restorer = Restorer::new(&cluster, &plan, &RestoreHalt::default(), &account);
    restorer.run(&mut account).await.unwrap();
    let mut came = acts(&account.take_acts().unwrap());
    came.sort_by_key(|act| foreseen.iter().position(|other| other.item == act.item));
    assert_eq!(came, foreseen);
    assert_eq!(writes.lock().unwrap().len(), 3);
}
