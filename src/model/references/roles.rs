//! Aggregated ClusterRoles: the roles that others gather by label. Pure.

use serde::Deserialize;

use crate::model::selection::{LabelOperator, LabelQuery, LabelRequirement, LabelSet};

/// A ClusterRole, as far as gathering goes.
#[derive(Clone, Debug)]
pub(super) struct ClusterRoleView {
    /// The name; `None` for a role that is taken itself: it gathers, whoever needs it.
    pub(super) name: Option<String>,
    pub(super) labels: LabelSet,
    /// The labels of the roles that it gathers; `None` if it gathers none.
    pub(super) gathers: Option<LabelQuery>,
}

impl ClusterRoleView {
    /// Reads a role, or returns `None` if the body is not of its shape.
    pub(super) fn read(name: Option<&str>, body: &[u8]) -> Option<Self> {
        let StoredRole { metadata, aggregation_rule } = serde_json::from_slice(body).ok()?;
        let selectors = aggregation_rule.and_then(|rule| rule.cluster_role_selectors);
        let branches: Vec<_> = selectors.into_iter().flatten().filter_map(Selector::compile).collect();
        Some(Self {
            name: name.map(str::to_owned),
            labels: metadata.labels.unwrap_or_default(),
            gathers: (!branches.is_empty()).then(|| LabelQuery::new(branches)),
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct StoredRole {
    metadata: Labelled,
    aggregation_rule: Option<AggregationRule>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Labelled {
    pub(super) labels: Option<LabelSet>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AggregationRule {
    cluster_role_selectors: Option<Vec<Selector>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Selector {
    match_labels: Option<LabelSet>,
    match_expressions: Option<Vec<Expression>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Expression {
    key: String,
    operator: String,
    values: Option<Vec<String>>,
}

impl Selector {
    /// Returns the requirements, or `None` if Kubernetes does not know one of them.
    pub(super) fn compile(self) -> Option<Vec<LabelRequirement>> {
        let labels = self.match_labels.into_iter().flatten();
        let labels = labels.map(|(key, value)| LabelRequirement::new(&key, LabelOperator::In, &[value]).ok());
        let expressions = self.match_expressions.into_iter().flatten().map(|expression| {
            let operator = match &*expression.operator {
                "In" => LabelOperator::In,
                "NotIn" => LabelOperator::NotIn,
                "Exists" => LabelOperator::Exists,
                "DoesNotExist" => LabelOperator::DoesNotExist,
                _ => return None,
            };
            LabelRequirement::new(&expression.key, operator, &expression.values.unwrap_or_default()).ok()
        });
        labels.chain(expressions).collect()
    }
}
