//! Kinds that references are told by.

/// The kind that defines kinds.
pub const CRDS: &str = "customresourcedefinitions.apiextensions.k8s.io";

/// The kind that other items live in.
pub const NAMESPACES: &str = "namespaces";

/// The kind that binds accounts to cluster roles.
pub const CLUSTER_ROLE_BINDINGS: &str = "clusterrolebindings.rbac.authorization.k8s.io";

/// The volumes' own kind.
pub const VOLUMES: &str = "persistentvolumes";

/// The claims' own kind.
pub const PVCS: &str = "persistentvolumeclaims";

/// Rules that bindings name, and that other roles gather by label.
pub const CLUSTER_ROLES: &str = "clusterroles.rbac.authorization.k8s.io";

/// Classes of volumes, which name drivers.
pub const STORAGE: &str = "storageclasses.storage.k8s.io";

/// Certificates that pods mount.
pub const BUNDLES: &str = "clustertrustbundles.certificates.k8s.io";

/// Policies whose bindings say with which parameters they hold.
pub const VALIDATING: &str = "validatingadmissionpolicies.admissionregistration.k8s.io";

pub const MUTATING: &str = "mutatingadmissionpolicies.admissionregistration.k8s.io";

/// The accounts of workloads.
pub const ACCOUNTS: &str = "serviceaccounts";
