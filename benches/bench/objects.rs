//! The load: objects as clusters have them, the same in every run.
//!
//! Nothing of it runs: deployments are paused with no replicas, cron jobs are suspended, services
//! select nothing.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::client::Creation;

/// What the names of the load's namespaces begin with.
pub const PREFIX: &str = "bench-";
/// Where the custom resources are.
pub const WIDGETS: &str = "/apis/bench.example.com/v1/widgets";
/// Namespaces of the load.
const NAMESPACES: usize = 50;

/// Of a hundred objects, so many are of a kind.
const SHARES: [(usize, &str, Make); 11] = [
    (22, "api/v1/*/configmaps", config_map),
    (18, "api/v1/*/secrets", secret),
    (7, "api/v1/*/serviceaccounts", service_account),
    (5, "apis/rbac.authorization.k8s.io/v1/*/roles", role),
    (7, "apis/rbac.authorization.k8s.io/v1/*/rolebindings", role_binding),
    (9, "api/v1/*/services", service),
    (12, "apis/apps/v1/*/deployments", deployment),
    (3, "apis/batch/v1/*/cronjobs", cron_job),
    (3, "apis/networking.k8s.io/v1/*/networkpolicies", network_policy),
    (3, "apis/policy/v1/*/poddisruptionbudgets", disruption_budget),
    (11, "apis/bench.example.com/v1/*/widgets", widget),
];

/// Fills in everything but the metadata.
type Make = fn(&mut Source, usize) -> Value;

/// The name of a namespace of the load.
pub fn namespace_name(number: usize) -> String {
    format!("{PREFIX}{number:02}")
}

/// The namespaces.
pub fn namespaces() -> Vec<Creation> {
    let namespace = |number| {
        let name = namespace_name(number);
        let labels = json!({"team": format!("team-{}", number % 7), "example.com/stage": "production"});
        let body =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
        Creation { path: "/api/v1/namespaces".to_owned(), body: body.to_string().into() }
    };
    (0..NAMESPACES).map(namespace).collect()
}

/// The definition of the custom resource.
pub fn definition() -> Creation {
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let schema = json!({"type": "object", "properties": {"spec": open, "status": open}});
    let version =
        json!({"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}});
    let body = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.bench.example.com"},
        "spec": {
            "group": "bench.example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "versions": [version],
        },
    });
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions".to_owned();
    Creation { path, body: body.to_string().into() }
}

/// An object of the load, by its number.
pub fn object(number: usize) -> Creation {
    let mut source = Source::new(number);
    let namespace = namespace_name(source.below(NAMESPACES));
    let mut place = number * 37 % 100; // kinds alternate
    let mut shares = SHARES.iter();
    let (_, path, make) = loop {
        match shares.next() {
            Some(share) if place < share.0 => break share,
            Some(share) => place -= share.0,
            None => break &SHARES[0],
        }
    };
    let application = source.word();
    let mut metadata = json!({
        "name": format!("{application}-{number:05}"),
        "labels": {
            "app.kubernetes.io/name": application,
            "app.kubernetes.io/instance": format!("{application}-{}", source.below(20)),
            "app.kubernetes.io/managed-by": "Helm",
            "helm.sh/chart": format!("{application}-{}.{}.{}", source.below(9), source.below(30), source.below(9)),
        },
        "annotations": {"meta.helm.sh/release-name": application, "meta.helm.sh/release-namespace": namespace},
    });
    if source.below(10) == 0 {
        metadata["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = source.text(900).into();
    }
    let mut body = make(&mut source, number);
    body["metadata"] = metadata;
    let path = format!("/{}", path.replace('*', &format!("namespaces/{namespace}")));
    Creation { path, body: Bytes::from(body.to_string()) }
}

fn config_map(source: &mut Source, number: usize) -> Value {
    let data: Map<String, Value> = if number.is_multiple_of(97) {
        [("dashboard.json".to_owned(), source.text(50_000).into())].into_iter().collect()
    } else {
        let keys = 1 + source.below(4);
        let size = 120 + source.below(1500);
        (0..keys).map(|key| (format!("{}-{key}.conf", source.word()), source.text(size).into())).collect()
    };
    json!({"apiVersion": "v1", "kind": "ConfigMap", "data": data})
}

fn secret(source: &mut Source, _: usize) -> Value {
    let keys = 1 + source.below(3);
    let size = 40 + source.below(1200);
    let data: Map<String, Value> =
        (0..keys).map(|key| (format!("{}-{key}", source.word()), source.noise(size).into())).collect();
    json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": data})
}

fn service_account(_: &mut Source, number: usize) -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "automountServiceAccountToken": number.is_multiple_of(2)})
}

