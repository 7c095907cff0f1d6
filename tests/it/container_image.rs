//! The container image: all that can be checked of its Dockerfile without a container daemon.

use std::path::Path;

use regex::Regex;

use crate::repository::{read, root};
use crate::support::{ark, run};

/// The first group of a pattern in a text.
fn find<'a>(pattern: &str, text: &'a str) -> &'a str {
    let found = Regex::new(pattern).expect("a pattern").captures(text);
    found.and_then(|found| found.get(1)).unwrap_or_else(|| panic!("no {pattern}")).as_str()
}

/// Each source of a `COPY` exists and is let in by the dockerignore file, and each target of
/// Cargo.toml lies in one.
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

/// The Rust that builds the image is not older than `rust-version` of Cargo.toml.
#[test]
fn its_toolchain_is_new_enough_for_the_package() {
    let number = |text: &str| text.parse::<u32>().expect("a number");
    let [has, needs] = [
        find(r"ARG RUST=rust:1\.(\d+)-", &read("config/Dockerfile")).to_owned(),
        find(r#"rust-version = "1\.(\d+)""#, &read("Cargo.toml")).to_owned(),
    ];
    assert!(number(&has) >= number(&needs), "1.{has} is older than 1.{needs}");
}

/// The image's user is that of `ark install` and of the chart, and its entry point takes their
/// arguments.
#[test]
fn its_user_and_its_program_are_those_of_the_manifests() {
    let recipe = read("config/Dockerfile");
    let manifests = run(&mut ark(["install", "--image", "registry.example/ark:1"])).expect_code(0).stdout;
    let manifests = &manifests[manifests.find("kind: Deployment\n").expect("a Deployment")..];
    let user = find(r"(?m)^USER (\d+):", &recipe);
    assert_eq!(find(r"runAsUser: (\d+)", manifests), user);
    assert!(read("charts/ark/values.yaml").contains(&format!("runAsUser: {user}")));
    // The manifests give arguments and no command.
    assert!(recipe.contains("ENTRYPOINT [\"/ark\"]") && !manifests.contains("command:"));
    assert!(manifests.contains("- server\n"), "the arguments begin with the verb");
}

#[test]
fn the_chart_and_the_image_have_the_version_of_the_program() {
    let version = find(r#"(?m)^version = "([^"]+)""#, &read("Cargo.toml")).to_owned();
    assert_eq!(find(r"(?m)^appVersion: (\S+)$", &read("charts/ark/Chart.yaml")), version);
    assert_eq!(find(r"(?m)^ARG VERSION=(\S+)$", &read("config/Dockerfile")), version);
}
