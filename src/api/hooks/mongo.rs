//! A MongoDB deployment to lock: shape and checks. Pure.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::http::SecretValue;
use crate::api::{Duration, InvalidSpec, duration, filter, schema};

/// A MongoDB deployment to lock (fsync) for the instant of the backup: a server, a secondary of a
/// replica set, or of a sharded cluster one of each shard and of the config servers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MongoAction {
    /// How to connect to the deployment.
    pub connection: MongoConnection,
    /// Says which secondary of a replica set is locked; default: a healthy one, hidden ones first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_selector: Option<MongoMembers>,
    /// Lock the primary of a replica set where no secondary can be locked; its clients wait then.
    /// Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_primary_lock: bool,
    /// How long to wait for the lock of somebody else, and for a server to take this one, for
    /// example `30s`; default: 90s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acquire_timeout: Option<Duration>,
    /// How long the deployment is locked at most, from the first lock on, for example `1m`; then it
    /// is released, whatever else happens. Default: 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_lock_duration: Option<Duration>,
}

/// The way to a MongoDB deployment: exactly one of `uriSecret`, `service` and `pods`. Secrets,
/// Service and pods are in the namespace of the action.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("[has(self.uriSecret), has(self.service), has(self.pods)].filter(x, x).size() == 1", "exactly one of uriSecret, service and pods says where the deployment is"))]
pub struct MongoConnection {
    /// Key of a Secret that holds a `mongodb://` URI, with or without user and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri_secret: Option<SecretValue>,
    /// Service that leads to a member, or to the mongos of a sharded cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<MongoService>,
    /// Pods in which members run, or the mongos of a sharded cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<MongoPods>,
    /// Name of a Secret with the keys `username` and `password`, which win over those of the URI.
    /// Default: those of the URI, or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub credentials_secret: Option<String>,
    /// Database that knows the user of `credentialsSecret`; default: `admin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub auth_source: Option<String>,
    /// Name of a Secret whose key `ca.crt` has the certificates of the authorities that sign those
    /// of the servers. It turns TLS on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub ca_secret: Option<String>,
    /// Name of a Secret whose keys `tls.crt` and `tls.key` have certificate and private key of the
    /// client. It turns TLS on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub client_certificate_secret: Option<String>,
}

/// A Service of MongoDB.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MongoService {
    /// Name of the Service.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Port of the Service; default: 27017.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
}

/// Pods of MongoDB. Those of a StatefulSet are reached by the names that its headless Service gives
/// them, others by their addresses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MongoPods {
    /// Selects the pods by label. Same form as a Deployment's `selector`.
    #[schemars(schema_with = "schema::label_selector")]
    pub label_selector: LabelSelector,
    /// Port of the pods; default: 27017.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
}

/// What is asked of the member to lock. An arbiter, a delayed member and one without indexes are
/// never locked, nor one whose lock would cost the set its majority.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MongoMembers {
    /// Says whether hidden members are locked; default: Prefer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden: Option<HiddenMemberUse>,
    /// Tags that the member must have in the configuration of the set, for example
    /// `{use: backup}`; not asked of config servers. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::labels")]
    pub tags: BTreeMap<String, String>,
    /// How far the member may lag behind the primary; default: 21s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "duration::or_zero")]
    pub max_lag: Option<Duration>,
}

/// Says whether a hidden member is locked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HiddenMemberUse {
    /// Before all others.
    #[default]
    Prefer,
    /// As all others.
    Allow,
    /// Never.
    Exclude,
}

impl MongoAction {
    pub(super) fn validate(&self, field: &str) -> Vec<InvalidSpec> {
        let Self { connection, member_selector, allow_primary_lock: _, acquire_timeout, max_lock_duration } =
            self;
        let mut wrong = connection.validate(&format!("{field}.connection"));
        let lag = member_selector.as_ref().and_then(|selector| selector.max_lag.as_ref());
        for (member, length) in [
            ("memberSelector.maxLag", lag.filter(|lag| !lag.is_zero())),
            ("acquireTimeout", acquire_timeout.as_ref()),
            ("maxLockDuration", max_lock_duration.as_ref()),
        ] {
            if let Some(Err(error)) = length.map(Duration::length) {
                wrong.push(InvalidSpec::new(format!("{field}.{member}"), error));
            }
        }
        wrong
    }
}

