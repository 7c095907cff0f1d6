//! The way to a MongoDB deployment, from what an action says and from Secrets and pods as they are
//! now.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Pod, Secret};

use crate::api::{MongoConnection, MongoPods, label_requirements};
use crate::cluster::{Cluster, ClusterError};
use crate::model::{Category, LabelQuery};
use crate::mongo::{MongoCertificates, MongoError, MongoLogin};

const PORT: u16 = 27017;
/// The keys of a Secret of the type kubernetes.io/basic-auth.
const USER: &str = "username";
const PASSWORD: &str = "password";
/// The keys of a Secret of the type kubernetes.io/tls, and the one that cert-manager adds.
const CERTIFICATE: &str = "tls.crt";
const PRIVATE_KEY: &str = "tls.key";
const AUTHORITIES: &str = "ca.crt";

/// The reason why there is no way to a deployment.
#[derive(Debug, thiserror::Error)]
pub enum MongoLoginError {
    /// A Secret cannot be read.
    #[error("reading the Secret {name} that the connection names")]
    Unread {
        /// Namespace and name.
        name: String,
        /// The answer of the API server.
        source: ClusterError,
    },
    /// A Secret is not there.
    #[error("there is no Secret {name}, which the connection names; create it, or correct the name")]
    NoSecret {
        /// Namespace and name.
        name: String,
    },
    /// A Secret lacks a key.
    #[error("the Secret {name} has no key `{key}` with a text in it; add it, or correct the name")]
    NoKey {
        /// Namespace and name.
        name: String,
        /// The key.
        key: String,
    },
    /// The pods cannot be listed.
    #[error("looking for the pods of MongoDB in namespace {namespace}")]
    Pods {
        /// The namespace.
        namespace: String,
        /// The answer of the API server.
        source: ClusterError,
    },
    /// No pod has the labels and an address.
    #[error(
        "no pod in namespace {namespace} has the labels {labels} and an address; correct the labels, or start it"
    )]
    NoPod {
        /// The namespace.
        namespace: String,
        /// The labels.
        labels: String,
    },
    /// What was found cannot be used.
    #[error(transparent)]
    Mongo(#[from] MongoError),
}

impl MongoLoginError {
    /// Returns the label of the error.
    pub fn category(&self) -> Category {
        match self {
            Self::Unread { source, .. } | Self::Pods { source, .. } => source.category(),
            Self::NoSecret { .. } | Self::NoPod { .. } => Category::NotFound,
            Self::NoKey { .. } => Category::Invalid,
            Self::Mongo(error) => error.category(),
        }
    }
}

/// Returns the login that a connection describes. Nothing is sent to the deployment yet.
///
/// # Errors
/// If a Secret, a key or the pods are not there, or cannot be used. No error holds a value of a
/// Secret.
pub async fn mongo_login(
    cluster: &Cluster,
    namespace: &str,
    connection: &MongoConnection,
) -> Result<MongoLogin, MongoLoginError> {
    let MongoConnection {
        uri_secret,
        service,
        pods,
        credentials_secret,
        auth_source,
        ca_secret,
        client_certificate_secret,
    } = connection;
    let read = async |name: &String| SecretTexts::read(cluster, namespace, name).await;
    let mut login = match (uri_secret, service, pods) {
        (Some(uri), ..) => MongoLogin::from_uri(read(&uri.name).await?.text(&uri.key)?).await?,
        (_, Some(service), _) => {
            let port = service.port.unwrap_or(PORT);
            MongoLogin::from_hosts(&[format!("{}.{namespace}.svc:{port}", service.name)]).await?
        }
        (.., Some(pods)) => MongoLogin::from_hosts(&seeds(cluster, namespace, pods).await?).await?,
        // Checked with the specification.
        _ => MongoLogin::from_hosts(&[]).await?,
    };
    if let Some(name) = credentials_secret {
        let secret = read(name).await?;
        login = login.with_password(secret.text(USER)?, secret.text(PASSWORD)?, auth_source.as_deref());
    }
    let mut certificates = MongoCertificates::default();
    if let Some(name) = ca_secret {
        certificates.authorities = Some(read(name).await?.text(AUTHORITIES)?.to_owned());
    }
    if let Some(name) = client_certificate_secret {
        let secret = read(name).await?;
        certificates.client = Some(format!("{}\n{}\n", secret.text(CERTIFICATE)?, secret.text(PRIVATE_KEY)?));
    }
    if ca_secret.is_some() || client_certificate_secret.is_some() {
        login = login.with_certificates(&certificates)?;
    }
    Ok(login)
}

