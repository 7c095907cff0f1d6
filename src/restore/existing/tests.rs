//! Verdicts about items that are in the cluster already.

use serde_json::json;

use super::*;

fn differing(changed: &[&str], extra: &[&str]) -> Difference {
    let owned = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
    Difference { changed: owned(changed), extra: owned(extra) }
}

fn selected(kind: &str, difference: &Difference, policy: Policy, observed: ObservedItem) -> ExistingVerdict {
    let item = ItemKey::cluster(GroupResource::parse(kind), "default");
    decide(&item, Inclusion::Selected, difference, policy, observed)
}

#[test]
fn the_policy_decides_about_what_differs_and_data_is_safe() {
    let none = Difference::default();
    let changed = differing(&["spec.x"], &[]);
    let counted = differing(&["revision"], &[]);
    let extra = differing(&[], &["data.x"]);
    let (by_policy, for_data) =
        (ExistingVerdict::Leave(LeaveReason::Policy), ExistingVerdict::Leave(LeaveReason::Data));
    for (kind, difference, policy, expected) in [
        ("configmaps", &none, Policy::Recreate, ExistingVerdict::Unchanged),
        ("configmaps", &changed, Policy::None, by_policy),
        ("configmaps", &extra, Policy::None, by_policy),
        ("configmaps", &changed, Policy::Update, ExistingVerdict::Update),
        ("configmaps", &extra, Policy::Update, ExistingVerdict::Update),
        ("configmaps", &changed, Policy::Recreate, ExistingVerdict::Recreate),
        ("configmaps", &extra, Policy::Recreate, ExistingVerdict::Recreate),
        (NAMESPACES, &changed, Policy::Recreate, ExistingVerdict::Update),
        (CRDS, &extra, Policy::Recreate, ExistingVerdict::Update),
        // Made anew, a CronJob would run a second Job beside the one that runs.
        ("cronjobs.batch", &changed, Policy::Recreate, ExistingVerdict::Update),
        ("persistentvolumeclaims", &changed, Policy::Recreate, for_data),
        ("persistentvolumes", &changed, Policy::Recreate, for_data),
        ("persistentvolumes", &changed, Policy::Update, ExistingVerdict::Update),
        ("volumesnapshots.snapshot.storage.k8s.io", &changed, Policy::Recreate, for_data),
        ("volumesnapshotcontents.snapshot.storage.k8s.io", &changed, Policy::Recreate, for_data),
        ("controllerrevisions.apps", &counted, Policy::None, ExistingVerdict::Update),
        ("controllerrevisions.apps", &changed, Policy::None, by_policy),
    ] {
        assert_eq!(
            selected(kind, difference, policy, ObservedItem::default()),
            expected,
            "{kind} {policy:?}"
        );
    }
}

#[test]
fn what_is_only_needed_is_never_changed_and_told_where_it_differs() {
    let (none, changed) = (Difference::default(), differing(&["spec.x"], &["spec.y"]));
    for policy in [Policy::None, Policy::Update, Policy::Recreate] {
        for kind in [CRDS, NAMESPACES, "clusterroles.rbac.authorization.k8s.io", "persistentvolumes"] {
            for inclusion in [Inclusion::IfNeeded, Inclusion::Along] {
                let item = ItemKey::cluster(GroupResource::parse(kind), "a");
                let verdict = |difference: &Difference, observed: ObservedItem| {
                    decide(&item, inclusion, difference, policy, observed)
                };
                assert_eq!(verdict(&none, ObservedItem::default()), ExistingVerdict::Unchanged);
                let told = verdict(&changed, ObservedItem::default());
                assert_eq!(
                    told,
                    ExistingVerdict::Leave(LeaveReason::Along),
                    "{kind} {inclusion:?} {policy:?}"
                );
                assert!(told.warning(&changed).unwrap().contains("differs in spec.x, spec.y"));
                // The mapping is the stronger reason: the copy has no rights.
                let mapped = ObservedItem { mapped: true, ..ObservedItem::default() };
                assert_eq!(verdict(&changed, mapped), ExistingVerdict::Leave(LeaveReason::Mapped));
                assert_eq!(verdict(&none, mapped), ExistingVerdict::Unchanged);
            }
        }
    }
}

