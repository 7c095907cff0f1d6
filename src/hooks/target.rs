//! Says in which container of a pod a command can run now, or why in none. Pure.

use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod};

/// What a hook finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookTarget {
    /// The container that runs.
    Container(String),
    /// The pod has ended, so that there is nothing to bring to rest, and nothing to run.
    Ended,
    /// The container does not run now, for this reason.
    Idle(String),
    /// The command cannot run, for this reason.
    Unfit(String),
}

/// Returns the target of a hook in a pod with the uid `uid`; `wanted` is the container that the
/// hook names, and otherwise it is the pod's first.
pub fn target(pod: Option<&Pod>, uid: &str, wanted: Option<&str>) -> HookTarget {
    let unfit = |why: String| HookTarget::Unfit(why);
    let Some(pod) = pod else { return unfit("the pod is gone".to_owned()) };
    if pod.metadata.uid.as_deref() != Some(uid) {
        return unfit("the pod was replaced by another one of its name meanwhile".to_owned());
    }
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    if matches!(phase, Some("Succeeded" | "Failed")) {
        return HookTarget::Ended;
    }
    let names: Vec<&str> = containers(pod).map(|container| container.name.as_str()).collect();
    let name = match wanted {
        Some(wanted) if !names.contains(&wanted) => {
            return unfit(format!("the pod has no container `{wanted}`; it has {}", names.join(", ")));
        }
        Some(wanted) => wanted,
        None => names.first().copied().unwrap_or_default(),
    };
    match idle(pod, name) {
        None => HookTarget::Container(name.to_owned()),
        Some(why) => HookTarget::Idle(format!("its container `{name}` does not run: {why}")),
    }
}

/// Yields the containers that last: the ordinary ones, and init containers that are sidecars.
fn containers(pod: &Pod) -> impl Iterator<Item = &Container> {
    let spec = pod.spec.as_ref();
    let ordinary = spec.into_iter().flat_map(|spec| &spec.containers);
    let initial = spec.into_iter().flat_map(|spec| spec.init_containers.iter().flatten());
    ordinary.chain(initial.filter(|each| each.restart_policy.as_deref() == Some("Always")))
}

/// Returns why a container does not run, or `None` if it does.
fn idle(pod: &Pod, name: &str) -> Option<String> {
    let status = pod.status.as_ref();
    let ordinary = status.into_iter().flat_map(|status| status.container_statuses.iter().flatten());
    let initial = status.into_iter().flat_map(|status| status.init_container_statuses.iter().flatten());
    let found: Option<&ContainerStatus> = ordinary.chain(initial).find(|each| each.name == name);
    let Some(state) = found.and_then(|status| status.state.as_ref()) else {
        return Some("it was not started yet".to_owned());
    };
    if state.running.is_some() {
        return None;
    }
    let waits = state.waiting.as_ref().and_then(|waiting| waiting.reason.clone());
    let ended = state.terminated.as_ref();
    let ended = ended.map(|ended| format!("it ended with exit code {}", ended.exit_code));
    Some(ended.or(waits).unwrap_or_else(|| "it was not started yet".to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(phase: &str, state: Value) -> Pod {
        let running = json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}});
        let status = |name: &str, state: &Value| json!({"name": name, "state": state, "image": "i", "imageID": "", "ready": true, "restartCount": 0});
        serde_json::from_value(json!({
            "metadata": {"name": "db-0", "namespace": "shop", "uid": "one"},
            "spec": {
                "containers": [{"name": "db"}, {"name": "agent"}],
                "initContainers": [{"name": "setup"}, {"name": "proxy", "restartPolicy": "Always"}],
            },
            "status": {
                "phase": phase, "containerStatuses": [status("db", &state), status("agent", &running)],
                "initContainerStatuses": [status("proxy", &running)],
            },
        }))
        .unwrap()
    }

    fn running() -> Pod {
        pod("Running", json!({"running": {}}))
    }

    #[test]
    fn a_command_runs_in_the_container_that_is_named_or_else_in_the_first() {
        let container = |wanted| target(Some(&running()), "one", wanted);
        for (wanted, name) in
            [(None, "db"), (Some("agent"), "agent"), (Some("proxy"), "proxy"), (Some("db"), "db")]
        {
            assert_eq!(container(wanted), HookTarget::Container(name.to_owned()));
        }
    }

    #[test]
    fn a_pod_in_which_no_command_can_run_is_told_with_the_reason() {
        let said = |pod: Option<&Pod>, uid: &str, wanted: Option<&str>| match target(pod, uid, wanted) {
            HookTarget::Unfit(why) | HookTarget::Idle(why) => why,
            fit => panic!("{fit:?}"),
        };
        assert_eq!(said(None, "one", None), "the pod is gone");
        assert!(said(Some(&running()), "another", None).contains("was replaced"));
        assert_eq!(
            said(Some(&running()), "one", Some("setup")),
            "the pod has no container `setup`; it has db, agent, proxy"
        );
        for (state, why) in [
            (json!({"waiting": {"reason": "CrashLoopBackOff"}}), "CrashLoopBackOff"),
            (json!({"terminated": {"exitCode": 137}}), "it ended with exit code 137"),
            (json!({}), "it was not started yet"),
        ] {
            let said = said(Some(&pod("Running", state)), "one", None);
            assert!(said.starts_with("its container `db` does not run") && said.ends_with(why), "{said}");
        }
    }

    #[test]
    fn in_a_pod_that_has_ended_there_is_nothing_to_run() {
        for phase in ["Succeeded", "Failed"] {
            let ended = pod(phase, json!({"terminated": {"exitCode": 0}}));
            assert_eq!(target(Some(&ended), "one", None), HookTarget::Ended);
        }
    }
}
