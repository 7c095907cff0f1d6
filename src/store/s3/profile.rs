//! Reading a credentials file: what is wrong with one in which nobody would find credentials, in a sentence that repeats
//! nothing but the names of its profiles. Pure.

/// What begins text in UTF-8 that some editors write.
const MARK: &str = "\u{feff}";
/// What begins text in UTF-16, as PowerShell writes it.
const WIDE: [[u8; 2]; 2] = [[0xff, 0xfe], [0xfe, 0xff]];
/// Any of these gives credentials; the first needs its secret.
const SOURCES: [&str; 6] = [
    "aws_access_key_id",
    "role_arn",
    "credential_process",
    "sso_session",
    "sso_start_url",
    "web_identity_token_file",
];
const KEY: &str = SOURCES[0];
const SECRET: &str = "aws_secret_access_key";

const FORM: &str =
    "write `[default]` and below it `aws_access_key_id = …` and `aws_secret_access_key = …`, a line each";

/// Why a file cannot serve as the credentials of a location, where nothing else completes it.
pub fn objection_to_credentials(bytes: &[u8]) -> Option<String> {
    read(bytes, "default", true).err()
}

/// The text of a credentials file as the SDK takes it, or why it cannot be used. `wanted` is the profile that is meant;
/// `is_complete` when nothing but this text may have it.
pub(super) fn read(bytes: &[u8], wanted: &str, is_complete: bool) -> Result<String, String> {
    if WIDE.iter().any(|mark| bytes.starts_with(mark)) {
        return Err("it is UTF-16 text; save it as UTF-8".to_owned());
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "it is no text; save it as UTF-8".to_owned())?;
    let text = text.strip_prefix(MARK).unwrap_or(text).replace("\r\n", "\n").replace('\r', "\n");
    let lines =
        || text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    let Some(first) = lines().next() else { return Err(format!("it is empty; {FORM}")) };
    if first.starts_with('{') || serde_json::from_str::<serde_json::Value>(&text).is_ok() {
        return Err(format!("it is JSON, and must be an AWS credentials file: {FORM}"));
    }
    if section(first).is_none() {
        let why = if first.contains('=') {
            "its first line stands in no profile"
        } else {
            "it is no AWS credentials file (perhaps it was encoded as base64 twice)"
        };
        return Err(format!("{why}; {FORM}"));
    }
    let profiles: Vec<&str> = lines().filter_map(section).collect();
    if !profiles.contains(&wanted) {
        return match is_complete {
            true => Err(format!(
                "it has no profile `[{wanted}]`, but {}; rename one, or add it",
                listed(&profiles)
            )),
            false => Ok(text),
        };
    }
    match lacking(&text, wanted).filter(|_| is_complete) {
        Some(lack) => Err(format!("its profile `[{wanted}]` has {lack}; {FORM}")),
        None => Ok(text),
    }
}

fn section(line: &str) -> Option<&str> {
    Some(line.strip_prefix('[')?.split_once(']')?.0.trim())
}

fn listed(profiles: &[&str]) -> String {
    let named: Vec<String> = profiles.iter().map(|name| format!("`[{}]`", name.escape_debug())).collect();
    named.join(", ")
}

/// What a profile lacks to give credentials.
fn lacking(text: &str, profile: &str) -> Option<&'static str> {
    let (mut within, mut keys) = (false, Vec::new());
    for line in text.lines() {
        match (section(line.trim()), line.split_once('=')) {
            (Some(name), _) => within = name == profile,
            (None, Some((key, value))) if within && !value.trim().is_empty() => {
                keys.push(key.trim().to_ascii_lowercase());
            }
            _ => {}
        }
    }
    let has = |wanted: &str| keys.iter().any(|key| key == wanted);
    match (has(KEY), has(SECRET)) {
        (true, false) => Some("no aws_secret_access_key"),
        (false, true) => Some("no aws_access_key_id"),
        (false, false) if !SOURCES.iter().any(|source| has(source)) => Some("no credentials"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[default]\naws_access_key_id = AKID\naws_secret_access_key = hunter2\n";

    #[test]
    fn what_editors_of_other_systems_write_is_read() {
        let windows = format!("{MARK}{}", GOOD.replace('\n', "\r\n"));
        let old = GOOD.replace('\n', "\r");
        for text in [GOOD, &windows, &old, &format!("# of the vault\n\n{GOOD}")] {
            let read = read(text.as_bytes(), "default", true).unwrap();
            assert!(read.ends_with(GOOD), "{read:?}");
        }
    }

    #[test]
    fn a_file_without_credentials_is_told_by_what_is_wrong_and_never_repeated() {
        let wide: Vec<u8> =
            [0xff, 0xfe].into_iter().chain("[default]".encode_utf16().flat_map(u16::to_le_bytes)).collect();
        for (bytes, why) in [
            (&wide[..], "UTF-16"),
            (&[0xc3, 0x28][..], "no text"),
            (b" \n# nothing\n", "it is empty"),
            (br#"{"AccessKeyId": "a", "SecretAccessKey": "hunter2"}"#, "it is JSON"),
            (b"aws_access_key_id = a\naws_secret_access_key = hunter2\n", "stands in no profile"),
            (b"W2RlZmF1bHRdCmh1bnRlcjI", "base64 twice"),
            (
                b"[prod]\naws_access_key_id = a\naws_secret_access_key = hunter2\n",
                "no profile `[default]`, but `[prod]`",
            ),
            (b"[default]\naws_access_key_id = hunter2\n", "no aws_secret_access_key"),
            (b"[default]\naws_access_key_id =\naws_secret_access_key = hunter2\n", "no aws_access_key_id"),
            (b"[default]\nregion = hunter2\n", "no credentials"),
        ] {
            let told = read(bytes, "default", true).unwrap_err();
            assert!(told.contains(why) && !told.contains("hunter2"), "{told}");
        }
    }

    #[test]
    fn a_file_of_this_machine_may_be_completed_by_its_configuration() {
        let other = b"[base]\naws_access_key_id = a\naws_secret_access_key = b\n";
        assert!(read(other, "role", false).is_ok());
        assert!(read(b"[default]\nrole_arn = r\nsource_profile = base\n", "default", true).is_ok());
    }
}
