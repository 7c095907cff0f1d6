//! The client of Ark's own custom resources in one namespace.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::errors::{self, ApiCall};
use super::wait::held;
use crate::cli::exit::Failure;
use crate::cli::global::Global;

/// Deadline of one call: the API server itself gives up after 60 s, and webhooks after at most 30
/// s.
pub const DEADLINE: Duration = Duration::from_secs(40);

/// Objects on one page of a list: a Backup has some kilobytes, and a page should come in a second.
const PAGE: u32 = 500;

/// One of Ark's own kinds, with the noun that people use for it.
pub trait ArkResource:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Serialize
    + Send
    + Sync
    + 'static
{
    /// The noun in a sentence and, where there is such a command, on the command line.
    const NOUN: &'static str;
}

/// A client of Ark's own objects in one namespace.
pub struct ArkClient {
    pub(super) client: Client,
    pub(super) server: String,
    pub(super) namespace: String,
}

impl ArkClient {
    /// Creates a client for the cluster and the namespace that the options name, without a request.
    pub async fn open(global: &Global) -> Result<Self, Failure> {
        let cluster = global.cluster().await?;
        let (client, server) = (cluster.client(), cluster.server().to_owned());
        Ok(Self { client, server, namespace: global.namespace.clone() })
    }

    /// Returns the namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Returns the client underneath, for requests that are not about Ark's objects.
    pub fn kube(&self) -> &Client {
        &self.client
    }

    /// Returns the uid of this cluster, which is that of its namespace kube-system; `None` where
    /// the user may not read that namespace.
    pub async fn cluster_uid(&self) -> Option<String> {
        let namespaces = Api::<Namespace>::all(self.client.clone());
        let asked = tokio::time::timeout(DEADLINE, namespaces.get_opt("kube-system")).await;
        asked.ok()?.ok()??.uid()
    }

    /// Returns an object; fails if the object is not there.
    pub async fn get<K: ArkResource>(&self, name: &str) -> Result<K, Failure> {
        match self.find(name).await? {
            Some(object) => Ok(object),
            None => Err(self.missing::<K>(&[name]).await),
        }
    }

    /// Returns an object, or `None` if the object is not there.
    pub async fn find<K: ArkResource>(&self, name: &str) -> Result<Option<K>, Failure> {
        let asked = self.asked::<K>("get", Some(name));
        match within(&asked, self.api::<K>().get(name)).await? {
            Err(error) if errors::is_no_object(&error) => Ok(None),
            answer => answer.map(Some).map_err(|error| errors::explain(&asked, &error)),
        }
    }

    /// Returns all objects, or those that a label selector matches, sorted by name. Fails if there
    /// are none and the namespace does not exist.
    pub async fn list<K: ArkResource>(&self, selector: Option<&str>) -> Result<Vec<K>, Failure> {
        let asked = self.asked::<K>("list", None);
        let api = self.api::<K>();
        let mut parameters = ListParams::default().limit(PAGE);
        parameters.label_selector = selector.map(str::to_owned);
        let mut objects = Vec::new();
        loop {
            let page = within(&asked, api.list(&parameters)).await?;
            let page = page.map_err(|error| errors::explain(&asked, &error))?;
            objects.extend(page.items);
            parameters.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
            if parameters.continue_token.is_none() {
                break;
            }
        }
        if objects.is_empty() {
            self.check_namespace().await?;
        }
        objects.sort_by_key(|object| object.name_any());
        Ok(objects)
    }

    /// Creates an object; fails if its name is taken.
    pub async fn create<K: ArkResource>(&self, object: &K) -> Result<K, Failure> {
        if let Some(created) = self.create_if_free(object).await? {
            return Ok(created);
        }
        let name = object.name_any();
        let held = self.find::<K>(&name).await.ok().flatten().and_then(|found| held(&found));
        Err(errors::taken(&self.asked::<K>("create", Some(&name)), held.as_deref()))
    }

