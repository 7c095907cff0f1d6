//! An installation of the server in a namespace of a cluster: locations, backups, restores and
//! schedules are created there, and awaited.

use serde_json::{Value, json};

use ark::store::Location;
use ark::store::location::checksums_setting;

use super::{Server, ServerOptions};
use crate::support::{Cluster, TestNamespace, eventually, fact};

/// A kind of ours: as it is called, and its plural.
#[derive(Clone, Copy, Debug)]
pub struct Kind(pub &'static str, pub &'static str);

pub const BACKUP: Kind = Kind("Backup", "backups");
pub const RESTORE: Kind = Kind("Restore", "restores");
pub const SCHEDULE: Kind = Kind("Schedule", "schedules");
pub const LOCATION: Kind = Kind("BackupStorageLocation", "backupstoragelocations");
pub const DELETION: Kind = Kind("DeleteBackupRequest", "deletebackuprequests");
pub const DOWNLOAD: Kind = Kind("DownloadRequest", "downloadrequests");
pub const STATUS: Kind = Kind("ServerStatusRequest", "serverstatusrequests");

/// Phases out of which nothing leads.
const FINAL: [&str; 5] = ["Completed", "PartiallyFailed", "Failed", "FailedValidation", "Processed"];
/// The Secret with the credentials of the lab's S3 server, and the key in it.
const SECRET: (&str, &str) = ("bucket-credentials", "cloud");
/// The server's leader election.
const LEASE: &str = "ark-server";

/// What servers of one namespace work on.
pub struct Installation<'a> {
    /// Its cluster.
    pub cluster: &'a Cluster,
    /// Its own namespace.
    pub namespace: TestNamespace,
}

impl<'a> Installation<'a> {
    /// Creates the namespace, with Ark's kinds in its cluster, and no server yet.
    pub async fn prepare(cluster: &'a Cluster, purpose: &str) -> Self {
        cluster.install_definitions().await;
        let installation = Self { cluster, namespace: TestNamespace::create(cluster, purpose).await };
        installation.set_credentials(&fact("AWS_ACCESS_KEY_ID"), &fact("AWS_SECRET_ACCESS_KEY")).await;
        installation
    }

    /// The name of its namespace.
    pub fn name(&self) -> &str {
        &self.namespace.name
    }

    /// Starts a server here and waits until it leads.
    pub async fn start(&self, options: ServerOptions) -> Server {
        let server = self.start_beside(options).await;
        self.leads(&server).await;
        server
    }

    /// Waits until a server leads.
    pub async fn leads(&self, server: &Server) {
        eventually("the server leads", async || {
            server.must_run();
            self.leader().await.filter(|holder| server.is_holder(holder))
        })
        .await;
    }

    /// Starts a server here and waits until it is ready, leading or not.
    pub async fn start_beside(&self, options: ServerOptions) -> Server {
        let server = Server::spawn(self.cluster, self.name(), options);
        server.ready().await;
        server
    }

    /// Starts a server after one that is known to be dead, without waiting for its lease to end.
    pub async fn start_again(&self, options: ServerOptions) -> Server {
        self.free_lease().await;
        self.start(options).await
    }

    /// Releases the lease in the place of a server that is known to be dead.
    pub async fn free_lease(&self) {
        // A write that the dead one had sent may arrive meanwhile.
        while let Some(mut lease) = self.cluster.read(&self.lease()).await {
            lease["spec"]["holderIdentity"] = Value::Null;
            if self.cluster.try_replace(&self.lease(), &lease).await {
                break;
            }
        }
    }

    /// Who holds the lease.
    pub async fn leader(&self) -> Option<String> {
        let lease = self.cluster.read(&self.lease()).await?;
        lease["spec"]["holderIdentity"].as_str().filter(|holder| !holder.is_empty()).map(str::to_owned)
    }

    /// The path of the lease.
    pub fn lease(&self) -> String {
        format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases/{LEASE}", self.name())
    }

    /// The path of all objects of a kind.
    pub fn path(&self, Kind(_, plural): Kind) -> String {
        format!("/apis/ark.heptio.com/v1/namespaces/{}/{plural}", self.name())
    }