#[test]
fn what_the_mapping_changed_and_newer_definitions_are_never_written_over() {
    let changed = differing(&["subjects[0].namespace"], &[]);
    for policy in [Policy::None, Policy::Update, Policy::Recreate] {
        let mapped = ObservedItem { mapped: true, ..ObservedItem::default() };
        let verdict = selected("clusterrolebindings.rbac.authorization.k8s.io", &changed, policy, mapped);
        assert_eq!(verdict, ExistingVerdict::Leave(LeaveReason::Mapped), "{policy:?}");
        let older = ObservedItem { fewer_versions: true, ..ObservedItem::default() };
        let verdict = selected(CRDS, &changed, policy, older);
        assert_eq!(verdict, ExistingVerdict::Leave(LeaveReason::Versions), "{policy:?}");
        assert!(verdict.warning(&changed).unwrap().contains("versions that the backup does not know"));
        let narrower = ObservedItem { fewer_properties: true, ..ObservedItem::default() };
        let verdict = selected(CRDS, &changed, policy, narrower);
        assert_eq!(verdict, ExistingVerdict::Leave(LeaveReason::Schema), "{policy:?}");
        let own = ItemKey::cluster(GroupResource::parse(CRDS), "backups.ark.heptio.com");
        let verdict = decide(&own, Inclusion::Selected, &changed, policy, ObservedItem::default());
        assert_eq!(verdict, ExistingVerdict::Leave(LeaveReason::Own), "{policy:?}");
    }
}

#[test]
fn what_the_control_plane_keeps_is_never_set_back_and_rights_are_changed_in_place() {
    let role = "clusterroles.rbac.authorization.k8s.io";
    let observed = |autoupdate: &str| {
        let live = json!({"metadata": {"labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
            "annotations": {"rbac.authorization.kubernetes.io/autoupdate": autoupdate}}});
        ObservedItem::read(&GroupResource::parse(role), &json!({}), &live)
    };
    let (rules, bound) = (differing(&["rules"], &[]), differing(&["roleRef.name"], &[]));
    for policy in [Policy::None, Policy::Update, Policy::Recreate] {
        let verdict = selected(role, &rules, policy, observed("true"));
        assert_eq!(verdict, ExistingVerdict::Leave(LeaveReason::ControlPlane), "{policy:?}");
        assert!(verdict.warning(&rules).unwrap().contains("Kubernetes' own"));
    }
    assert_eq!(selected(role, &rules, Policy::Recreate, observed("false")), ExistingVerdict::Update);
    let binding = "rolebindings.rbac.authorization.k8s.io";
    assert_eq!(selected(binding, &rules, Policy::Recreate, ObservedItem::default()), ExistingVerdict::Update);
    assert_eq!(
        selected(binding, &bound, Policy::Recreate, ObservedItem::default()),
        ExistingVerdict::Recreate
    );
}

#[test]
fn a_default_account_is_brought_into_line_only_where_its_namespace_was_made() {
    let account = |name: &str| ItemKey::namespaced(GroupResource::parse("serviceaccounts"), "a", name);
    let changed = differing(&["metadata.annotations[role]"], &[]);
    for (name, made_namespace, policy, expected) in [
        ("default", true, Policy::None, ExistingVerdict::Update),
        ("default", false, Policy::None, ExistingVerdict::Leave(LeaveReason::Policy)),
        ("default", false, Policy::Update, ExistingVerdict::Update),
        ("default", false, Policy::Recreate, ExistingVerdict::Update),
        ("web", true, Policy::None, ExistingVerdict::Leave(LeaveReason::Policy)),
        // With an account the tokens of the pods that run under it are deleted.
        ("web", false, Policy::Recreate, ExistingVerdict::Update),
    ] {
        let observed = ObservedItem { made_namespace, ..ObservedItem::default() };
        let verdict = decide(&account(name), Inclusion::Selected, &changed, policy, observed);
        assert_eq!(verdict, expected, "{name} {made_namespace} {policy:?}");
    }
}

#[test]
fn recreate_spares_what_takes_more_with_it_than_itself() {
    let changed = differing(&["spec.x"], &[]);
    let observed =
        |kind: &str, live: &Value| ObservedItem::read(&GroupResource::parse(kind), &json!({}), live);
    let held = json!({"metadata": {"finalizers": ["example.com/database"]}});
    let balanced = json!({"metadata": {"finalizers": ["service.kubernetes.io/load-balancer-cleanup"]}});
    for (kind, live, expected) in [
        ("databases.example.com", &held, ExistingVerdict::Leave(LeaveReason::Data)),
        ("gateways.gateway.networking.k8s.io", &held, ExistingVerdict::Leave(LeaveReason::Data)),
        ("databases.example.com", &json!({"metadata": {"finalizers": []}}), ExistingVerdict::Recreate),
        ("ingresses.networking.k8s.io", &held, ExistingVerdict::Leave(LeaveReason::Data)),
        ("services", &balanced, ExistingVerdict::Recreate),
    ] {
        assert_eq!(selected(kind, &changed, Policy::Recreate, observed(kind, live)), expected, "{kind}");
        assert_eq!(selected(kind, &changed, Policy::Update, observed(kind, live)), ExistingVerdict::Update);
    }
    let owner = ObservedItem { owns_claims: true, ..ObservedItem::default() };
    assert_eq!(
        selected("statefulsets.apps", &changed, Policy::Recreate, owner),
        ExistingVerdict::Leave(LeaveReason::Data)
    );
}

