//! What refuses or changes creates comes back after what it would judge.

use serde_json::{Value, json};

use super::{Case, create_many};
use crate::restore::{count, destroy};
use crate::support::{eventually, kind_path, path_of};

const BEFORE: &str = include_str!("data/34-admission.yaml");
const THEN: &str = include_str!("data/34-admission-then.yaml");
const ADMISSION: &str = "/apis/admissionregistration.k8s.io";
/// So many that a policy which comes before them is in force before they are there.
const RULES: usize = 400;

/// Whether the webhook or the policy refuses its create.
fn is_judged(object: &Value) -> bool {
    ["Rule", "Service", "ConfigMap", "Deployment"].contains(&object["kind"].as_str().unwrap_or_default())
}

/// Waits until each kind that the webhook or the policy judges is refused in cluster A, or let in.
async fn await_judgement(case: &Case, refused: bool) {
    for object in case.objects.iter().filter(|object| is_judged(object)) {
        let mut probe = object.clone();
        probe["metadata"]["name"] = json!("probe");
        let path = format!("{}?dryRun=All", kind_path(&probe));
        eventually(&format!("a new {}: refused is {refused}", probe["kind"]), async || {
            (case.a().try_create(&path, &probe).await.is_err() == refused).then_some(())
        })
        .await;
    }
}

/// The backup holds a webhook and policies that would refuse or change everything else in it. In an
/// empty cluster all of it comes unchanged; where they are in force already, each item is an error.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn webhooks_and_policies_come_after_what_they_judge() {
    let mut case = Case::alone("c34", BEFORE).await;
    let mut then = case.more(THEN);
    let kinds = case.a().read(&format!("{ADMISSION}/v1beta1")).await.unwrap_or_default();
    if !kinds.to_string().contains("mutatingadmissionpolicies") {
        println!("the lab's API servers do not have MutatingAdmissionPolicies: the rest is tried");
        then.retain(|object| !object["kind"].as_str().is_some_and(|kind| kind.starts_with("Mutating")));
    }
    case.create().await;
    let rule = then.iter().find(|object| object["kind"] == "Rule").cloned().expect("a rule");
    let rules = (0..RULES).map(|number| {
        let mut rule = rule.clone();
        rule["metadata"]["name"] = json!(format!("rule-{number}"));
        rule
    });
    create_many(case.a(), rules).await;
    case.a().create_all(&then).await;
    case.objects.extend(then);
    let kinds = format!(
        "namespaces,services,deployments,configmaps,rules.{}.example.com,validatingwebhookconfigurations,validatingadmissionpolicies,\
        validatingadmissionpolicybindings,mutatingadmissionpolicies.admissionregistration.k8s.io,mutatingadmissionpolicybindings.admissionregistration.k8s.io",
        case.id
    );
    let mut kinds: Vec<&str> = kinds.split(',').collect();
    if !case.objects.iter().any(|object| object["kind"] == "MutatingAdmissionPolicy") {
        kinds.retain(|kind| !kind.starts_with("mutating"));
    }
    let kinds = kinds.join(",");
    case.back_up_by(&[
        "--include-namespaces",
        &case.id,
        "--include-cluster-resources=true",
        "--include-resources",
        &kinds,
    ]);
    case.restore_cleanly(case.b(), &[]);
    for object in &case.objects {
        let live = case
            .b()
            .read(&path_of(object))
            .await
            .unwrap_or_else(|| panic!("{} is not there", path_of(object)));
        assert_eq!(live["metadata"]["labels"].get("changed-by-policy"), None::<&Value>, "{live}");
    }
    case.second_changes_nothing(case.b(), &[]).await;

    // In place they are there, and the webhook's server is not: each item says so, and comes once
    // they let it.
    await_judgement(&case, true).await;
    destroy(case.a(), &case.id).await;
    let refused = case.restore(case.a(), &[], 3);
    let told = count(&refused.status, "errors");
    let items = RULES + case.objects.iter().filter(|object| is_judged(object)).count();
    assert_eq!(told, u64::try_from(items).expect("few"), "one error an item: {}", refused.status);
    assert!(refused.said.contains("nothing new here"), "the policy's own words");
    for object in case.objects.iter().filter(|object| object["metadata"].get("namespace").is_none()) {
        if object["apiVersion"].as_str().is_some_and(|version| version.starts_with("admission")) {
            case.a().remove(&path_of(object)).await;
        }
    }
    let flags = ["--include-namespaces", &*case.id, "--include-cluster-resources=false"];
    await_judgement(&case, false).await;
    let restored = case.restore(case.a(), &flags, 0);
    assert_eq!(count(&restored.status, "errors"), 0, "{}", restored.said);
    let there = case.a().list(&case.group_path(&format!("{}.example.com/v1", case.id), "rules")).await.len();
    assert_eq!(there, RULES + 1);
}
