//! Permissions of the server in a cluster: every rule with its reason, as data, and as YAML with
//! the reasons as comments. Pure.

/// One rule of a role.
#[derive(Clone, Copy, Debug)]
pub struct PolicyRule {
    /// The reason why the server needs the rule.
    pub reason: &'static str,
    /// The API groups; empty for a rule about paths.
    pub groups: &'static [&'static str],
    /// The resources in them; for a rule about paths, the paths.
    pub resources: &'static [&'static str],
    /// The permitted verbs.
    pub verbs: &'static [&'static str],
}

/// A role: its rules and its purpose.
#[derive(Clone, Copy, Debug)]
pub struct Role {
    /// The name: `backup`, `hooks`, `restore` or `server`.
    pub name: &'static str,
    /// The purpose of the role.
    pub purpose: &'static str,
    /// The rules of the role.
    pub rules: &'static [PolicyRule],
}

/// The role for the whole cluster, in every mode: a restore, too, reads before it writes.
pub const BACKUP: Role = Role {
    name: "backup",
    purpose: "Reads the whole cluster. Who holds it reads every Secret: treat it, and the bucket, like an administrator's key.",
    rules: &[
        PolicyRule {
            reason: "A backup holds every object of every kind, and which kinds there are is known only when it runs: custom \
                     resources come and go. Secrets are among them, since an application without its Secrets does not come back. \
                     Leaving kinds out is the Backup's business (excludedResources). No `get`: RBAC cannot take subresources out of \
                     `*`, and `get` of `pods/exec` or `nodes/proxy` runs commands in every pod; `list` reaches none of them.",
            groups: &["*"],
            resources: &["*"],
            verbs: &["list"],
        },
        PolicyRule {
            reason: "Which cluster this is (the uid of kube-system), and whether a namespace that somebody names is there.",
            groups: &[""],
            resources: &["namespaces"],
            verbs: &["get"],
        },
        PolicyRule {
            reason: "Whether the definition of a kind that is no longer served was deleted while the backup began.",
            groups: &["apiextensions.k8s.io"],
            resources: &["customresourcedefinitions"],
            verbs: &["get"],
        },
        PolicyRule {
            reason: "Which kinds the cluster serves, and its version. Usually every account may; hardened clusters took it away.",
            groups: &[],
            resources: &["/api", "/api/*", "/apis", "/apis/*", "/version"],
            verbs: &["get"],
        },
    ],
};

/// The role for the whole cluster that hooks need, unless they are disabled or no backups are made.
pub const HOOKS: Role = Role {
    name: "hooks",
    purpose: "Runs commands in pods, scales workloads and runs Jobs. Left out when hooks are disabled (--disable-hooks), and of a \
              server that only restores.",
    rules: &[
        PolicyRule {
            reason: "A hook runs a command in a container before or after the instant of a backup, in whatever pod asks for it by \
                     annotation or is selected by spec.hooks. `create` is what it takes; API servers before 1.35 ask for `get` of \
                     whoever comes by WebSocket, and later ones for both.",
            groups: &[""],
            resources: &["pods/exec"],
            verbs: &["create", "get"],
        },
        PolicyRule {
            reason: "A scale action sets the number of replicas to zero and back, and notes in an annotation what it was, in one write: \
                     the backup, and who finds the workload later, read it there. Other kinds than these take the same rights.",
            groups: &["apps"],
            resources: &["deployments", "replicasets", "statefulsets"],
            verbs: &["get", "patch"],
        },
        PolicyRule {
            reason: "Which pods are a workload's, that it may be waited for them to be gone.",
            groups: &["apps"],
            resources: &["deployments/scale", "replicasets/scale", "statefulsets/scale"],
            verbs: &["get"],
        },
        PolicyRule {
            reason: "A job action makes a Job, looks whether it is complete, and deletes what a killed server or a timeout left.",
            groups: &["batch"],
            resources: &["jobs"],
            verbs: &["create", "delete", "get"],
        },
        PolicyRule {
            reason: "A job action may name a CronJob that has the template.",
            groups: &["batch"],
            resources: &["cronjobs"],
            verbs: &["get"],
        },
        PolicyRule {
            reason: "The end of what the Job of an action printed goes into the log of the backup; without this right it does not.",
            groups: &[""],
            resources: &["pods/log"],
            verbs: &["get"],
        },
    ],
};

