//! Credentials of a location: one key of a Secret, read each time, so that a rotation is noticed.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;

use crate::api::SecretKey;
use crate::controller::error::ControllerError;
use crate::store::Content;

/// The content of a Secret's key, and the version of the Secret.
pub struct Credentials {
    /// The Secret's uid and resourceVersion.
    pub version: (String, String),
    /// The text of an AWS credentials file.
    pub content: Content,
}

impl Credentials {
    /// Reads the key that location `location` names.
    ///
    /// # Errors
    /// [`ControllerError::Location`] if Secret or key do not exist or hold no text. Other errors if
    /// the API server refuses.
    pub async fn read(
        secrets: &Api<Secret>,
        location: &str,
        key: &SecretKey,
    ) -> Result<Self, ControllerError> {
        let doing =
            format!("read Secret `{}`, which location `{location}` takes its credentials from", key.name);
        let secret = ControllerError::within(doing, secrets.get_opt(&key.name)).await?;
        Self::of(secret, key).map_err(|why| ControllerError::Location { name: location.to_owned(), why })
    }

    /// Returns the credentials of a Secret that was read, or why it has none under the key.
    fn of(secret: Option<Secret>, key: &SecretKey) -> Result<Self, String> {
        let SecretKey { name, key } = key;
        let Some(secret) = secret else {
            return Err(format!(
                "there is no Secret `{name}` for its credentials; create it, with key `{key}`"
            ));
        };
        let bytes = secret.data.and_then(|mut data| data.remove(key));
        let text =
            bytes.and_then(|bytes| String::from_utf8(bytes.0).ok()).filter(|text| !text.trim().is_empty());
        let Some(text) = text else {
            return Err(format!(
                "Secret `{name}` has no text under key `{key}`; put an AWS credentials file there ([default], \
                 aws_access_key_id = …, aws_secret_access_key = …)"
            ));
        };
        let version = |part: Option<String>| part.unwrap_or_default();
        Ok(Self {
            version: (version(secret.metadata.uid), version(secret.metadata.resource_version)),
            content: Content::Text { origin: format!("key `{key}` of Secret `{name}`"), text },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::ByteString;

    use super::*;

    fn secret(data: &[(&str, &[u8])]) -> Secret {
        let data = data.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.to_vec())));
        Secret { data: Some(data.collect::<BTreeMap<_, _>>()), ..Secret::default() }
    }

    fn cloud() -> SecretKey {
        SecretKey { name: "ark".into(), key: "cloud".into() }
    }

    #[test]
    fn a_missing_secret_key_or_text_is_told_apart_by_name() {
        let problem = |secret| Credentials::of(secret, &cloud()).map(|_| ()).unwrap_err();
        assert!(problem(None).contains("no Secret `ark`"));
        for data in
            [vec![], vec![("other", &b"x"[..])], vec![("cloud", &[0xff][..])], vec![("cloud", &b" "[..])]]
        {
            let problem = problem(Some(secret(&data)));
            assert!(problem.contains("Secret `ark`") && problem.contains("key `cloud`"), "{problem}");
        }
    }

    #[test]
    fn the_text_is_taken_and_shown_nowhere() {
        let found = Credentials::of(Some(secret(&[("cloud", b"[default]")])), &cloud()).unwrap();
        let Content::Text { text, .. } = &found.content else { panic!("a text") };
        assert_eq!(text, "[default]");
        assert_eq!(found.content.to_string(), "key `cloud` of Secret `ark`");
    }
}
