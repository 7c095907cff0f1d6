//! Whom the server does not ask, since who may create Backups would ask in its name: the pod itself
//! and the services of its node and cloud that trust whoever reaches them. Pure, except that it
//! resolves names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Where clouds hand out credentials of a machine, apart from link-local addresses: AWS and Google
/// over IPv6, Alibaba.
const METADATA: [IpAddr; 3] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
];

/// A server that is not asked.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{host}` is the server's own pod or node, or a metadata service ({address}), which actions of a server do not ask"
)]
pub struct ShunnedHost {
    host: String,
    address: IpAddr,
}

impl ShunnedHost {
    /// Returns the host as one that is not asked, or `None` if it may be asked or is a name.
    pub fn of_address(host: url::Host<&str>) -> Option<Self> {
        let address = match host {
            url::Host::Ipv4(address) => IpAddr::V4(address),
            url::Host::Ipv6(address) => IpAddr::V6(address),
            url::Host::Domain(_) => return None,
        };
        is_shunned(address).then(|| Self { host: address.to_string(), address })
    }
}

/// Returns whether the server does not ask an address.
fn is_shunned(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    is_link_local || address.is_loopback() || address.is_unspecified() || METADATA.contains(&address)
}

/// Resolves names, and leaves out the addresses that are not asked.
pub struct ShunningResolver;

impl Resolve for ShunningResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            let (shunned, open): (Vec<_>, Vec<_>) = found.into_iter().partition(|at| is_shunned(at.ip()));
            match shunned.first() {
                Some(at) if open.is_empty() => Err(ShunnedHost { host, address: at.ip() }.into()),
                _ => Ok(Box::new(open.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pod_its_node_and_metadata_services_are_not_asked() {
        for (address, shunned) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("0.0.0.0", true),
            ("169.254.169.254", true),
            ("::ffff:169.254.169.254", true),
            ("fe80::1", true),
            ("fd00:ec2::254", true),
            ("100.100.100.200", true),
            ("10.0.0.1", false),
            ("fd00::1", false),
            ("192.0.2.1", false),
        ] {
            assert_eq!(is_shunned(address.parse().unwrap()), shunned, "{address}");
        }
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_such_an_address_is_not_asked() {
        let resolved = ShunningResolver.resolve("localhost".parse().unwrap()).await;
        let error = resolved.err().expect("localhost is this machine");
        assert!(error.is::<ShunnedHost>(), "{error}");
        assert!(error.to_string().starts_with("`localhost` is the server's own pod"), "{error}");
    }
}
