//! Selections, compiled once from what a person wrote: names by glob, kinds by any of their names,
//! labels. Pure.

use std::collections::BTreeMap;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::GroupResource;

/// Labels of one item.
pub type LabelSet = BTreeMap<String, String>;

/// A selection that cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSelection {
    /// A glob does not compile, or uses what Ark's globs do not have.
    #[error("`{pattern}` is not a pattern: use a name with `*`, `?` or `[a-z]`; {why}")]
    Pattern {
        /// The pattern as given.
        pattern: String,
        /// The reason why it is refused.
        why: String,
    },
    /// The operator and the values of a label requirement do not go together.
    #[error("the label requirement on `{key}` is wrong: {why}")]
    Labels {
        /// The label's key.
        key: String,
        /// The reason why it is refused.
        why: String,
    },
}

/// Included and excluded names (of namespaces): globs with `*`, `?` and `[a-z]`; no includes
/// select everything.
#[derive(Clone, Debug)]
pub struct NamePatterns {
    includes: Vec<String>,
    excludes: Vec<String>,
    included: GlobSet,
    excluded: GlobSet,
}

impl NamePatterns {
    /// Compiles both lists.
    ///
    /// # Errors
    /// If one of the patterns is none.
    pub fn new(includes: &[String], excludes: &[String]) -> Result<Self, InvalidSelection> {
        let (includes, excludes) = (each_once(includes), each_once(excludes));
        Ok(Self { included: compile(&includes)?, excluded: compile(&excludes)?, includes, excludes })
    }

    /// Makes patterns that select everything.
    pub fn everything() -> Self {
        let none = GlobSet::empty();
        Self { includes: Vec::new(), excludes: Vec::new(), included: none.clone(), excluded: none }
    }

    /// Returns whether a name is selected; an exclude wins.
    pub fn takes(&self, name: &str) -> bool {
        (self.includes.is_empty() || self.included.is_match(name)) && !self.excluded.is_match(name)
    }

    /// Returns whether no name can be left out.
    pub fn is_everything(&self) -> bool {
        self.excludes.is_empty()
            && (self.includes.is_empty() || self.includes.iter().any(|pattern| pattern == "*"))
    }

    /// Returns whether this very name is among the includes.
    pub fn spells_out(&self, name: &str) -> bool {
        self.includes.iter().any(|include| include == name)
    }

    /// Returns the included names if every one is spelled out, so that they can be asked for one
    /// by one; else `None`.
    pub fn literal_includes(&self) -> Option<&[String]> {
        (!self.includes.is_empty() && self.includes.iter().all(|include| is_literal(include)))
            .then_some(&*self.includes)
    }

    /// Returns the includes that match none of `names`, each with whether it is spelled out (and
    /// so surely missed) rather than a pattern.
    pub fn unmatched<'a>(&self, names: impl Iterator<Item = &'a str> + Clone) -> Vec<(&str, bool)> {
        let mut unmatched = Vec::new();
        for include in self.includes.iter().filter(|include| *include != "*") {
            let literal = is_literal(include);
            let glob =
                GlobBuilder::new(include).literal_separator(true).build().map(|glob| glob.compile_matcher());
            let found = if literal {
                names.clone().any(|name| name == include)
            } else {
                glob.is_ok_and(|glob| names.clone().any(|name| glob.is_match(name)))
            };
            if !found {
                unmatched.push((include.as_str(), literal));
            }
        }
        unmatched
    }
}

/// Returns each name once, at its first place: what is named twice is listed once.
fn each_once(names: &[String]) -> Vec<String> {
    let mut once: Vec<String> = Vec::with_capacity(names.len());
    for name in names {
        if !once.contains(name) {
            once.push(name.clone());
        }
    }
    once
}

fn is_literal(pattern: &str) -> bool {
    !pattern.contains(['*', '?', '['])
}

fn compile(patterns: &[String]) -> Result<GlobSet, InvalidSelection> {
    let wrong =
        |pattern: &str, why: &str| InvalidSelection::Pattern { pattern: pattern.into(), why: why.into() };
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        if pattern.is_empty() {
            return Err(wrong(pattern, "it is empty"));
        }
        if pattern.contains("**") || pattern.contains(['{', '}', '!', '|', '(', ')', ',', '\\', '/']) {
            return Err(wrong(pattern, "`**`, `{}`, `!`, `|`, `()`, `,`, `/` and `\\` are not supported"));
        }
        let glob = GlobBuilder::new(pattern).literal_separator(true).build();
        set.add(glob.map_err(|error| wrong(pattern, &error.kind().to_string()))?);
    }
    set.build().map_err(|error| wrong("*", &error.kind().to_string()))
}

