//! Puts init containers before those of a restored pod, as hooks ask for. Pure.

use serde_json::Value;

use super::{pod, shape};
use crate::hooks::RestoreHookSelection;
use crate::model::GroupResource;

/// Adds the init containers of a pod. Of a pod template nothing is changed, which would last:
/// returns in words what its pods do not get. `namespace` is the one in the cluster.
pub(super) fn rewrite(
    kind: &GroupResource,
    namespace: Option<&str>,
    item: &mut Value,
    hooks: &RestoreHookSelection,
) -> Option<String> {
    let Some([above @ .., "spec"]) = pod::spec_path(kind) else { return None };
    let metadata = shape::at(item, above).and_then(|pod| shape::at(pod, &["metadata"]));
    let hooks = metadata.map(|metadata| hooks.of(metadata, namespace.unwrap_or_default()));
    let wanted = hooks.unwrap_or_default().init.into_iter().flat_map(|init| init.init_containers);
    let mut containers: Vec<Value> = wanted.map(Value::Object).collect();
    if containers.is_empty() {
        return None;
    }
    match kind.as_str() {
        "pods" => {}
        // The restore makes no pods of them.
        "podtemplates" | "controllerrevisions.apps" | "cronjobs.batch" => return None,
        _ if shape::at(item, &["spec", "replicas"]).is_some_and(|number| *number == 0) => return None,
        _ => {
            let names: Vec<&str> =
                containers.iter().filter_map(|each| shape::text(each, &["name"])).collect();
            return Some(format!(
                "the init container `{}`, for which a hook asks, is not added: its pods are not restored but made by it, and its template stays as it is, since it would get them for good; let an exec hook do it, or a resource modifier add them",
                names.join("`, `")
            ));
        }
    }
    let spec = shape::object_mut(item, &["spec"])?;
    let own = spec.remove("initContainers");
    // A pod that was restored with the hook before has its container already.
    let is_new = |one: &Value| containers.iter().all(|each| each.get("name") != one.get("name"));
    let own = own.as_ref().and_then(Value::as_array).into_iter().flatten();
    let own: Vec<Value> = own.filter(|one| is_new(one)).cloned().collect();
    containers.extend(own);
    spec.insert("initContainers".to_owned(), Value::Array(containers));
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rewritten(kind: &str, mut item: Value) -> (Value, Option<String>) {
        let container = |name: &str| json!({"name": name, "image": "busybox"});
        let hooks = json!({"resources": [{"name": "all", "includedNamespaces": ["shop-copy"],
            "postHooks": [{"init": {"initContainers": [container("one"), container("two")]}}]}]});
        let hooks = RestoreHookSelection::new(Some(&serde_json::from_value(hooks).unwrap()));
        let lost = rewrite(&GroupResource::parse(kind), Some("shop-copy"), &mut item, &hooks);
        (item, lost)
    }

    fn names(item: &Value) -> Vec<&str> {
        let all = item["spec"]["initContainers"].as_array().into_iter().flatten();
        all.map(|container| container["name"].as_str().unwrap()).collect()
    }

    #[test]
    fn the_containers_of_hooks_come_first_and_each_once() {
        let own = json!([{"name": "own"}, {"name": "one", "image": "of an earlier restore"}]);
        let pod = json!({"metadata": {"name": "a", "namespace": "shop"}, "spec": {"initContainers": own}});
        let (pod, lost) = rewritten("pods", pod);
        assert_eq!((names(&pod), lost), (vec!["one", "two", "own"], None));
        assert_eq!(pod["spec"]["initContainers"][0]["image"], "busybox");
        assert_eq!(names(&rewritten("pods", json!({"metadata": {}, "spec": {}})).0), ["one", "two"]);
    }

    #[test]
    fn a_template_stays_as_it_is_and_that_is_told() {
        let workload = json!({"metadata": {"name": "a"}, "spec": {"template": {"metadata": {}, "spec": {"containers": []}}}});
        for kind in ["deployments.apps", "statefulsets.apps", "jobs.batch"] {
            let (item, lost) = rewritten(kind, workload.clone());
            assert_eq!(item, workload);
            assert!(lost.as_ref().unwrap().contains("the init container `one`, `two`"), "{lost:?}");
        }
        for kind in ["controllerrevisions.apps", "configmaps"] {
            assert_eq!(rewritten(kind, workload.clone()), (workload.clone(), None));
        }
        // An older ReplicaSet, or what is at zero, makes no pods.
        let mut idle = workload;
        idle["spec"]["replicas"] = 0.into();
        assert_eq!(rewritten("replicasets.apps", idle.clone()), (idle, None));
    }
}