/// The second role for the whole cluster, unless restores are disabled.
pub const RESTORE: Role = Role {
    name: "restore",
    purpose: "Writes the whole cluster. Left out when restores are disabled (--disable-restores).",
    rules: &[
        PolicyRule {
            reason: "A restore makes whatever the backup holds, in namespaces that may not exist yet: so it takes a ClusterRole, and \
                     `*` since kinds are known only when it runs (definitions and their custom resources come back in one restore). \
                     `get` is for what is there already; `update` is for existingResourcePolicy Update; `patch` links owners, gives field owners back, frees \
                     volumes and writes the status of restoreStatus; `delete` is for Recreate. No `deletecollection`, no `impersonate`.",
            groups: &["*"],
            resources: &["*"],
            verbs: &["get", "create", "update", "patch", "delete"],
        },
        PolicyRule {
            reason: "Owner references are pointed at the new owner. Where the admission plugin OwnerReferencesPermissionEnforcement \
                     is on (OpenShift), one that blocks the owner's deletion takes the right to update the owner's finalizers.",
            groups: &["*"],
            resources: &["*/finalizers"],
            verbs: &["update"],
        },
        PolicyRule {
            reason: "A role that grants more than this one has (`watch`, `use`, `*`, paths) is refused without `escalate`, a binding \
                     to it without `bind`; backups of any cluster hold such roles.",
            groups: &["rbac.authorization.k8s.io"],
            resources: &["clusterroles", "roles"],
            verbs: &["bind", "escalate"],
        },
    ],
};

/// The role in the server's own namespace, in every mode.
pub const SERVER: Role = Role {
    name: "server",
    purpose: "The server's own objects, in its own namespace only.",
    rules: &[
        PolicyRule {
            reason: "The server follows its own kinds.",
            groups: &["ark.heptio.com"],
            resources: &[
                "backups",
                "backupstoragelocations",
                "deletebackuprequests",
                "downloadrequests",
                "restores",
                "schedules",
                "serverstatusrequests",
            ],
            verbs: &["get", "list", "watch"],
        },
        PolicyRule {
            reason: "Schedules make Backups, sync makes and removes what the bucket has and has no longer, and admission writes \
                     defaults and labels.",
            groups: &["ark.heptio.com"],
            resources: &["backups", "restores"],
            verbs: &["create", "delete", "patch"],
        },
        PolicyRule {
            reason: "What has expired, or is more than a schedule keeps, gets a DeleteBackupRequest, which goes an hour after it was done.",
            groups: &["ark.heptio.com"],
            resources: &["deletebackuprequests"],
            verbs: &["create", "delete"],
        },
        PolicyRule {
            reason: "Requests go an hour after they were answered.",
            groups: &["ark.heptio.com"],
            resources: &["downloadrequests", "serverstatusrequests"],
            verbs: &["delete"],
        },
        PolicyRule {
            reason: "What became of each object stands in its status.",
            groups: &["ark.heptio.com"],
            resources: &[
                "backups/status",
                "backupstoragelocations/status",
                "deletebackuprequests/status",
                "downloadrequests/status",
                "restores/status",
                "schedules/status",
                "serverstatusrequests/status",
            ],
            verbs: &["update"],
        },
        PolicyRule {
            reason: "Sync and validation write different fields of a location's status; what a Backup has yet to undo is noted beside its progress.",
            groups: &["ark.heptio.com"],
            resources: &["backups/status", "backupstoragelocations/status"],
            verbs: &["patch"],
        },
        PolicyRule {
            reason: "The credentials of a BackupStorageLocation, read by name; never listed.",
            groups: &[""],
            resources: &["secrets"],
            verbs: &["get"],
        },
        PolicyRule {
            reason: "Of several replicas one acts: the holder of the Lease ark-server.",
            groups: &["coordination.k8s.io"],
            resources: &["leases"],
            verbs: &["create", "get", "update"],
        },
        PolicyRule {
            reason: "Each change of a phase is told as an Event.",
            groups: &["events.k8s.io"],
            resources: &["events"],
            verbs: &["create", "patch"],
        },
    ],
};

