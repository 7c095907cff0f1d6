//! Finds the Backup that a Restore means: in the cache, and before a refusal at the API server.

use std::sync::Arc;

use kube::api::ListParams;

use super::choose::{Choice, Chooser, choose};
use crate::api::{Backup, Restore};
use crate::controller::context::Context;
use crate::controller::error::ControllerError;
use crate::controller::runs::described;

/// Returns the Backup that a Restore means, or the sentence by which the Restore is refused. A
/// refusal is final, and the cache may be behind what a person has just seen, such as the phase
/// Completed of a Backup. So the Backups are listed before a refusal.
///
/// # Errors
/// If the cache has no such Backup and the API server does not answer.
pub async fn find(
    restore: &Restore,
    context: &Context,
    here: &Chooser,
) -> Result<Result<Choice, String>, ControllerError> {
    if let Ok(choice) = choose(restore, &context.caches.backups.state(), here) {
        return Ok(Ok(choice));
    }
    let doing = format!("list the Backups, one of which {} may mean", described(restore));
    let (api, everything) = (context.api::<Backup>(), ListParams::default());
    let listed = ControllerError::within(doing, api.list(&everything)).await?;
    let backups: Vec<Arc<Backup>> = listed.items.into_iter().map(Arc::new).collect();
    Ok(choose(restore, &backups, here))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::json;

    use super::*;
    use crate::cluster::script::{answer, serve};
    use crate::controller::context::scripted;

    #[tokio::test]
    async fn a_backup_that_the_cache_does_not_show_yet_is_listed_before_a_refusal() {
        let backup = json!({"apiVersion": "ark.heptio.com/v1", "kind": "Backup",
            "metadata": {"name": "nightly", "uid": "u"}, "spec": {}, "status": {"phase": "Completed"}});
        let list = json!({"apiVersion": "ark.heptio.com/v1", "kind": "BackupList", "metadata": {},
            "items": [backup]});
        let (cluster, _) = serve(move |_, _| answer(200, list.to_string()));
        let context = scripted(cluster);
        let here = Chooser {
            cluster: String::new(),
            schedules: HashMap::new(),
            read_only: Vec::new(),
            hiding: Vec::new(),
            now: chrono::Utc::now(),
        };
        let of = |backup: &str| {
            Restore::new("back", serde_json::from_value(json!({"backupName": backup})).unwrap())
        };
        let found = find(&of("nightly"), &context, &here).await.unwrap();
        assert_eq!(found.unwrap().backup.metadata.uid.as_deref(), Some("u"));
        let why = find(&of("no-such"), &context, &here).await.unwrap().unwrap_err();
        assert!(why.contains("there is no Backup `no-such`"), "{why}");
    }
}
