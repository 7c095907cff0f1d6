//! The table against Kubernetes' own list of kinds, and the traits of kinds that were wrong
//! before.

use super::*;

/// Made from the sources of Kubernetes 1.37.2: `api/discovery/aggregated_v2.json` and
/// `api__v1.json`, which its own `hack/update-openapi-spec.sh` writes with all APIs on; a line a
/// resource, subresources aside.
const BUILT_IN: &str = include_str!("built_in.txt");

fn kind(name: &str) -> GroupResource {
    GroupResource::parse(name)
}

#[test]
fn every_built_in_kind_has_a_row_with_its_scope() {
    let mut lines = 0;
    for line in BUILT_IN.lines() {
        let (name, scope) = line.split_once(' ').unwrap();
        let traits = Traits::known(&kind(name)).unwrap_or_else(|| panic!("{name} has no row"));
        assert_eq!(traits.namespaced, Some(scope == "namespaced"), "{name}");
        lines += 1;
    }
    assert!(lines > 70, "{lines}");
}

#[test]
fn no_kind_has_two_rows_and_the_rows_of_a_class_stand_together() {
    assert_eq!(ROWS.len(), table::ROWS.len());
    let mut classes: Vec<PriorityClass> = table::ROWS.iter().map(|(_, traits)| traits.class).collect();
    let at_home = classes.iter().rposition(|class| *class == PriorityClass::Last).unwrap();
    classes.truncate(at_home + 1);
    assert!(classes.is_sorted(), "{classes:?}");
}

#[test]
fn what_others_need_comes_first_and_what_refuses_comes_last() {
    let order = [
        "customresourcedefinitions.apiextensions.k8s.io",
        "namespaces",
        "servicecidrs.networking.k8s.io",
        "volumesnapshotcontents.snapshot.storage.k8s.io",
        "persistentvolumes",
        "persistentvolumeclaims",
        "serviceaccounts",
        "secrets",
        "widgets.example.com",
        "services",
        "deployments.apps",
        "replicasets.apps",
        "pods",
        "horizontalpodautoscalers.autoscaling",
        "resourcequotas",
        "mutatingadmissionpolicies.admissionregistration.k8s.io",
        "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
        "validatingadmissionpolicies.admissionregistration.k8s.io",
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
    ];
    let mut kinds: Vec<GroupResource> = order.iter().rev().map(|name| kind(name)).collect();
    kinds.sort_by(restore_order);
    let names: Vec<&str> = kinds.iter().map(GroupResource::as_str).collect();
    assert_eq!(names, order);
    assert!(order[14..].iter().all(|name| is_last(&kind(name))) && !is_last(&kind("pods")));
    // Secrets with tokens come after the ServiceAccounts that they belong to.
    let class = |name: &str| PriorityClass::of(&kind(name));
    assert!(class("secrets") > class("serviceaccounts"));
    // A class begins when the one before it is done: kinds that may refuse a quota come when the
    // quotas are there.
    let classes = order[14..].iter().map(|name| PriorityClass::of(&kind(name)));
    assert!(classes.skip(1).all(|class| class > PriorityClass::of(&kind("resourcequotas"))));
}

#[test]
fn what_tells_of_one_cluster_is_taken_when_it_is_named_and_never_restored() {
    for name in [
        "nodes",
        "events.events.k8s.io",
        "resourceslices.resource.k8s.io",
        "csistoragecapacities.storage.k8s.io",
        "certificatesigningrequests.certificates.k8s.io",
        "podcertificaterequests.certificates.k8s.io",
        "leasecandidates.coordination.k8s.io",
        "leases.coordination.k8s.io",
        "resourcepoolstatusrequests.resource.k8s.io",
        "evictionrequests.lifecycle.k8s.io",
        "evictions.lifecycle.k8s.io",
    ] {
        assert!(must_be_named(&kind(name)) && stays_behind(&kind(name)), "{name}");
    }
    let record = kind("backups.velero.io");
    assert!(!must_be_named(&record) && stays_behind(&record));
    for name in ["servicecidrs.networking.k8s.io", "deviceclasses.resource.k8s.io", "widgets.example.com"] {
        assert!(!must_be_named(&kind(name)) && !stays_behind(&kind(name)), "{name}");
    }
}

