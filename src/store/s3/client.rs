//! The client of an S3 service: transport, credentials, region, deadlines.
//!
//! TLS is rustls on ring. Each body that is sent carries a CRC32C that the service verifies, as a
//! plain header: bodies are in memory, and services other than AWS often refuse trailers. Services
//! that refuse the header as well are the concern of `checksums`; the SDK's own switch,
//! `AWS_REQUEST_CHECKSUM_CALCULATION`, is obeyed.

use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_s3::config::{
    ConfigBag, Intercept, Region, RequestChecksumCalculation, ResponseChecksumValidation, RuntimeComponents,
    SharedHttpClient,
};
use aws_sdk_s3::error::BoxError;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::checksums::Checksums;
use super::profile;
use crate::store::location::{Content, S3Location};
use crate::store::{Action, Gate, Operation, StoreError};

/// The time for establishing a connection; a service that takes longer counts as down. TLS over a
/// slow link takes a second or two.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The deadline of one try: a part of 5 MiB at 90 KB/s.
pub(super) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(60);
/// The deadline of all tries of one request, with the pauses between them.
pub(super) const OPERATION_TIMEOUT: Duration = Duration::from_secs(150);
/// Tries of one request: outlasts a failover of a few seconds without hiding an outage.
pub(super) const ATTEMPTS: u32 = 4;
/// The region of services that have none.
const DEFAULT_REGION: &str = "us-east-1";

/// The clients of a location, and what their requests have in common.
pub(super) struct Connection {
    /// The client.
    pub(super) client: Client,
    /// The client that signs download URLs.
    pub(super) public: Client,
    /// The region for which both sign.
    pub(super) region: String,
    /// The form of writes.
    pub(super) checksums: Checksums,
}

/// Creates the clients. No S3 service is contacted yet; without an endpoint the machine's metadata
/// service may be asked for the region.
pub(super) async fn connect(
    location: &S3Location,
    action: &Action,
    gate: &Gate,
) -> Result<Connection, StoreError> {
    let credentials = match &location.credentials {
        Some(content) => Some(read_credentials(content, location, action).await?),
        None => None,
    };
    let trusted = match &location.ca_cert {
        Some(content) => {
            Some(check_certificates(read_setting(content, "caCert", action).await?, content, action)?)
        }
        None => None,
    };
    let files = profile_files(location, credentials);
    let region = region(location, &files).await;
    let system = transport(system_trust(), action)?;
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(system.clone())
        .region(Region::new(region.clone()))
        .profile_files(files.clone())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(timeouts())
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    if location.profile.is_some() || location.credentials.is_some() {
        // The location's settings win over those that the environment happens to have.
        let surroundings =
            ProviderConfig::default().with_http_client(system).with_region(Some(Region::new(region.clone())));
        let mut profile =
            ProfileFileCredentialsProvider::builder().configure(&surroundings).profile_files(files);
        if let Some(name) = profile_name(location) {
            profile = profile.profile_name(name);
        }
        loader = loader.credentials_provider(profile.build());
    }
    let shared = loader.load().await;
    let mut config = aws_sdk_s3::config::Builder::from(&shared)
        .force_path_style(location.force_path_style.unwrap_or(location.endpoint.is_some()))
        .interceptor(Gatekeeper(gate.clone()));
    config.set_endpoint_url(location.endpoint.clone().or_else(|| shared.endpoint_url().map(str::to_owned)));
    if let Some(certificates) = trusted {
        config =
            config.http_client(transport(TrustStore::empty().with_pem_certificate(certificates), action)?);
    }
    let known = location.checksums.or(match shared.request_checksum_calculation() {
        Some(RequestChecksumCalculation::WhenRequired) => Some(false),
        _ => None,
    });
    let calculating = |calculation| {
        let config = config.clone().request_checksum_calculation(calculation);
        Client::from_conf(config.build())
    };
    let client = calculating(RequestChecksumCalculation::WhenSupported);
    let without = calculating(RequestChecksumCalculation::WhenRequired);
    let public = match &location.public_url {
        Some(address) => Client::from_conf(config.clone().endpoint_url(address).build()),
        None => Client::clone(&client),
    };
    let checksums = Checksums::new(Client::clone(&client), without, known);
    Ok(Connection { client, public, region, checksums })
}

/// An interceptor that asks the gate before each try of a request that writes, the first as well
/// as those that the SDK makes by itself. A process that was stopped in the middle of a request
/// would repeat it on waking, before anything tells it that another server leads by now.
#[derive(Debug)]
struct Gatekeeper(Gate);

/// The error of a request that met a closed gate.
#[derive(Debug, thiserror::Error)]
#[error("the lease of this server has ended")]
pub(super) struct GateClosed;

impl Intercept for Gatekeeper {
    fn name(&self) -> &'static str {
        "Gatekeeper"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let only_reads = matches!(context.request().method(), "GET" | "HEAD");
        if only_reads || self.0.is_open() { Ok(()) } else { Err(GateClosed.into()) }
    }
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build()
}

