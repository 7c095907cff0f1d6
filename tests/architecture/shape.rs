//! The shape of the house: a type name occurs once, no two files import each other, `mod.rs` files
//! define nothing that a child imports and name modules, re-exports and imports in this order,
//! modules have one style, and the command line its shelves. Rules as those in `architecture.rs`,
//! over all sources together.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use super::{Source, root, source, sources};

/// What of a file is no test.
fn living(source: &Source) -> Option<&str> {
    let is_test = |part: &str| part == "tests" || part == "tests.rs" || part == "script.rs";
    if !source.path.starts_with("src/") || source.path.split('/').any(is_test) {
        return None;
    }
    source.text.split("#[cfg(test)]\nmod tests {").next()
}

fn module(path: &str) -> Vec<String> {
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    if inside == "lib" { Vec::new() } else { inside.split('/').map(str::to_owned).collect() }
}

/// The paths of a `use` tree: `a::{b, c::{self, D as E}}`.
fn leaves(tree: &str, before: &[String], found: &mut Vec<Vec<String>>) {
    let tree = tree.trim();
    let mut path = before.to_vec();
    let (head, group) = tree.split_once('{').map_or((tree, None), |(head, group)| (head, Some(group)));
    let head = head.split(" as ").next().unwrap_or_default();
    path.extend(head.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned));
    let Some(group) = group.and_then(|group| group.strip_suffix('}')) else {
        path.retain(|part| part != "self" || path_is_self(tree));
        return found.push(path);
    };
    let (mut depth, mut begin) = (0, 0);
    for (at, character) in group.char_indices().chain([(group.len(), ',')]) {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !group[begin..at].trim().is_empty() {
                    leaves(&group[begin..at], &path, found);
                }
                begin = at + 1;
            }
            _ => {}
        }
    }
}

fn path_is_self(tree: &str) -> bool {
    tree.starts_with("self::")
}

/// What a file imports of the crate: modules from its root on, and a name.
fn imports(path: &str, text: &str) -> Vec<Vec<String>> {
    let tree = Regex::new(r"(?m)^use ([^;]+);").expect("a pattern");
    let own = module(path);
    let mut found = Vec::new();
    for captures in tree.captures_iter(text) {
        leaves(&captures[1], &[], &mut found);
    }
    let absolute = |leaf: Vec<String>| match leaf.first().map(String::as_str) {
        Some("crate") => leaf[1..].to_vec(),
        Some("self" | "super") => {
            let ups = leaf.iter().take_while(|part| *part == "super").count();
            let rest = leaf.into_iter().skip_while(|part| part == "super" || part == "self");
            own[..own.len().saturating_sub(ups)].iter().cloned().chain(rest).collect()
        }
        _ => own.iter().cloned().chain(leaf).collect(),
    };
    found.into_iter().map(absolute).collect()
}

/// The file that a path leads into, and what is left of it.
fn file_of<'a>(
    path: &'a [String],
    files: &BTreeMap<Vec<String>, &'a str>,
) -> Option<(&'a str, &'a [String])> {
    (1..=path.len()).rev().find_map(|length| Some((*files.get(&path[..length])?, &path[length..])))
}

fn check_names(all: &[Source]) -> Vec<String> {
    let types =
        Regex::new(r"(?m)((?:^#\[.*\]\n)*)^(pub(?:\([^)]*\))? )?(?:struct|enum|trait|type|union) (\w+)")
            .expect("a pattern");
    let mut places: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for source in all {
        for captures in types.captures_iter(living(source).unwrap_or_default()) {
            let is_shape = captures.get(2).is_none()
                && ["Serialize", "Deserialize"].iter().any(|derived| captures[1].contains(derived));
            if !is_shape && !captures[3].ends_with("Command") {
                places.entry(captures[3].to_owned()).or_default().push(&source.path);
            }
        }
    }
    let twice = places.into_iter().filter(|(_, places)| places.len() > 1);
    twice
        .map(|(name, places)| format!("{name} is the name of several types: {}", places.join(", ")))
        .collect()
}

fn check_circles(all: &[Source]) -> Vec<String> {
    let living: Vec<_> = all.iter().filter_map(|source| Some((&*source.path, living(source)?))).collect();
    let files: BTreeMap<_, _> = living.iter().map(|(path, _)| (module(path), *path)).collect();
    let mut arrows = BTreeSet::new();
    for (path, text) in &living {
        let found = imports(path, text);
        let targets = found.iter().filter_map(|import| file_of(import, &files));
        arrows.extend(
            targets
                .filter(|(file, _)| file != path && !file.ends_with("/mod.rs"))
                .map(|(file, _)| (path.to_string(), file.to_owned())),
        );
    }
    let back = |(from, to): &&(String, String)| from < to && arrows.contains(&(to.clone(), from.clone()));
    arrows.iter().filter(back).map(|(from, to)| format!("{from} and {to} import each other")).collect()
}

