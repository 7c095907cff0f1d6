//! Definitions in a cluster: Ark's own are installed once and left there, because every test of the
//! server needs them; another's are removed with all that tells of them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, Patch, PatchParams};
use serde_json::Value;
use tokio::sync::Mutex;

use super::{Cluster, eventually};

/// The path of definitions.
pub const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
/// The clusters that have Ark's definitions by now.
static INSTALLED: Mutex<BTreeSet<PathBuf>> = Mutex::const_new(BTreeSet::new());

impl Cluster {
    /// Installs every definition, as its YAML is printed, and waits until its kind is served.
    /// Nobody removes them again.
    pub async fn install_definitions(&self) {
        let mut installed = INSTALLED.lock().await;
        if installed.contains(&self.kubeconfig) {
            return;
        }
        let definitions = Api::<CustomResourceDefinition>::all(self.client.clone());
        for definition in ark::api::crds() {
            install(&definitions, &definition).await;
            let (group, plural) = (&definition.spec.group, &definition.spec.names.plural);
            self.serves(&format!("/apis/{group}/{}/{plural}", ark::api::VERSION)).await;
        }
        installed.insert(self.kubeconfig.clone());
    }

    /// Deletes the definition `PLURAL.GROUP`, and waits until discovery does not tell of its kind
    /// any more: a backup that is begun before that lists the kind, and has an error for it. Only
    /// for who has the lab alone.
    pub async fn remove_definition(&self, name: &str) {
        let (plural, group) = name.split_once('.').expect("PLURAL.GROUP");
        self.remove(&format!("{DEFINITIONS}/{name}")).await;
        eventually(&format!("discovery does not tell of {name}"), async || {
            let discovered = self.discovery("/apis").await;
            let parts = |value: &Value, field: &str| value[field].as_array().cloned().unwrap_or_default();
            let groups = parts(&discovered, "items").into_iter();
            let versions = groups
                .filter(|item| item["metadata"]["name"] == group)
                .flat_map(|group| parts(&group, "versions"));
            let mut kinds = versions.flat_map(|version| parts(&version, "resources"));
            (!kinds.any(|kind| kind["resource"] == plural)).then_some(())
        })
        .await;
    }

    /// What discovery says at `/api` or `/apis`.
    pub async fn discovery(&self, root: &str) -> Value {
        let request = http::Request::get(root)
            .header("Accept", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
        let request = request.body(Vec::new()).expect("a request");
        self.client.request(request).await.expect("discovery")
    }
}

async fn install(definitions: &Api<CustomResourceDefinition>, definition: &CustomResourceDefinition) {
    let name = definition.metadata.name.clone().expect("a definition has a name");
    let text = ark::api::crd_yaml(definition).expect("a definition can be written");
    let read: CustomResourceDefinition = serde_saphyr::from_str(&text).expect("its YAML can be read");
    assert_eq!(read, *definition, "{name} as YAML is another than in memory");
    definitions
        .patch(&name, &PatchParams::apply("ark-test").force(), &Patch::Apply(&read))
        .await
        .unwrap_or_else(|error| panic!("{name} is refused: {error}"));
    eventually(&format!("{name} is Established"), async || {
        let status = definitions.get(&name).await.expect("readable").status?;
        let mut conditions = status.conditions.into_iter().flatten();
        conditions.find(|each| each.type_ == "Established" && each.status == "True")
    })
    .await;
}