/// Returns the profile files to use. Credentials in memory are complete by themselves; a file of
/// this machine goes with its owner's `~/.aws/config`.
fn profile_files(location: &S3Location, credentials: Option<String>) -> EnvConfigFiles {
    let Some(text) = credentials else { return EnvConfigFiles::default() };
    EnvConfigFiles::builder()
        .include_default_config_file(matches!(location.credentials, Some(Content::File(_))))
        .with_contents(EnvConfigFileKind::Credentials, text)
        .build()
}

/// Returns the text of a credentials file.
///
/// # Errors
/// If nobody would find credentials in the file, with the fault.
async fn read_credentials(
    content: &Content,
    location: &S3Location,
    action: &Action,
) -> Result<String, StoreError> {
    let bytes = read_setting(content, "credentialsFile", action).await?;
    let is_complete = matches!(content, Content::Text { .. });
    let wanted = profile_name(location).map(str::to_owned).or_else(|| std::env::var("AWS_PROFILE").ok());
    profile::read(&bytes, wanted.as_deref().unwrap_or("default"), is_complete).map_err(|why| {
        StoreError::Setting {
            action: action.clone(),
            problem: format!("the credentials in {content} cannot be used: {why}"),
            source: None,
        }
    })
}

/// Returns the name of the profile. Text in memory is complete by itself, so that `AWS_PROFILE`
/// does not apply to it.
fn profile_name(location: &S3Location) -> Option<&str> {
    let in_memory = matches!(location.credentials, Some(Content::Text { .. }));
    location.profile.as_deref().or(in_memory.then_some("default"))
}

async fn region(location: &S3Location, files: &EnvConfigFiles) -> String {
    if let Some(region) = &location.region {
        return region.clone();
    }
    let mut profile = ProfileFileRegionProvider::builder().profile_files(files.clone());
    if let Some(name) = profile_name(location) {
        profile = profile.profile_name(name);
    }
    let mut chain =
        RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new()).or_else(profile.build());
    if location.endpoint.is_none() {
        // Only AWS machines know a region; asking elsewhere costs seconds.
        chain = chain.or_default_provider();
    }
    chain.region().await.map_or_else(|| DEFAULT_REGION.to_owned(), |region| region.to_string())
}

/// Returns the authorities that the machine trusts. Without any, as in an image without
/// certificates, the transport would panic on its first use. With an empty trust store services
/// without TLS can be used, and for the others the error says why they cannot.
fn system_trust() -> TrustStore {
    if rustls_native_certs::load_native_certs().certs.is_empty() {
        tracing::warn!(
            "this machine trusts no certificate authority, so that https cannot be used: install ca-certificates, set \
             SSL_CERT_FILE, or give the location a caCert"
        );
        return TrustStore::empty();
    }
    TrustStore::default()
}

/// Returns an HTTP client that trusts these authorities and takes proxies from the environment.
fn transport(trust: TrustStore, action: &Action) -> Result<SharedHttpClient, StoreError> {
    let context =
        TlsContext::builder().with_trust_store(trust).build().map_err(|error| StoreError::Setting {
            action: action.clone(),
            problem: "TLS cannot be set up".into(),
            source: Some(error.into()),
        })?;
    let proxies = ProxyConfig::from_env();
    Ok(Builder::new().build_with_connector_fn(move |settings, components| {
        let mut builder = Connector::builder().proxy_config(proxies.clone());
        builder.set_connector_settings(settings.cloned());
        builder.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        builder.tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(context.clone()).build()
    }))
}

/// Returns the environment variable that names a proxy for the location. Its value is not told,
/// since it may hold a password.
pub(super) fn proxy_variable(location: &S3Location) -> Option<&'static str> {
    let is_plain = location.endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://"));
    let variables = match is_plain {
        true => ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
        false => ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
    };
    variables.into_iter().find(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

async fn read_setting(content: &Content, setting: &str, action: &Action) -> Result<Vec<u8>, StoreError> {
    match content {
        Content::Text { origin: _, text } => Ok(text.clone().into_bytes()),
        Content::File(file) => tokio::fs::read(file).await.map_err(|error| StoreError::Setting {
            action: action.clone(),
            problem: format!("{content}, of {setting}, cannot be read"),
            source: Some(error.into()),
        }),
    }
}

/// Checks each certificate, since the transport would panic on one that it cannot use.
fn check_certificates(pem: Vec<u8>, content: &Content, action: &Action) -> Result<Vec<u8>, StoreError> {
    let refuse = |source| StoreError::Setting {
        action: action.clone(),
        problem: format!("{content}, of caCert, does not hold PEM certificates that can be used"),
        source,
    };
    let mut authorities = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| refuse(Some(error.to_string().into())))?;
        authorities.add(certificate).map_err(|error| refuse(Some(error.into())))?;
    }
    if authorities.is_empty() { Err(refuse(None)) } else { Ok(pem) }
}

/// Returns the action of errors about opening.
pub(super) fn opening(location: &S3Location) -> Action {
    Action { operation: Operation::Open, target: super::describe(location) }
}
