//! TLS with an authority of one's own and certificates of clients.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use ark::mongo::{MongoCertificates, MongoError};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

use crate::records::Records;
use crate::request;
use crate::stand::{Peculiarities, Stand};

/// An authority, certificates of a server and of a client by it, and one of each that has expired.
const SCRIPT: &str = r#"
set -e
key="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
openssl req -x509 $key -keyout authority.key -out authority.pem -days 2 -subj /CN=authority
echo subjectAltName=DNS:localhost > names
printf '%s\n' '[ca]' default_ca=a '[a]' database=index serial=serial new_certs_dir=. default_md=sha256 policy=p '[p]' \
    commonName=supplied > ca.conf
touch index
echo 01 > serial
by="openssl ca -batch -notext -config ca.conf -cert authority.pem -keyfile authority.key -extfile names"
for name in server client; do
    openssl req $key -keyout $name.key -out $name.csr -subj /CN=$name
    echo unique_subject=no > index.attr
    $by -in $name.csr -out $name.pem -days 2
    $by -in $name.csr -out expired-$name.pem -startdate 20200101000000Z -enddate 20200102000000Z
done
"#;

fn make_certificates() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let made = Command::new("sh").arg("-c").arg(SCRIPT).current_dir(&folder).output().expect("sh is there");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    folder
}

/// A server that wants certificates of its clients, and shows the one of this name.
fn acceptor(folder: &Path, name: &str) -> TlsAcceptor {
    let certificate = |name: &str| {
        CertificateDer::from_pem_file(folder.join(format!("{name}.pem"))).expect("a certificate")
    };
    let mut authorities = RootCertStore::empty();
    authorities.add(certificate("authority")).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), Arc::clone(&provider));
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).expect("a key");
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_client_cert_verifier(clients.build().expect("a verifier"));
    let config = config.with_single_cert(vec![certificate(name)], key).expect("key and certificate match");
    TlsAcceptor::from(Arc::new(config))
}

/// Tries to lock a server that shows one certificate as a client that shows another.
async fn try_to_lock(folder: &Path, server: &str, client: Option<&str>) -> Result<(), MongoError> {
    let tls = Some(acceptor(folder, server));
    let stand = Stand::standalone(Peculiarities { tls, ..Default::default() }).await;
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a file");
    let certificates = MongoCertificates {
        authorities: Some(read("authority.pem")),
        client: client.map(|name| read(&format!("{name}.pem")) + &read("client.key")),
    };
    let login = crate::login(&stand).await.with_certificates(&certificates)?;
    let held = ark::mongo::lock(&login, &request(), Arc::<Records>::default()).await?;
    assert!(held.finish().await[0].is_ok());
    Ok(())
}

#[tokio::test]
#[ignore = "needs openssl: run hack/test.sh"]
async fn a_client_certificate_lets_us_in() {
    let folder = make_certificates();
    try_to_lock(folder.path(), "server", Some("client")).await.expect("both sides are satisfied");
}

#[tokio::test]
#[ignore = "needs openssl: run hack/test.sh"]
async fn expired_or_missing_certificates_are_told() {
    let folder = make_certificates();
    for (server, client) in
        [("expired-server", Some("client")), ("server", Some("expired-client")), ("server", None)]
    {
        let error = try_to_lock(folder.path(), server, client).await.expect_err("somebody objects");
        assert!(matches!(error, MongoError::Unreachable { .. }), "{error:?}");
        assert!(error.to_string().to_lowercase().contains("certificate"), "{error}");
        assert!(!error.to_string().contains("PRIVATE KEY"));
    }
}
