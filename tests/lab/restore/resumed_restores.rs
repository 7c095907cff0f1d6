//! A restore that goes on after an interruption, and one that the bucket does not record.

use std::collections::BTreeMap;

use ark::api::{Origin, RestoreStatus};
use ark::bucket::Bucket;
use ark::model::{BackupName, Progress};
use ark::restore::{RestoreError, RestoreRequest};
use serde_json::{Value, json};

use super::{connect, data, destroy, store};
use crate::backup::{back_up, config_map};
use crate::support::{Cluster, Lab, TestNamespace, unique};

/// A restore of the backup `one` that the bucket does not record.
struct Unrecorded<'a> {
    cluster: &'a Cluster,
    bucket: &'a str,
    name: String,
}

impl Unrecorded<'_> {
    async fn attempt(&self, attempt: u32, spec: Value) -> Result<RestoreStatus, RestoreError> {
        let cluster = connect(self.cluster).await;
        let request = RestoreRequest {
            goes_on: false,
            name: self.name.parse().expect("a name"),
            spec: serde_json::from_value(spec).expect("a spec"),
            backup: Some("one".parse::<BackupName>().expect("a name")),
            source: None,
            labels: BTreeMap::new(),
            uid: "uid".to_owned(),
            namespace: None,
            began: None,
            origin: Origin::default(),
            holder: "test".to_owned(),
            cluster: cluster.identity().await.expect("it has one"),
            attempt,
            server: None,
            record: false,
            runs_hooks: true,
            parallel: 8,
        };
        let bucket = Bucket::new(store(self.bucket).await);
        let progress = Progress::default();
        let outcome =
            ark::restore::run(&cluster, &bucket, &request, &progress, std::future::pending()).await?;
        Ok(outcome.restore.status.expect("a status"))
    }
}

/// As a server goes on with a restore after it was killed: items of the first attempt count as
/// created and are not compared again.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_second_attempt_counts_what_the_first_made_and_a_run_without_record_writes_no_key() {
    let lab = Lab::get().await;
    let folder = tempfile::tempdir().expect("a folder");
    let bucket = format!("file://{}", folder.path().display());
    let namespace = TestNamespace::create(&lab.a, "resumed").await;
    for name in ["first", "second", "third"] {
        config_map(&lab.a, &namespace.name, name, &json!({"k": "v"})).await;
    }
    back_up(&lab.a, &bucket, "one", &["--include-namespaces", &namespace.name], 0);
    destroy(&lab.a, &namespace.name).await;
    let restore = Unrecorded { cluster: &lab.a, bucket: &bucket, name: unique("resumed") };
    let spec = json!({"scheduleName": "nightly", "requireEmpty": true});
    let first = restore.attempt(1, spec.clone()).await.expect("restored");

    // As if the first attempt had been killed before the third item; and somebody changed the
    // second meanwhile.
    let path = |name: &str| format!("/api/v1/namespaces/{}/configmaps/{name}", namespace.name);
    lab.a.delete(&path("third")).await;
    let mut second = lab.a.read(&path("second")).await.expect("restored");
    second["data"]["k"] = json!("changed");
    lab.a.replace(&path("second"), &second).await;
    let again = restore.attempt(2, spec.clone()).await.expect("requireEmpty does not mind its own items");
    assert_eq!((again.created, again.warnings, again.errors), (first.created, 0, 0), "{again:?}");
    assert_eq!(again.attempt, Some(2));
    assert_eq!(data(&lab.a, &namespace.name, "third").await, Some(json!({"k": "v"})));
    assert_eq!(data(&lab.a, &namespace.name, "second").await, Some(json!({"k": "changed"})));

    let other = Unrecorded { name: unique("another"), ..restore };
    let refused = other.attempt(2, spec).await.expect_err("they are not its own");
    assert!(matches!(refused, RestoreError::NotEmpty { .. }), "{refused}");
    assert!(!folder.path().join("restores").exists());
}