    /// Puts these credentials into the Secret that locations name.
    pub async fn set_credentials(&self, key: &str, secret: &str) {
        let text = format!("[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n");
        let path = format!("/api/v1/namespaces/{}/secrets", self.name());
        let (name, field) = SECRET;
        let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {field: text}});
        if self.cluster.read(&format!("{path}/{name}")).await.is_some() {
            self.cluster.replace(&format!("{path}/{name}"), &object).await;
        } else {
            self.cluster.create(&path, &object).await;
        }
    }

    /// A location at the URL of a bucket; `more` are fields of its specification besides.
    pub async fn location(&self, name: &str, bucket: &str, more: Value) -> Value {
        let mut spec = match Location::from_url(bucket).expect("a location") {
            Location::S3(s3) => json!({
                "provider": "s3",
                "bucket": s3.bucket,
                "config": {
                    "region": s3.region,
                    "endpoint": s3.endpoint,
                    "publicUrl": s3.public_url,
                    "checksums": s3.checksums.map(checksums_setting),
                    "forcePathStyle": s3.force_path_style,
                    "createBucket": s3.create_bucket,
                },
                "credential": {"name": SECRET.0, "key": SECRET.1},
                "prefix": Some(s3.prefix).filter(|prefix| !prefix.is_empty()),
            }),
            Location::Directory(folder) => json!({"provider": "fs", "bucket": folder.path}),
        };
        drop_nulls(&mut spec);
        for (field, value) in more.as_object().expect("fields") {
            spec[field] = value.clone();
        }
        self.create(LOCATION, name, spec).await
    }

    /// Creates an object with this specification.
    pub async fn create(&self, kind: Kind, name: &str, spec: Value) -> Value {
        self.create_object(kind, json!({"metadata": {"name": name}, "spec": spec})).await
    }

    /// Creates an object; `object` needs neither apiVersion nor kind.
    pub async fn create_object(&self, kind: Kind, object: Value) -> Value {
        self.try_create(kind, object).await.unwrap_or_else(|error| panic!("{}: {error}", kind.0))
    }

    /// Creates an object, or says why the API server did not take it.
    pub async fn try_create(&self, kind: Kind, mut object: Value) -> Result<Value, String> {
        object["apiVersion"] = json!("ark.heptio.com/v1");
        object["kind"] = json!(kind.0);
        self.cluster.try_create(&self.path(kind), &object).await
    }

    /// Reads an object.
    pub async fn read(&self, kind: Kind, name: &str) -> Option<Value> {
        self.cluster.read(&format!("{}/{name}", self.path(kind))).await
    }

    /// Asks for the removal of an object.
    pub async fn delete(&self, kind: Kind, name: &str) {
        self.cluster.delete(&format!("{}/{name}", self.path(kind))).await;
    }

    /// All objects of a kind.
    pub async fn all(&self, kind: Kind) -> Vec<Value> {
        let list = self.cluster.read(&self.path(kind)).await.expect("the kind is served");
        list["items"].as_array().cloned().unwrap_or_default()
    }

    /// The phase of an object.
    pub async fn phase(&self, kind: Kind, name: &str) -> Option<String> {
        self.read(kind, name).await?["status"]["phase"].as_str().map(str::to_owned)
    }

    /// Waits until an object is in a phase; one that ended in another fails the test at once.
    pub async fn reach(&self, kind: Kind, name: &str, phase: &str) -> Value {
        let last = std::cell::RefCell::new(Value::Null);
        let what = format!("{} {name} is {phase}", kind.0);
        eventually(&what, async || {
            let object = self.read(kind, name).await?;
            let now = object["status"]["phase"].as_str().unwrap_or_default().to_owned();
            assert!(now == phase || !FINAL.contains(&now.as_str()), "{what}: it ended otherwise: {object}");
            if *last.borrow() != object["status"] {
                // Shown when the test fails: what it got stuck in.
                println!("{} {name}: {}", kind.0, object["status"]);
                last.replace(object["status"].clone());
            }
            (now == phase).then_some(object)
        })
        .await
    }

    /// Waits until an object says why it waits, in words that contain `why`.
    pub async fn waits(&self, kind: Kind, name: &str, why: &str) -> Value {
        eventually(&format!("{} {name} says that it waits: {why}", kind.0), async || {
            let object = self.read(kind, name).await?;
            let conditions = object["status"]["conditions"].as_array()?;
            let waits = |each: &Value| each["type"] == "Waiting" && each.to_string().contains(why);
            conditions.iter().any(waits).then_some(object)
        })
        .await
    }

    /// Changes an object, or its status where `part` is `/status`, however often others write it
    /// meanwhile.
    pub async fn edit(&self, kind: Kind, name: &str, part: &str, change: impl Fn(&mut Value)) {
        let path = format!("{}/{name}", self.path(kind));
        self.cluster.edit(&path, part, change).await;
    }

    /// Waits until an object is not there.
    pub async fn gone(&self, kind: Kind, name: &str) {
        let what = format!("{} {name} is gone", kind.0);
        eventually(&what, async || self.read(kind, name).await.is_none().then_some(())).await;
    }
}

/// The condition of this type of an object.
pub fn condition<'a>(object: &'a Value, type_: &str) -> &'a Value {
    let conditions = object["status"]["conditions"].as_array().expect("conditions");
    conditions.iter().find(|each| each["type"] == type_).unwrap_or_else(|| panic!("no {type_} in {object}"))
}

/// Fields that are not given are left out, at any depth.
fn drop_nulls(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.retain(|_, field| !field.is_null());
        fields.values_mut().for_each(drop_nulls);
    }
}
