//! Tests against a service whose certificate only a custom authority vouches for.

use std::path::Path;
use std::process::Command;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;

/// Two authorities, `one` and `other`, and a server certificate by `one`.
const SCRIPT: &str = r#"
set -e
key="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
for name in one other; do
    openssl req -x509 $key -keyout $name.key -out $name.pem -days 2 -subj "/CN=$name"
done
openssl req $key -keyout server.key -out server.csr -subj /CN=server
echo subjectAltName=IP:127.0.0.1 > names
openssl x509 -req -in server.csr -CA one.pem -CAkey one.key -CAcreateserial -out server.pem -days 2 -extfile names
"#;

fn make_certificates(folder: &Path) -> Arc<ServerConfig> {
    let made = Command::new("sh").arg("-c").arg(SCRIPT).current_dir(folder).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let certificate = CertificateDer::from_pem_file(folder.join("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap())
}

fn serve_tls(config: Arc<ServerConfig>) -> String {
    let (listener, address) = listen();
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let answer = ("200 OK", "over TLS".to_owned());
            answer_one(StreamOwned::new(connection, stream), answer, &Mutex::default());
        }
    });
    format!("https://{address}")
}

#[tokio::test]
#[ignore = "needs openssl: run hack/test.sh"]
async fn a_custom_authority_is_trusted_and_another_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = serve_tls(make_certificates(folder.path()));
    let trusting = |name| format!("caCert={}", folder.path().join(name).display());
    let (_credentials, store) = open_with(&endpoint, &trusting("one.pem")).await;
    assert_eq!(read_all(&store, &key(), 99).await.unwrap(), "over TLS");
    let (_credentials, store) = open_with(&endpoint, &trusting("other.pem")).await;
    let error = read_all(&store, &key(), 99).await.unwrap_err();
    let StoreError::Unreachable { source, .. } = &error else { panic!("{error:?}") };
    assert!(source.to_string().contains("certificate"), "{source}");
    assert!(error.to_string().contains("certificate authority"), "{error}");
}
