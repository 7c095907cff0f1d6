//! Chooses the proxy for an address as kubectl does: HTTPS_PROXY or HTTP_PROXY by the scheme of
//! the address, unless NO_PROXY names its host. Addresses of this machine are never reached
//! through a proxy. Pure, except that it reads the environment.
//!
//! The client's own choice (kube 5.0) is not used: it looks NO_PROXY up for the address of the
//! proxy instead of the cluster's, and refuses lists that everybody else takes.

use std::net::IpAddr;

use http::Uri;

/// The proxies that the environment names, and the hosts that are reached without one.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    https: Option<String>,
    http: Option<String>,
    exceptions: Vec<Exception>,
}

/// Hosts that are reached without a proxy: one entry of NO_PROXY.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Exception {
    hosts: Hosts,
    /// `None` means any port.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    All,
    /// Addresses that share these first bits.
    Network(IpAddr, u32),
    /// The name and all names below it.
    Domain(String),
    /// All names below the name, which begins with a dot.
    Below(String),
}

impl Proxies {
    /// Reads the environment, in upper or lower case.
    pub fn of_environment() -> Self {
        Self::read(|name| std::env::var(name).ok())
    }

    fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let given = |name: &str| {
            let either = [name.to_owned(), name.to_ascii_lowercase()];
            either.iter().find_map(|name| variable(name).filter(|value| !value.trim().is_empty()))
        };
        let exceptions = given("NO_PROXY").unwrap_or_default();
        Self {
            https: given("HTTPS_PROXY"),
            http: given("HTTP_PROXY"),
            exceptions: exceptions.split([',', ' ']).filter_map(Exception::parse).collect(),
        }
    }

    /// Returns the proxy for an address, or `None` if the address is reached directly.
    ///
    /// # Errors
    /// If the proxy that the environment names cannot be one.
    pub fn towards(&self, address: &Uri) -> Result<Option<Uri>, String> {
        let Some(host) = address.host() else { return Ok(None) };
        let (proxy, usual) = match address.scheme_str() {
            Some("https") => (&self.https, 443),
            Some("http") => (&self.http, 80),
            _ => return Ok(None),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let port = address.port_u16().unwrap_or(usual);
        let is_direct =
            is_this_machine(&host) || self.exceptions.iter().any(|known| known.names(&host, port));
        let proxy = proxy.as_deref().filter(|_| !is_direct).map(proxy_at).transpose();
        proxy.map_err(|why| format!("HTTPS_PROXY or HTTP_PROXY: {why}"))
    }
}

/// Parses the address of a proxy; without a scheme it speaks http.
///
/// # Errors
/// If the text cannot be an address. The message does not repeat the text, which may hold a
/// password.
pub fn proxy_at(given: &str) -> Result<Uri, String> {
    let given = given.trim();
    let (scheme, rest) = given.split_once("://").unwrap_or(("http", given));
    // Names are always resolved by the proxy here, which is what the `h` asks for.
    let scheme = if scheme.eq_ignore_ascii_case("socks5h") { "socks5" } else { scheme };
    let uri: Uri = format!("{scheme}://{}", rest.trim_end_matches('/'))
        .parse()
        .map_err(|_| "the address of the proxy is not understood; write http://host:port".to_owned())?;
    match uri.scheme_str() {
        Some("http" | "https" | "socks5") => Ok(uri),
        _ => {
            Err("the proxy speaks a protocol that is not known here; known are http, https and socks5"
                .to_owned())
        }
    }
}

/// Returns the address with its port written out: a tunnel to an http address without one would go
/// to 443.
pub fn with_port(address: Uri) -> Uri {
    let (Some("http"), None, Some(authority)) =
        (address.scheme_str(), address.port_u16(), address.authority())
    else {
        return address;
    };
    let authority = format!("{authority}:80");
    let mut parts = address.clone().into_parts();
    parts.authority = authority.parse().ok();
    Uri::from_parts(parts).unwrap_or(address)
}

