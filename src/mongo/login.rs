//! The way to a deployment of MongoDB: seeds, credentials, TLS; and direct connections from there.
//!
//! `Debug` prints the seeds and nothing else. The driver reads certificates from files only, so
//! that PEM texts of a Secret are written to a folder that only this user may read, and that is
//! removed with the last connection.

use std::fmt;
use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mongodb::Client;
use mongodb::error::ErrorKind;
use mongodb::options::{AuthMechanism, ClientOptions, Credential, ServerAddress, Tls, TlsOptions};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;

use super::connection::AdminConnection;
use super::error::MongoError;

/// A member in the same network answers within milliseconds, and a TLS handshake within a second.
const CONNECTING: Duration = Duration::from_secs(5);

/// The port of a server whose address names none.
const PORT: u16 = 27_017;

/// Certificates for TLS, as PEM texts.
#[derive(Clone, Default)]
pub struct MongoCertificates {
    /// The authorities that sign servers' certificates; default: those of Mozilla.
    pub authorities: Option<String>,
    /// Certificate and private key of the client; default: none.
    pub client: Option<String>,
}

impl MongoCertificates {
    /// Checks the texts: the driver passes over authorities that it cannot read.
    fn check(&self) -> Result<(), MongoError> {
        let has_certificates = |text: &str| {
            let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
            read.is_ok_and(|certificates| !certificates.is_empty())
        };
        if !self.authorities.as_deref().is_none_or(has_certificates) {
            return Err(MongoError::Pem { lacks: "the certificates of authorities" });
        }
        let Some(client) = &self.client else { return Ok(()) };
        if !has_certificates(client) {
            return Err(MongoError::Pem { lacks: "the certificate of the client" });
        }
        let key = PrivateKeyDer::from_pem_slice(client.as_bytes());
        key.map(|_| ()).map_err(|_| MongoError::Pem { lacks: "the private key of the client" })
    }
}

impl fmt::Debug for MongoCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoCertificates").finish_non_exhaustive()
    }
}

/// How to connect to a deployment.
#[derive(Clone)]
pub struct MongoLogin {
    options: ClientOptions,
    /// Holds the files that `options` names.
    certificates: Option<Arc<TempDir>>,
}

impl fmt::Debug for MongoLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoLogin").field("seeds", &self.seeds()).finish_non_exhaustive()
    }
}

impl MongoLogin {
    /// Returns the login that a `mongodb://` URI describes.
    ///
    /// # Errors
    /// Fails if the URI cannot be understood, or asks for what only the owner of Ark's pod may ask
    /// for; the error holds neither user nor password.
    pub async fn from_uri(uri: &str) -> Result<Self, MongoError> {
        match ClientOptions::parse(uri).await {
            Ok(options) => match refusal(&options) {
                Some(cause) => Err(MongoError::Uri { cause }),
                None => Ok(Self { options, certificates: None }),
            },
            Err(_) => Err(MongoError::Uri { cause: objection_to(uri).await }),
        }
    }

    /// Returns a login without credentials for these seeds, `host` or `host:port`.
    ///
    /// # Errors
    /// Fails if there is no seed, or one is no address.
    pub async fn from_hosts(hosts: &[String]) -> Result<Self, MongoError> {
        Self::from_uri(&format!("mongodb://{}/", hosts.join(","))).await
    }

    /// Sets user and password, instead of those of the URI; `source` is the database that knows
    /// the user, by default `admin`.
    #[must_use]
    pub fn with_password(mut self, user: &str, password: &str, source: Option<&str>) -> Self {
        let credential = Credential::builder()
            .username(user.to_owned())
            .password(password.to_owned())
            .source(source.map(str::to_owned));
        self.options.credential = Some(credential.build());
        self
    }

    /// Turns TLS on, with these certificates.
    ///
    /// # Errors
    /// Fails if a text holds no certificate or key, or cannot be written to a temporary folder.
    pub fn with_certificates(mut self, certificates: &MongoCertificates) -> Result<Self, MongoError> {
        certificates.check()?;
        let only_mine = Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix("ark-mongo-").permissions(only_mine).tempdir();
        let folder = folder.map_err(MongoError::Certificates)?;
        let write = |name: &str, text: &Option<String>| {
            text.as_ref().map(|text| write_private(folder.path().join(name), text)).transpose()
        };
        let mut tls = TlsOptions::default();
        tls.ca_file_path = write("authorities.pem", &certificates.authorities)?;
        tls.cert_key_file_path = write("client.pem", &certificates.client)?;
        self.options.tls = Some(Tls::Enabled(tls));
        self.certificates = Some(Arc::new(folder));
        Ok(self)
    }

