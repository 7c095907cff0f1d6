//! The URL of a store: parsing and printing. Pure; [`super::open`] opens it.
//!
//! `s3://bucket/prefix?endpoint=…&region=…` or `file:///dir`. No credential may stand in a URL:
//! credentials come from the usual AWS chain or from a named profile file.

mod content;

pub use content::Content;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use url::Url;

use super::ObjectKey;
use crate::model::objection_to_bucket_name;

/// The parameters of an S3 URL.
const S3_PARAMETERS: &[&str] = &[
    "endpoint",
    "publicUrl",
    "region",
    "forcePathStyle",
    "serverSideEncryption",
    "kmsKeyId",
    "caCert",
    "profile",
    "credentialsFile",
    "checksums",
    "createBucket",
];

/// The two values of `checksums`.
const WITH_CHECKSUMS: &str = "WhenSupported";
const WITHOUT_CHECKSUMS: &str = "WhenRequired";

/// The parameters of a file URL.
const FILE_PARAMETERS: &[&str] = &["createBucket"];

/// A text that is not the URL of a location. The text itself is not repeated, since it may hold a
/// credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a usable location: {problem}")]
pub struct InvalidLocation {
    /// The fault, and the right form.
    pub problem: String,
}

/// The location of a store.
#[expect(clippy::large_enum_variant, reason = "there are as many of them as locations")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A bucket of an S3 service.
    S3(S3Location),
    /// A folder of this machine.
    Directory(DirectoryLocation),
}

/// A bucket of an S3 service and how to reach it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct S3Location {
    /// The bucket.
    pub bucket: String,
    /// The prefix of all keys, without slashes at either end; empty for the whole bucket.
    pub prefix: String,
    /// The http or https URL of the service; `None` for AWS.
    pub endpoint: Option<String>,
    /// The URL at which people reach the service, for which download URLs are signed; `None` if
    /// that is the one that Ark uses.
    pub public_url: Option<String>,
    /// The region; `None` for that of the environment or profile, else `us-east-1`.
    pub region: Option<String>,
    /// Whether the bucket is in the path instead of the host name; `None` means that it is if there
    /// is an endpoint.
    pub force_path_style: Option<bool>,
    /// Encryption at rest by the service.
    pub encryption: Encryption,
    /// PEM certificates that are trusted for the endpoint; `None` for those of the system.
    pub ca_cert: Option<Content>,
    /// The profile of the AWS configuration files; `None` for that of the environment, else
    /// `default`.
    pub profile: Option<String>,
    /// Text in the format of an AWS credentials file; `None` for the usual AWS chain.
    pub credentials: Option<Content>,
    /// Whether writes carry checksum headers; `None` leaves it to the first write to find out.
    pub checksums: Option<bool>,
    /// Whether opening creates the bucket.
    pub create_bucket: bool,
}

/// Encryption at rest by the service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// As the bucket is configured.
    #[default]
    BucketDefault,
    /// SSE-S3, with keys of the service.
    ServiceKey,
    /// SSE-KMS, with this key or the account's default one.
    Kms(Option<String>),
}

impl Encryption {
    /// Returns the encryption that `serverSideEncryption` and `kmsKeyId` mean together.
    ///
    /// # Errors
    /// If the two do not go together.
    pub fn from_settings(algorithm: Option<&str>, kms_key: Option<String>) -> Result<Self, InvalidLocation> {
        match (algorithm, kms_key) {
            (None, None) => Ok(Self::BucketDefault),
            (Some("AES256"), None) => Ok(Self::ServiceKey),
            (Some("aws:kms") | None, key) => Ok(Self::Kms(key)),
            (Some("AES256"), Some(_)) => {
                invalid("kmsKeyId goes with serverSideEncryption aws:kms, not AES256")
            }
            (Some(_), _) => invalid("serverSideEncryption is either AES256 or aws:kms"),
        }
    }
}

/// A folder of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryLocation {
    /// The folder, absolute.
    pub path: PathBuf,
    /// Whether opening creates the folder.
    pub create_bucket: bool,
}

impl Location {
    /// Parses a URL. Parameters are known ones, each at most once; user, password and fragment are
    /// refused.
    pub fn from_url(text: &str) -> Result<Self, InvalidLocation> {
        let text = text.trim();
        let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        match scheme.as_deref() {
            Some("s3") => parse_s3(&parse(text)?).map(Self::S3),
            Some("file") => parse_directory(text).map(Self::Directory),
            Some(_) => {
                invalid("the scheme is neither `s3` nor `file`; write s3://bucket/prefix or file:///folder")
            }
            None => invalid(
                "it is not a URL; write s3://bucket/prefix, or file:/// and the absolute path for a folder of this machine",
            ),
        }
    }
}

