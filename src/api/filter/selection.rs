//! Which items are meant, as a specification says it, and compiled.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::api::{InvalidSpec, schema};
use crate::model::{ClusterScope, KindTerms, LabelOperator, LabelQuery, LabelRequirement, NamePatterns};

/// Selects items by namespace, kind and label; an empty filter selects everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!(has(self.labelSelector) && has(self.orLabelSelectors) && size(self.orLabelSelectors) > 0)")
        .message("labelSelector and orLabelSelectors cannot both be set"),
    validation = Rule::new("!has(self.excludedNamespaces) || !('*' in self.excludedNamespaces)")
        .message("excludedNamespaces: `*` would leave nothing"),
    validation = Rule::new("!has(self.excludedResources) || !('*' in self.excludedResources)")
        .message("excludedResources: `*` would leave nothing"),
    validation = Rule::new("!has(self.includedNamespaces) || !has(self.excludedNamespaces) || self.includedNamespaces.all(name, !(name in self.excludedNamespaces))")
        .message("includedNamespaces and excludedNamespaces cannot hold the same name"),
    validation = Rule::new("!has(self.includedResources) || !has(self.excludedResources) || self.includedResources.all(name, !(name in self.excludedResources))")
        .message("includedResources and excludedResources cannot hold the same name"),
)]
pub struct Filter {
    /// Namespaces to take, as names or globs with `*`, `?` and `[a-z]`, for example `shop` or
    /// `shop-*`; default: all (the same as `*`). In a Restore these are the names in the backup.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512), inner(length(min = 1, max = 128)))]
    #[x_kube(validation = Rule::new("self.all(name, name.matches('^[-a-z0-9*?]*(\\\\[[-a-z0-9]+\\\\][-a-z0-9*?]*)*$') && !name.contains('**'))")
        .message("includedNamespaces must hold names or globs with `*`, `?` and `[a-z]`"))]
    pub included_namespaces: Vec<String>,
    /// Namespaces to leave out, as names or globs with `*`, `?` and `[a-z]`, for example `kube-*`;
    /// default: none. A namespace in this list is left out even if includedNamespaces matches it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512), inner(length(min = 1, max = 128)))]
    #[x_kube(validation = Rule::new("self.all(name, name.matches('^[-a-z0-9*?]*(\\\\[[-a-z0-9]+\\\\][-a-z0-9*?]*)*$') && !name.contains('**'))")
        .message("excludedNamespaces must hold names or globs with `*`, `?` and `[a-z]`"))]
    pub excluded_namespaces: Vec<String>,
    /// Kinds to take. Each entry is a plural, singular, Kind or short name, with or without
    /// `.group`, or `*.group`, for example `deployments.apps`, `deploy` or `*.apps`; default: all
    /// kinds (the same as `*`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 512),
        inner(length(min = 1, max = 253), regex(pattern = r"^(\*|[A-Za-z0-9-]+)(\.[a-z0-9.-]+)?$"))
    )]
    pub included_resources: Vec<String>,
    /// Kinds to leave out, written as in includedResources, for example `secrets`; default: none. A
    /// kind in this list is left out even if includedResources names it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 512),
        inner(length(min = 1, max = 253), regex(pattern = r"^(\*|[A-Za-z0-9-]+)(\.[a-z0-9.-]+)?$"))
    )]
    pub excluded_resources: Vec<String>,
    /// Selects cluster-scoped items: `true` takes all of them, `false` takes none. Default: all of
    /// them if every namespace is selected, otherwise only those that the selected items need, for
    /// example the volume of a PersistentVolumeClaim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_cluster_resources: Option<bool>,
    /// Selects items by label; default: all items. Same form as a Deployment's `selector`, for
    /// example `matchLabels: {app: web}`. What the selected items need comes along whatever its
    /// labels, for example the PersistentVolumeClaims that a workload names. Cannot be set together
    /// with orLabelSelectors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label_selector")]
    pub label_selector: Option<LabelSelector>,
    /// Selects items that at least one of these label selectors matches; default: all items. For
    /// example `[{matchLabels: {app: web}}, {matchLabels: {app: db}}]`; 64 selectors at most. What
    /// the selected items need comes along whatever its labels. Cannot be set together with
    /// labelSelector.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::label_selectors")]
    pub or_label_selectors: Vec<LabelSelector>,
}

/// A [`Filter`], checked and compiled once.
#[derive(Clone, Debug)]
pub struct CompiledSelection {
    /// Which namespaces.
    pub namespaces: NamePatterns,
    /// Which kinds, by any of their names; of namespaced kinds only, where cluster-scoped ones are selected by themselves.
    pub kinds: KindTerms,
    /// Which cluster-scoped kinds, where they are selected by themselves.
    pub cluster_kinds: Option<KindTerms>,
    /// Which labels.
    pub labels: LabelQuery,
    /// Which cluster-scoped items.
    pub cluster_scope: ClusterScope,
}

impl CompiledSelection {
    /// The terms that select kinds of this scope.
    pub fn kinds_of(&self, namespaced: bool) -> &KindTerms {
        self.cluster_kinds.as_ref().filter(|_| !namespaced).unwrap_or(&self.kinds)
    }

    /// Each list of terms, with whether it selects namespaced and cluster-scoped kinds.
    pub fn terms(&self) -> impl Iterator<Item = (&KindTerms, bool, bool)> {
        let apart = self.cluster_kinds.is_some();
        let cluster = self.cluster_kinds.iter().map(|terms| (terms, false, true));
        std::iter::once((&self.kinds, true, !apart)).chain(cluster)
    }
}