/// The texts of a Secret. Without `Debug`, so that nobody prints them.
struct SecretTexts {
    name: String,
    texts: BTreeMap<String, Vec<u8>>,
}

impl SecretTexts {
    async fn read(cluster: &Cluster, namespace: &str, name: &str) -> Result<Self, MongoLoginError> {
        let full = format!("{namespace}/{name}");
        let found = cluster.secret(namespace, name).await;
        let found = found.map_err(|source| MongoLoginError::Unread { name: full.clone(), source })?;
        let Some(Secret { data, .. }) = found else { return Err(MongoLoginError::NoSecret { name: full }) };
        let texts = data.into_iter().flatten().map(|(key, value)| (key, value.0)).collect();
        Ok(Self { name: full, texts })
    }

    /// Returns the text of a key, without the line ends that an editor puts behind it.
    fn text(&self, key: &str) -> Result<&str, MongoLoginError> {
        let text = self.texts.get(key).and_then(|bytes| str::from_utf8(bytes).ok());
        let text = text.map(|text| text.trim_end_matches(['\r', '\n'])).filter(|text| !text.is_empty());
        text.ok_or_else(|| MongoLoginError::NoKey { name: self.name.clone(), key: key.to_owned() })
    }
}

/// Returns the addresses of the pods.
async fn seeds(cluster: &Cluster, namespace: &str, pods: &MongoPods) -> Result<Vec<String>, MongoLoginError> {
    // Checked with the specification.
    let requirements = label_requirements("labelSelector", &pods.label_selector).unwrap_or_default();
    let labels = LabelQuery::new(vec![requirements]).list_parameter().unwrap_or_default();
    let found = cluster.pods_labelled(namespace, &labels).await;
    let found = found.map_err(|source| MongoLoginError::Pods { namespace: namespace.to_owned(), source })?;
    let port = pods.port.unwrap_or(PORT);
    let seeds: Vec<_> = found.iter().filter_map(|pod| seed(namespace, pod, port)).collect();
    if seeds.is_empty() {
        return Err(MongoLoginError::NoPod { namespace: namespace.to_owned(), labels });
    }
    Ok(seeds)
}

