//! Reads the body behind an address that the server gave: a presigned URL of the bucket, or the
//! server itself, through the API server's proxy.
//!
//! Kube's HTTP client serves for both. Towards a bucket it carries no credentials of the cluster,
//! and uses the proxy that the environment names.

use std::time::Duration;

use futures::TryStreamExt as _;
use futures::stream::{self, StreamExt as _};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::BodyExt as _;
use kube::client::Body;
use kube::{Client, Config};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::cluster::{Proxies, proxy_shown, with_port};
use crate::model::{Cause, RootCause};
use crate::store::{Action, ByteStream, StoreError};

/// Time to connect: a bucket that can be reached from here is connected by then.
const CONNECT: Duration = Duration::from_secs(10);
/// Time for the head of an answer: a slow bucket takes that long to find an object.
const ANSWER: Duration = Duration::from_secs(60);
/// Time between two pieces of a body: a connection that is silent for longer is broken.
const PIECE: Duration = Duration::from_secs(60);
/// Bytes of a refusal that are read for its reason.
const EXCERPT: usize = 2048;

/// The client and the path for one address.
struct Route {
    client: Client,
    path: String,
    /// Description of the target, for messages.
    described: String,
}

/// Reads the bodies behind addresses.
pub struct Fetcher {
    cluster: Client,
    proxied: String,
    certificates: Option<String>,
}

impl std::fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetcher").field("proxied", &self.proxied).finish_non_exhaustive()
    }
}

impl Fetcher {
    /// Creates a reader with the cluster's client, the namespace of the server, and the authorities
    /// (PEM) that may sign the bucket's certificate besides the system's.
    pub fn new(cluster: Client, namespace: &str, certificates: Option<String>) -> Self {
        Self { cluster, proxied: format!("/api/v1/namespaces/{namespace}/"), certificates }
    }

    /// Returns the body behind an address, as a stream.
    pub async fn fetch(&self, address: &str, action: Action) -> Result<ByteStream, StoreError> {
        let way = self.way(address, &action)?;
        let request = Request::get(&way.path).body(Body::empty()).map_err(|error| other(&action, error))?;
        let answer = tokio::time::timeout(ANSWER, way.client.send(request)).await;
        let answer = answer.map_err(|_| StoreError::Timeout { action: action.clone(), limit: ANSWER })?;
        let answer = answer.map_err(|error| StoreError::Unreachable {
            action: action.clone(),
            endpoint: way.described,
            source: RootCause::of(&error).into(),
        })?;
        if !answer.status().is_success() {
            return Err(refused(answer, action, self.is_own(address)).await);
        }
        Ok(pieces(answer.into_body(), action))
    }

    /// Returns why the bucket of an address does not answer at all; `None` if it answers, or if the
    /// address is the server's own. One byte is requested.
    pub async fn unreached(&self, address: &str, action: &Action) -> Result<Option<String>, StoreError> {
        if self.is_own(address) {
            return Ok(None);
        }
        let way = self.way(address, action)?;
        let request = Request::get(&way.path).header("range", "bytes=0-0").body(Body::empty());
        let request = request.map_err(|error| other(action, error))?;
        let cause = match tokio::time::timeout(ANSWER, way.client.send(request)).await {
            Ok(Ok(_)) => return Ok(None),
            Ok(Err(error)) => RootCause::of(&error).to_string(),
            Err(_) => format!("no answer within {} s", ANSWER.as_secs()),
        };
        Ok(Some(format!("{} is not reached from here ({cause})", way.described)))
    }

    /// Returns whether an address leads to the server itself, through the API server.
    pub fn is_own(&self, address: &str) -> bool {
        address.strip_prefix(&self.proxied).is_some_and(is_proxied)
    }

    /// Returns the client and the path for an address. The cluster's credentials are sent to the
    /// server behind the API server's proxy only.
    fn way(&self, address: &str, action: &Action) -> Result<Route, StoreError> {
        if self.is_own(address) {
            let described = "the server, through the API server,".to_owned();
            return Ok(Route { client: self.cluster.clone(), path: address.to_owned(), described });
        }
        let wrong = || other(action, "the server gave an address that is neither in the bucket nor its own");
        let uri: Uri = address.parse().map_err(|_| wrong())?;
        let mut parts = uri.into_parts();
        let scheme = parts.scheme.take().filter(|scheme| matches!(scheme.as_str(), "http" | "https"));
        let (Some(scheme), Some(authority)) = (scheme, parts.authority.take()) else { return Err(wrong()) };
        let path = parts.path_and_query.map(|path| path.to_string()).unwrap_or_default();
        let base = Uri::builder().scheme(scheme).authority(authority).path_and_query("/").build();
        let mut config = Config::new(base.map_err(|error| other(action, error))?);
        config.default_retry = false;
        config.connect_timeout = Some(CONNECT);
        config.proxy_url =
            Proxies::of_environment().towards(&config.cluster_url).map_err(|why| other(action, why))?;
        let mut described = format!("the bucket's address {}", host(address));
        if let Some(proxy) = &config.proxy_url {
            described.push_str(&format!(" (through the proxy {})", proxy_shown(proxy)));
            config.cluster_url = with_port(config.cluster_url);
        }
        config.root_cert = self.certificates.as_deref().map(|text| authorities(text, action)).transpose()?;
        let client = Client::try_from(config).map_err(|error| other(action, RootCause::of(&error)))?;
        Ok(Route { client, path, described })
    }
}