fn role(source: &mut Source, _: usize) -> Value {
    let rules: Vec<Value> = (0..1 + source.below(5))
        .map(|_| json!({"apiGroups": ["", "apps"], "resources": [source.word(), source.word()], "verbs": ["get", "list", "watch"]}))
        .collect();
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "rules": rules})
}

fn role_binding(source: &mut Source, _: usize) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": source.word()},
        "subjects": [{"kind": "ServiceAccount", "name": source.word(), "namespace": namespace_name(source.below(NAMESPACES))}],
    })
}

fn service(source: &mut Source, _: usize) -> Value {
    let ports: Vec<Value> = (0..1 + source.below(3))
        .map(|port| json!({"name": format!("p{port}"), "port": 8000 + port, "targetPort": 9000 + port}))
        .collect();
    json!({"apiVersion": "v1", "kind": "Service", "spec": {"ports": ports}})
}

fn deployment(source: &mut Source, _: usize) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "spec": {"replicas": 0, "paused": true, "selector": {"matchLabels": {"app": "web"}}, "template": template(source)},
    })
}

fn cron_job(source: &mut Source, _: usize) -> Value {
    let mut template = template(source);
    template["spec"]["restartPolicy"] = "Never".into();
    json!({
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "spec": {"schedule": "3 4 * * *", "suspend": true, "jobTemplate": {"spec": {"template": template}}},
    })
}

fn template(source: &mut Source) -> Value {
    let containers: Vec<Value> = (0..1 + source.below(2))
        .map(|number| {
            let variables: Vec<Value> = (0..source.below(15))
                .map(|_| json!({"name": source.word().to_uppercase(), "value": source.text(30)}))
                .collect();
            json!({
                "name": format!("c{number}"),
                "image": format!("images.example.com/{}/{}:{}", source.word(), source.word(), source.below(400)),
                "args": ["--log=json", source.word()],
                "env": variables,
                "ports": [{"containerPort": 8080, "name": format!("p{number}")}],
                "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
                "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}},
                "volumeMounts": [{"name": "settings", "mountPath": "/settings"}],
            })
        })
        .collect();
    json!({
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": containers, "volumes": [{"name": "settings", "configMap": {"name": source.word()}}]},
    })
}

fn network_policy(source: &mut Source, _: usize) -> Value {
    let from: Vec<Value> = (0..1 + source.below(4))
        .map(|_| json!({"podSelector": {"matchLabels": {"app": source.word()}}}))
        .collect();
    let spec = json!({"podSelector": {"matchLabels": {"app": source.word()}}, "ingress": [{"from": from}], "policyTypes": ["Ingress"]});
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "spec": spec})
}

fn disruption_budget(source: &mut Source, _: usize) -> Value {
    json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": source.word()}}},
    })
}

fn widget(source: &mut Source, _: usize) -> Value {
    let parts: Vec<Value> = (0..source.below(12))
        .map(|part| json!({"name": source.word(), "weight": part, "note": source.text(120)}))
        .collect();
    json!({"apiVersion": "bench.example.com/v1", "kind": "Widget", "spec": {"colour": source.word(), "parts": parts}})
}

/// Words that compress about as well as real ones.
const WORDS: [&str; 40] = [
    "account",
    "agent",
    "api",
    "audit",
    "backend",
    "batch",
    "billing",
    "broker",
    "cache",
    "catalog",
    "checkout",
    "collector",
    "config",
    "console",
    "customer",
    "dashboard",
    "delivery",
    "exporter",
    "frontend",
    "gateway",
    "identity",
    "indexer",
    "inventory",
    "ledger",
    "mailer",
    "metrics",
    "notifier",
    "order",
    "payment",
    "policy",
    "profile",
    "proxy",
    "queue",
    "report",
    "scheduler",
    "search",
    "session",
    "storage",
    "token",
    "worker",
];

/// Numbers that look random and are the same in every run (SplitMix64).
pub struct Source(u64);

impl Source {
    fn new(seed: usize) -> Self {
        Self(seed as u64 ^ 0x5eed_0fa1)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn word(&mut self) -> &'static str {
        WORDS[self.below(WORDS.len())]
    }

    /// Settings as people write them.
    fn text(&mut self, size: usize) -> String {
        let mut text = String::with_capacity(size + 40);
        while text.len() < size {
            text.push_str(self.word());
            text.push('.');
            text.push_str(self.word());
            text.push_str(&format!("={}\n", self.next() % 100_000));
        }
        text
    }

    /// Base64 of bytes that do not compress.
    fn noise(&mut self, size: usize) -> String {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        (0..size / 3 * 4).map(|_| char::from(DIGITS[self.below(64)])).collect()
    }
}
