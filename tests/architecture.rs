//! The rules of `docs/architecture.md` that a compiler does not check: who may import whom, how a
//! file begins, how long it may be, that links of documents lead somewhere, and that generated
//! files are in step with the code. A rule is a pure function from a file to its violations.

#![cfg(test)] // tells clippy that helpers, too, may expect and panic

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

#[path = "architecture/chart.rs"]
mod chart;
#[path = "architecture/guarantees.rs"]
mod guarantees;
#[path = "architecture/links.rs"]
mod links;
#[path = "architecture/shape.rs"]
mod shape;

/// Who may import whom. Within a module everything is free; `lib.rs` and `main.rs` are exempt.
const IMPORTS: [(&str, &[&str]); 13] = [
    ("model", &[]),
    ("api", &["model"]),
    ("telemetry", &["model"]),
    ("archive", &["model"]),
    ("store", &["model"]),
    ("mongo", &["model"]),
    ("cluster", &["model", "telemetry"]),
    ("bucket", &["api", "model", "store", "archive"]),
    ("hooks", &["api", "model", "telemetry", "mongo", "cluster", "bucket"]),
    ("backup", &["api", "model", "telemetry", "cluster", "hooks", "archive", "bucket"]),
    ("restore", &["api", "model", "telemetry", "cluster", "hooks", "archive", "bucket"]),
    ("controller", EVERYTHING_BELOW),
    ("cli", EVERYTHING_BELOW), // and `controller`, from server.rs alone
];
const EVERYTHING_BELOW: &[&str] = &[
    "model",
    "api",
    "telemetry",
    "archive",
    "store",
    "mongo",
    "cluster",
    "hooks",
    "bucket",
    "backup",
    "restore",
];
/// Crates that only some modules may name, as a path begins.
const CRATES: [(&str, &[&str]); 3] =
    [("kube", &["api", "cluster", "controller", "cli"]), (r"aws_\w+", &["store"]), ("mongodb", &["mongo"])];
/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 6] = ["utils", "util", "helpers", "common", "manager", "misc"];
const LONGEST: usize = 400;
/// Columns of a comment, as docs/style.md has it.
const WIDEST: usize = 100;
/// Where Rust files are.
const FOLDERS: [&str; 6] = ["src", "tests", "benches", "examples", "fuzz/src", "fuzz/targets"];

/// A source file: its path from the root of the repository, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The module of the import table that it belongs to; none for the roots.
    fn module(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        inside
            .split_once('/')
            .map(|(module, _)| module)
            .or_else(|| inside.strip_suffix(".rs"))
            .filter(|m| !["lib", "main"].contains(m))
    }

    /// How many `super::` lead from the file's own module to the root of the crate.
    fn depth(&self) -> usize {
        self.path.matches('/').count() - usize::from(self.path.ends_with("/mod.rs"))
    }

    /// The text without comments, in which links to other modules are welcome.
    fn code(&self) -> String {
        let lines = self.text.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// The modules that a text reaches from the root of the crate, as `crate::x` or in `crate::{x,
/// y::{…}}`.
fn reached(code: &str, root: &str) -> Vec<String> {
    let start = Regex::new(&format!(r"(?:^|[^\w:$]){root}")).expect("a pattern");
    let word = |text: &str| {
        text.trim_start().split(|c: char| !c.is_alphanumeric() && c != '_').next().map(str::to_owned)
    };
    let mut found = Vec::new();
    for place in start.find_iter(code) {
        let rest = &code[place.end()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.extend(word(rest));
            continue;
        };
        let (mut depth, mut begins) = (0, true);
        for (at, character) in group.char_indices() {
            match character {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => begins = true,
                _ if begins && !character.is_whitespace() => {
                    begins = false;
                    found.extend(word(&group[at..]));
                }
                _ => {}
            }
        }
    }
    found
}

fn check_imports(source: &Source) -> Vec<String> {
    let Some(module) = source.module() else { return Vec::new() };
    let Some((_, allowed)) = IMPORTS.iter().find(|(name, _)| *name == module) else {
        return vec![format!("{}: module '{module}' is not in the import table", source.path)];
    };
    let code = source.code();
    let known = |name: &String| IMPORTS.iter().any(|(module, _)| module == name);
    let mut names = reached(&code, "crate::");
    names.extend(reached(&code, &format!("(?:super::){{{},}}", source.depth())).into_iter().filter(known));
    names.sort_unstable();
    names.dedup();
    let may = |name: &str| {
        name == module
            || allowed.contains(&name)
            || (name == "controller" && module == "cli" && source.path == "src/cli/server.rs")
    };
    let refused = names.iter().filter(|name| !may(name));
    refused.map(|name| format!("{}: '{module}' may not import '{name}'", source.path)).collect()
}

fn check_crates(source: &Source) -> Vec<String> {
    let Some(module) = source.module() else { return Vec::new() };
    let code = source.code();
    let named =
        |name: &str| Regex::new(&format!(r"(?:^|[^\w:]){name}::")).expect("a pattern").is_match(&code);
    let refused = CRATES.iter().filter(|(name, modules)| !modules.contains(&module) && named(name));
    refused.map(|(name, modules)| format!("{}: only {modules:?} may use {name}", source.path)).collect()
}

fn check_form(source: &Source) -> Vec<String> {
    let mut violations = Vec::new();
    if !source.text.starts_with("//! ") {
        violations
            .push(format!("{}: does not begin with a //! header that says what it yields", source.path));
    }
    let lines = source.text.lines().count();
    if lines > LONGEST {
        violations.push(format!("{}: {lines} lines, at most {LONGEST}", source.path));
    }
    if source.path.split(['/', '.']).any(|part| EMPTY_NAMES.contains(&part)) {
        violations.push(format!("{}: the name says nothing; name it after what it yields", source.path));
    }
    violations
}

fn check_comments(source: &Source) -> Vec<String> {
    let is_wide = |line: &str| line.trim_start().starts_with("//") && line.chars().count() > WIDEST;
    let wide = source.text.lines().enumerate().filter(|(_, line)| is_wide(line));
    wide.map(|(at, _)| format!("{}:{}: a comment has at most {WIDEST} columns", source.path, at + 1))
        .collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source file");
            let path = path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
            found.push(Source { path, text });
        }
    }
}