    /// Returns the addresses that were given, `host:port`.
    pub fn seeds(&self) -> Vec<String> {
        self.options.hosts.iter().map(shown).collect()
    }

    /// Opens one authenticated connection to exactly this server, `host:port`.
    ///
    /// # Errors
    /// Fails if the server cannot be reached or refuses the credentials.
    pub(super) async fn connect(&self, host: &str) -> Result<AdminConnection, MongoError> {
        let address = ServerAddress::parse(host)
            .map_err(|error| MongoError::of_driver(host, "find its address", &error))?;
        let mut options = self.options.clone();
        options.hosts = vec![address];
        options.direct_connection = Some(true);
        options.repl_set_name = None;
        options.load_balanced = None;
        options.app_name = Some("ark".to_owned());
        // One connection, which is there before a lock is: a locked server may not be able to
        // authenticate another.
        options.min_pool_size = Some(1);
        options.max_pool_size = Some(1);
        options.max_idle_time = None;
        // Whether a command is sent again is decided here, by what the server says meanwhile.
        options.retry_reads = Some(false);
        options.retry_writes = Some(false);
        options.max_adaptive_retries = Some(0);
        options.connect_timeout = Some(CONNECTING);
        options.server_selection_timeout = Some(CONNECTING);
        let client = Client::with_options(options)
            .map_err(|error| MongoError::of_driver(host, "prepare the connection", &error))?;
        Ok(AdminConnection::new(host, client, self.certificates.clone()))
    }
}

/// Returns an address as [`ServerAddress::parse`] reads it; the driver's own text of an IPv6
/// address has no brackets.
fn shown(address: &ServerAddress) -> String {
    match address {
        ServerAddress::Tcp { host, port } if host.contains(':') => {
            format!("[{host}]:{}", port.unwrap_or(PORT))
        }
        other => other.to_string(),
    }
}