/// Returns the address of a pod: the name that its headless Service gives it, which certificates
/// have, or else its IP; `None` while it has neither.
fn seed(namespace: &str, pod: &Pod, port: u16) -> Option<String> {
    let spec = pod.spec.as_ref()?;
    let ip = pod.status.as_ref()?.pod_ip.as_ref()?;
    Some(match (&spec.hostname, &spec.subdomain) {
        (Some(host), Some(service)) => format!("{host}.{service}.{namespace}.svc:{port}"),
        _ if ip.contains(':') => format!("[{ip}]:{port}"),
        _ => format!("{ip}:{port}"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::cluster::script::{answer, failure, serve};

    const URI: &str = "bW9uZ29kYjovL2FyazpodW50ZXIyQGRiLTA6MjcwMTgvCg=="; // mongodb://ark:hunter2@db-0:27018/

    /// Asks for a login where these Secrets and pods are.
    async fn ask(connection: Value, secrets: Value, pods: Value) -> Result<MongoLogin, MongoLoginError> {
        let (cluster, _) = serve(move |_, asked| {
            let items = if asked.uri.contains("/pods?") { &pods } else { &secrets };
            answer(
                200,
                json!({"kind": "List", "metadata": {"resourceVersion": "1"}, "items": items}).to_string(),
            )
        });
        let connection = serde_json::from_value(connection).expect("a connection");
        mongo_login(&cluster, "shop", &connection).await
    }

    fn secret(name: &str, data: Value) -> Value {
        json!({"metadata": {"name": name, "namespace": "shop"}, "data": data})
    }

    #[tokio::test]
    async fn members_are_found_by_uri_service_and_pods() {
        let uri = json!({"uriSecret": {"name": "mongo", "key": "uri"}});
        let login =
            ask(uri, json!([secret("mongo", json!({"uri": URI}))]), json!([])).await.expect("a login");
        assert_eq!(login.seeds(), ["db-0:27018"]);
        let service = json!({"service": {"name": "db"}});
        let login = ask(service, json!([]), json!([])).await.expect("a login");
        assert_eq!(login.seeds(), ["db.shop.svc:27017"]);
        let pod = |spec: Value, status: Value| {
            let mut pod =
                json!({"metadata": {"name": "db", "namespace": "shop"}, "spec": spec, "status": status});
            pod["spec"]["containers"] = json!([]);
            pod
        };
        let pods = json!([
            pod(json!({"hostname": "db-0", "subdomain": "db"}), json!({"podIP": "10.0.0.1"})),
            pod(json!({}), json!({"podIP": "10.0.0.2"})),
            pod(json!({}), json!({"podIP": "fd00::3"})),
            pod(json!({}), json!({})),
        ]);
        let selector = json!({"pods": {"labelSelector": {"matchLabels": {"app": "db"}}, "port": 1}});
        let login = ask(selector.clone(), json!([]), pods).await.expect("a login");
        assert_eq!(login.seeds(), ["db-0.db.shop.svc:1", "10.0.0.2:1", "[fd00::3]:1"]);
        let error = ask(selector, json!([]), json!([])).await.expect_err("no pods");
        assert!(error.to_string().contains("the labels app in (db)"), "{error}");
    }

    #[tokio::test]
    async fn what_is_missing_is_named_and_no_value_is_told() {
        let connection =
            json!({"service": {"name": "db"}, "credentialsSecret": "ark", "clientCertificateSecret": "tls"});
        let user = json!({"username": "YXJr", "password": "aHVudGVyMg=="});
        for (secrets, says) in [
            (json!([]), "there is no Secret shop/ark"),
            (json!([secret("other", user.clone())]), "there is no Secret shop/ark"),
            (json!([secret("ark", json!({"username": "YXJr"}))]), "has no key `password`"),
            (
                json!([secret("ark", json!({"username": "YXJr", "password": "Cg=="}))]),
                "has no key `password`",
            ),
            (json!([secret("ark", user.clone())]), "there is no Secret shop/tls"),
            (
                json!([
                    secret("ark", user),
                    secret("tls", json!({"tls.crt": "aHVudGVyMg==", "tls.key": "aHVudGVyMg=="})),
                ]),
                "the certificate of the client cannot be read",
            ),
        ] {
            let error = ask(connection.clone(), secrets, json!([])).await.expect_err(says);
            assert!(error.to_string().contains(says), "{error}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[tokio::test]
    async fn a_secret_that_may_not_be_read_is_told_with_the_right_that_is_missing() {
        let (cluster, _) = serve(|_, _| {
            failure(403, "Forbidden", "secrets is forbidden: User me cannot list resource secrets", "")
        });
        let connection = MongoConnection { credentials_secret: Some("ark".into()), ..service() };
        let error = mongo_login(&cluster, "shop", &connection).await.expect_err("forbidden");
        assert_eq!(error.category(), Category::Forbidden);
    }

    fn service() -> MongoConnection {
        serde_json::from_value(json!({"service": {"name": "db"}})).expect("a connection")
    }
}
