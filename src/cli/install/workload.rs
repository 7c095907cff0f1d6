//! The workload of the server: namespace, ServiceAccount, Deployment and the objects that protect
//! it. Pure.

use serde_json::{Map, Value, json};

use super::rbac::{BACKUP, HOOKS, RESTORE, Role, SERVER};

/// The name of ServiceAccount, Deployment, Service, PodDisruptionBudget and NetworkPolicy.
const NAME: &str = "ark";
/// The port of health, metrics and downloads.
const PORT: u16 = 8085;
/// The user "nobody": an account that owns no file of the image nor of a node.
const USER: u32 = 65532;
/// Seconds before a pod is killed: runs have 20 s to end in good order
/// (`controller/leader/term.rs`); then the Lease is released.
const GRACE: u8 = 30;

/// The settings on which the manifests depend.
#[derive(Clone, Debug)]
pub struct Workload {
    pub namespace: String,
    pub image: String,
    pub replicas: u32,
    pub restore_only: bool,
    pub disable_schedules: bool,
    pub disable_restores: bool,
    pub disable_hooks: bool,
    /// OpenShift gives each namespace users and groups of its own, and refuses others.
    pub openshift: bool,
    pub service_account_annotations: Map<String, Value>,
    pub pod_annotations: Map<String, Value>,
}

/// One object; the rules of a role are kept apart, because each is printed below its reason.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The object; of a role without `rules`.
    pub object: Value,
    /// The role, if the object is one.
    pub role: Option<Role>,
}

impl From<Value> for Manifest {
    fn from(object: Value) -> Self {
        Self { object, role: None }
    }
}