/// Writes a file that only this user may read, in a folder that only this user may enter.
fn write_private(path: PathBuf, text: &str) -> Result<PathBuf, MongoError> {
    let written = File::create_new(&path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map(|()| path).map_err(MongoError::Certificates)
}

/// Returns why a URI is refused whose author may not be the one of the pod in which Ark runs, or
/// `None`: other mechanisms would send the pod's own identity to any host, and paths lead to its
/// files.
fn refusal(options: &ClientOptions) -> Option<String> {
    let mechanism = options.credential.as_ref().and_then(|credential| credential.mechanism.as_ref());
    if let Some(mechanism) = mechanism.filter(|mechanism| {
        use AuthMechanism::{MongoDbX509, Plain, ScramSha1, ScramSha256};
        !matches!(mechanism, ScramSha1 | ScramSha256 | MongoDbX509 | Plain)
    }) {
        return Some(format!(
            "Ark uses no authMechanism {}, name SCRAM-SHA-1, SCRAM-SHA-256, MONGODB-X509 or PLAIN, or none",
            mechanism.as_str()
        ));
    }
    let Some(Tls::Enabled(tls)) = &options.tls else { return None };
    let option = match (&tls.ca_file_path, &tls.cert_key_file_path) {
        (Some(_), _) => "tlsCAFile",
        (None, Some(_)) => "tlsCertificateKeyFile",
        (None, None) => return None,
    };
    Some(format!("Ark takes certificates from no file, leave out {option} and hand them over beside the URI"))
}

/// Returns what is wrong with a URI. The driver's words may repeat pieces of a password that is
/// not URL-encoded, so it is asked about the URI without user and password.
async fn objection_to(uri: &str) -> String {
    if uri.starts_with("mongodb+srv://") {
        return "Ark looks no SRV records up, name the members in a URI that begins with mongodb://"
            .to_owned();
    }
    let without = match (uri.split_once("://"), uri.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
        _ => uri.to_owned(),
    };
    match ClientOptions::parse(&without).await {
        Ok(_) => "user or password is not URL-encoded".to_owned(),
        Err(error) => match *error.kind {
            ErrorKind::InvalidArgument { message, .. } => message,
            kind => kind.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PEM texts of the right form; nobody looks inside.
    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n";
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----\n";

    fn certificates(client: &str) -> MongoCertificates {
        MongoCertificates { client: Some(client.to_owned()), authorities: Some(CERTIFICATE.to_owned()) }
    }

    #[tokio::test]
    async fn neither_debug_nor_errors_hold_a_password() {
        let login = MongoLogin::from_uri("mongodb://ark:hunter2@a:1,b/?replicaSet=rs0").await.expect("valid");
        let given = login.clone().with_password("ark", "hunter2", None);
        let certificates = certificates(&format!("{CERTIFICATE}{KEY}"));
        let secured = login.clone().with_certificates(&certificates).expect("written");
        assert_eq!(login.seeds(), ["a:1", "b:27017"]);
        for text in [format!("{login:?}"), format!("{given:?}"), format!("{secured:?} {certificates:?}")] {
            assert!(!["hunter2", "ark", "aHVu"].iter().any(|secret| text.contains(secret)), "{text}");
        }
        for uri in [
            "mongodb://ark:hunter2/@a:1/",
            "mongodb://ark:hun@ter2:hunter2@a:1/",
            "mongodb://ark:hunter2@a:hunter/",
            "mongodb://ark:hunter2%@a/",
            "mongodb+srv://ark:hunter2@a/",
            "hunter2@a",
            "postgres://ark:hunter2@a/",
        ] {
            let error = MongoLogin::from_uri(uri).await.expect_err("invalid");
            let text = format!("{error} {error:?}");
            assert!(!text.contains("hunter2") && !text.contains("ter2"), "{uri}: {text}");
        }
    }

    #[tokio::test]
    async fn a_uri_asks_neither_for_the_identity_nor_for_files_of_the_pod() {
        for (uri, names) in [
            (
                "mongodb://a/?authMechanism=MONGODB-OIDC&authMechanismProperties=ENVIRONMENT:k8s",
                "MONGODB-OIDC",
            ),
            ("mongodb://a/?authMechanism=MONGODB-AWS", "MONGODB-AWS"),
            ("mongodb://a/?authMechanism=GSSAPI", "GSSAPI"),
            ("mongodb://a/?tls=true&tlsCAFile=/hunter2", "tlsCAFile"),
            ("mongodb://a/?tls=true&tlsCertificateKeyFile=/hunter2", "tlsCertificateKeyFile"),
        ] {
            let error = MongoLogin::from_uri(uri).await.expect_err("refused").to_string();
            assert!(error.contains(names) && !error.contains("hunter2"), "{error}");
        }
        for mechanism in ["SCRAM-SHA-1", "SCRAM-SHA-256", "MONGODB-X509", "PLAIN"] {
            let user = if mechanism == "MONGODB-X509" { "" } else { "ark:hunter2@" };
            let uri = format!("mongodb://{user}a/?tls=true&authMechanism={mechanism}");
            assert!(MongoLogin::from_uri(&uri).await.is_ok(), "{mechanism}");
        }
    }

    #[tokio::test]
    async fn certificates_are_in_files_of_this_user_until_the_login_is_dropped() {
        let login = MongoLogin::from_hosts(&["a".to_owned()]).await.expect("valid");
        let client = format!("{CERTIFICATE}{KEY}");
        let login = login.with_certificates(&certificates(&client)).expect("written");
        let folder = login.certificates.as_ref().expect("a folder").path().to_owned();
        let mode = std::fs::metadata(&folder).expect("the folder is there").permissions().mode();
        assert_eq!(mode & 0o077, 0);
        assert_eq!(std::fs::read_to_string(folder.join("client.pem")).expect("a file"), client);
        drop(login);
        assert!(!folder.exists());
    }

    #[tokio::test]
    async fn texts_without_certificate_or_key_are_refused() {
        let login = MongoLogin::from_hosts(&["a".to_owned()]).await.expect("valid");
        let refused = |certificates: MongoCertificates| {
            login.clone().with_certificates(&certificates).expect_err("refused").to_string()
        };
        assert!(refused(certificates(KEY)).contains("the certificate of the client"));
        assert!(refused(certificates(CERTIFICATE)).contains("the private key of the client"));
        let broken = MongoCertificates { authorities: Some("none".to_owned()), client: None };
        assert!(refused(broken).contains("the certificates of authorities"));
    }
}
