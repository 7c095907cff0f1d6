//! The client of an action: its trust, its proxy, whom it does not ask, no redirects.

use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Proxy, retry};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use url::Url;

use super::error::HttpFailure;
use super::reach::{ShunnedHost, ShunningResolver};
use crate::api::HttpAction;
use crate::cluster::{Proxies, proxy_shown};
use crate::model::RootCause;

/// The time for establishing a connection, TLS included; who can be reached is connected by then.
const CONNECT: Duration = Duration::from_secs(10);

/// Prepares the client of an action that asks `origin`. Nothing is sent.
///
/// # Errors
/// If an actor of this sort does not ask there, or authorities or proxy cannot be used.
pub fn open(
    http: &HttpAction,
    origin: &str,
    authorities: Option<&str>,
    is_server: bool,
) -> Result<Client, HttpFailure> {
    let setting = |error: &dyn std::fmt::Display| HttpFailure::Setting(error.to_string());
    let url = Url::parse(origin).map_err(|error| setting(&error))?;
    if is_server && let Some(shunned) = url.host().and_then(ShunnedHost::of_address) {
        return Err(HttpFailure::Shunned(shunned.to_string()));
    }
    let trusted = match authorities {
        _ if url.scheme() != "https" => RootCertStore::empty(),
        Some(pem) => certificates(pem)?,
        None => of_the_machine(),
    };
    let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let tls = tls.with_safe_default_protocol_versions().map_err(|error| setting(&error))?;
    let builder = Client::builder()
        .tls_backend_preconfigured(tls.with_root_certificates(trusted).with_no_client_auth())
        .user_agent(concat!("ark/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .redirect(Policy::none())
        .retry(retry::never())
        .no_proxy();
    let builder = match proxy(http, origin)? {
        Some(proxy) => builder.proxy(proxy),
        None if is_server => builder.dns_resolver(ShunningResolver),
        None => builder,
    };
    builder.build().map_err(|error| setting(&RootCause::of(&error)))
}

/// Returns the proxy that leads to a URL; a Service is within the cluster.
fn proxy(http: &HttpAction, origin: &str) -> Result<Option<Proxy>, HttpFailure> {
    if http.service.is_some() {
        return Ok(None);
    }
    let address = origin.parse().map_err(|_| HttpFailure::Setting(format!("{origin} is no address")))?;
    let Some(proxy) = Proxies::of_environment().towards(&address).map_err(HttpFailure::Setting)? else {
        return Ok(None);
    };
    // With socks5 names would be resolved here.
    let far = proxy.to_string().replacen("socks5://", "socks5h://", 1);
    let unusable = |_| HttpFailure::Setting(format!("the proxy {} cannot be used", proxy_shown(&proxy)));
    Proxy::all(far).map(Some).map_err(unusable)
}

fn certificates(pem: &str) -> Result<RootCertStore, HttpFailure> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let mut trusted = RootCertStore::empty();
    let (added, _) = trusted.add_parsable_certificates(read.unwrap_or_default());
    if added == 0 {
        let why = "caCert or caCertFrom holds no certificate in PEM; write it from BEGIN CERTIFICATE to END CERTIFICATE";
        return Err(HttpFailure::Setting(why.to_owned()));
    }
    Ok(trusted)
}

/// Returns the authorities that the machine trusts.
fn of_the_machine() -> RootCertStore {
    let mut trusted = RootCertStore::empty();
    trusted.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    trusted
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn open_at(origin: &str, is_server: bool) -> Result<Client, HttpFailure> {
        let http = serde_json::from_value(json!({"url": origin, "path": "/"})).unwrap();
        open(&http, origin, None, is_server)
    }

    #[test]
    fn a_server_asks_neither_itself_nor_metadata_services_and_a_person_may() {
        for origin in
            ["http://127.0.0.1:8085", "http://169.254.169.254", "https://[fe80::1]", "http://0x7f.1"]
        {
            let refused = open_at(origin, true);
            assert!(matches!(refused, Err(HttpFailure::Shunned(_))), "{origin}: {refused:?}");
            open_at(origin, false).unwrap();
        }
        open_at("https://10.0.0.1", true).unwrap();
    }

    #[tokio::test]
    async fn a_server_does_not_ask_a_name_that_resolves_to_itself() {
        let client = open_at("http://localhost:1", true).unwrap();
        let error = client.get("http://localhost:1/").send().await.unwrap_err();
        let failure = HttpFailure::unanswered("GET http://localhost:1/", &error);
        assert!(matches!(failure, HttpFailure::Shunned(_)), "{failure:?}");
    }

    #[test]
    fn authorities_that_are_no_certificates_are_told() {
        let http = HttpAction::default();
        let failure = open(&http, "https://a", Some("-----BEGIN"), false).unwrap_err();
        assert!(failure.to_string().contains("caCert or caCertFrom holds no certificate"), "{failure}");
    }
}