/// Most columns of a comment's text in the YAML.
const WIDTH: usize = 110;

impl Role {
    /// Returns the items of `rules:` as YAML, each below its reason.
    pub fn yaml(&self) -> String {
        let mut text = String::new();
        for PolicyRule { reason, groups, resources, verbs } in self.rules {
            for line in wrapped(reason) {
                text += &format!("# {line}\n");
            }
            if groups.is_empty() {
                text += &format!("- nonResourceURLs: {}\n", list(resources));
            } else {
                text += &format!("- apiGroups: {}\n  resources: {}\n", list(groups), list(resources));
            }
            text += &format!("  verbs: {}\n", list(verbs));
        }
        text
    }

    /// Returns the rules as the API has them.
    pub fn rules(&self) -> serde_json::Value {
        let rule = |PolicyRule { reason: _, groups, resources, verbs }: &PolicyRule| {
            if groups.is_empty() {
                serde_json::json!({ "nonResourceURLs": resources, "verbs": verbs })
            } else {
                serde_json::json!({ "apiGroups": groups, "resources": resources, "verbs": verbs })
            }
        };
        self.rules.iter().map(rule).collect()
    }
}

/// Returns a list in YAML's short form.
fn list(items: &[&str]) -> String {
    let quoted: Vec<_> = items.iter().map(|item| format!("\"{item}\"")).collect();
    format!("[{}]", quoted.join(", "))
}

/// Returns the text in lines of at most [`WIDTH`] columns.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < WIDTH => *line += &format!(" {word}"),
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Returns the rules as named templates of the Helm chart: `charts/ark/templates/_rules.tpl`.
pub fn chart_rules() -> String {
    let mut text =
        "{{- /* Generated from src/cli/install/rbac.rs: ARK_UPDATE=1 cargo test --test architecture */ -}}\n"
            .to_owned();
    for role in [BACKUP, HOOKS, RESTORE, SERVER] {
        text += &format!("{{{{- define \"ark.rules.{}\" -}}}}\n{}{{{{- end }}}}\n", role.name, role.yaml());
    }
    text
}

/// Returns the rules as a table: a part of `docs/permissions.md`.
pub fn rules_table() -> String {
    let code = |items: &[&str]| {
        let named = items.iter().map(|item| if item.is_empty() { "core" } else { item });
        named.map(|item| format!("`{item}`")).collect::<Vec<_>>().join(", ")
    };
    let mut text = String::new();
    for Role { name, purpose, rules } in [BACKUP, HOOKS, RESTORE, SERVER] {
        text += &format!(
            "### `{name}`\n{purpose}\n\n| Groups | Resources or paths | Verbs | Why |\n|---|---|---|---|\n"
        );
        for PolicyRule { reason, groups, resources, verbs } in rules {
            text += &format!("| {} | {} | {} | {reason} |\n", code(groups), code(resources), code(verbs));
        }
        text += "\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = &'static PolicyRule> {
        [BACKUP, HOOKS, RESTORE, SERVER].into_iter().flat_map(|role| role.rules)
    }

    #[test]
    fn no_rule_grants_every_verb() {
        for rule in all() {
            assert!(!rule.verbs.contains(&"*") && !rule.verbs.contains(&"deletecollection"), "{rule:?}");
            assert!(rule.reason.len() > 20, "{rule:?}");
        }
    }

    #[test]
    fn the_role_for_backups_only_reads_and_reaches_no_subresource() {
        for rule in BACKUP.rules {
            let all =
                rule.groups.contains(&"*") || rule.resources.iter().any(|name| name.contains(['*', '/']));
            let verbs: &[&str] = if all && !rule.groups.is_empty() { &["list"] } else { &["get"] };
            assert_eq!(rule.verbs, verbs, "{rule:?}");
        }
    }

    #[test]
    fn the_rules_as_yaml_are_those_as_json() {
        for role in [BACKUP, HOOKS, RESTORE, SERVER] {
            let read: serde_json::Value = serde_saphyr::from_str(&role.yaml()).unwrap();
            assert_eq!(read, role.rules());
            let comments = role.yaml().lines().filter(|line| line.starts_with('#')).map(str::len).max();
            assert!(comments.is_some_and(|longest| longest <= WIDTH + 2), "{comments:?}");
        }
    }
}
