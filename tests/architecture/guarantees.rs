//! docs/guarantees.md: what Completed promises, each sentence with the tests that hold it. A rule
//! as those in `architecture.rs`.

use std::fs;

use regex::Regex;

use super::{Source, root, source, sources};

/// From here on the page says what nobody promises, and needs no test.
const NOT_PROMISED: &str = "\n## Not promised\n";

/// What a test's name begins with there, and where such tests are.
const PLACES: [(&str, &str); 4] =
    [("unit", "src"), ("it", "tests/it"), ("mongo", "tests/mongo"), ("lab", "tests/lab")];

fn check_guarantees(page: &str, sources: &[Source]) -> Vec<String> {
    let quoted = Regex::new("`([^`]*)`").expect("a pattern");
    let two_sentences = Regex::new(r"[.?!]\s+[A-Z]").expect("a pattern");
    let mut violations = Vec::new();
    let promised = page.split(NOT_PROMISED).next().unwrap_or_default();
    let items: Vec<&str> = promised.lines().filter(|line| line.starts_with("- ")).collect();
    if items.is_empty() {
        violations.push("nothing is promised".to_owned());
    }
    for item in items {
        let names_test =
            |quote: &str| PLACES.iter().any(|(place, _)| quote.starts_with(&format!("{place} ")));
        if !quoted.captures_iter(item).any(|quote| names_test(&quote[1])) {
            violations.push(format!("'{item}' names no test that holds it"));
        }
        if two_sentences.is_match(&quoted.replace_all(item, "")) {
            violations.push(format!("'{item}' is more than one sentence: which of them do its tests hold?"));
        }
    }
    let tests = quoted.captures_iter(page).map(|quote| quote[1].to_owned());
    let missing = tests.filter(|quote| match quote.split_once(' ') {
        Some((place, path)) => PLACES
            .iter()
            .find(|(name, _)| *name == place)
            .is_some_and(|(_, folder)| !has_test(folder, path, sources)),
        None => quote.contains("::"),
    });
    violations.extend(missing.map(|quote| format!("'{quote}' is no test")));
    violations
}

/// Whether a folder of modules has this test: `owners::tests::a_name` in `owners/tests.rs`, or
/// inside of `owners.rs`.
fn has_test(folder: &str, path: &str, sources: &[Source]) -> bool {
    let mut modules: Vec<&str> = path.split("::").collect();
    let name = regex::escape(modules.pop().unwrap_or_default());
    let test = format!(r"#\[(?:tokio::)?test\b.*\n(?:\s*(?:#\[|//).*\n)*\s*(?:async )?fn {name}\(");
    let test = Regex::new(&test).expect("a pattern");
    let file = |modules: &[&str]| {
        let stem = [&[folder], modules].concat().join("/");
        let files = [format!("{stem}.rs"), format!("{stem}/mod.rs"), format!("{stem}/main.rs")];
        sources.iter().find(|source| files.contains(&source.path))
    };
    let (inside, outside) = match (file(&modules), modules.split_last()) {
        (Some(source), _) => (&*source.text, true),
        (None, Some((inner, outer))) => match file(outer) {
            Some(source) => {
                let begin = format!("\nmod {inner} {{\n");
                (source.text.split_once(&*begin).map_or("", |(_, inside)| inside), false)
            }
            None => return false,
        },
        (None, None) => return false,
    };
    let inside = if outside { inside.split("\nmod tests {\n").next().unwrap_or_default() } else { inside };
    test.is_match(inside)
}

#[test]
fn every_guarantee_names_a_test_that_exists() {
    let page = fs::read_to_string(root().join("docs/guarantees.md")).expect("docs/guarantees.md is there");
    let mut found = Vec::new();
    for folder in ["src", "tests"] {
        sources(&root().join(folder), &mut found);
    }
    let violations = check_guarantees(&page, &found);
    assert!(violations.is_empty(), "docs/guarantees.md:\n{}", violations.join("\n"));
}

#[test]
fn a_guarantee_without_a_test_or_with_one_that_is_gone_is_found() {
    let test = "\n#[tokio::test]\n#[ignore = \"needs the lab\"]\nasync fn it_holds() {}\nfn no_test() {}\n";
    let inner = "fn it_holds() {}\n\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn it_holds() {}\n}\n";
    let sources = [
        source("tests/lab/cases/owners.rs", test),
        source("tests/lab/cases/mod.rs", test),
        source("src/restore/links.rs", inner),
        source("src/restore/plan/tests.rs", "#[test]\nfn it_holds() {}\n"),
    ];
    let check =
        |item: &str| check_guarantees(&format!("# Page\n{item}\n\n## Not promised\n- Much.\n"), &sources);
    for name in [
        "lab cases::owners::it_holds",
        "lab cases::it_holds",
        "unit restore::links::tests::it_holds",
        "unit restore::plan::tests::it_holds",
    ] {
        assert_eq!(check(&format!("- `That` holds. `{name}`")), Vec::<String>::new(), "{name}");
    }
    let gone = [
        "cases::owners::no_test",
        "cases::owners::it_holds_not",
        "cases::other::it_holds",
        "other::x::it_holds",
    ];
    for name in
        gone.map(|name| format!("lab {name}")).iter().chain(&["unit restore::links::it_holds".to_owned()])
    {
        assert_eq!(check(&format!("- It holds. `{name}`")), [format!("'{name}' is no test")]);
    }
    assert_eq!(check("- It holds. `cases::owners::it_holds`").len(), 2, "the kind of test is missing");
    assert_eq!(check("- It holds, and names nothing.").len(), 1);
    assert_eq!(check("- It holds. That, too. `lab cases::it_holds`").len(), 1);
    assert_eq!(check("Nothing.").len(), 1);
}
