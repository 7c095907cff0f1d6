//! Plans of small inventories.

use super::*;
use crate::api::{CompiledSelection, Filter, RestoreSpec};
use crate::archive::{IndexItem, IndexedResource, item_path};
use crate::model::LabelSet;
use crate::restore::itself::Itself;
use crate::restore::select::Selection;

const KINDS: &[(&str, bool)] = &[
    (CRDS, false),
    (NAMESPACES, false),
    ("nodes", false),
    ("storageclasses.storage.k8s.io", false),
    ("configmaps", true),
    ("cronjobs.batch", true),
    ("controllerrevisions.apps", true),
    ("deployments.apps", true),
    ("endpointslices.discovery.k8s.io", true),
    ("jobs.batch", true),
    ("persistentvolumeclaims", true),
    ("pods", true),
    ("replicasets.apps", true),
    ("services", true),
    ("statefulsets.apps", true),
    ("widgets.example.com", true),
];

fn terms(filter: &str) -> CompiledSelection {
    serde_json::from_str::<Filter>(filter).unwrap().compile().unwrap()
}

/// An inventory from lines: `kind namespace/name uid owner rollout`, the last three optional.
fn inventory(filter: &str, lines: &[&str]) -> Inventory {
    let kinds = KINDS.iter().map(|(kind, namespaced)| IndexedResource {
        resource: GroupResource::parse(kind),
        version: "v1".into(),
        kind: String::new(),
        singular: String::new(),
        short_names: Vec::new(),
        namespaced: *namespaced,
        status_is_data: false,
    });
    let mut inventory = Inventory::new(kinds.collect());
    let (terms, mut words);
    terms = self::terms(filter);
    let selection = Selection::new(&terms);
    for (line, place) in lines.iter().zip(0..) {
        words = line.split(' ');
        let kind = GroupResource::parse(words.next().unwrap());
        let name = words.next().unwrap();
        let key = match name.split_once('/') {
            Some((namespace, name)) => ItemKey::namespaced(kind, namespace, name),
            None => ItemKey::cluster(kind, name),
        };
        let item = IndexItem {
            path: item_path(&key),
            frame: place / 3,
            offset: u64::from(place % 3),
            size: 1,
            uid: words.next().unwrap_or_default().to_owned(),
            resource_version: String::new(),
            hash: 0,
            labels: LabelSet::new(),
            owner: words.next().map(str::to_owned),
            rollout: words.next().map(|text| text.parse().unwrap()),
        };
        inventory.add(&item, &selection, None).unwrap();
    }
    inventory
}

/// Returns the plan as text: `+` restored, `-` left out.
fn told(filter: &str, lines: &[&str], needed: &[ItemKey]) -> Vec<String> {
    told_of(filter, lines, needed, &BodyFacts::default())
}

fn told_of(filter: &str, lines: &[&str], needed: &[ItemKey], facts: &BodyFacts) -> Vec<String> {
    let inventory = inventory(filter, lines);
    let needed = needed.iter().cloned().collect();
    let plan = plan_items(&inventory, &needed, facts, |name| if name == "prod" { "stage" } else { name });
    let name = |id: EntryId| inventory.key(inventory.entry(id)).to_string();
    let mut told: Vec<String> = plan.definitions.iter().map(|id| format!("+{}", name(*id))).collect();
    told.extend(plan.namespaces.iter().map(|(target, home)| match home {
        Some(id) => format!("+{} as {target}", name(*id)),
        None => format!("+namespace {target}, bare"),
    }));
    told.extend(plan.steps.iter().flat_map(|step| &step.entries).map(|id| format!("+{}", name(*id))));
    told.extend(plan.skipped.iter().map(|(id, reason)| format!("-{}: {reason:?}", name(*id))));
    told
}