impl Filter {
    /// Compiles the filter, or says everything that is wrong with it.
    pub fn compile(&self) -> Result<CompiledSelection, Vec<InvalidSpec>> {
        let Self {
            included_namespaces,
            excluded_namespaces,
            included_resources,
            excluded_resources,
            include_cluster_resources,
            label_selector,
            or_label_selectors,
        } = self;
        let mut wrong = Vec::new();
        let namespaces = compile_namespaces(included_namespaces, excluded_namespaces, &mut wrong);
        check_lists("Resources", included_resources, excluded_resources, &mut wrong);
        check_terms("includedResources", included_resources, &mut wrong);
        check_terms("excludedResources", excluded_resources, &mut wrong);
        if label_selector.is_some() && !or_label_selectors.is_empty() {
            wrong.push(InvalidSpec::new(
                "labelSelector",
                "cannot be set together with orLabelSelectors; keep one of them",
            ));
        }
        let mut branches = Vec::new();
        let single = label_selector.iter().map(|selector| ("labelSelector".to_owned(), selector));
        let several =
            or_label_selectors.iter().enumerate().map(|(at, each)| (format!("orLabelSelectors[{at}]"), each));
        for (field, selector) in single.chain(several) {
            branches.push(label_requirements(&field, selector).unwrap_or_else(|errors| {
                wrong.extend(errors);
                Vec::new()
            }));
        }
        match namespaces {
            Some(namespaces) if wrong.is_empty() => Ok(CompiledSelection {
                kinds: KindTerms::new(included_resources, excluded_resources),
                cluster_kinds: None,
                labels: LabelQuery::new(branches),
                cluster_scope: ClusterScope::of(*include_cluster_resources, namespaces.is_everything()),
                namespaces,
            }),
            _ => Err(wrong),
        }
    }
}

fn compile_namespaces(
    included: &[String],
    excluded: &[String],
    wrong: &mut Vec<InvalidSpec>,
) -> Option<NamePatterns> {
    check_lists("Namespaces", included, excluded, wrong);
    let before = wrong.len();
    for (field, patterns) in [("includedNamespaces", included), ("excludedNamespaces", excluded)] {
        for pattern in patterns {
            if let Err(error) = NamePatterns::new(std::slice::from_ref(pattern), &[]) {
                wrong.push(InvalidSpec::new(field, error));
            }
        }
    }
    if wrong.len() > before {
        return None;
    }
    NamePatterns::new(included, excluded)
        .map_err(|error| wrong.push(InvalidSpec::new("includedNamespaces", error)))
        .ok()
}

pub fn check_lists(what: &str, included: &[String], excluded: &[String], wrong: &mut Vec<InvalidSpec>) {
    let field = format!("excluded{what}");
    if excluded.iter().any(|name| name == "*") {
        wrong.push(InvalidSpec::new(&*field, "`*` would leave nothing; name what to leave out"));
    }
    for name in included.iter().filter(|name| *name != "*" && excluded.contains(name)) {
        wrong
            .push(InvalidSpec::new(&*field, format!("`{name}` is also in included{what}; keep one of them")));
    }
}

pub fn check_terms(field: &str, terms: &[String], wrong: &mut Vec<InvalidSpec>) {
    wrong.extend(terms.iter().filter(|term| !is_kind_term(term)).map(|term| {
        let why = format!(
            "`{term}` cannot name a kind: write for example `pods`, `deployments.apps`, `*.apps` or `*`"
        );
        InvalidSpec::new(field, why)
    }));
}

fn is_kind_term(term: &str) -> bool {
    let (name, group) = term.split_once('.').map_or((term, None), |(name, group)| (name, Some(group)));
    let plain = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    (name == "*" || plain(name)) && group.is_none_or(|group| group.split('.').all(plain))
}

/// The requirements of a selector; `field` names it in errors.
pub fn label_requirements(
    field: &str,
    selector: &LabelSelector,
) -> Result<Vec<LabelRequirement>, Vec<InvalidSpec>> {
    let mut wrong = Vec::new();
    let mut requirements = Vec::new();
    let LabelSelector { match_labels, match_expressions } = selector;
    for (key, value) in match_labels.iter().flatten() {
        match LabelRequirement::new(key, LabelOperator::In, std::slice::from_ref(value)) {
            Ok(requirement) => requirements.push(requirement),
            Err(error) => wrong.push(InvalidSpec::new(format!("{field}.matchLabels"), error)),
        }
    }
    for (at, expression) in match_expressions.iter().flatten().enumerate() {
        let field = format!("{field}.matchExpressions[{at}]");
        let operator = match expression.operator.as_str() {
            "In" => LabelOperator::In,
            "NotIn" => LabelOperator::NotIn,
            "Exists" => LabelOperator::Exists,
            "DoesNotExist" => LabelOperator::DoesNotExist,
            other => {
                let why = format!("`{other}` is not an operator: use In, NotIn, Exists or DoesNotExist");
                wrong.push(InvalidSpec::new(field, why));
                continue;
            }
        };
        let values = expression.values.as_deref().unwrap_or_default();
        match LabelRequirement::new(&expression.key, operator, values) {
            Ok(requirement) => requirements.push(requirement),
            Err(error) => wrong.push(InvalidSpec::new(field, error)),
        }
    }
    if wrong.is_empty() { Ok(requirements) } else { Err(wrong) }
}
