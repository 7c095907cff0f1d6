//! Definitions of Ark's kinds that are older than the server.

use serde_json::{Value, json};

use super::super::{Installation, LOCATION, Server, ServerOptions};
use crate::support::{Cluster, Lab, eventually};

const SCHEDULES: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/schedules.ark.heptio.com";
const SERVED: &str = "/openapi/v3/apis/ark.heptio.com/v1";

/// Puts these fields there as those of the status of Schedules, and waits until the API server
/// tells of them.
async fn set_fields(cluster: &Cluster, fields: &Value) {
    let change = |definition: &mut Value| {
        let root = &mut definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        root["properties"]["status"]["properties"] = fields.clone();
    };
    cluster.edit(SCHEDULES, "", change).await;
    let counts = fields["counting"].is_object();
    eventually("the API server tells of the definition", async || {
        let served = cluster.read(SERVED).await?;
        let status = &served["components"]["schemas"]["com.heptio.ark.v1.Schedule"]["properties"]["status"];
        (status["properties"]["counting"].is_object() == counts).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_server_refuses_to_begin_where_the_definitions_are_older_than_itself() {
    let lab = Lab::alone().await;
    let installation = Installation::prepare(&lab.b, "older").await;
    let definition = lab.b.read(SCHEDULES).await.expect("installed");
    let ours =
        &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"];
    let mut older = ours.clone();
    older.as_object_mut().expect("fields").remove("counting");
    set_fields(&lab.b, &older).await;
    let server = Server::spawn(&lab.b, installation.name(), ServerOptions::default());
    let ended = eventually("the server ends", async || server.ended()).await;
    let log = server.log();
    set_fields(&lab.b, ours).await;
    assert!(!ended.success(), "{ended}");
    assert!(log.contains("schedules status.counting") && log.contains("ark crd | kubectl apply"), "{log}");
    let _server = installation.start(ServerOptions::default()).await;
    installation.location("default", &lab.bucket(), json!({})).await;
    installation.reach(LOCATION, "default", "Available").await;
}
