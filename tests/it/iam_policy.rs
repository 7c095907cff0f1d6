//! The policies for S3 in `docs/`, beside the calls of the program and the prefix of one cluster,
//! without Amazon.

use std::collections::BTreeSet;

use regex::Regex;

use crate::repository::{read, root};

/// What the calls of the SDK are called in a policy.
const ACTIONS: [(&str, &str); 11] = [
    ("abort_multipart_upload", "s3:AbortMultipartUpload"),
    ("complete_multipart_upload", "s3:PutObject"),
    ("create_multipart_upload", "s3:PutObject"),
    ("delete_object", "s3:DeleteObject"),
    ("get_object", "s3:GetObject"),
    ("head_bucket", "s3:ListBucket"),
    ("head_object", "s3:GetObject"),
    ("list_multipart_uploads", "s3:ListBucketMultipartUploads"),
    ("list_objects_v2", "s3:ListBucket"),
    ("put_object", "s3:PutObject"),
    ("upload_part", "s3:PutObject"),
];

/// The actions that the program's calls take.
fn used() -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    let calls = Regex::new(r"client\s*\.([a-z_0-9]+)\(\)").expect("a pattern");
    for entry in std::fs::read_dir(root().join("src/store/s3")).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() || path.ends_with("tests.rs") {
            continue;
        }
        let code = std::fs::read_to_string(&path).expect("a source file");
        for (_, [call]) in calls.captures_iter(&code).map(|found| found.extract()) {
            match ACTIONS.iter().find(|(name, _)| *name == call) {
                Some((_, action)) => drop(used.insert((*action).to_owned())),
                // Only with `createBucket: true`: docs/permissions.md says so.
                None => assert_eq!(call, "create_bucket", "no action is known for this call"),
            }
        }
    }
    used
}

/// A policy of docs/, as S3 reads what stands in ours.
struct Policy(serde_json::Value);

impl Policy {
    fn read(name: &str) -> Self {
        Self(serde_json::from_str(&read(&format!("docs/{name}.json"))).expect("JSON"))
    }

    fn statements(&self) -> impl Iterator<Item = &serde_json::Value> {
        self.0["Statement"].as_array().expect("statements").iter()
    }

    fn actions(&self) -> BTreeSet<String> {
        let all = self.statements().flat_map(|statement| statement["Action"].as_array().expect("actions"));
        let all = all.map(|action| action.as_str().expect("a text").to_owned());
        all.filter(|action| action.starts_with("s3:")).collect()
    }

    /// Whether the action is allowed on the bucket (`my-backups`) with this `s3:prefix`, or on an
    /// object of the bucket.
    fn allows(&self, action: &str, resource: &str, prefix: Option<&str>) -> bool {
        let like = |pattern: &serde_json::Value, text: &str| {
            let pattern = pattern.as_str().expect("a text");
            pattern.strip_suffix('*').map_or(pattern == text, |begin| text.starts_with(begin))
        };
        self.statements().any(|statement| {
            let is_meant =
                statement["Action"].as_array().expect("actions").iter().any(|known| known == action);
            let condition = &statement["Condition"]["StringLike"]["s3:prefix"];
            let holds = statement.get("Condition").is_none()
                || prefix.is_some_and(|prefix| {
                    condition.as_array().is_some_and(|some| some.iter().any(|pattern| like(pattern, prefix)))
                });
            is_meant && holds && like(&statement["Resource"], &format!("arn:aws:s3:::{resource}"))
        })
    }
}

/// The actions of the policy are exactly those that the calls in `src/store/s3` need; the
/// read-only policy has two.
#[test]
fn the_policy_for_s3_allows_the_calls_of_the_program_and_no_others() {
    let allowed = Policy::read("iam-policy").actions();
    assert_eq!(used(), allowed);
    let documented = read("docs/permissions.md");
    for action in &allowed {
        assert!(documented.contains(&format!("`{action}`")), "{action} is not explained");
    }
    let reading = Policy::read("iam-policy-read-only").actions();
    assert_eq!(reading.iter().collect::<Vec<_>>(), ["s3:GetObject", "s3:ListBucket"]);
}

/// Nothing is allowed of a neighbour's prefix, of one that only begins alike, nor of the whole
/// bucket.
#[test]
fn the_policies_for_s3_end_at_the_prefix_of_one_cluster() {
    for name in ["iam-policy", "iam-policy-read-only"] {
        let policy = Policy::read(name);
        for action in policy.actions() {
            let allows = |prefix: &str| match action.starts_with("s3:List") {
                true => policy.allows(&action, "my-backups", Some(prefix)),
                false => policy.allows(&action, &format!("my-backups/{prefix}ark-location.json"), None),
            };
            // What `list("")` and a look at what is below say.
            assert!(allows("clusters/east/") && allows("clusters/east/backups/one/"), "{name}: {action}");
            for foreign in ["", "clusters/", "clusters/west/", "clusters/east-of-it/", "clusters/east"] {
                assert!(!allows(foreign), "{name}: {action} is allowed below {foreign:?}");
            }
            assert!(!policy.allows(&action, "my-backups", None), "{name}: {action} of the whole bucket");
        }
    }
}