/// Returns whether the rest of an address leads to a pod or a Service, and there only to a
/// download.
fn is_proxied(rest: &str) -> bool {
    let mut parts = rest.split('/');
    let kind = parts.next().is_some_and(|kind| matches!(kind, "pods" | "services"));
    let target = parts.next().is_some_and(|target| target.starts_with("http:"));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    kind && target
        && parts.next() == Some("proxy")
        && parts.next() == Some("download")
        && parts.next().is_some_and(plain)
        && parts.next().is_none()
}

fn authorities(text: &str, action: &Action) -> Result<Vec<Vec<u8>>, StoreError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let certificates = certificates.map_err(|error| StoreError::Setting {
        action: action.clone(),
        problem: "the caCert of the location does not hold PEM certificates".to_owned(),
        source: Some(error.into()),
    })?;
    Ok(certificates.into_iter().map(|certificate| certificate.to_vec()).collect())
}

/// Returns the pieces of the body; fails if none comes within [`PIECE`].
fn pieces(body: Body, action: Action) -> ByteStream {
    let data = body.into_data_stream();
    stream::try_unfold((data, 0_u64, action), |(mut data, received, action)| async move {
        let broken = |source: Option<Cause>| StoreError::Truncated {
            action: action.clone(),
            received,
            expected: received,
            source,
        };
        match tokio::time::timeout(PIECE, data.try_next()).await {
            Err(_) => Err(StoreError::Timeout { action, limit: PIECE }),
            Ok(Err(error)) => Err(broken(Some(RootCause::of(&error).into()))),
            Ok(Ok(None)) => Ok(None),
            Ok(Ok(Some(piece))) => {
                let received = received + piece.len() as u64;
                Ok(Some((piece, (data, received, action))))
            }
        }
    })
    .boxed()
}

/// Returns the error that a refusal means; `own` if the refusal came through the API server and not
/// from the bucket.
async fn refused(answer: Response<Body>, action: Action, own: bool) -> StoreError {
    let status = answer.status();
    let reason = format!("{status}: {}", excerpt(answer.into_body()).await);
    match status {
        // The API server has no such pod or Service, or the server no longer knows the address:
        // whether the object exists was not asked.
        StatusCode::NOT_FOUND | StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY if own => {
            let why = "the server that was to hand it out is gone, was started anew, or cannot read the bucket; \
                       what is in the bucket is as it was: try again, and see whether the server's pods run";
            StoreError::NotHandedOut { action, why: why.to_owned(), source: Some(reason.into()) }
        }
        StatusCode::NOT_FOUND => StoreError::NotFound { action },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let hint = "the address that the server gave is refused; it holds for ten minutes, so try again; a server that hands out a folder needs you to have the verb `get` on `pods/proxy` (or `services/proxy`) in its namespace";
            StoreError::Forbidden { action, hint: hint.to_owned(), source: Some(reason.into()) }
        }
        _ => StoreError::Unavailable { action, source: reason.into() },
    }
}

async fn excerpt(mut body: Body) -> String {
    let mut text = Vec::new();
    while text.len() < EXCERPT
        && let Ok(Some(Ok(frame))) = tokio::time::timeout(PIECE, body.frame()).await
    {
        if let Ok(data) = frame.into_data() {
            text.extend_from_slice(&data[..data.len().min(EXCERPT)]);
        }
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    message(&text).unwrap_or_else(|| "no reason".to_owned())
}

/// Returns the reason in S3's XML or in a Status of Kubernetes.
fn message(text: &str) -> Option<String> {
    if let Ok(status) = serde_json::from_str::<serde_json::Value>(text) {
        return status["message"].as_str().map(str::to_owned);
    }
    let (found, _) = text.split_once("<Message>")?.1.split_once("</Message>")?;
    Some(found.to_owned())
}

/// Returns an address without its parameters, which would let anybody read the object.
fn host(address: &str) -> String {
    address.split('?').next().unwrap_or_default().to_owned()
}

fn other(action: &Action, source: impl Into<Cause>) -> StoreError {
    StoreError::Other { action: action.clone(), source: source.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_a_refusal_is_found_in_xml_and_in_a_status() {
        let xml = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>";
        assert_eq!(message(xml).as_deref(), Some("Request has expired"));
        let status = r#"{"kind":"Status","message":"pods \"ark-0\" not found","code":404}"#;
        assert_eq!(message(status).as_deref(), Some("pods \"ark-0\" not found"));
        assert_eq!(message("<html>"), None);
    }

    #[test]
    fn only_downloads_of_a_pod_or_service_get_the_credentials_of_the_cluster() {
        assert!(is_proxied("pods/http:ark-1:8085/proxy/download/token"));
        assert!(is_proxied("services/http:ark:8085/proxy/download/token"));
        for elsewhere in [
            "secrets/login",
            "pods/http:ark-1:8085/exec",
            "pods/http:ark-1:8085/proxy/download/../../../../secrets",
            "pods/https:other:443/proxy/download/token",
        ] {
            assert!(!is_proxied(elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn parameters_of_an_address_are_not_repeated() {
        assert_eq!(host("https://s3.example/b/k?X-Amz-Signature=secret"), "https://s3.example/b/k");
    }
}