/// Included and excluded kinds as a person names them; no includes select everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KindTerms {
    includes: Vec<String>,
    excludes: Vec<String>,
}

impl KindTerms {
    /// Keeps both lists; which kinds they mean depends on a catalog or an index.
    pub fn new(includes: &[String], excludes: &[String]) -> Self {
        let lower = |terms: &[String]| terms.iter().map(|term| term.to_lowercase()).collect();
        Self { includes: lower(includes), excludes: lower(excludes) }
    }

    /// Returns whether the kind is selected; an exclude wins. `aliases` are its Kind, singular and
    /// short names, in any case.
    pub fn takes<'a>(&self, kind: &GroupResource, aliases: impl Iterator<Item = &'a str> + Clone) -> bool {
        let included = self.includes.iter().any(|term| term_means(term, kind, aliases.clone()));
        (self.includes.is_empty() || included) && !self.excludes(kind, aliases)
    }

    /// Returns whether the excludes name the kind.
    pub fn excludes<'a>(&self, kind: &GroupResource, aliases: impl Iterator<Item = &'a str> + Clone) -> bool {
        self.excludes.iter().any(|term| term_means(term, kind, aliases.clone()))
    }

    /// Returns whether the includes name the kind by something other than `*`.
    pub fn names<'a>(&self, kind: &GroupResource, aliases: impl Iterator<Item = &'a str> + Clone) -> bool {
        self.includes.iter().any(|term| term != "*" && term_means(term, kind, aliases.clone()))
    }

    /// Returns whether the includes leave nothing out.
    pub fn includes_everything(&self) -> bool {
        self.includes.is_empty() || self.includes.iter().any(|term| term == "*")
    }

    /// Returns the included and the excluded terms, in lower case, for messages about what matched
    /// nothing.
    pub fn terms(&self) -> (&[String], &[String]) {
        (&self.includes, &self.excludes)
    }
}

/// Returns whether `term` (lower case) names the kind: `*`, `*.group`, plural, singular, Kind or
/// short name, with or without `.group`.
pub fn term_means<'a>(term: &str, kind: &GroupResource, mut aliases: impl Iterator<Item = &'a str>) -> bool {
    if term == "*" || term == kind.as_str() {
        return true;
    }
    let (name, group) = term.split_once('.').map_or((term, None), |(name, group)| (name, Some(group)));
    if group.is_some_and(|group| group != kind.group()) {
        return false;
    }
    name == "*" || name == kind.resource() || aliases.any(|alias| alias.eq_ignore_ascii_case(name))
}

/// The comparison of a label requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelOperator {
    /// The label has one of the values.
    In,
    /// The label has none of the values, or is missing.
    NotIn,
    /// The label exists, with any value.
    Exists,
    /// The label is missing.
    DoesNotExist,
}

/// One requirement on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelRequirement {
    /// The label's key.
    pub key: String,
    /// The comparison.
    pub operator: LabelOperator,
    /// The values to compare with; empty for Exists and DoesNotExist.
    pub values: Vec<String>,
}

impl LabelRequirement {
    /// Makes a requirement, and checks that operator and values go together.
    ///
    /// # Errors
    /// If the key is empty, In or NotIn has no values, or Exists or DoesNotExist has some.
    pub fn new(key: &str, operator: LabelOperator, values: &[String]) -> Result<Self, InvalidSelection> {
        let needs_values = matches!(operator, LabelOperator::In | LabelOperator::NotIn);
        let wrong = |why: &str| Err(InvalidSelection::Labels { key: key.to_owned(), why: why.to_owned() });
        if key.is_empty() {
            return wrong("the key is empty");
        }
        match (needs_values, values.is_empty()) {
            (true, true) => wrong("In and NotIn need at least one value"),
            (false, false) => wrong("Exists and DoesNotExist take no values"),
            _ => Ok(Self { key: key.to_owned(), operator, values: values.to_vec() }),
        }
    }

    fn matches(&self, labels: &LabelSet) -> bool {
        let value = labels.get(&self.key);
        match self.operator {
            LabelOperator::In => value.is_some_and(|value| self.values.contains(value)),
            LabelOperator::NotIn => value.is_none_or(|value| !self.values.contains(value)),
            LabelOperator::Exists => value.is_some(),
            LabelOperator::DoesNotExist => value.is_none(),
        }
    }

    fn query(&self) -> String {
        let Self { key, operator, values } = self;
        match operator {
            LabelOperator::In => format!("{key} in ({})", values.join(",")),
            LabelOperator::NotIn => format!("{key} notin ({})", values.join(",")),
            LabelOperator::Exists => key.clone(),
            LabelOperator::DoesNotExist => format!("!{key}"),
        }
    }
}

