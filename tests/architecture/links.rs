//! Documents: their links lead to files and headings that are there, files that they name exist,
//! and the book has all pages.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use regex::Regex;

use super::{Source, root, source};

/// Folders of the checkout that hold no documents of ours.
const NOT_OURS: [&str; 2] = ["target", ".git"];

/// What a path of the repository begins with, where a document names one in a code span.
const FOLDERS: [&str; 11] = [
    "src/",
    "tests/",
    "hack/",
    "config/",
    "docs/",
    "crds/",
    ".github/",
    "charts/",
    "benches/",
    "examples/",
    "fuzz/",
];

/// Tells what was, so that its paths may be gone.
const HISTORY: &str = "CHANGELOG.md";

fn documents(folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !NOT_OURS.contains(&name.as_str()) {
            documents(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            let text = fs::read_to_string(&path).expect("a document");
            let path = path.strip_prefix(root()).expect("below the root").to_string_lossy();
            found.push(source(&path, &text));
        }
    }
}

/// The lines that are no blocks of code.
fn prose(text: &str) -> Vec<&str> {
    let mut inside = false;
    let is_prose = |line: &&str| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    };
    text.lines().filter(is_prose).collect()
}

/// The anchors of a document, as hosts of repositories and mdBook make them of its headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).into_iter().filter(|line| line.starts_with('#'));
    let mut anchors = BTreeSet::new();
    for heading in headings {
        let title = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        let anchor = kept.collect::<String>().replace(' ', "-");
        let taken = (1..).map(|number| format!("{anchor}-{number}"));
        let free = std::iter::once(anchor.clone()).chain(taken).find(|anchor| !anchors.contains(anchor));
        anchors.extend(free);
    }
    anchors
}

/// `a/b/../c` as `a/c`, seen from the folder of `document`.
fn resolve(document: &str, target: &str) -> String {
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn check_links(document: &Source, documents: &[Source], exists: impl Fn(&str) -> bool) -> Vec<String> {
    let code = Regex::new("`[^`]*`").expect("a pattern");
    let link = Regex::new(r"\]\(([^)\s]+)\)").expect("a pattern");
    let mut violations = Vec::new();
    let Source { path, .. } = document;
    for line in prose(&document.text) {
        let line = code.replace_all(line, "");
        let targets = link.captures_iter(&line).map(|found| found[1].to_owned());
        for target in targets.filter(|target| !target.contains("://")) {
            let (file, anchor) = target.split_once('#').map_or((&*target, None), |(f, a)| (f, Some(a)));
            let file = if file.is_empty() { path.clone() } else { resolve(path, file) };
            if !exists(&file) {
                violations.push(format!("{path}: ({target}) leads to no file"));
                continue;
            }
            let Some(anchor) = anchor else { continue };
            let has = |text: &str| anchors(text).contains(anchor);
            if !documents.iter().any(|document| document.path == file && has(&document.text)) {
                violations.push(format!("{path}: ({target}) leads to no heading"));
            }
        }
    }
    violations
}

/// A file that a code span names is there. What has a placeholder or an ellipsis in it stands for
/// several.
fn check_paths(document: &Source, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let code = Regex::new("`([^`]+)`").expect("a pattern");
    let text = prose(&document.text).join("\n");
    let spans = code.captures_iter(&text).map(|found| found[1].to_owned());
    let paths = spans.filter_map(|span| span.split_whitespace().next().map(str::to_owned));
    let stands_for_one = |path: &String| !path.contains(['<', '*', '…', '{', ':']);
    let named = paths.filter(|path| FOLDERS.iter().any(|folder| path.starts_with(folder)));
    let missing = named.filter(stands_for_one).filter(|path| !exists(path));
    missing.map(|path| format!("{}: there is no {path}", document.path)).collect()
}

#[test]
fn links_of_documents_lead_somewhere_and_files_that_they_name_exist() {
    let mut found = Vec::new();
    documents(&root(), &mut found);
    assert!(found.len() > 10, "the documents are not where they were");
    let exists = |path: &str| root().join(path).exists();
    let mut violations: Vec<_> = found.iter().flat_map(|d| check_links(d, &found, exists)).collect();
    violations.extend(found.iter().filter(|d| d.path != HISTORY).flat_map(|d| check_paths(d, exists)));
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

#[test]
fn the_book_has_every_page_of_the_documentation() {
    let mut found = Vec::new();
    documents(&root().join("docs"), &mut found);
    let summary = fs::read_to_string(root().join("docs/SUMMARY.md")).expect("docs/SUMMARY.md is there");
    let pages = found.iter().map(|page| page.path.trim_start_matches("docs/"));
    let missing: Vec<_> =
        pages.filter(|page| *page != "SUMMARY.md" && !summary.contains(&format!("]({page})"))).collect();
    assert!(missing.is_empty(), "docs/SUMMARY.md lacks {missing:?}");
}

#[test]
fn a_link_or_path_that_leads_nowhere_is_found() {
    let text = "# A title\n## \"It\", as `it` is: a_b\n## Twice\n## Twice\n```sh\n# no heading\n```\n";
    assert_eq!(anchors(text), ["a-title", "it-as-it-is-a_b", "twice", "twice-1"].map(str::to_owned).into());
    let other = source("docs/other.md", text);
    let check = |text: &str| {
        let page = source("docs/guide/page.md", text);
        let all = [source("docs/guide/page.md", text), source("docs/other.md", &other.text)];
        let exists = |path: &str| ["docs/guide/page.md", "docs/other.md", "hack/run"].contains(&path);
        [check_links(&page, &all, exists), check_paths(&page, exists)].concat()
    };
    let good = "# Here\n[a](../other.md#twice-1) [b](#here) [c](../../hack/run) [d](https://x/y#z) `[e](f)`\n\
                `hack/run x`, `hack/<name>`, `src/**`\n```sh\n[f](g) `hack/none`\n```\n";
    assert_eq!(check(good), Vec::<String>::new());
    for bad in ["[a](none.md)", "[a](../other.md#none)", "[a](#none)", "`hack/none`", "`src/x.rs`"] {
        assert_eq!(check(bad).len(), 1, "{bad}");
    }
}
