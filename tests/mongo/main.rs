//! MongoDB without a mongod: `src/mongo` against fronts that play the members of a deployment.
//!
//! A front speaks the wire protocol, answers what concerns topology and locks, and passes the rest
//! on to FerretDB where a test needs data (those are ignored without it: `hack/ferretdb` builds
//! it). `MONGO_URI` runs `real_deployment` against a deployment of one's own.

#![cfg(test)] // tells clippy that helpers, too, may expect and panic

mod any_deployment;
mod backups;
mod certificates;
mod data;
mod interrupted_backups;
mod kill_rounds;
mod logins;
mod members;
mod real_deployment;
mod records;
mod scene;
mod stand;
mod topologies;
mod unknown_outcomes;

#[path = "../it/fake_engine_cluster.rs"]
#[expect(dead_code, reason = "tests/it needs more of it")]
mod fake_engine_cluster;
#[path = "../it/fake_exec.rs"]
mod fake_exec;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::Duration;

use ark::mongo::{DeploymentLock, LockRequest, MemberSelector, MongoError, MongoLedger, MongoLogin};

use records::Records;
use stand::Stand;

/// Returns the records as Ark knows them.
fn ledger(records: &Arc<Records>) -> Arc<dyn MongoLedger> {
    Arc::<Records>::clone(records)
}

/// A request with bounds that no test reaches unless it means to.
fn request() -> LockRequest {
    LockRequest {
        comment: "ark nightly/1".to_owned(),
        selector: MemberSelector::default(),
        allow_primary: false,
        acquire: Duration::from_secs(30),
        longest: Duration::from_secs(60),
    }
}

/// A request that does not wait for the locks of others.
fn impatient() -> LockRequest {
    LockRequest { acquire: Duration::from_millis(100), ..request() }
}

async fn login(stand: &Stand) -> MongoLogin {
    MongoLogin::from_uri(&stand.uri()).await.expect("the URI of a stand is valid")
}

/// Locks the deployment of a stand.
async fn lock(
    stand: &Stand,
    request: &LockRequest,
    records: &Arc<Records>,
) -> Result<DeploymentLock, MongoError> {
    ark::mongo::lock(&login(stand).await, request, ledger(records)).await
}
