//! What an action takes from Secrets: credentials, headers, a body, authorities.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::error::HttpFailure;
use super::masks::Masks;
use crate::api::{BasicAuth, HttpAction, HttpHeader, SecretValue};
use crate::cluster::Cluster;

/// The credentials of a request.
#[derive(Default)]
pub enum Login {
    /// There are none.
    #[default]
    None,
    /// User and password.
    Basic { user: String, password: String },
    /// A token.
    Bearer(String),
}

/// What an action takes from Secrets, and its other headers.
#[derive(Default)]
pub struct HttpSecrets {
    /// The credentials.
    pub login: Login,
    /// All headers.
    pub headers: HeaderMap,
    /// The body, if a Secret has it.
    pub body: Option<String>,
    /// The authorities that are trusted, as PEM; `None` means those of the machine.
    pub authorities: Option<String>,
}

impl HttpSecrets {
    /// Reads them, and has what came from Secrets hidden.
    ///
    /// # Errors
    /// If a Secret or a key is not there or cannot be read, or its value cannot be what it is for.
    pub async fn read(
        cluster: &Cluster,
        namespace: &str,
        http: &HttpAction,
        masks: &mut Masks,
    ) -> Result<Self, HttpFailure> {
        let mut secrets = SecretReader { cluster, namespace, known: BTreeMap::new() };
        let authorities = match &http.ca_cert_from {
            // Certificates are public: there is nothing to hide.
            Some(secret) => Some(secrets.value(secret).await?),
            None => http.ca_cert.clone(),
        };
        let mut hidden = async |secret: &SecretValue| {
            let value = secrets.value(secret).await?;
            masks.add(&value);
            Ok::<_, HttpFailure>(value)
        };
        let mut headers = HeaderMap::new();
        for HttpHeader { name, value, value_from } in &http.headers {
            let value = match value_from {
                Some(secret) => hidden(secret).await?,
                None => value.clone().unwrap_or_default(),
            };
            headers.append(parse_name(name)?, parse_value(name, &value)?);
        }
        let body = match &http.body_from {
            Some(secret) => Some(hidden(secret).await?),
            None => None,
        };
        let login = match (&http.basic_auth, &http.bearer_token) {
            (Some(auth), _) => {
                let key = |key: &Option<String>, usual: &str| key.clone().unwrap_or_else(|| usual.to_owned());
                let BasicAuth { name, username_key, username, password_key } = auth;
                let of = |key| SecretValue { name: name.clone(), key };
                let user = match username {
                    Some(user) => user.clone(),
                    None => hidden(&of(key(username_key, "username"))).await?,
                };
                Login::Basic { user, password: hidden(&of(key(password_key, "password"))).await? }
            }
            (None, Some(token)) => Login::Bearer(hidden(token).await?),
            (None, None) => Login::None,
        };
        Ok(Self { login, headers, body, authorities })
    }
}

fn parse_name(name: &str) -> Result<HeaderName, HttpFailure> {
    name.parse().map_err(|_| HttpFailure::Header { name: name.to_owned() })
}

fn parse_value(name: &str, value: &str) -> Result<HeaderValue, HttpFailure> {
    let mut value =
        HeaderValue::from_str(value).map_err(|_| HttpFailure::Header { name: name.to_owned() })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Reads Secrets of a namespace, each once.
struct SecretReader<'a> {
    cluster: &'a Cluster,
    namespace: &'a str,
    known: BTreeMap<String, BTreeMap<String, ByteString>>,
}

impl SecretReader<'_> {
    /// Returns a value without the line break at its end, which files have.
    async fn value(&mut self, secret: &SecretValue) -> Result<String, HttpFailure> {
        let SecretValue { name, key } = secret;
        let named = || format!("{}/{name}", self.namespace);
        if !self.known.contains_key(name) {
            let found = self.cluster.secret(self.namespace, name).await?;
            let found = found.ok_or_else(|| HttpFailure::NoSecret { secret: named() })?;
            self.known.insert(name.clone(), found.data.unwrap_or_default());
        }
        let value = self.known.get(name).and_then(|data| data.get(key));
        let text = value.and_then(|value| str::from_utf8(&value.0).ok());
        let text = text.map(|text| text.trim_end_matches(['\r', '\n'])).filter(|text| !text.is_empty());
        text.map(str::to_owned).ok_or_else(|| HttpFailure::NoText { secret: named(), key: key.clone() })
    }
}