#[test]
fn what_a_controller_makes_again_is_left_out_and_history_comes_back() {
    let lines = [
        "deployments.apps a/web d",
        "replicasets.apps a/web-1 r1 d 1",
        "replicasets.apps a/web-2 r2 d 2",
        "pods a/web-2-x p1 r2",
        "pods a/bare p2",
        "pods a/orphan p3 gone",
        "pods a/custom p4 w",
        "widgets.example.com a/w w",
        "statefulsets.apps a/db s",
        "controllerrevisions.apps a/db-1 c1 s 1",
        "controllerrevisions.apps a/db-2 c2 s 2",
        "cronjobs.batch a/tick t",
        "jobs.batch a/tick-1 j t",
        "jobs.batch a/once o",
        "services a/web v",
        "endpointslices.discovery.k8s.io a/web-e e v",
    ];
    assert_eq!(
        told("{}", &lines, &[]),
        [
            "+namespace a, bare",
            "+widgets.example.com a/w",
            "+services a/web",
            "+deployments.apps a/web",
            "+statefulsets.apps a/db",
            "+cronjobs.batch a/tick",
            "+replicasets.apps a/web-1",
            "+controllerrevisions.apps a/db-1",
            "+controllerrevisions.apps a/db-2",
            "+jobs.batch a/tick-1",
            "+jobs.batch a/once",
            "+endpointslices.discovery.k8s.io a/web-e",
            "+pods a/bare",
            "+pods a/orphan",
            "+pods a/custom",
            "-replicasets.apps a/web-2: ControllerMakesIt",
            "-pods a/web-2-x: ControllerMakesIt",
        ]
    );
}

