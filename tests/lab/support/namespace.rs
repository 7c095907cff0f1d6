//! A namespace that is one test's own and goes with it, however the test ends.

use std::path::PathBuf;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, ObjectMeta, PostParams};

use super::{Cluster, connect, eventually, unique};

/// A namespace with a unique name; dropping it asks for its removal.
pub struct TestNamespace {
    /// Its name.
    pub name: String,
    kubeconfig: PathBuf,
}

impl TestNamespace {
    /// Creates it, and waits until the controllers have furnished it.
    pub async fn create(cluster: &Cluster, purpose: &str) -> Self {
        let own = Self::reserve(cluster, purpose);
        let metadata = ObjectMeta { name: Some(own.name.clone()), ..ObjectMeta::default() };
        let namespace = Namespace { metadata, ..Namespace::default() };
        let all = Api::<Namespace>::all(cluster.client.clone());
        all.create(&PostParams::default(), &namespace).await.expect("a namespace can be created");
        cluster.furnished(&own.name).await;
        own
    }

    /// Only the name, for a namespace that a restore is to create; what is there at the end is
    /// removed all the same.
    pub fn reserve(cluster: &Cluster, purpose: &str) -> Self {
        Self { name: unique(purpose), kubeconfig: cluster.kubeconfig.clone() }
    }
}

impl Cluster {
    /// Waits until the controllers have put their own objects into a new namespace, so that nothing
    /// of theirs appears later, between a backup and its comparison.
    pub async fn furnished(&self, namespace: &str) {
        for object in ["serviceaccounts/default", "configmaps/kube-root-ca.crt"] {
            let path = format!("/api/v1/namespaces/{namespace}/{object}");
            eventually(&format!("{path} is there"), async || self.read(&path).await).await;
        }
    }
}

impl Drop for TestNamespace {
    fn drop(&mut self) {
        let (name, kubeconfig) = (self.name.clone(), self.kubeconfig.clone());
        // The test's runtime cannot be blocked on from within, so the removal has a thread and a
        // runtime of its own.
        let removal = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let all = Api::<Namespace>::all(connect(&kubeconfig).await);
                match all.delete(&name, &DeleteParams::background()).await {
                    Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
                    done => done.map(drop).map_err(std::io::Error::other),
                }
            })
        });
        let outcome = removal.join().expect("the removal does not panic");
        if !std::thread::panicking() {
            outcome.expect("a namespace can be removed");
        }
    }
}