#[track_caller]
fn expect_no_violations(check: impl Fn(&Source) -> Vec<String>) {
    let mut found = Vec::new();
    for folder in FOLDERS {
        sources(&root().join(folder), &mut found);
    }
    assert!(found.len() > 10, "the sources are not where they were");
    let violations: Vec<_> = found.iter().flat_map(check).collect();
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

#[test]
fn modules_import_only_what_the_table_allows() {
    expect_no_violations(check_imports);
}

#[test]
fn the_cluster_client_and_s3_stay_in_their_modules() {
    expect_no_violations(check_crates);
}

#[test]
fn files_begin_with_a_header_stay_short_and_have_a_name() {
    expect_no_violations(check_form);
}

#[test]
fn comments_are_no_wider_than_a_page() {
    expect_no_violations(check_comments);
}

// Generated files: each test compares committed files (crds/*, docs/cli.md, the rules in
// docs/permissions.md, those of the chart; `chart` has more) with what the code would write now.
// `ARK_UPDATE=1 cargo test --test architecture` writes them anew.

#[test]
fn the_committed_definitions_are_those_of_the_code() {
    for folder in ["crds", "charts/ark/crds"] {
        expect_definitions(&root().join(folder));
    }
}

fn expect_definitions(folder: &Path) {
    let mut wanted = Vec::new();
    if !folder.ends_with("charts/ark/crds") {
        // Helm would take it for a definition.
        wanted.push(folder.join("kustomization.yaml"));
        let names = ark::api::crds().into_iter().map(|definition| definition.spec.names.plural);
        let lines: String = names.map(|name| format!("  - {name}.yaml\n")).collect();
        let text =
            format!("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n{lines}");
        expect_generated(&wanted[0], &text);
    }
    for definition in ark::api::crds() {
        let path = folder.join(format!("{}.yaml", definition.spec.names.plural));
        expect_generated(&path, &ark::api::crd_yaml(&definition).expect("a definition can be written"));
        wanted.push(path);
    }
    let entries = fs::read_dir(folder).expect("the folder is there");
    let mut present: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    present.sort();
    wanted.sort();
    assert_eq!(present, wanted, "the folder holds what the code does not generate, or lacks what it does");
}

/// A committed file is what the code writes; with ARK_UPDATE it is written.
fn expect_generated(path: &Path, text: &str) {
    if std::env::var_os("ARK_UPDATE").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder can be made");
        fs::write(path, text).expect("a generated file can be written");
    }
    let committed = fs::read_to_string(path).unwrap_or_default();
    assert!(committed == text, "{} is stale: ARK_UPDATE=1 cargo test --test architecture", path.display());
}