#[test]
fn without_its_controller_an_item_comes_back_by_itself() {
    let lines = ["deployments.apps a/web d", "replicasets.apps a/web-2 r2 d 2", "pods a/web-2-x p1 r2"];
    assert_eq!(
        told(r#"{"includedResources":["pods"]}"#, &lines, &[]),
        ["+namespace a, bare", "+pods a/web-2-x"]
    );
}

#[test]
fn a_part_brings_its_namespace_its_definition_and_what_it_names() {
    let lines = [
        "customresourcedefinitions.apiextensions.k8s.io gadgets.example.com",
        "customresourcedefinitions.apiextensions.k8s.io widgets.example.com",
        "namespaces a",
        "namespaces prod",
        "storageclasses.storage.k8s.io fast",
        "storageclasses.storage.k8s.io slow",
        "configmaps a/x",
        "configmaps prod/x",
        "widgets.example.com prod/w",
    ];
    let fast = ItemKey::cluster(GroupResource::parse("storageclasses.storage.k8s.io"), "fast");
    assert_eq!(
        told(r#"{"includedNamespaces":["prod"]}"#, &lines, std::slice::from_ref(&fast)),
        [
            "+customresourcedefinitions.apiextensions.k8s.io widgets.example.com",
            "+namespaces prod as stage",
            "+storageclasses.storage.k8s.io fast",
            "+configmaps prod/x",
            "+widgets.example.com prod/w",
        ]
    );
    // A selection of a kind brings the namespaces along that hold items of it.
    assert_eq!(
        told(r#"{"includedResources":["widgets.example.com"]}"#, &lines, &[]),
        [
            "+customresourcedefinitions.apiextensions.k8s.io widgets.example.com",
            "+namespaces prod as stage",
            "+widgets.example.com prod/w",
        ]
    );
}

#[test]
fn of_the_claims_that_no_label_selects_those_come_that_are_needed_with_their_namespace() {
    let filter = r#"{"labelSelector":{"matchExpressions":[{"key":"app","operator":"Exists"}]}}"#;
    let lines =
        ["namespaces a", "persistentvolumeclaims a/data-db-0", "persistentvolumeclaims a/other", "pods a/p"];
    let claim = |name: &str| ItemKey::namespaced(GroupResource::parse(PVCS), "a", name);
    assert_eq!(
        told(filter, &lines, &[claim("data-db-0")]),
        ["+namespaces a as a", "+persistentvolumeclaims a/data-db-0"]
    );
}

#[test]
fn kinds_that_are_never_restored_are_told() {
    assert_eq!(told("{}", &["nodes n1"], &[]), ["-nodes n1: DefaultExclusion"]);
}

#[test]
fn a_namespace_that_nothing_is_in_comes_back_when_it_is_selected() {
    assert_eq!(told("{}", &["namespaces prod"], &[]), ["+namespaces prod as stage"]);
    assert!(told(r#"{"includedResources":["pods"]}"#, &["namespaces prod"], &[]).is_empty());
}

#[test]
fn every_entry_stands_once_in_restore_order() {
    let lines = ["namespaces a", "configmaps a/x", "pods a/p"];
    let inventory = inventory("{}", &lines);
    let plan = plan_items(&inventory, &HashSet::new(), &BodyFacts::default(), |name| name);
    assert_eq!(plan.entries().collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn the_server_that_restores_stays_as_it_is_and_nothing_is_needed_for_it() {
    let lines = [
        "namespaces heptio-ark",
        "namespaces prod",
        "configmaps prod/x",
        "deployments.apps heptio-ark/ark d",
        "persistentvolumeclaims heptio-ark/cache c",
    ];
    let mut inventory = inventory("{}", &lines);
    inventory.itself = Some(Itself::of("heptio-ark", &RestoreSpec::default()));
    let facts = BodyFacts::default();
    let bodies: Vec<EntryId> = not_left_out(&inventory, &facts, Inclusion::comes).map(|(id, _)| id).collect();
    assert_eq!(bodies, [1, 2]);
    let plan = plan_items(&inventory, &HashSet::new(), &facts, |name| name);
    assert_eq!(plan.entries().collect::<HashSet<_>>(), HashSet::from([1, 2]));
    assert_eq!(plan.namespaces.keys().collect::<Vec<_>>(), ["prod"]);
    let skipped: Vec<_> = plan.skipped.iter().map(|(id, reason)| (*id, *reason)).collect();
    assert_eq!(skipped, [0, 3, 4].map(|id| (id, SkipReason::RunningServer)));
}

#[test]
fn of_what_belongs_to_an_item_that_is_left_out_only_what_is_made_for_each_is_left_out_with_it() {
    let lines = [
        "persistentvolumeclaims a/scratch-0-tmp c p",
        "persistentvolumeclaims a/data-db-0 e s",
        "configmaps a/of-the-claim m c",
        "configmaps a/of-the-pod n p",
        "statefulsets.apps a/scratch s",
        "pods a/scratch-0 p s",
    ];
    assert_eq!(
        told("{}", &lines, &[]),
        [
            "+namespace a, bare",
            "+persistentvolumeclaims a/data-db-0",
            "+configmaps a/of-the-claim",
            "+configmaps a/of-the-pod",
            "+statefulsets.apps a/scratch",
            "-persistentvolumeclaims a/scratch-0-tmp: ControllerMakesIt",
            "-pods a/scratch-0: ControllerMakesIt",
        ]
    );
}

#[test]
fn what_belongs_to_a_replica_set_that_its_deployment_makes_comes_and_waits_for_it() {
    let lines = [
        "configmaps a/of-the-set m r",
        "deployments.apps a/web d",
        "replicasets.apps a/web-2 r d 2",
        "pods a/web-2-x p r",
    ];
    assert_eq!(
        told("{}", &lines, &[]),
        [
            "+namespace a, bare",
            "+configmaps a/of-the-set",
            "+deployments.apps a/web",
            "-replicasets.apps a/web-2: ControllerMakesIt",
            "-pods a/web-2-x: ControllerMakesIt",
        ]
    );
    let inventory = inventory("{}", &lines);
    let plan = plan_items(&inventory, &HashSet::new(), &BodyFacts::default(), |name| name);
    assert_eq!(plan.made_by_others(&inventory).collect::<Vec<_>>(), [OldUid::read("r").unwrap()]);
}

#[test]
fn a_paused_deployment_makes_no_replica_set_so_that_its_own_come_back() {
    let lines = ["deployments.apps a/web d", "replicasets.apps a/web-2 r d 2", "pods a/web-2-x p r"];
    let facts = BodyFacts { paused: HashSet::from([OldUid::read("d").unwrap()]), ..BodyFacts::default() };
    assert_eq!(
        told_of("{}", &lines, &[], &facts),
        [
            "+namespace a, bare",
            "+deployments.apps a/web",
            "+replicasets.apps a/web-2",
            "-pods a/web-2-x: ControllerMakesIt",
        ]
    );
}

#[test]
fn a_pod_of_a_custom_resource_is_left_out_where_its_operator_would_make_another_beside_it() {
    let uid = |uid: &str| OldUid::read(uid).unwrap();
    let facts = BodyFacts { generated: [uid("p1"), uid("p3")].into(), ..BodyFacts::default() };
    let lines = [
        "widgets.example.com a/w w",
        "persistentvolumeclaims a/data c w",
        "pods a/w-x7k2p p1 w",
        "pods a/fixed p2 w",
        // The controller does not come.
        "pods a/lone-x7k2p p3 gone",
    ];
    assert_eq!(
        told_of("{}", &lines, &[], &facts),
        [
            "+namespace a, bare",
            "+persistentvolumeclaims a/data",
            "+widgets.example.com a/w",
            "+pods a/fixed",
            "+pods a/lone-x7k2p",
            "-pods a/w-x7k2p: ControllerMakesIt",
        ]
    );
}
