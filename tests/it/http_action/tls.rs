//! HTTP actions over TLS: an authority of one's own, and what is wrong with certificates.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;

use super::search_server::{Play, SearchServer};
use super::{assert_failed, back_up, simple};

/// An authority, and certificates by it: a good one, one that has expired, one for another name.
const SCRIPT: &str = r#"
set -e
key="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
for name in authority stranger; do
    openssl req -x509 $key -keyout $name.key -out $name.pem -days 2 -subj /CN=$name
done
printf '%s\n' '[ca]' default_ca=a '[a]' database=index serial=serial new_certs_dir=. default_md=sha256 policy=p '[p]' \
    commonName=supplied > ca.conf
touch index
echo unique_subject=no > index.attr
echo 01 > serial
openssl req $key -keyout server.key -out server.csr -subj /CN=server
by="openssl ca -batch -notext -config ca.conf -cert authority.pem -keyfile authority.key -in server.csr -extfile names"
echo subjectAltName=IP:127.0.0.1 > names
$by -out good.pem -days 2
$by -out expired.pem -startdate 20200101000000Z -enddate 20200102000000Z
echo subjectAltName=DNS:elsewhere.example > names
$by -out elsewhere.pem -days 2
"#;

fn config(folder: &Path, certificate: &str) -> Arc<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(folder.join(format!("{certificate}.pem")));
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_no_client_auth();
    let config = config.with_single_cert(vec![certificate.expect("a certificate")], key);
    Arc::new(config.expect("key and certificate match"))
}

#[test]
#[ignore = "needs openssl: run hack/test.sh"]
fn only_a_certificate_by_the_authority_that_is_named_is_trusted_and_faults_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = Command::new("sh").arg("-c").arg(SCRIPT).current_dir(&folder).output().expect("sh is there");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for (certificate, authority, says) in [
        ("good", "authority", None),
        ("good", "stranger", Some("its certificate is by no authority that is trusted here")),
        ("expired", "authority", Some("its certificate has expired; renew it")),
        ("elsewhere", "authority", Some("its certificate is for another name")),
    ] {
        let server =
            SearchServer::start_tls(&[Play::Text("200 OK", "{}")], config(folder.path(), certificate));
        let authority = folder.path().join(format!("{authority}.pem"));
        let authority = std::fs::read_to_string(authority).expect("readable");
        let made = back_up(&simple(&server.url, "POST", json!({"caCert": authority})));
        match says {
            None => assert_eq!(made.phase, json!("Completed"), "{}", made.errors),
            Some(says) => assert_failed(&made, &["cannot trust the server of POST https://", says]),
        }
    }
}
