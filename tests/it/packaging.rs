//! What can be checked of the Dockerfile without a container daemon, and of the policy for S3 without Amazon.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::support::{ark, run};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).expect("a file of the repository")
}

/// The first group of a pattern in a text.
fn find<'a>(pattern: &str, text: &'a str) -> &'a str {
    let found = Regex::new(pattern).expect("a pattern").captures(text);
    found.and_then(|found| found.get(1)).unwrap_or_else(|| panic!("no {pattern}")).as_str()
}

#[test]
fn the_image_is_made_of_files_that_exist_and_are_let_in() {
    let (recipe, let_in) = (read("config/Dockerfile"), read("config/Dockerfile.dockerignore"));
    let sources: Vec<_> = recipe
        .lines()
        .filter(|line| line.starts_with("COPY ") && !line.contains("--from="))
        .flat_map(|line| line.split(' ').skip(1).collect::<Vec<_>>().split_last().expect("two").1.to_vec())
        .collect();
    assert!(sources.len() >= 4, "{sources:?}");
    for source in &sources {
        assert!(root().join(source).exists(), "{source} is not there");
        assert!(let_in.lines().any(|line| line == format!("!{source}")), "{source} is not let in");
    }
    let named = Regex::new(r#"(?m)^path = "([^"]+)""#).expect("a pattern");
    let manifest = read("Cargo.toml");
    for (_, [path]) in named.captures_iter(&manifest).map(|found| found.extract()) {
        let within = |source: &&&str| Path::new(path).starts_with(source);
        assert!(sources.iter().any(|source| within(&source)), "Cargo.toml names {path}, which is not copied");
    }
}

#[test]
fn its_toolchain_is_new_enough_for_the_package() {
    let number = |text: &str| text.parse::<u32>().expect("a number");
    let [has, needs] = [
        find(r"FROM rust:1\.(\d+)-", &read("config/Dockerfile")).to_owned(),
        find(r#"rust-version = "1\.(\d+)""#, &read("Cargo.toml")).to_owned(),
    ];
    assert!(number(&has) >= number(&needs), "1.{has} is older than 1.{needs}");
}

#[test]
fn its_user_and_its_program_are_those_of_the_manifests() {
    let recipe = read("config/Dockerfile");
    let manifests = run(&mut ark(["install", "--image", "registry.example/ark:1"])).expect_code(0).stdout;
    let manifests = &manifests[manifests.find("kind: Deployment\n").expect("a Deployment")..];
    let user = find(r"(?m)^USER (\d+):", &recipe);
    assert_eq!(find(r"runAsUser: (\d+)", manifests), user);
    assert!(read("config/chart/templates/deployment.yaml").contains(&format!("runAsUser: {user}")));
    // The manifests give arguments and no command.
    assert!(recipe.contains("ENTRYPOINT [\"/ark\"]") && !manifests.contains("command:"));
    assert!(manifests.contains("- server\n"), "the arguments begin with the verb");
}

#[test]
fn the_chart_has_the_version_of_the_program() {
    let version = find(r#"(?m)^version = "([^"]+)""#, &read("Cargo.toml")).to_owned();
    assert_eq!(find(r"(?m)^appVersion: (\S+)$", &read("config/chart/Chart.yaml")), version);
}

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

#[test]
fn the_policy_for_s3_allows_the_calls_of_the_program_and_no_others() {
    let mut used = BTreeSet::new();
    let calls = Regex::new(r"client\s*\.([a-z_0-9]+)\(\)").expect("a pattern");
    for file in ["client", "create", "mod", "replace", "upload"] {
        let code = read(&format!("src/store/s3/{file}.rs"));
        for (_, [call]) in calls.captures_iter(&code).map(|found| found.extract()) {
            match ACTIONS.iter().find(|(name, _)| *name == call) {
                Some((_, action)) => drop(used.insert((*action).to_owned())),
                // Only with `createBucket: true`: docs/permissions.md says so.
                None => assert_eq!(call, "create_bucket", "no action is known for this call"),
            }
        }
    }
    let policy: serde_json::Value = serde_json::from_str(&read("docs/iam-policy.json")).expect("JSON");
    let statements = policy["Statement"].as_array().expect("statements");
    let allowed = statements.iter().flat_map(|statement| statement["Action"].as_array().expect("actions"));
    let allowed = allowed.map(|action| action.as_str().expect("a text").to_owned());
    let allowed: BTreeSet<_> = allowed.filter(|action| action.starts_with("s3:")).collect();
    assert_eq!(used, allowed);
    let documented = read("docs/permissions.md");
    for action in &allowed {
        assert!(documented.contains(&format!("`{action}`")), "{action} is not explained");
    }
}
