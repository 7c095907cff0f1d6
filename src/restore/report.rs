//! Ends a restore in the bucket: writes the acts, results and log, and last the document.

use bytes::Bytes;

use super::RestoreRequest;
use super::account::RestoreAccount;
use super::error::RestoreError;
use super::hooked::tell_what_is_left;
use super::outcome::RestoreOutcome;
use crate::api::{
    MAX_STATUS_FINDINGS, Origin, Restore, RestorePhase, RestoreProgress, RestoreStatus, Timestamp,
};
use crate::bucket::documents::encode_compressed;
use crate::bucket::{Attempt, Part};
use crate::model::{Finding, Severity, causes, cut};

/// Most characters of a finding that a status repeats.
const LONGEST_FINDING: usize = 500;

/// Records a run that came to its end, or that ended early after it had changed the cluster; of
/// any other run the claim goes. Without an attempt nothing is written, and the outcome is all
/// there is.
pub async fn close(
    attempt: Option<&Attempt>,
    request: &RestoreRequest,
    mut account: RestoreAccount<'_>,
    began: Timestamp,
    end: Result<(), RestoreError>,
) -> Result<RestoreOutcome, RestoreError> {
    let (created, updated) = (account.created, account.updated);
    match end {
        Ok(()) => {
            let phase = if account.results.errors == 0 {
                RestorePhase::Completed
            } else {
                RestorePhase::PartiallyFailed
            };
            let mut restore = document(attempt, request, &account, began, phase, None);
            if let Some(attempt) = attempt {
                commit(attempt, &mut account, &mut restore).await?;
            }
            Ok(RestoreOutcome { restore, results: account.results })
        }
        // The next attempt takes the claim over, and tells by labels what this one has made.
        Err(error @ RestoreError::Stopped { .. }) if request.goes_on => Err(error),
        // Nothing was changed, so there is nothing to record, and the name is free again.
        Err(error) if !account.has_touched() => match attempt {
            None => Err(error),
            Some(attempt) => match attempt.discard().await {
                Ok(_) => Err(error),
                Err(left) => Err(RestoreError::Left { error: Box::new(error), left }),
            },
        },
        Err(error) => {
            tell_what_is_left(&mut account);
            let Some(attempt) = attempt else {
                return Err(RestoreError::Unrecorded { created, updated, source: Box::new(error) });
            };
            let why = Some(cut(causes(&error)));
            let mut restore = document(Some(attempt), request, &account, began, RestorePhase::Failed, why);
            match commit(attempt, &mut account, &mut restore).await {
                Ok(()) => {
                    let (name, source) = (request.name.clone(), Box::new(error));
                    Err(RestoreError::Unfinished { name, created, updated, source })
                }
                Err(RestoreError::Bucket(left)) => Err(RestoreError::Left { error: Box::new(error), left }),
                Err(_) => Err(error),
            }
        }
    }
}

/// Writes the parts, and last the document, which names them with their hashes.
async fn commit(
    attempt: &Attempt,
    account: &mut RestoreAccount<'_>,
    restore: &mut Restore,
) -> Result<(), RestoreError> {
    account.log.info(&format!(
        "created {}, updated {}, left {} items out or alone; {} warnings, {} errors",
        account.created,
        account.updated,
        account.results.skipped.total(),
        account.results.warnings,
        account.results.errors
    ));
    let parts: [(Part, Bytes); 3] = [
        (Part::Index, account.take_acts()?),
        (Part::Results, encode_compressed(&account.results).map_err(RestoreError::Compressing)?),
        (Part::Log, account.log.finish().map_err(RestoreError::Compressing)?),
    ];
    let status = restore.status.get_or_insert_default();
    for (part, body) in parts {
        status.objects.push(attempt.put(part, body).await?);
    }
    Ok(attempt.commit(restore).await?)
}

fn document(
    attempt: Option<&Attempt>,
    request: &RestoreRequest,
    account: &RestoreAccount<'_>,
    began: Timestamp,
    phase: RestorePhase,
    failure_reason: Option<String>,
) -> Restore {
    let mut restore = Restore::new(request.name.as_str(), request.spec.clone());
    restore.metadata.uid = Some(request.uid.clone());
    restore.metadata.labels = Some(request.labels.clone()).filter(|labels| !labels.is_empty());
    restore.status = Some(RestoreStatus {
        phase: Some(phase),
        backup_name: account.backup.clone(),
        start_timestamp: Some(began),
        completion_timestamp: Some(Timestamp::now()),
        progress: Some(RestoreProgress { total_items: account.total, items_restored: account.done }),
        created: account.created,
        updated: account.updated,
        hooks: Some(account.hooks.clone()).filter(|hooks| hooks.attempted > 0),
        skipped: account.results.skipped.total(),
        warnings: account.results.warnings,
        errors: account.results.errors,
        failure_reason,
        findings: if attempt.is_none() { first(&account.results.findings) } else { Vec::new() },
        validation_errors: Vec::new(),
        attempt: Some(attempt.map_or(1, Attempt::number).max(request.attempt)),
        resumed: None,
        backup_run: None,
        holder: Some(request.holder.clone()),
        origin: Some(Origin {
            cluster: Some(request.cluster.uid.clone()),
            run: Some(request.uid.clone()),
            ..request.origin.clone()
        }),
        choice: Vec::new(),
        objects: Vec::new(),
        conditions: Vec::new(),
    });
    restore
}

/// Returns the first findings in words, errors before warnings, for a status that is the only
/// place that keeps them.
fn first(findings: &[Finding]) -> Vec<String> {
    let mut findings: Vec<&Finding> = findings.iter().collect();
    findings.sort_by_key(|finding| finding.severity != Severity::Error);
    let words = findings.iter().take(MAX_STATUS_FINDINGS).map(|finding| {
        let word = if finding.severity == Severity::Error { "error" } else { "warning" };
        let text = format!("{word} ({}): {finding}", finding.category);
        text.chars().take(LONGEST_FINDING).collect()
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Category;

    #[test]
    fn a_status_repeats_the_first_findings_errors_before_warnings() {
        let finding = |severity, message: String| Finding {
            severity,
            category: Category::Other,
            item: None,
            kind: None,
            message,
        };
        let mut findings: Vec<_> =
            (0..200).map(|number| finding(Severity::Warning, format!("warning {number}"))).collect();
        findings.push(finding(Severity::Error, "ü".repeat(10_000)));
        let words = first(&findings);
        assert_eq!(words.len(), MAX_STATUS_FINDINGS);
        assert!(words[0].starts_with("error (") && words[0].chars().count() == LONGEST_FINDING);
        assert!(words[1].ends_with("warning 0"), "{}", words[1]);
    }
}