    /// Creates an object; returns `None` if its name is taken.
    pub async fn create_if_free<K: ArkResource>(&self, object: &K) -> Result<Option<K>, Failure> {
        let name = object.name_any();
        let asked = self.asked::<K>("create", Some(&name));
        match within(&asked, self.api::<K>().create(&PostParams::default(), object)).await? {
            Err(error) if errors::is_taken(&error) => Ok(None),
            answer => answer.map(Some).map_err(|error| errors::explain(&asked, &error)),
        }
    }

    /// Merges a change into an object and returns the result; fails if the object is not there.
    pub async fn change<K: ArkResource>(&self, name: &str, change: &Value) -> Result<K, Failure> {
        let asked = self.asked::<K>("patch", Some(name));
        let (api, parameters) = (self.api::<K>(), PatchParams::default());
        match within(&asked, api.patch(name, &parameters, &Patch::Merge(change))).await? {
            Err(error) if errors::is_no_object(&error) => Err(self.missing::<K>(&[name]).await),
            answer => answer.map_err(|error| errors::explain(&asked, &error)),
        }
    }

    /// Deletes an object; an object that is not there is no failure.
    pub async fn delete<K: ArkResource>(&self, name: &str) -> Result<(), Failure> {
        let asked = self.asked::<K>("delete", Some(name));
        match within(&asked, self.api::<K>().delete(name, &DeleteParams::default())).await? {
            Err(error) if errors::is_no_object(&error) => Ok(()),
            answer => answer.map(drop).map_err(|error| errors::explain(&asked, &error)),
        }
    }

    /// Deletes this very object, by its uid; another object of its name stays.
    pub async fn delete_this<K: ArkResource>(&self, object: &K) -> Result<(), Failure> {
        let name = object.name_any();
        let asked = self.asked::<K>("delete", Some(&name));
        let preconditions = Some(Preconditions { uid: object.uid(), resource_version: None });
        let parameters = DeleteParams { preconditions, ..DeleteParams::default() };
        let deleted = within(&asked, self.api::<K>().delete(&name, &parameters)).await?;
        deleted.map(drop).map_err(|error| errors::explain(&asked, &error))
    }

    /// Returns the failure that objects of these names are not there, or that their namespace does
    /// not exist.
    pub async fn missing<K: ArkResource>(&self, names: &[&str]) -> Failure {
        if let Err(failure) = self.check_namespace().await {
            return failure;
        }
        let (noun, namespace) = (K::NOUN, &self.namespace);
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        Failure::not_found(format!(
            "there is no {noun} {} in namespace {namespace}; `ark {noun} get` lists what is there, and -n names another namespace",
            names.join(", ")
        ))
    }

    /// Fails if the namespace does not exist. Any other answer, "forbidden" among them, counts as
    /// "exists".
    async fn check_namespace(&self) -> Result<(), Failure> {
        let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(self.client.clone());
        let answer = tokio::time::timeout(DEADLINE, namespaces.get(&self.namespace)).await;
        match answer {
            Ok(Err(error)) if errors::is_no_object(&error) => {
                Err(Failure::not_found(errors::no_namespace(&self.namespace)))
            }
            _ => Ok(()),
        }
    }

    /// Returns kube's `Api` of a kind, for callers that outlive this client.
    pub fn api<K: ArkResource>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Describes a call, for messages.
    pub(super) fn asked<'a, K: ArkResource>(
        &'a self,
        verb: &'static str,
        name: Option<&'a str>,
    ) -> ApiCall<'a> {
        let (server, namespace) = (&*self.server, &*self.namespace);
        ApiCall { verb, noun: K::NOUN, plural: K::plural(&()).into_owned(), name, namespace, server }
    }
}

/// Waits for an answer up to [`DEADLINE`]; fails if none comes.
async fn within<T>(
    asked: &ApiCall<'_>,
    answer: impl Future<Output = kube::Result<T>>,
) -> Result<kube::Result<T>, Failure> {
    tokio::time::timeout(DEADLINE, answer).await.map_err(|_| errors::timed_out(asked, DEADLINE))
}