fn check_mod_files(all: &[Source]) -> Vec<String> {
    let defined = Regex::new(
        r"(?m)^(?:pub(?:\([^)]*\))? )?(?:async )?(?:struct|enum|trait|type|union|fn|const|static) (\w+)",
    )
    .expect("a pattern");
    let living: Vec<_> = all.iter().filter_map(|source| Some((&*source.path, living(source)?))).collect();
    let mut violations = Vec::new();
    for (path, text) in living.iter().filter(|(path, _)| path.ends_with("/mod.rs")) {
        let names: BTreeSet<_> = defined.captures_iter(text).map(|captures| captures[1].to_owned()).collect();
        let own = module(path);
        for (child, text) in
            living.iter().filter(|(child, _)| child != path && module(child).starts_with(&own))
        {
            let taken = imports(child, text)
                .into_iter()
                .filter(|import| import.len() == own.len() + 1 && import.starts_with(&own));
            let taken = taken.filter_map(|mut import| import.pop()).filter(|name| names.contains(name));
            violations.extend(
                taken.map(|name| format!("{child} imports {name}, which {path} defines: give it a file")),
            );
        }
    }
    violations
}

/// `mod.rs` files name their modules first, then what they re-export, then what they import.
fn check_mod_order(all: &[Source]) -> Vec<String> {
    let line =
        Regex::new(r"(?m)^(#\[cfg\(test\)\]\n)?(?:(pub(?:\([^)]*\))?) )?(mod \w+;|use )").expect("a pattern");
    let rank = |text: &str| -> Vec<usize> {
        let lines = line.captures_iter(text).filter(|captures| captures.get(1).is_none());
        let rank = |captures: regex::Captures<'_>| match (&captures[3], captures.get(2)) {
            ("use ", None) => 2,
            ("use ", Some(_)) => 1,
            _ => 0,
        };
        lines.map(rank).collect()
    };
    let is_wrong = |source: &&Source| source.path.ends_with("/mod.rs") && !rank(&source.text).is_sorted();
    let wrong = all.iter().filter(is_wrong);
    wrong
        .map(|source| format!("{}: modules come first, then re-exports, then imports", source.path))
        .collect()
}

/// Files and folders of `cli/` that are no command.
const SHELVES: [&str; 9] =
    ["args", "client", "commands", "download", "exit", "global", "mod", "output", "verbs"];

/// `cli/` has a file or a folder for each command, and else only [`SHELVES`].
fn check_cli(all: &[Source]) -> Vec<String> {
    let command = Regex::new(r"(?m)^    \w+\((\w+)::\w+Command\),").expect("a pattern");
    let commands: BTreeSet<&str> = (all.iter().filter(|source| source.path == "src/cli/commands.rs"))
        .flat_map(|source| command.captures_iter(&source.text))
        .filter_map(|captures| Some(captures.get(1)?.as_str()))
        .collect();
    let entry = |source: &Source| {
        let inside = source.path.strip_prefix("src/cli/")?;
        Some(inside.split('/').next()?.trim_end_matches(".rs").to_owned())
    };
    let entries: BTreeSet<String> = all.iter().filter_map(entry).collect();
    let strange = entries.iter().filter(|name| !commands.contains(&***name) && !SHELVES.contains(&&***name));
    strange.map(|name| format!("src/cli/{name} is no command: put it on one of the shelves")).collect()
}

fn check_style(all: &[Source]) -> Vec<String> {
    let paths: BTreeSet<_> =
        all.iter().map(|source| &*source.path).filter(|path| path.starts_with("src/")).collect();
    let below = |folder: &str| {
        let inside = paths.iter().filter_map(|path| path.strip_prefix(folder)?.strip_prefix('/'));
        inside
            .filter(|path| *path != "mod.rs")
            .map(|path| path.split('/').next().unwrap_or(path).trim_end_matches(".rs"))
            .collect::<BTreeSet<_>>()
    };
    let mut violations = Vec::new();
    for path in &paths {
        let folder = path.trim_end_matches(".rs");
        if let Some(folder) = folder.strip_suffix("/mod") {
            if below(folder).iter().all(|part| *part == "tests") {
                violations.push(format!("{path}: its folder holds nothing but tests; call it {folder}.rs"));
            }
        } else if below(folder).iter().any(|part| *part != "tests") {
            violations.push(format!("{path}: its folder holds more than tests; call it {folder}/mod.rs"));
        }
    }
    let redirected =
        all.iter().filter(|source| source.path.starts_with("src/") && source.text.contains("#[path"));
    violations.extend(
        redirected
            .map(|source| format!("{}: a module lies where its name says, without #[path]", source.path)),
    );
    violations
}