#[test]
fn the_rules_of_the_chart_are_those_of_the_code() {
    expect_generated(&root().join("charts/ark/templates/_rules.tpl"), &ark::cli::chart_rules());
}

#[test]
fn the_rules_in_the_documentation_are_those_of_the_code() {
    let path = root().join("docs/permissions.md");
    let text = fs::read_to_string(&path).expect("docs/permissions.md is there");
    let (begin, end) = ("<!-- rules: generated -->\n", "<!-- end of rules -->");
    let (before, rest) = text.split_once(begin).expect("a begin");
    let (_, after) = rest.split_once(end).expect("an end");
    expect_generated(&path, &format!("{before}{begin}{}{end}{after}", ark::cli::rules_table()));
}

#[test]
fn the_committed_reference_is_the_help_of_the_program() {
    expect_generated(&root().join("docs/cli.md"), &ark::cli::reference());
}

// The rules themselves.

fn source(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

#[test]
fn a_forbidden_import_is_found_in_every_spelling() {
    let refused = [
        "use crate::restore::plan;",
        "fn f() { let x = crate::restore::run(); }",
        "use crate::{model::{Kind, names}, restore::{plan, ready}};",
        "use crate::{\n    model::Kind,\n    restore,\n};",
        "use super::super::restore::plan;",
        "pub(in crate::restore) fn f() {}",
    ];
    for text in refused {
        let expected = vec!["src/backup/plan.rs: 'backup' may not import 'restore'".to_owned()];
        assert_eq!(check_imports(&source("src/backup/plan.rs", text)), expected, "{text}");
    }
    assert_eq!(check_imports(&source("src/model/mod.rs", "use super::store::Store;")).len(), 1);
    assert_eq!(check_imports(&source("src/cli/backup.rs", "use crate::controller::run;")).len(), 1);
    assert_eq!(check_imports(&source("src/helpers/x.rs", "")).len(), 1);
}

#[test]
fn an_allowed_import_and_a_link_in_a_comment_are_left_alone() {
    let allowed = "//! See [`crate::restore`].\nuse crate::{archive::{Packer, entry}, model::Kind};\nuse super::restore_order;";
    assert!(check_imports(&source("src/backup/plan.rs", allowed)).is_empty());
    assert!(check_imports(&source("src/cli/server.rs", "use crate::controller::run;")).is_empty());
    assert!(check_imports(&source("src/lib.rs", "pub use crate::cli;")).is_empty());
    assert!(
        check_imports(&source("src/model/mod.rs", "use $crate::nothing;\nuse super::super::unrelated;"))
            .is_empty()
    );
}

#[test]
fn a_crate_out_of_place_is_found() {
    assert_eq!(check_crates(&source("src/backup/mod.rs", "use kube::Client;")).len(), 1);
    assert_eq!(check_crates(&source("src/cluster/mod.rs", "fn f(c: aws_sdk_s3::Client) {}")).len(), 1);
    assert!(check_crates(&source("src/cluster/mod.rs", "use kube::Client;")).is_empty());
    assert!(check_crates(&source("src/store/s3.rs", "use aws_sdk_s3::Client;")).is_empty());
}

#[test]
fn a_file_without_header_too_long_or_badly_named_is_found() {
    assert_eq!(check_form(&source("src/model/x.rs", "use std::fs;")).len(), 1);
    assert_eq!(
        check_form(&source("src/model/x.rs", &format!("//! A header.\n{}", "\n".repeat(LONGEST)))).len(),
        1
    );
    assert_eq!(check_form(&source("src/model/utils.rs", "//! A header.")).len(), 1);
    assert!(check_form(&source("src/model/x.rs", "//! A header.")).is_empty());
}

#[test]
fn a_comment_that_is_too_wide_is_found_wherever_it_is_and_code_is_let_be() {
    let wide = "x".repeat(WIDEST);
    for text in
        [format!("//! {wide}"), format!("\n    /// {wide}\n"), format!("fn f() {{\n    // {wide}\n}}")]
    {
        assert_eq!(check_comments(&source("benches/x.rs", &text)).len(), 1, "{text}");
    }
    let fits = format!("// {}\nlet x = \"{wide}\"; // why\n", &wide[3..]);
    assert!(check_comments(&source("benches/x.rs", &fits)).is_empty());
}
