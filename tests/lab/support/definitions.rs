//! Ark's own kinds in a cluster: installed once, left there, because every test of the server needs them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, Patch, PatchParams};
use tokio::sync::Mutex;

use super::{Cluster, eventually};

/// The clusters that have them by now.
static INSTALLED: Mutex<BTreeSet<PathBuf>> = Mutex::const_new(BTreeSet::new());

impl Cluster {
    /// Installs every definition, as its YAML is printed, and waits until its kind is served. Nobody removes them again.
    pub async fn install_definitions(&self) {
        let mut installed = INSTALLED.lock().await;
        if installed.contains(&self.kubeconfig) {
            return;
        }
        let definitions = Api::<CustomResourceDefinition>::all(self.client.clone());
        for definition in ark::api::crds() {
            install(&definitions, &definition).await;
        }
        installed.insert(self.kubeconfig.clone());
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
