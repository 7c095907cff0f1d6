//! Says in words why pods do not start or do not go. Pure.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

/// The most pods that are named.
const NAMED: usize = 3;

/// Returns what keeps pods, or `None` if there are none.
pub fn told_pods(pods: &[Pod]) -> Option<String> {
    let mut told: Vec<String> = pods.iter().take(NAMED).map(told_pod).collect();
    match pods.len().saturating_sub(NAMED) {
        0 => {}
        1 => told.push("one more".to_owned()),
        more => told.push(format!("{more} more")),
    }
    (!told.is_empty()).then(|| told.join("; "))
}

fn told_pod(pod: &Pod) -> String {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    if pod.metadata.deletion_timestamp.is_some() {
        let finalizers = pod.metadata.finalizers.as_deref().unwrap_or_default();
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap_or("no node");
        return match finalizers {
            [] => format!("the pod {name} on {node} is being deleted"),
            _ => format!(
                "the pod {name} is being deleted and waits for its finalizers {}",
                finalizers.join(", ")
            ),
        };
    }
    let status = pod.status.as_ref();
    let phase = status.and_then(|status| status.phase.as_deref()).unwrap_or("not seen by any node");
    let why = status.and_then(|status| {
        let conditions = status.conditions.iter().flatten();
        let mut unscheduled =
            conditions.filter(|each| each.type_ == "PodScheduled" && each.status == "False");
        let containers = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
        let unscheduled = unscheduled.next().map(|condition| {
            let reason = condition.reason.as_deref().unwrap_or_default();
            said(reason, condition.message.as_deref())
        });
        unscheduled.or_else(|| containers.filter_map(told_container).next_back())
    });
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    format!("the pod {name} is {phase}{why}")
}

/// Returns why a container waits, or how it failed; `None` if it runs or has succeeded.
fn told_container(container: &ContainerStatus) -> Option<String> {
    let state = container.state.as_ref()?;
    let name = &container.name;
    if let Some(waiting) = &state.waiting {
        let reason = waiting.reason.as_deref().unwrap_or("it says no reason");
        return Some(format!("its container {name} waits: {}", said(reason, waiting.message.as_deref())));
    }
    let ended = state.terminated.as_ref().filter(|ended| ended.exit_code != 0)?;
    let (code, reason) = (ended.exit_code, ended.reason.as_deref().unwrap_or_default());
    let ended = said(reason, ended.message.as_deref());
    Some(format!("its container {name} ended with exit code {code} ({ended})"))
}

fn said(reason: &str, message: Option<&str>) -> String {
    match message.map(str::trim).filter(|message| !message.is_empty()) {
        Some(message) => format!("{reason}: {message}"),
        None => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn told(pods: Value) -> String {
        told_pods(&serde_json::from_value::<Vec<Pod>>(pods).unwrap()).unwrap_or_default()
    }

    #[test]
    fn each_way_in_which_a_pod_hangs_is_told() {
        let pod = |status: Value| json!([{"metadata": {"name": "a"}, "status": status}]);
        let container = |state: Value| {
            pod(
                json!({"phase": "Pending", "containerStatuses": [{"name": "c", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state}]}),
            )
        };
        for (pods, says) in [
            (json!([]), ""),
            (
                json!([{"metadata": {"name": "a", "deletionTimestamp": "2026-11-28T10:00:00Z"}, "spec": {"nodeName": "n", "containers": []}}]),
                "the pod a on n is being deleted",
            ),
            (
                json!([{"metadata": {"name": "a", "deletionTimestamp": "2026-11-28T10:00:00Z", "finalizers": ["x/y"]}}]),
                "waits for its finalizers x/y",
            ),
            (
                pod(
                    json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available"}]}),
                ),
                "the pod a is Pending: Unschedulable: 0/1 nodes are available",
            ),
            (
                container(json!({"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}})),
                "its container c waits: ImagePullBackOff: no such image",
            ),
            (
                container(json!({"terminated": {"exitCode": 3, "reason": "Error"}})),
                "its container c ended with exit code 3 (Error)",
            ),
            (pod(json!({"phase": "Running"})), "the pod a is Running"),
            (json!([{}, {}, {}, {}, {}]), "; 2 more"),
        ] {
            let told = told(pods);
            assert!(told.contains(says), "{says} is not in {told}");
        }
    }
}
