//! Decodes keys of listings, which are URL-encoded on request. Pure.

/// Returns the key, or `None` if it is not UTF-8.
pub(super) fn decode(encoded: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let escaped = match (first, behind.split_at_checked(2)) {
            (b'%', Some((digits, behind))) if digits.iter().all(u8::is_ascii_hexdigit) => {
                let digits = std::str::from_utf8(digits).ok()?;
                u8::from_str_radix(digits, 16).ok().map(|byte| (byte, behind))
            }
            _ => None,
        };
        let plain = if *first == b'+' { b' ' } else { *first };
        let (byte, behind) = escaped.unwrap_or((plain, behind));
        bytes.push(byte);
        rest = behind;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_decoded_as_services_encode_it() {
        for (encoded, key) in [
            ("backups/a/ark-backup.json", Some("backups/a/ark-backup.json")),
            ("a+b%2Bc%20d", Some("a b+c d")),
            ("%E4%BD%A0%0a", Some("你\n")),
            ("100%", Some("100%")),
            ("%zz%+4%4", Some("%zz% 4%4")),
            ("%FF", None),
        ] {
            assert_eq!(decode(encoded).as_deref(), key, "{encoded}");
        }
    }
}