impl FromStr for Location {
    type Err = InvalidLocation;
    fn from_str(text: &str) -> Result<Self, InvalidLocation> {
        Self::from_url(text)
    }
}

fn invalid<T>(problem: impl Into<String>) -> Result<T, InvalidLocation> {
    Err(InvalidLocation { problem: problem.into() })
}

fn parse(text: &str) -> Result<Url, InvalidLocation> {
    let path = text.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase().replace("%2e", ".");
    if path.split('/').any(|segment| segment == ".." || segment == ".") {
        return invalid("`.` and `..` are not allowed in its path");
    }
    let url = Url::parse(text).or_else(|error| invalid(format!("it is not a URL ({error})")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return invalid(
            "it holds a user or password; credentials come from the environment, a profile or credentialsFile=FILE",
        );
    }
    if url.port().is_some() {
        return invalid("the bucket is followed by a port; the service goes into endpoint=http://host:port");
    }
    if url.fragment().is_some() {
        return invalid("it holds a `#`; write %23 if that is meant");
    }
    Ok(url)
}

/// Returns the parameters as `(name, value)`, each known and given once.
fn parameters(url: &Url, known: &[&str]) -> Result<Vec<(String, String)>, InvalidLocation> {
    let mut found: Vec<(String, String)> = Vec::new();
    for (name, value) in url.query_pairs() {
        if !known.contains(&name.as_ref()) {
            return invalid(format!("unknown parameter `{name}`; known are {}", known.join(", ")));
        }
        if found.iter().any(|(earlier, _)| *earlier == name) {
            return invalid(format!("parameter `{name}` is given twice"));
        }
        if value.is_empty() {
            return invalid(format!("parameter `{name}` is empty"));
        }
        found.push((name.into_owned(), value.into_owned()));
    }
    Ok(found)
}

fn parse_s3(url: &Url) -> Result<S3Location, InvalidLocation> {
    let bucket = url.host_str().unwrap_or_default().to_owned();
    if let Some(why) = objection_to_bucket_name(&bucket) {
        return invalid(format!("{why}; write s3://bucket/prefix"));
    }
    let prefix = decode(url.path().trim_matches('/'))?;
    if !prefix.is_empty() {
        ObjectKey::new(prefix.as_str()).or_else(|error| invalid(format!("prefix {error}")))?;
    }
    let mut location = S3Location { bucket, prefix, ..S3Location::default() };
    let (mut encryption, mut kms_key) = (None, None);
    for (name, value) in parameters(url, S3_PARAMETERS)? {
        match name.as_str() {
            "endpoint" => location.endpoint = Some(parse_endpoint(&name, &value)?),
            "publicUrl" => location.public_url = Some(parse_endpoint(&name, &value)?),
            "region" => location.region = Some(value),
            "forcePathStyle" => location.force_path_style = Some(parse_switch(&name, &value)?),
            "serverSideEncryption" => encryption = Some(value),
            "kmsKeyId" => kms_key = Some(value),
            "caCert" => location.ca_cert = Some(Content::File(value.into())),
            "profile" => location.profile = Some(value),
            "credentialsFile" => location.credentials = Some(Content::File(value.into())),
            "checksums" => location.checksums = Some(parse_checksums(&value)?),
            _ => location.create_bucket = parse_switch(&name, &value)?,
        }
    }
    location.encryption = Encryption::from_settings(encryption.as_deref(), kms_key)?;
    Ok(location)
}

fn parse_directory(text: &str) -> Result<DirectoryLocation, InvalidLocation> {
    if !text.get("file://".len()..).is_some_and(|path| path.starts_with('/')) {
        return invalid(
            "the folder is not absolute; write file:/// (three slashes) and the path from the root",
        );
    }
    let url = parse(text)?;
    let mut create_bucket = false;
    for (name, value) in parameters(&url, FILE_PARAMETERS)? {
        create_bucket = parse_switch(&name, &value)?;
    }
    let path = decode(url.path())?;
    if path.trim_matches('/').is_empty() {
        return invalid("it names no folder; write file:///folder");
    }
    Ok(DirectoryLocation { path: path.into(), create_bucket })
}

/// Returns whether all writes carry checksums, by the setting `checksums`: `WhenSupported` or
/// `WhenRequired`, as in the AWS tools.
///
/// # Errors
/// If the text is neither.
pub fn parse_checksums(text: &str) -> Result<bool, InvalidLocation> {
    match text {
        WITH_CHECKSUMS => Ok(true),
        WITHOUT_CHECKSUMS => Ok(false),
        _ => invalid(format!("checksums is either {WITH_CHECKSUMS} or {WITHOUT_CHECKSUMS}")),
    }
}

/// Returns the value of the setting `checksums`.
pub fn checksums_setting(always: bool) -> &'static str {
    if always { WITH_CHECKSUMS } else { WITHOUT_CHECKSUMS }
}