impl MongoConnection {
    fn validate(&self, field: &str) -> Vec<InvalidSpec> {
        let Self {
            uri_secret,
            service,
            pods,
            credentials_secret,
            auth_source,
            ca_secret,
            client_certificate_secret,
        } = self;
        let mut wrong = Vec::new();
        let asked = [uri_secret.is_some(), service.is_some(), pods.is_some()];
        if asked.into_iter().filter(|each| *each).count() != 1 {
            let why = "exactly one of uriSecret, service and pods says where the deployment is";
            wrong.push(InvalidSpec::new(field, why));
        }
        for (member, text) in [
            ("uriSecret.name", uri_secret.as_ref().map(|uri| &uri.name)),
            ("uriSecret.key", uri_secret.as_ref().map(|uri| &uri.key)),
            ("service.name", service.as_ref().map(|service| &service.name)),
            ("credentialsSecret", credentials_secret.as_ref()),
            ("authSource", auth_source.as_ref()),
            ("caSecret", ca_secret.as_ref()),
            ("clientCertificateSecret", client_certificate_secret.as_ref()),
        ] {
            if text.is_some_and(String::is_empty) {
                wrong.push(InvalidSpec::new(format!("{field}.{member}"), "is empty"));
            }
        }
        let ports = [
            ("service", service.as_ref().map(|service| service.port)),
            ("pods", pods.as_ref().map(|pods| pods.port)),
        ];
        for (member, port) in ports {
            if port.flatten() == Some(0) {
                wrong.push(InvalidSpec::new(format!("{field}.{member}.port"), "is no port"));
            }
        }
        if let Some(pods) = pods {
            let field = format!("{field}.pods.labelSelector");
            match filter::label_requirements(&field, &pods.label_selector) {
                Ok(requirements) if requirements.is_empty() => {
                    wrong.push(InvalidSpec::new(field, "selects every pod"));
                }
                Ok(_) => {}
                Err(errors) => wrong.extend(errors),
            }
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn wrong(action: Value) -> Vec<String> {
        let action: MongoAction = serde_json::from_value(action).unwrap();
        action.validate("m").into_iter().map(|wrong| wrong.to_string()).collect()
    }

    #[test]
    fn every_mistake_is_named_with_its_field() {
        let connection = json!({
            "uriSecret": {"name": "", "key": ""}, "service": {"name": "", "port": 0},
            "pods": {"labelSelector": {}, "port": 0}, "credentialsSecret": "", "authSource": "",
            "caSecret": "", "clientCertificateSecret": "",
        });
        let wrong = wrong(json!({
            "connection": connection, "memberSelector": {"maxLag": "soon"}, "acquireTimeout": "0s",
            "maxLockDuration": "-1s",
        }));
        let fields = [
            "connection",
            "connection.uriSecret.name",
            "connection.uriSecret.key",
            "connection.service.name",
            "connection.credentialsSecret",
            "connection.authSource",
            "connection.caSecret",
            "connection.clientCertificateSecret",
            "connection.service.port",
            "connection.pods.port",
            "connection.pods.labelSelector",
            "memberSelector.maxLag",
            "acquireTimeout",
            "maxLockDuration",
        ];
        assert_eq!(wrong.len(), fields.len(), "{wrong:?}");
        for (said, field) in wrong.iter().zip(fields) {
            assert!(said.starts_with(&format!("spec.m.{field}")), "{said} is not about {field}");
        }
    }

    #[test]
    fn a_whole_action_reads_back_as_it_is_written() {
        let written = json!({
            "connection": {
                "pods": {"labelSelector": {"matchLabels": {"app": "mongo"}}, "port": 27017},
                "credentialsSecret": "ark", "authSource": "admin", "caSecret": "tls", "clientCertificateSecret": "tls",
            },
            "memberSelector": {"hidden": "Exclude", "tags": {"use": "backup"}, "maxLag": "0s"},
            "allowPrimaryLock": true, "acquireTimeout": "30s", "maxLockDuration": "1m",
        });
        assert_eq!(wrong(written.clone()), [""; 0]);
        let action: MongoAction = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(serde_json::to_value(action).unwrap(), written);
    }
}
