//! Finds out from the server's Lease whether a server runs, and says how to start one.

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Client;
use kube::api::Api;

use super::{ArkClient, DEADLINE};
use crate::api::Timestamp;
use crate::cli::exit::Failure;

/// The name of the Lease that the server renews.
const LEASE: &str = "ark-server";
/// Seconds within which a Lease without a duration counts as renewed.
const USUAL_LENGTH: i32 = 30;
/// Seconds by which the clocks of this machine and of the server may differ, the time of a renewal
/// included.
const SLACK: i64 = 5;

/// The state of the server in a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerPresence {
    /// A server runs; its identity.
    Running(String),
    /// A server ran; when it last renewed the Lease.
    Before(Option<Timestamp>),
    /// No server ever ran.
    Never,
    /// The Lease cannot be read, for this reason.
    Unknown(String),
}

impl ArkClient {
    /// Reads the Lease of this namespace and returns the state of the server.
    pub async fn heard(&self) -> ServerPresence {
        server_presence(self.client.clone(), &self.namespace).await
    }

    /// Returns the failure that no server runs; `what` says what becomes of the request.
    pub fn no_server(&self, heard: &ServerPresence, what: &str) -> Failure {
        let namespace = &self.namespace;
        let seen = match heard {
            ServerPresence::Before(Some(last)) => format!("it was last heard of at {last}"),
            ServerPresence::Before(None) => "it ended".to_owned(),
            _ => format!("there is no Lease `{LEASE}`, so that none ever ran there"),
        };
        Failure::because(format!(
            "no server is running in namespace {namespace}: {seen}; {what}. Start one: `kubectl -n {namespace} get pods` shows why it is not up, `ark install` prints what to apply, `ark server -n {namespace}` runs one from here"
        ))
    }
}

/// Reads the Lease of a namespace and returns the state of the server.
pub async fn server_presence(client: Client, namespace: &str) -> ServerPresence {
    let leases: Api<Lease> = Api::namespaced(client, namespace);
    match tokio::time::timeout(DEADLINE, leases.get_opt(LEASE)).await {
        Err(_) => ServerPresence::Unknown("no answer from the API server".to_owned()),
        Ok(Err(error)) => ServerPresence::Unknown(error.to_string()),
        Ok(Ok(None)) => ServerPresence::Never,
        Ok(Ok(Some(lease))) => judge(&lease, Utc::now()),
    }
}

fn judge(lease: &Lease, now: DateTime<Utc>) -> ServerPresence {
    let Some(spec) = &lease.spec else { return ServerPresence::Before(None) };
    let renewed = spec.renew_time.as_ref().and_then(|time| DateTime::from_timestamp(time.0.as_second(), 0));
    let holder = spec.holder_identity.clone().filter(|holder| !holder.is_empty());
    let length = i64::from(spec.lease_duration_seconds.unwrap_or(USUAL_LENGTH)) + SLACK;
    match (holder, renewed) {
        (Some(holder), Some(renewed)) if now - renewed <= TimeDelta::seconds(length) => {
            ServerPresence::Running(holder)
        }
        (_, renewed) => ServerPresence::Before(renewed.map(Timestamp::from)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(holder: &str, renewed: &str) -> Lease {
        serde_json::from_value(serde_json::json!({"spec": {
            "holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": renewed,
        }}))
        .unwrap()
    }

    #[test]
    fn a_server_runs_as_long_as_its_lease_is_held_and_renewed() {
        let now: DateTime<Utc> = "2026-11-21T03:00:20Z".parse().unwrap();
        let last = Timestamp::from(now - TimeDelta::seconds(20));
        assert_eq!(
            judge(&lease("pod", "2026-11-21T03:00:00.000000Z"), now),
            ServerPresence::Running("pod".into())
        );
        assert_eq!(
            judge(&lease("pod", "2026-11-21T03:00:00.000000Z"), now + TimeDelta::seconds(1)),
            ServerPresence::Before(Some(last))
        );
        assert_eq!(judge(&lease("", "2026-11-21T03:00:00.000000Z"), now), ServerPresence::Before(Some(last)));
        assert_eq!(judge(&Lease::default(), now), ServerPresence::Before(None));
    }
}
