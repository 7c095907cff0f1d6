//! The health checks for Argo CD, run by the Lua that Argo CD speaks (5.1) on objects as the
//! server leaves them.

use ark::api::{
    Backup, BackupPhase, BackupSpec, BackupStatus, Restore, RestorePhase, RestoreSpec, RestoreStatus,
};
use mlua::{Lua, Table, Value as Lay};
use serde_json::{Value, json};

fn customizations() -> Value {
    let text = include_str!("../../config/argocd/argocd-cm.yaml");
    serde_saphyr::from_str::<Value>(text).expect("YAML")["data"].clone()
}

/// What Argo CD would say of an object: its status, and the words.
fn health(kind: &str, object: &Value) -> (String, String) {
    let script = &customizations()[format!("resource.customizations.health.ark.heptio.com_{kind}")];
    let lua = Lua::new();
    lua.globals().set("obj", lay(&lua, object)).expect("a global");
    let said: Table = lua.load(script.as_str().expect("a script")).eval().expect("it runs");
    (said.get("status").expect("a status"), said.get("message").expect("a message"))
}

/// JSON as Lua has it.
fn lay(lua: &Lua, value: &Value) -> Lay {
    match value {
        Value::Null => Lay::Nil,
        Value::Bool(value) => Lay::Boolean(*value),
        Value::Number(number) => Lay::Number(number.as_f64().expect("a number")),
        Value::String(text) => Lay::String(lua.create_string(text).expect("a text")),
        Value::Array(items) => {
            let items = items.iter().map(|item| lay(lua, item));
            Lay::Table(lua.create_sequence_from(items).expect("a list"))
        }
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (name.as_str(), lay(lua, value)));
            Lay::Table(lua.create_table_from(fields).expect("a table"))
        }
    }
}

fn backup(phase: BackupPhase) -> Value {
    let mut backup = Backup::new("nightly", BackupSpec::default());
    let reason = (phase == BackupPhase::Failed).then(|| "the bucket is gone".to_owned());
    let mut status = BackupStatus { phase: Some(phase), failure_reason: reason, ..BackupStatus::default() };
    status.conclude(Some(1));
    backup.status = Some(status);
    serde_json::to_value(backup).expect("JSON")
}

fn restore(phase: RestorePhase) -> Value {
    let mut restore = Restore::new("back", RestoreSpec::default());
    let mut status = RestoreStatus { phase: Some(phase), errors: 2, ..RestoreStatus::default() };
    status.conclude(Some(1));
    restore.status = Some(status);
    serde_json::to_value(restore).expect("JSON")
}

/// Progressing until the end, with the reason for which a run waits; then Healthy or Degraded.
#[test]
fn argo_cd_sees_how_a_backup_and_a_restore_ended() {
    let says = |status: &str, message: &str| (status.to_owned(), message.to_owned());
    assert_eq!(health("Backup", &json!({"metadata": {}})), says("Progressing", "it has not ended"));
    assert_eq!(health("Backup", &backup(BackupPhase::InProgress)).0, "Progressing");
    assert_eq!(
        health("Backup", &backup(BackupPhase::Completed)),
        says("Healthy", "0 items, 0 warnings, 0 errors")
    );
    assert_eq!(
        health("Backup", &backup(BackupPhase::Failed)),
        says("Degraded", "Failed: the bucket is gone")
    );
    let (status, message) = health("Restore", &restore(RestorePhase::PartiallyFailed));
    assert_eq!(status, "Degraded");
    assert!(message.starts_with("PartiallyFailed: ") && message.ends_with("2 errors"), "{message}");
    let mut waiting = backup(BackupPhase::New);
    waiting["status"]["conditions"] = json!([{"type": "Waiting", "status": "True", "message": "it is away"}]);
    assert_eq!(health("Backup", &waiting), says("Progressing", "it is away"));
}

/// The phase is Completed, but the run was another cluster's (`MadeElsewhere`): Degraded, not
/// Healthy.
#[test]
fn argo_cd_sees_that_what_was_applied_is_another_cluster_s_and_was_not_run() {
    let elsewhere = json!([{"type": "Complete", "status": "False", "reason": "MadeElsewhere", "message": "nothing was run here"}]);
    for (kind, mut object) in
        [("Backup", backup(BackupPhase::Completed)), ("Restore", restore(RestorePhase::Completed))]
    {
        object["status"]["conditions"] = elsewhere.clone();
        assert_eq!(health(kind, &object), ("Degraded".to_owned(), "nothing was run here".to_owned()));
    }
}

/// A condition `Ready` of an older generation than the object's counts as Progressing.
#[test]
fn argo_cd_sees_whether_a_location_and_a_schedule_are_ready_as_they_are_now() {
    let object = |generation: u64, status: &str, reason: &str| {
        json!({
            "metadata": {"generation": generation},
            "status": {"observedGeneration": 2, "conditions": [{"type": "Ready", "status": status, "reason": reason, "message": "m"}]},
        })
    };
    for kind in ["BackupStorageLocation", "Schedule"] {
        let health = |object: &Value| health(kind, object).0;
        assert_eq!(health(&json!({"metadata": {"generation": 1}})), "Progressing");
        assert_eq!(health(&object(2, "True", "Available")), "Healthy");
        assert_eq!(health(&object(2, "True", "Paused")), "Suspended");
        assert_eq!(health(&object(2, "False", "AccessDenied")), "Degraded");
        assert_eq!(health(&object(3, "True", "Available")), "Progressing", "it was changed since");
    }
}