#[test]
fn a_definition_has_fewer_versions_when_the_cluster_knows_one_more() {
    let definition = |versions: &[&str]| {
        let versions: Vec<Value> = versions.iter().map(|name| json!({ "name": name })).collect();
        json!({"spec": {"versions": versions}})
    };
    let fewer = |wanted: &[&str], live: &[&str], kind: &str| {
        ObservedItem::read(&GroupResource::parse(kind), &definition(wanted), &definition(live)).fewer_versions
    };
    assert!(fewer(&["v1"], &["v1", "v2"], CRDS));
    assert!(fewer(&["v1", "v2"], &["v3"], CRDS));
    assert!(!fewer(&["v1", "v2"], &["v2"], CRDS));
    assert!(!fewer(&["v1"], &["v2"], "widgets.example.com"));
}

#[test]
fn what_an_earlier_attempt_made_is_neither_told_nor_made_twice() {
    let earlier = Earlier::new("r", &"b".repeat(80));
    let labels = |restore: &str, backup: &str| {
        let pairs = [(RESTORE_NAME_LABEL, restore), (BACKUP_NAME_LABEL, backup)];
        pairs.map(|(label, value)| (label.to_owned(), label_value(value))).into()
    };
    assert!(earlier.made(&labels("r", &"b".repeat(80))));
    assert!(!earlier.made(&labels("r", "another")) && !earlier.made(&labels("s", &"b".repeat(80))));
    assert!(!earlier.made(&BTreeMap::new()));
    for verdict in
        [ExistingVerdict::Unchanged, ExistingVerdict::Leave(LeaveReason::Policy), ExistingVerdict::Recreate]
    {
        assert_eq!(go_on(verdict), ExistingVerdict::Restored);
    }
    assert_eq!(go_on(ExistingVerdict::Update), ExistingVerdict::Update);
    assert_eq!(ExistingVerdict::Restored.warning(&Difference::default()), None);
}

#[test]
fn an_account_keeps_what_it_has_and_gets_what_was_stored() {
    let account = |secrets: &[&str]| {
        let secrets: Vec<Value> = secrets.iter().map(|name| json!({ "name": name })).collect();
        json!({"imagePullSecrets": secrets})
    };
    let merge = |wanted: &[&str], live: &[&str]| merge_account(&account(wanted), &account(live));
    assert_eq!(merge(&["a", "b"], &["c", "b"]), account(&["c", "b", "a"]));
    assert_eq!(merge(&["b"], &["c", "b"]), account(&["c", "b"]));
    assert_eq!(merge_account(&json!({}), &json!({})), json!({}));
}

#[test]
fn what_an_update_would_not_change_is_left_and_told() {
    let fixed = unless_fixed(ExistingVerdict::Update, || false);
    assert_eq!(fixed, ExistingVerdict::Leave(LeaveReason::Fixed));
    let told = fixed.warning(&differing(&[], &["spec.clusterIP"])).unwrap();
    assert!(told.contains("does not let that be changed in place"), "{told}");
    assert_eq!(unless_fixed(ExistingVerdict::Update, || true), ExistingVerdict::Update);
    assert_eq!(unless_fixed(ExistingVerdict::Recreate, || false), ExistingVerdict::Recreate);
}

#[test]
fn an_update_that_was_not_enough_is_told() {
    assert_eq!(still_differs("updated", &Difference::default()), None);
    assert!(still_differs("updated", &differing(&[], &["spec.x"])).unwrap().contains("still differs"));
}

#[test]
fn a_definition_whose_schema_would_lose_a_property_is_left_as_it_is() {
    let definition = |properties: serde_json::Value| json!({"metadata": {}, "spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": {"properties": properties}}}]}});
    let (less, more) = (definition(json!({"a": {}})), definition(json!({"a": {}, "b": {}})));
    let observed = |wanted, live| ObservedItem::read(&GroupResource::parse(CRDS), wanted, live);
    assert!(observed(&less, &more).fewer_properties && !observed(&more, &less).fewer_properties);
    let changed = differing(&[], &["spec.versions[0].schema.openAPIV3Schema.properties.b"]);
    let verdict = selected(CRDS, &changed, Policy::Update, observed(&less, &more));
    assert!(verdict.warning(&changed).unwrap().contains("every resource would lose"));
}
