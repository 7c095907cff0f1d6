//! Identity of a bucket: whether it is still the one that a location was validated with. Pure, but
//! for [`is_same`].

use crate::bucket::LocationDocument;
use crate::controller::buckets::OpenLocation;
use crate::controller::error::ControllerError;

/// Longest identity that is believed; Ark's own have 36 characters.
const LONGEST_ID: usize = 64;

/// Returns what is wrong if a location with identity `expected` has another one now, or `None`.
pub fn objection_to_identity(expected: &str, found: Option<&LocationDocument>) -> Option<String> {
    let remedy = "nothing was deleted because of it; bring the bucket back, or, if this one is meant, delete the \
                  BackupStorageLocation and create it again";
    match found {
        Some(identity) if identity.id == expected => None,
        Some(identity) => Some(format!(
            "another bucket is there: its ark-location.json says {} and not {expected}; {remedy}",
            shown(&identity.id)
        )),
        None => Some(format!(
            "its ark-location.json, which said {expected}, is gone: the bucket was emptied or replaced; {remedy}"
        )),
    }
}

/// Returns why the identity that a bucket claims cannot be believed, or `None`.
pub fn objection_to_form(id: &str) -> Option<String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if !id.is_empty() && id.len() <= LONGEST_ID && id.bytes().all(fits) {
        return None;
    }
    Some(format!("its ark-location.json is damaged: {} is no identity; restore that object", shown(id)))
}

fn shown(id: &str) -> String {
    let short: String = id.chars().take(LONGEST_ID).collect();
    format!("`{}`", short.escape_debug())
}

/// Reads the identity again and checks that the bucket is still the one that was opened.
///
/// # Errors
/// If it is another bucket, or its identity cannot be read.
pub async fn is_same(open: &OpenLocation) -> Result<(), ControllerError> {
    let OpenLocation { name, id, bucket, .. } = open;
    let identity = bucket.identity().await;
    let identity =
        identity.map_err(ControllerError::bucket(format!("read the identity of location `{name}`")))?;
    match objection_to_identity(id, identity.as_ref()) {
        None => Ok(()),
        Some(why) => Err(ControllerError::Location { name: name.clone(), why }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(id: &str) -> LocationDocument {
        LocationDocument { id: id.to_owned(), format: 2, created_at: chrono::Utc::now() }
    }

    #[test]
    fn the_same_bucket_is_accepted_and_another_or_an_empty_one_is_named() {
        assert_eq!(objection_to_identity("a", Some(&document("a"))), None);
        let other = objection_to_identity("a", Some(&document("b"))).unwrap();
        assert!(other.contains("`b`") && other.contains("another bucket"), "{other}");
        let emptied = objection_to_identity("a", None).unwrap();
        assert!(
            emptied.contains("emptied or replaced") && emptied.contains("nothing was deleted"),
            "{emptied}"
        );
    }

    #[test]
    fn an_identity_that_ark_would_not_make_is_refused_and_shortened() {
        assert_eq!(objection_to_form("3f0c1d2e-0000-4000-8000-000000000000"), None);
        for id in ["", "a b", "a\nb", &"x".repeat(65_000)] {
            assert!(objection_to_form(id).unwrap().len() < 400);
        }
    }
}
