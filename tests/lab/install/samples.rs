//! The samples: each is taken by the API server, known to the types, and good in the eyes of the
//! server.

use ark::api::{Backup, BackupStorageLocation, InvalidSpec, Restore, Schedule};
use serde_json::json;

use super::manifests::{apply, files, read, typed};
use crate::support::{Lab, TestNamespace};

fn wrong(errors: Vec<InvalidSpec>) -> Vec<String> {
    errors.into_iter().map(|error| error.to_string()).collect()
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn every_sample_is_taken_and_valid() {
    let lab = Lab::get().await;
    lab.b.install_definitions().await;
    let namespace = TestNamespace::create(&lab.b, "samples").await;
    for sample in files("config/samples", ".yaml") {
        let text = std::fs::read_to_string(&sample).expect("readable");
        assert!(text.starts_with("# "), "{} does not say what it is", sample.display());
        let [mut object] =
            read(&text).try_into().unwrap_or_else(|_| panic!("{}: one object", sample.display()));
        assert_eq!(object["metadata"]["namespace"], "heptio-ark", "{}", sample.display());
        let errors = match object["kind"].as_str() {
            Some("Backup") => wrong(typed::<Backup>(&object).spec.validate()),
            Some("Restore") => wrong(typed::<Restore>(&object).spec.validate()),
            Some("Schedule") => wrong(typed::<Schedule>(&object).spec.validate()),
            Some("BackupStorageLocation") => wrong(typed::<BackupStorageLocation>(&object).spec.validate()),
            _ => Vec::new(),
        };
        assert!(errors.is_empty(), "{}: {errors:#?}", sample.display());
        object["metadata"]["namespace"] = json!(namespace.name);
        let applied = apply(&lab.b, &object, false).await.unwrap_or_else(|refusal| panic!("{refusal}"));
        if !object["spec"].is_null() {
            assert_eq!(applied["spec"], object["spec"], "{}: something is not kept", sample.display());
        }
    }
}