/// Parses the address of an S3 service, for example `https://minio.example:9000/`, into the
/// beginning of its request URLs, without a slash at the end. `name` is the setting that holds the
/// address, for the error.
///
/// # Errors
/// If the text is no URL with http or https, or has a user, a path, parameters or a fragment.
pub fn parse_endpoint(name: &str, text: &str) -> Result<String, InvalidLocation> {
    let problem =
        || format!("{name} is not a URL such as https://host:port, without user, path or parameters");
    let Ok(url) = Url::parse(text) else { return invalid(problem()) };
    let bare =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.path() == "/";
    if !matches!(url.scheme(), "http" | "https") || !bare || url.fragment().is_some() {
        return invalid(problem());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn parse_switch(name: &str, value: &str) -> Result<bool, InvalidLocation> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => invalid(format!("{name} is either true or false")),
    }
}

/// Decodes percent-encoding. The result must be text without control characters.
fn decode(text: &str) -> Result<String, InvalidLocation> {
    // A `+` of a query string means a space, that of a path does not: it is encoded first so that
    // it comes back as itself.
    let query = format!("p={}", text.replace('+', "%2B").replace('&', "%26"));
    let decoded = url::form_urlencoded::parse(query.as_bytes()).next().map(|(_, value)| value.into_owned());
    let decoded = decoded.unwrap_or_default();
    if decoded.contains(char::REPLACEMENT_CHARACTER) || decoded.chars().any(char::is_control) {
        return invalid("its path holds bytes that are not text");
    }
    Ok(decoded)
}

impl fmt::Display for Location {
    /// Writes the URL that [`Location::from_url`] parses back, without settings that only memory
    /// holds. The URL cannot hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3(location) => location.fmt(f),
            Self::Directory(DirectoryLocation { path, create_bucket }) => {
                let encoded = encode(&path.to_string_lossy());
                write!(f, "file://{encoded}{}", if *create_bucket { "?createBucket=true" } else { "" })
            }
        }
    }
}

impl fmt::Display for S3Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bucket, prefix, endpoint, region, force_path_style, encryption, .. } = self;
        let Self { public_url, ca_cert, profile, credentials, checksums, create_bucket, .. } = self;
        let slash = if prefix.is_empty() { "" } else { "/" };
        write!(f, "s3://{bucket}{slash}{}", encode(prefix))?;
        let file = |content: &Option<Content>| match content {
            Some(Content::File(path)) => Some(path.to_string_lossy().into_owned()),
            Some(Content::Text { .. }) | None => None,
        };
        let (encryption, kms_key) = match encryption {
            Encryption::BucketDefault => (None, None),
            Encryption::ServiceKey => (Some("AES256".to_owned()), None),
            Encryption::Kms(key) => (Some("aws:kms".to_owned()), key.clone()),
        };
        let given = [
            ("endpoint", endpoint.clone()),
            ("publicUrl", public_url.clone()),
            ("region", region.clone()),
            ("forcePathStyle", force_path_style.map(|force| force.to_string())),
            ("serverSideEncryption", encryption),
            ("kmsKeyId", kms_key),
            ("caCert", file(ca_cert)),
            ("profile", profile.clone()),
            ("credentialsFile", file(credentials)),
            ("checksums", checksums.map(|always| checksums_setting(always).to_owned())),
            ("createBucket", create_bucket.then(|| "true".to_owned())),
        ];
        let given = given.into_iter().filter_map(|(name, value)| value.map(|value| (name, value)));
        for (number, (name, value)) in given.enumerate() {
            let mark = if number == 0 { '?' } else { '&' };
            write!(f, "{mark}{name}={}", encode(&value))?;
        }
        Ok(())
    }
}

/// Encodes characters that have a meaning in a URL; slashes and colons stay readable.
fn encode(text: &str) -> String {
    let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    encoded.replace('+', "%20").replace("%2F", "/").replace("%3A", ":")
}

#[cfg(test)]
mod tests;