/// Returns the address of a proxy for messages, without user and password.
pub fn shown(proxy: &Uri) -> String {
    let authority = proxy.authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{}://{host}", proxy.scheme_str().unwrap_or("http"))
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Exception {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        if text.is_empty() {
            return None;
        }
        if text == "*" {
            return Some(Self { hosts: Hosts::All, port: None });
        }
        if let Some((address, bits)) = text.split_once('/')
            && let (Ok(address), Ok(bits)) = (address.parse(), bits.parse())
        {
            return Some(Self { hosts: Hosts::Network(address, bits), port: None });
        }
        let (host, port) = split_port(&text);
        let hosts = match (host.parse(), host.strip_prefix('*').unwrap_or(host)) {
            (Ok(address), _) => Hosts::Network(address, u128::BITS),
            (_, below) if below.starts_with('.') => Hosts::Below(below.to_owned()),
            (_, name) => Hosts::Domain(name.to_owned()),
        };
        Some(Self { hosts, port })
    }

    fn names(&self, host: &str, port: u16) -> bool {
        let is_meant = match &self.hosts {
            Hosts::All => true,
            Hosts::Network(network, bits) => {
                host.parse().is_ok_and(|address| is_within(address, *network, *bits))
            }
            Hosts::Domain(name) => {
                host.strip_suffix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            Hosts::Below(name) => host.ends_with(name.as_str()),
        };
        is_meant && self.port.is_none_or(|only| only == port)
    }
}

/// Splits `host:port`, `[::1]:port`, or a host alone, which may be an IPv6 address.
fn split_port(text: &str) -> (&str, Option<u16>) {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None if text.matches(':').count() == 1 => {
            text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)))
        }
        None => (text, None),
    };
    (host, port.and_then(|port| port.parse().ok()))
}

fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let (differs, length) = match (address, network) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (u128::from(u32::from(one) ^ u32::from(other)), u32::BITS),
        (IpAddr::V6(one), IpAddr::V6(other)) => (u128::from(one) ^ u128::from(other), u128::BITS),
        _ => return false,
    };
    differs.checked_shr(length.saturating_sub(bits)).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(given: &[(&str, &str)]) -> Proxies {
        Proxies::read(|name| {
            given.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn towards(proxies: &Proxies, address: &str) -> Option<String> {
        proxies.towards(&address.parse().unwrap()).unwrap().map(|proxy| shown(&proxy))
    }

    #[test]
    fn the_scheme_of_the_address_says_which_proxy_leads_to_it() {
        let both = proxies(&[("HTTPS_PROXY", "http://secure:3128"), ("http_proxy", "plain:8080")]);
        assert_eq!(towards(&both, "https://api.example:6443").as_deref(), Some("http://secure:3128"));
        assert_eq!(towards(&both, "http://api.example").as_deref(), Some("http://plain:8080"));
        assert_eq!(towards(&proxies(&[("HTTP_PROXY", "plain:1")]), "https://api.example"), None);
        assert_eq!(towards(&proxies(&[("HTTPS_PROXY", " ")]), "https://api.example"), None);
    }

    #[test]
    fn what_this_machine_serves_and_what_no_proxy_names_is_asked_directly() {
        for (exceptions, address, direct) in [
            ("", "https://127.0.0.1:6443", true),
            ("", "https://localhost", true),
            ("", "https://[::1]:6443", true),
            ("", "https://10.0.0.1", false),
            ("*", "https://api.example", true),
            ("10.0.0.0/8", "https://10.1.2.3:6443", true),
            ("10.0.0.0/8", "https://11.1.2.3", false),
            ("fd00::/8,", "https://[fd12::1]:6443", true),
            ("0.0.0.0/0", "https://11.1.2.3", true),
            ("10.0.0.1", "https://10.0.0.1:6443", true),
            ("10.0.0.1:443", "https://10.0.0.1:6443", false),
            ("example.com", "https://example.com:6443", true),
            ("example.com", "https://api.EXAMPLE.com", true),
            ("example.com", "https://notexample.com", false),
            (".example.com", "https://example.com", false),
            (" other , .example.com,,", "https://api.example.com", true),
            ("*.example.com", "https://api.example.com", true),
            ("example.com:6443", "https://example.com:6443", true),
            ("example.com:6443", "https://example.com", false),
        ] {
            let proxies = proxies(&[("HTTPS_PROXY", "proxy:3128"), ("NO_PROXY", exceptions)]);
            assert_eq!(towards(&proxies, address).is_none(), direct, "{exceptions:?} {address}");
        }
    }

    #[test]
    fn an_address_says_its_port_where_a_tunnel_would_take_another() {
        for (address, said) in [
            ("http://bucket.test/a?b", "http://bucket.test:80/a?b"),
            ("http://bucket.test:9000/", "http://bucket.test:9000/"),
            ("https://bucket.test/", "https://bucket.test/"),
        ] {
            assert_eq!(with_port(address.parse().unwrap()).to_string(), said);
        }
    }

    #[test]
    fn a_proxy_that_cannot_be_one_is_refused_without_its_password() {
        for given in ["ftp://me:hunter2@proxy", "http://", "http://me:hunter2@pro xy"] {
            let why = proxy_at(given).unwrap_err();
            assert!(!why.contains("hunter2") && why.contains("http"), "{why}");
        }
        assert_eq!(shown(&proxy_at("https://me:hunter2@proxy:1/").unwrap()), "https://proxy:1");
        assert_eq!(shown(&proxy_at("socks5h://proxy:1080").unwrap()), "socks5://proxy:1080");
    }
}