impl Workload {
    /// Returns the namespace. Its label makes sure that no pod beside the server gets more rights
    /// over a node than the server has.
    pub fn home(&self) -> Manifest {
        let labels =
            json!({ "app.kubernetes.io/name": NAME, "pod-security.kubernetes.io/enforce": "restricted" });
        let object = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": self.namespace, "labels": labels },
        });
        object.into()
    }

    /// Returns the ServiceAccount and its roles.
    pub fn access(&self) -> Vec<Manifest> {
        let mut account =
            self.object("v1", "ServiceAccount", json!({ "automountServiceAccountToken": false }));
        if !self.service_account_annotations.is_empty() {
            account["metadata"]["annotations"] = Value::Object(self.service_account_annotations.clone());
        }
        let mut all = vec![account.into()];
        all.extend(self.for_the_cluster(BACKUP));
        if !self.disable_hooks {
            all.extend(self.for_the_cluster(HOOKS));
        }
        if !self.disable_restores {
            all.extend(self.for_the_cluster(RESTORE));
        }
        all.extend(self.granted(SERVER, "", NAME.to_owned()));
        all
    }

    /// Returns the Deployment, and the objects that protect and expose it.
    pub fn server(&self) -> Vec<Manifest> {
        let mut all = vec![self.deployment().into(), self.service().into(), self.network_policy().into()];
        // With a single replica, a PodDisruptionBudget would only keep nodes from being drained.
        if self.replicas > 1 {
            let spec = json!({ "minAvailable": 1, "selector": { "matchLabels": selector() } });
            all.push(self.object("policy/v1", "PodDisruptionBudget", json!({ "spec": spec })).into());
        }
        all.push(self.flow_schema().into());
        all
    }

    fn for_the_cluster(&self, role: Role) -> [Manifest; 2] {
        // Named after the namespace, so that two servers in two namespaces do not replace each
        // other's roles.
        self.granted(role, "Cluster", format!("{}:{}", self.namespace, role.name))
    }

    fn granted(&self, role: Role, prefix: &str, name: String) -> [Manifest; 2] {
        let group = "rbac.authorization.k8s.io";
        let object = |kind: &str| {
            let mut object = self.object(&format!("{group}/v1"), &format!("{prefix}{kind}"), json!({}));
            object["metadata"]["name"] = json!(name);
            if !prefix.is_empty()
                && let Some(metadata) = object["metadata"].as_object_mut()
            {
                metadata.remove("namespace");
            }
            object
        };
        let mut binding = object("RoleBinding");
        binding["roleRef"] = json!({ "apiGroup": group, "kind": format!("{prefix}Role"), "name": name });
        binding["subjects"] =
            json!([{ "kind": "ServiceAccount", "name": NAME, "namespace": self.namespace }]);
        [Manifest { object: object("Role"), role: Some(role) }, binding.into()]
    }

    /// Returns an object in the namespace, with the fields of `rest`.
    fn object(&self, api_version: &str, kind: &str, rest: Value) -> Value {
        let mut object = rest;
        object["apiVersion"] = json!(api_version);
        object["kind"] = json!(kind);
        object["metadata"] = json!({ "name": NAME, "namespace": self.namespace, "labels": selector() });
        object
    }

    fn deployment(&self) -> Value {
        let mut annotations = self.pod_annotations.clone();
        for (name, value) in
            [("scrape", "true".to_owned()), ("port", PORT.to_string()), ("path", "/metrics".to_owned())]
        {
            annotations.entry(format!("prometheus.io/{name}")).or_insert_with(|| json!(value));
        }
        let apart = |topology: &str| {
            json!({
                "topologyKey": topology, "maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": { "matchLabels": selector() },
            })
        };
        let pod = json!({
            "serviceAccountName": NAME,
            "automountServiceAccountToken": true,
            "terminationGracePeriodSeconds": GRACE,
            "securityContext": self.security_context(),
            "topologySpreadConstraints": [apart("kubernetes.io/hostname"), apart("topology.kubernetes.io/zone")],
            "containers": [self.container()],
        });
        let spec = json!({
            "replicas": self.replicas,
            "selector": { "matchLabels": selector() },
            "template": { "metadata": { "labels": selector(), "annotations": annotations }, "spec": pod },
        });
        self.object("apps/v1", "Deployment", json!({ "spec": spec }))
    }

    fn security_context(&self) -> Value {
        let mut context = json!({ "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } });
        if !self.openshift {
            // The group may read the token that a cloud's webhook mounts for it.
            for field in ["runAsUser", "runAsGroup", "fsGroup"] {
                context[field] = json!(USER);
            }
        }
        context
    }

    fn container(&self) -> Value {
        let probe = |path: &str, period: u8, failures: u8| json!({ "httpGet": { "path": path, "port": "http" }, "periodSeconds": period, "timeoutSeconds": 5, "failureThreshold": failures });
        json!({
            "name": NAME,
            "image": self.image,
            "args": self.arguments(),
            // Addresses of downloads lead to the very pod that serves them.
            "env": [{ "name": "POD_NAME", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } }],
            "ports": [{ "name": "http", "containerPort": PORT, "protocol": "TCP" }],
            "livenessProbe": probe("/healthz", 10, 6),
            "readinessProbe": probe("/readyz", 5, 3),
            // Two backups and two restores at once stay below 256 MiB (benches/bench); a CPU limit
            // would only slow them.
            "resources": { "requests": { "cpu": "100m", "memory": "128Mi" }, "limits": { "memory": "512Mi" } },
            "securityContext": {
                "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                "capabilities": { "drop": ["ALL"] },
            },
        })
    }

    fn arguments(&self) -> Vec<String> {
        let switches = [
            (self.restore_only, "--restore-only"),
            (self.disable_schedules, "--disable-schedules"),
            (self.disable_restores, "--disable-restores"),
            (self.disable_hooks, "--disable-hooks"),
        ];
        let mut arguments = vec!["server".to_owned(), format!("--namespace={}", self.namespace)];
        arguments.extend(switches.into_iter().filter(|(on, _)| *on).map(|(_, switch)| switch.to_owned()));
        arguments
    }

    fn service(&self) -> Value {
        let port = json!({ "name": "http", "port": PORT, "targetPort": "http", "protocol": "TCP" });
        self.object("v1", "Service", json!({ "spec": { "selector": selector(), "ports": [port] } }))
    }

    /// Returns the NetworkPolicy. Ingress: metrics and downloads, from anywhere, since no selector
    /// covers the API server's proxy. Egress: everywhere, since no selector covers the API server
    /// or a bucket.
    fn network_policy(&self) -> Value {
        let spec = json!({
            "podSelector": { "matchLabels": selector() },
            "policyTypes": ["Ingress"],
            "ingress": [{ "ports": [{ "port": PORT, "protocol": "TCP" }] }],
        });
        self.object("networking.k8s.io/v1", "NetworkPolicy", json!({ "spec": spec }))
    }

    /// Returns the FlowSchema that keeps renewals of the Lease out of the queue of a restore's
    /// creates: by default both are of one flow.
    fn flow_schema(&self) -> Value {
        let subject = json!({
            "kind": "ServiceAccount", "serviceAccount": { "name": NAME, "namespace": self.namespace },
        });
        let leases = json!({
            "apiGroups": ["coordination.k8s.io"], "resources": ["leases"],
            "verbs": ["create", "get", "update"], "namespaces": [self.namespace],
        });
        let spec = json!({
            "priorityLevelConfiguration": { "name": "leader-election" },
            // After Kubernetes' own FlowSchemas for leader election, before the one for all service
            // accounts.
            "matchingPrecedence": 250,
            "distinguisherMethod": { "type": "ByUser" },
            "rules": [{ "subjects": [subject], "resourceRules": [leases] }],
        });
        json!({
            "apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "FlowSchema", "spec": spec,
            "metadata": { "name": format!("ark-lease-{}", self.namespace), "labels": selector() },
        })
    }
}

