//! The table of kinds against what a real API server serves with all its APIs.

use std::collections::BTreeSet;

use ark::model::Kind;
use ark::model::traits::Traits;

use super::{find, open};
use crate::support::Lab;

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn every_kind_that_the_api_server_itself_serves_has_a_row_with_its_scope() {
    let lab = Lab::get().await;
    for lab in [&lab.a, &lab.b] {
        let cluster = open(lab).await;
        let catalog = cluster.catalog().await.expect("a catalog");
        let definitions = find(&catalog, "customresourcedefinitions.apiextensions.k8s.io");
        // Groups that a definition serves, or may have served a moment ago: real ones have a row or
        // are of these.
        let custom = |group: &str| group.ends_with(".example.com") || group == "ark.heptio.com";
        let defined: BTreeSet<String> = lab
            .read(&definitions.path(None, None))
            .await
            .and_then(|list| list["items"].as_array().cloned())
            .expect("a list")
            .iter()
            .filter_map(|item| Some(item["spec"]["group"].as_str()?.to_owned()))
            .collect();
        let (mut wrong, mut built_in) = (Vec::new(), 0);
        for info in &catalog.kinds {
            let group = info.resource.group();
            if custom(group) || defined.contains(group) {
                continue;
            }
            built_in += 1;
            let row = Traits::known(&Kind::parse(info.resource.as_str())).and_then(|traits| traits.namespaced);
            if row != Some(info.namespaced) {
                wrong.push(format!("{} {row:?}", info.resource));
            }
        }
        assert!(built_in > 50, "{built_in}");
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
