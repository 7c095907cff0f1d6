//! Jobs that are run again where the cluster is slow, full, or somebody else is at work in it.

use super::afterwards::{JOB, job};
use super::*;
use crate::cluster::script::failure;

/// What a test answers in the place of the server to a create of the Job.
type Refusal = fn(&Asked, &mut Objects) -> Answer;

/// Returns the Job as it is in the cluster.
fn live_job() -> Value {
    let mut live = job(true).1;
    live["metadata"]["uid"] = "live".into();
    live
}

/// Runs the Job of the cluster again, whose creates get the odd answer up to the `times`th.
async fn rerun_despite(times: usize, refusal: Refusal) -> (Came, usize) {
    let creates = Arc::<Mutex<usize>>::default();
    let noted = Arc::clone(&creates);
    let cluster = keep(Objects::from([(JOB.to_owned(), live_job())]), move |asked, objects| {
        if asked.method == "POST" && asked.uri.contains("/namespaces/shop/jobs") {
            let mut creates = noted.lock().unwrap();
            *creates += 1;
            return (*creates <= times).then(|| refusal(asked, objects));
        }
        None
    });
    let items = vec![namespace("shop"), job(true)];
    let came = restore_as(&cluster, items, json!({"rerunJobs": [{"name": "seed"}]})).await;
    let creates = *creates.lock().unwrap();
    (came, creates)
}

/// Keeps the Job under this uid, as if the answer to its create were lost.
fn keep_job(body: &str, objects: &mut Objects) {
    let mut made: Value = serde_json::from_str(body).unwrap();
    made["metadata"]["uid"] = "made".into();
    made["status"] = json!({"conditions": [{"type": "Complete", "status": "True"}]});
    objects.insert(JOB.to_owned(), made);
}

fn already_exists() -> Answer {
    failure(409, "AlreadyExists", "seed already exists", "")
}

#[tokio::test(start_paused = true)]
async fn a_deleted_job_comes_back_once_the_quota_has_counted_and_where_an_answer_was_lost() {
    let (came, creates) = rerun_despite(3, |_, _| {
        failure(403, "Forbidden", "seed is forbidden: exceeded quota: small, used: 1, limited: 1", "")
    })
    .await;
    // The Job that is made does not end here: what counts is that it was made.
    let [error] = came.errors()[..] else { panic!("{:?}", came.findings) };
    assert!(creates == 4 && error.message.starts_with("it was run again: "), "{creates} {error}");
    let (came, _) = rerun_despite(1, |asked, objects| {
        keep_job(&asked.body, objects);
        already_exists()
    })
    .await;
    assert!(came.errors().is_empty(), "{:?}", came.findings);
    let (came, _) = rerun_despite(1, |_, objects| {
        keep_job(&live_job().to_string(), objects);
        already_exists()
    })
    .await;
    let [error] = came.errors()[..] else { panic!("{:?}", came.findings) };
    assert!(error.message.contains("somebody else has made a Job of its name"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_goes_slowly_is_waited_for_and_told_as_one_that_goes() {
    let cluster = keep(Objects::from([(JOB.to_owned(), live_job())]), |asked, objects| {
        (asked.method == "DELETE").then(|| answer(200, objects[JOB].to_string()))
    });
    let wanted = json!({"rerunJobs": [{"name": "seed", "timeout": "5m"}]});
    let came = restore_as(&cluster, vec![namespace("shop"), job(true)], wanted).await;
    let [error] = came.errors()[..] else { panic!("{:?}", came.findings) };
    let says = "it was deleted to be run again, and goes or is gone; it is in the backup, so once it is gone restore it again with rerunJobs";
    assert!(error.message.starts_with(says), "{error}");
    assert!((300..360).contains(&came.took.as_secs()), "{:?}", came.took);
}

#[tokio::test(start_paused = true)]
async fn the_server_at_work_is_left_alone_also_where_all_jobs_are_run_again() {
    let (_, bucket) = faulty_bucket();
    write_items(&bucket, "nightly", None, vec![namespace("shop"), job(true)]).await;
    let cluster = keep(Objects::from([(JOB.to_owned(), live_job())]), |asked, _| {
        assert!(asked.method == "GET" || !asked.uri.contains("/jobs"), "{asked:?}");
        None
    });
    let spec = json!({"rerunJobs": [{"labelSelector": {"matchLabels": {"app": "seed"}}}]});
    let request = RestoreRequest { server: Some("shop".into()), ..request(spec) };
    let ended = run(&cluster, &bucket, &request, &Progress::default(), std::future::pending()).await;
    let findings = ended.unwrap().results.findings;
    assert!(
        findings.iter().any(|found| found.message.contains("the restore selects none such")),
        "{findings:?}"
    );
}