fn selector() -> Value {
    json!({ "app.kubernetes.io/name": NAME })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload() -> Workload {
        Workload {
            namespace: "heptio-ark".to_owned(),
            image: "registry.example/ark:1".to_owned(),
            replicas: 2,
            restore_only: false,
            disable_schedules: false,
            disable_restores: false,
            disable_hooks: false,
            openshift: false,
            service_account_annotations: Map::new(),
            pod_annotations: Map::new(),
        }
    }

    fn kinds(manifests: &[Manifest]) -> Vec<&str> {
        manifests.iter().map(|manifest| manifest.object["kind"].as_str().unwrap()).collect()
    }

    #[test]
    fn what_is_disabled_takes_no_rights() {
        let cluster_roles = |workload: &Workload| {
            let all = workload.access();
            let roles = all.iter().filter(|manifest| manifest.object["kind"] == "ClusterRole");
            roles.filter_map(|manifest| manifest.role).map(|role| role.name).collect::<Vec<_>>()
        };
        assert_eq!(cluster_roles(&workload()), ["backup", "hooks", "restore"]);
        let reads = Workload { disable_restores: true, disable_hooks: true, ..workload() };
        assert_eq!(cluster_roles(&reads), ["backup"]);
        assert_eq!(
            cluster_roles(&Workload { restore_only: true, ..workload() }),
            ["backup", "hooks", "restore"]
        );
    }

    #[test]
    fn a_single_replica_has_no_budget_that_would_keep_its_node_from_being_drained() {
        assert!(kinds(&workload().server()).contains(&"PodDisruptionBudget"));
        let single = Workload { replicas: 1, ..workload() };
        assert!(!kinds(&single.server()).contains(&"PodDisruptionBudget"));
    }

    #[test]
    fn cluster_roles_are_named_after_the_namespace_and_roles_lie_in_it() {
        for Manifest { object, role } in workload().access() {
            let cluster_wide = object["kind"].as_str().unwrap().starts_with("Cluster");
            assert_eq!(object["metadata"]["namespace"].is_null(), cluster_wide, "{object}");
            if let (true, Some(role)) = (cluster_wide, role) {
                assert_eq!(object["metadata"]["name"], format!("heptio-ark:{}", role.name));
            }
        }
    }

    #[test]
    fn the_server_is_told_what_it_shall_not_do() {
        let workload = Workload { restore_only: true, disable_schedules: true, ..workload() };
        let expected = ["server", "--namespace=heptio-ark", "--restore-only", "--disable-schedules"];
        assert_eq!(workload.arguments(), expected);
    }

    #[test]
    fn where_openshift_gives_out_users_and_groups_none_is_asked_for() {
        let context = |openshift| {
            let deployment = Workload { openshift, ..workload() }.deployment();
            deployment["spec"]["template"]["spec"]["securityContext"].clone()
        };
        assert_eq!(context(false)["runAsUser"], USER);
        let expected = json!({ "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } });
        assert_eq!(context(true), expected);
    }

    #[test]
    fn annotations_that_are_asked_for_win() {
        let annotations = Map::from_iter([("prometheus.io/scrape".to_owned(), json!("false"))]);
        let workload = Workload { pod_annotations: annotations, ..workload() };
        let found = &workload.deployment()["spec"]["template"]["metadata"]["annotations"];
        assert_eq!(found["prometheus.io/scrape"], "false");
        assert_eq!(found["prometheus.io/port"], "8085");
    }
}