#[test]
fn a_controller_makes_again_what_it_made_and_nothing_else() {
    for (item, controller, remade) in [
        ("pods", "replicasets.apps", Regenerated::Yes),
        ("pods", "postgresclusters.example.com", Regenerated::No),
        ("persistentvolumeclaims", "pods", Regenerated::Yes),
        ("persistentvolumeclaims", "statefulsets.apps", Regenerated::No),
        ("resourceclaims.resource.k8s.io", "pods", Regenerated::Yes),
        ("resourceclaims.resource.k8s.io", "podgroups.scheduling.k8s.io", Regenerated::Yes),
        ("podgroups.scheduling.k8s.io", "jobs.batch", Regenerated::Yes),
        ("podgroups.scheduling.k8s.io", "jobsets.jobset.x-k8s.io", Regenerated::No),
        ("workloads.scheduling.k8s.io", "jobs.batch", Regenerated::Yes),
        ("replicasets.apps", "deployments.apps", Regenerated::Newest),
        ("jobs.batch", "cronjobs.batch", Regenerated::No),
        ("endpointslices.discovery.k8s.io", "services", Regenerated::No),
        ("secrets", "pods", Regenerated::No),
    ] {
        assert_eq!(regenerates(&kind(item), &kind(controller)), remade, "{item} of {controller}");
    }
}

#[test]
fn data_and_adoption_are_facts_of_a_kind() {
    let yes = |is: fn(&GroupResource) -> bool, names: &[&str]| names.iter().all(|name| is(&kind(name)));
    assert!(yes(is_data, &["persistentvolumes", "volumesnapshots.snapshot.storage.k8s.io"]));
    assert!(!is_data(&kind("configmaps")));
    assert!(yes(adopts, &["deployments.apps", "replicasets.apps", "statefulsets.apps"]));
    // A Job's selector is made anew with each Job.
    assert!(!adopts(&kind("jobs.batch")));
}

#[test]
fn what_is_not_of_kubernetes_is_a_custom_resource_row_or_not() {
    let own: Vec<&str> = BUILT_IN.lines().filter_map(|line| Some(line.split_once(' ')?.0)).collect();
    for (name, _) in table::ROWS {
        assert_eq!(is_custom(&kind(name)), !own.contains(name), "{name}");
    }
    for name in ["widgets.example.com", "gateways.networking.istio.io", "hosts.edge.networking.k8s.io"] {
        assert!(is_custom(&kind(name)), "{name}");
    }
    // A kind of a version of Kubernetes that the table does not know.
    for name in ["ingresses.extensions", "podsecuritypolicies.policy", "routes.networking.k8s.io"] {
        assert!(!is_custom(&kind(name)), "{name}");
    }
}

#[test]
fn policies_of_well_known_engines_come_when_what_they_judge_is_there() {
    for name in [
        "clusterpolicies.kyverno.io",
        "k8srequiredlabels.constraints.gatekeeper.sh",
        "assign.mutations.gatekeeper.sh",
        "clusteradmissionpolicies.policies.kubewarden.io",
    ] {
        assert!(is_last(&kind(name)) && is_custom(&kind(name)), "{name}");
    }
    // The kind that defines a policy comes before the policy.
    assert!(!is_last(&kind("constrainttemplates.templates.gatekeeper.sh")));
    for name in ["scaledobjects.keda.sh", "verticalpodautoscalers.autoscaling.k8s.io"] {
        assert_eq!(PriorityClass::of(&kind(name)), PriorityClass::Autoscalers, "{name}");
    }
}
