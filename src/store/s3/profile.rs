//! Reads a credentials file, or says what is wrong with it, in a sentence that repeats nothing but
//! the names of its profiles. Pure.

/// The byte order mark that some editors write before UTF-8.
const MARK: &str = "\u{feff}";
/// The byte order marks of UTF-16, as PowerShell writes it.
const WIDE: [[u8; 2]; 2] = [[0xff, 0xfe], [0xfe, 0xff]];
const KEY: &str = "aws_access_key_id";
const SECRET: &str = "aws_secret_access_key";
/// Keys that get credentials from elsewhere, or send requests there. With these, whoever may write
/// a Secret would run commands where the server runs, read its files, or use its own rights.
const ELSEWHERE: [&str; 7] = [
    "credential_process",
    "credential_source",
    "endpoint_url",
    "role_arn",
    "services",
    "source_profile",
    "web_identity_token_file",
];
/// The beginning of the keys of a login through a browser.
const LOGIN: &str = "sso_";

const FORM: &str =
    "write `[default]` and below it `aws_access_key_id = …` and `aws_secret_access_key = …`, a line each";

/// Returns why a file cannot serve as the complete credentials of a location, or `None` if it can.
pub fn objection_to_credentials(bytes: &[u8]) -> Option<String> {
    read(bytes, "default", true).err()
}

/// Returns the text of a credentials file as the SDK takes it, or why it cannot be used. `wanted`
/// is the profile that is meant; `is_complete` says that the profile must be in this text and hold
/// keys alone.
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
    if let Some(key) = elsewhere(&text).filter(|_| is_complete) {
        return Err(format!(
            "it has {key}, and may have nothing but keys: to take a role, or to run what finds credentials, is the server's own business \
             (its ServiceAccount, its environment); {FORM}, and aws_session_token where one belongs to them"
        ));
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

/// Returns a key, of any profile, that refers to credentials outside of the text.
fn elsewhere(text: &str) -> Option<String> {
    let keys = text.lines().filter_map(|line| line.split_once('=')).map(|(key, _)| key.trim());
    keys.map(str::to_ascii_lowercase).find(|key| ELSEWHERE.contains(&&**key) || key.starts_with(LOGIN))
}

/// Returns what a profile lacks to give credentials, or `None` if nothing is missing.
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
        (false, false) => Some("no credentials"),
        (true, true) => None,
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
        assert!(read(b"[default]\nrole_arn = r\nsource_profile = base\n", "default", false).is_ok());
    }

    #[test]
    fn a_secret_holds_keys_and_no_command_file_role_or_address() {
        assert!(
            read(format!("{GOOD}aws_session_token = t\nregion = r\n").as_bytes(), "default", true).is_ok()
        );
        for key in ELSEWHERE.into_iter().chain(["sso_session", "Credential_Process"]) {
            for text in [
                format!("[default]\n{key} = hunter2\n"),
                format!("{GOOD}  {key}=hunter2\n"),
                format!("{GOOD}[other]\n{key} = hunter2\n"),
            ] {
                let told = read(text.as_bytes(), "default", true).unwrap_err();
                assert!(told.contains(&key.to_ascii_lowercase()) && !told.contains("hunter2"), "{told}");
                assert!(
                    read(text.as_bytes(), "default", false).is_ok(),
                    "a file of this machine is its owner's"
                );
            }
        }
    }
}