#[track_caller]
fn expect_none(check: fn(&[Source]) -> Vec<String>) {
    let mut all = Vec::new();
    sources(&root().join("src"), &mut all);
    let violations = check(&all);
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

#[test]
fn the_name_of_a_type_occurs_once() {
    expect_none(check_names);
}

#[test]
fn no_two_files_import_each_other() {
    expect_none(check_circles);
}

#[test]
fn mod_files_define_nothing_that_a_child_imports() {
    expect_none(check_mod_files);
}

#[test]
fn mod_files_name_modules_then_re_exports_then_imports() {
    expect_none(check_mod_order);
}

#[test]
fn the_command_line_has_its_commands_and_its_shelves() {
    expect_none(check_cli);
}

#[test]
fn modules_have_one_style() {
    expect_none(check_style);
}

// The rules themselves.

#[test]
fn a_second_type_of_a_name_is_found_and_private_shapes_and_commands_are_let_be() {
    let twice = [source("src/a.rs", "pub struct Step;"), source("src/b.rs", "enum Step {}")];
    assert_eq!(check_names(&twice).len(), 1);
    let shape = "#[derive(Deserialize)]\nstruct Metadata {}\npub struct GetCommand;\n";
    assert!(check_names(&[source("src/a.rs", shape), source("src/b.rs", shape)]).is_empty());
}

#[test]
fn a_circle_is_found_in_every_spelling() {
    for (one, other) in
        [("use super::b::B;", "use crate::m::a::A;"), ("use crate::{m::{b}, x};", "use super::a::{self, A};")]
    {
        let files = [source("src/m/a.rs", one), source("src/m/b.rs", other)];
        assert_eq!(check_circles(&files), ["src/m/a.rs and src/m/b.rs import each other"], "{one} {other}");
    }
}

#[test]
fn what_a_child_takes_of_its_mod_file_is_found_unless_it_is_a_re_export() {
    let child = source("src/m/a.rs", "use super::{Shared, other};");
    assert_eq!(check_mod_files(&[source("src/m/mod.rs", "mod a;\npub struct Shared;"), child]).len(), 1);
    let child = source("src/m/a.rs", "use super::Shared;");
    assert!(
        check_mod_files(&[source("src/m/mod.rs", "mod a;\nmod b;\npub use b::Shared;"), child]).is_empty()
    );
}

#[test]
fn another_order_of_a_mod_file_is_found_and_tests_may_come_last() {
    let right = "mod a;\npub mod b;\n\npub use a::A;\n\nuse b::B;\n\n#[cfg(test)]\nmod tests;\n";
    assert!(check_mod_order(&[source("src/m/mod.rs", right)]).is_empty());
    for wrong in
        ["use b::B;\nmod b;\n", "mod b;\nuse b::B;\npub(super) use b::C;\n", "pub use b::C;\nmod b;\n"]
    {
        assert_eq!(check_mod_order(&[source("src/m/mod.rs", wrong)]).len(), 1, "{wrong}");
    }
}

#[test]
fn a_file_of_the_command_line_that_is_neither_command_nor_shelf_is_found() {
    let commands = source("src/cli/commands.rs", "enum Command {\n    Backup(backup::BackupCommand),\n}\n");
    let files =
        ["src/cli/backup/mod.rs", "src/cli/args/mod.rs", "src/cli/memory.rs"].map(|path| source(path, ""));
    let all: Vec<_> = files.into_iter().chain([commands]).collect();
    assert_eq!(check_cli(&all), ["src/cli/memory is no command: put it on one of the shelves"]);
}

#[test]
fn a_second_style_of_modules_is_found() {
    assert_eq!(check_style(&[source("src/a.rs", ""), source("src/a/b.rs", "")]).len(), 1);
    assert_eq!(check_style(&[source("src/a/mod.rs", ""), source("src/a/tests.rs", "")]).len(), 1);
    assert!(check_style(&[source("src/a.rs", ""), source("src/a/tests.rs", "")]).is_empty());
    assert!(
        check_style(&[source("src/a/mod.rs", ""), source("src/a/b.rs", ""), source("src/lib.rs", "")])
            .is_empty()
    );
}
