{{- /* Generated from src/cli/install/rbac.rs: ARK_UPDATE=1 cargo test --test architecture */ -}}
{{- define "ark.rules.backup" -}}
# A backup holds every object of every kind, and which kinds there are is known only when it runs: custom
# resources come and go. Secrets are among them, since an application without its Secrets does not come back.
# Leaving kinds out is the Backup's business (excludedResources). No `get`: RBAC cannot take subresources out of
# `*`, and `get` of `pods/exec` or `nodes/proxy` runs commands in every pod; `list` reaches none of them.
- apiGroups: ["*"]
  resources: ["*"]
  verbs: ["list"]
# Which cluster this is (the uid of kube-system), and whether a namespace that somebody names is there.
- apiGroups: [""]
  resources: ["namespaces"]
  verbs: ["get"]
# Whether the definition of a kind that is no longer served was deleted while the backup began.
- apiGroups: ["apiextensions.k8s.io"]
  resources: ["customresourcedefinitions"]
  verbs: ["get"]
# Which kinds the cluster serves, and its version. Usually every account may; hardened clusters took it away.
- nonResourceURLs: ["/api", "/api/*", "/apis", "/apis/*", "/version"]
  verbs: ["get"]
{{- end }}
{{- define "ark.rules.hooks" -}}
# A hook runs a command in a container before or after the instant of a backup, in whatever pod asks for it by
# annotation or is selected by spec.hooks. `create` is what it takes; API servers before 1.35 ask for `get` of
# whoever comes by WebSocket, and later ones for both.
- apiGroups: [""]
  resources: ["pods/exec"]
  verbs: ["create", "get"]
# A scale action sets the number of replicas to zero and back, and notes in an annotation what it was, in one
# write: the backup, and who finds the workload later, read it there. Other kinds than these take the same
# rights.
- apiGroups: ["apps"]
  resources: ["deployments", "replicasets", "statefulsets"]
  verbs: ["get", "patch"]
# Which pods are a workload's, that it may be waited for them to be gone.
- apiGroups: ["apps"]
  resources: ["deployments/scale", "replicasets/scale", "statefulsets/scale"]
  verbs: ["get"]
# A job action makes a Job, looks whether it is complete, and deletes what a killed server or a timeout left.
- apiGroups: ["batch"]
  resources: ["jobs"]
  verbs: ["create", "delete", "get"]
# A job action may name a CronJob that has the template.
- apiGroups: ["batch"]
  resources: ["cronjobs"]
  verbs: ["get"]
# The end of what the Job of an action printed goes into the log of the backup; without this right it does not.
- apiGroups: [""]
  resources: ["pods/log"]
  verbs: ["get"]
{{- end }}
{{- define "ark.rules.restore" -}}
# A restore makes whatever the backup holds, in namespaces that may not exist yet: so it takes a ClusterRole,
# and `*` since kinds are known only when it runs (definitions and their custom resources come back in one
# restore). `get` is for what is there already; `update` is for existingResourcePolicy Update; `patch` links
# owners, gives field owners back, frees volumes and writes the status of restoreStatus; `delete` is for
# Recreate. No `deletecollection`, no `impersonate`.
- apiGroups: ["*"]
  resources: ["*"]
  verbs: ["get", "create", "update", "patch", "delete"]
# Owner references are pointed at the new owner. Where the admission plugin OwnerReferencesPermissionEnforcement
# is on (OpenShift), one that blocks the owner's deletion takes the right to update the owner's finalizers.
- apiGroups: ["*"]
  resources: ["*/finalizers"]
  verbs: ["update"]
# A role that grants more than this one has (`watch`, `use`, `*`, paths) is refused without `escalate`, a
# binding to it without `bind`; backups of any cluster hold such roles.
- apiGroups: ["rbac.authorization.k8s.io"]
  resources: ["clusterroles", "roles"]
  verbs: ["bind", "escalate"]
{{- end }}
{{- define "ark.rules.server" -}}
# The server follows its own kinds.
- apiGroups: ["ark.heptio.com"]
  resources: ["backups", "backupstoragelocations", "deletebackuprequests", "downloadrequests", "restores", "schedules", "serverstatusrequests"]
  verbs: ["get", "list", "watch"]
# Schedules make Backups, sync makes and removes what the bucket has and has no longer, and admission writes
# defaults and labels.
- apiGroups: ["ark.heptio.com"]
  resources: ["backups", "restores"]
  verbs: ["create", "delete", "patch"]
# What has expired, or is more than a schedule keeps, gets a DeleteBackupRequest, which goes an hour after it
# was done.
- apiGroups: ["ark.heptio.com"]
  resources: ["deletebackuprequests"]
  verbs: ["create", "delete"]
# Requests go an hour after they were answered.
- apiGroups: ["ark.heptio.com"]
  resources: ["downloadrequests", "serverstatusrequests"]
  verbs: ["delete"]
# What became of each object stands in its status.
- apiGroups: ["ark.heptio.com"]
  resources: ["backups/status", "backupstoragelocations/status", "deletebackuprequests/status", "downloadrequests/status", "restores/status", "schedules/status", "serverstatusrequests/status"]
  verbs: ["update"]
# Sync and validation write different fields of a location's status; what a Backup has yet to undo is noted
# beside its progress.
- apiGroups: ["ark.heptio.com"]
  resources: ["backups/status", "backupstoragelocations/status"]
  verbs: ["patch"]
# The credentials of a BackupStorageLocation, read by name; never listed.
- apiGroups: [""]
  resources: ["secrets"]
  verbs: ["get"]
# Of several replicas one acts: the holder of the Lease ark-server.
- apiGroups: ["coordination.k8s.io"]
  resources: ["leases"]
  verbs: ["create", "get", "update"]
# Each change of a phase is told as an Event.
- apiGroups: ["events.k8s.io"]
  resources: ["events"]
  verbs: ["create", "patch"]
{{- end }}
