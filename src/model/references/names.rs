//! The resource types of kinds that references lead to.

/// CustomResourceDefinitions.
pub const CRDS: &str = "customresourcedefinitions.apiextensions.k8s.io";

/// Namespaces.
pub const NAMESPACES: &str = "namespaces";

/// ClusterRoleBindings, which bind accounts to ClusterRoles.
pub const CLUSTER_ROLE_BINDINGS: &str = "clusterrolebindings.rbac.authorization.k8s.io";

/// PersistentVolumes.
pub const VOLUMES: &str = "persistentvolumes";

/// PersistentVolumeClaims.
pub const PVCS: &str = "persistentvolumeclaims";

/// ClusterRoles, which bindings name, and which other ClusterRoles gather by label.
pub const CLUSTER_ROLES: &str = "clusterroles.rbac.authorization.k8s.io";

/// StorageClasses, which name drivers.
pub const STORAGE: &str = "storageclasses.storage.k8s.io";

/// ClusterTrustBundles, whose certificates pods mount.
pub const BUNDLES: &str = "clustertrustbundles.certificates.k8s.io";

/// Admission policies, whose bindings name the parameters with which they hold.
pub const VALIDATING: &str = "validatingadmissionpolicies.admissionregistration.k8s.io";

pub const MUTATING: &str = "mutatingadmissionpolicies.admissionregistration.k8s.io";

/// ServiceAccounts.
pub const ACCOUNTS: &str = "serviceaccounts";