/// A disjunction of conjunctions: an item is selected if all requirements of any branch hold; no
/// branch selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelQuery {
    branches: Vec<Vec<LabelRequirement>>,
}

impl LabelQuery {
    /// Makes a query of one branch for labelSelector, or several for orLabelSelectors; a branch
    /// without requirements selects everything.
    pub fn new(branches: Vec<Vec<LabelRequirement>>) -> Self {
        Self { branches }
    }

    /// Returns whether every item is selected.
    pub fn is_everything(&self) -> bool {
        self.branches.is_empty() || self.branches.iter().any(Vec::is_empty)
    }

    /// Returns whether an item with these labels is selected.
    pub fn matches(&self, labels: &LabelSet) -> bool {
        self.is_everything()
            || self.branches.iter().any(|branch| branch.iter().all(|requirement| requirement.matches(labels)))
    }

    /// Returns the `labelSelector` of a LIST if one branch says it all; `None` if everything is
    /// selected or there are several branches (then the lists are filtered here, so that an item
    /// that two branches select is still taken once).
    pub fn list_parameter(&self) -> Option<String> {
        match &*self.branches {
            [branch] if !branch.is_empty() => {
                Some(branch.iter().map(LabelRequirement::query).collect::<Vec<_>>().join(","))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn namespaces_are_selected_by_glob_and_an_exclude_wins() {
        let patterns = NamePatterns::new(&texts(&["team-[ab]", "prod*"]), &texts(&["prod-old"])).unwrap();
        assert!(patterns.takes("team-a") && patterns.takes("prod") && patterns.takes("prod-eu"));
        assert!(!patterns.takes("team-c") && !patterns.takes("prod-old") && !patterns.takes("x-prod"));
        assert_eq!(patterns.literal_includes(), None);
        assert_eq!(patterns.unmatched(["prod-eu"].into_iter()), [("team-[ab]", false)]);
        assert!(NamePatterns::new(&[], &[]).unwrap().is_everything());
    }

    #[test]
    fn a_namespace_that_is_named_twice_is_asked_for_once() {
        let patterns = NamePatterns::new(&texts(&["shop", "web", "shop"]), &[]).unwrap();
        assert_eq!(patterns.literal_includes(), Some(&*texts(&["shop", "web"])));
        assert_eq!(patterns.unmatched(["web"].into_iter()), [("shop", true)]);
    }

    #[test]
    fn patterns_that_look_like_more_than_they_are_are_refused() {
        for bad in ["", "a**", "{a,b}", "!a", "a|b", "[a", "a/b"] {
            assert!(NamePatterns::new(&texts(&[bad]), &[]).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_kind_answers_to_every_name_that_discovery_knows() {
        let kind = GroupResource::parse("deployments.apps");
        let aliases = ["Deployment", "deployment", "deploy"];
        for term in ["*", "Deployment", "deploy", "deployments", "deployments.apps", "deploy.apps", "*.apps"]
        {
            assert!(KindTerms::new(&texts(&[term]), &[]).takes(&kind, aliases.into_iter()), "{term}");
        }
        for term in ["deployments.extensions", "pods", "apps", "*.batch"] {
            assert!(!KindTerms::new(&texts(&[term]), &[]).takes(&kind, aliases.into_iter()), "{term}");
        }
        assert!(!KindTerms::new(&[], &texts(&["deploy"])).takes(&kind, aliases.into_iter()));
    }

    #[test]
    fn labels_are_asked_of_the_server_only_when_one_branch_says_it_all() {
        let web = LabelRequirement::new("app", LabelOperator::In, &texts(&["web"])).unwrap();
        let old = LabelRequirement::new("old", LabelOperator::DoesNotExist, &[]).unwrap();
        let both = LabelQuery::new(vec![vec![web.clone(), old.clone()]]);
        assert_eq!(both.list_parameter().as_deref(), Some("app in (web),!old"));
        let either = LabelQuery::new(vec![vec![web], vec![old]]);
        assert_eq!(either.list_parameter(), None);
        let labels =
            LabelSet::from([("app".to_owned(), "web".to_owned()), ("old".to_owned(), "1".to_owned())]);
        assert!(either.matches(&labels) && !both.matches(&labels));
    }

    #[test]
    fn operators_and_values_must_go_together() {
        assert!(LabelRequirement::new("a", LabelOperator::In, &[]).is_err());
        assert!(LabelRequirement::new("a", LabelOperator::Exists, &texts(&["x"])).is_err());
    }
}
