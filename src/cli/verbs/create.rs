//! Steps that all `create` commands share: name, labels, validation, `--dry-run`, and the message
//! that the object is created.

use std::str::FromStr;
use std::time::Duration;

use chrono::Utc;
use clap::Args;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;

use crate::api::{self, BackupSpec, InvalidDuration};
use crate::bucket::{Bucket, RunKeys, RunKind};
use crate::cli::args::pairs::{equation, mapping};
use crate::cli::client::bare;
use crate::cli::client::wait::{Waited, Worked, wait};
use crate::cli::client::{ArkClient, ArkResource};
use crate::cli::exit::{Done, Failure};
use crate::cli::global::Global;
use crate::cli::output::{Format, Output};

/// Names that are tried for an object without a name: when all are taken, somebody creates objects
/// faster than one a second.
const TRIES: u32 = 5;

/// The flags that every `create` takes.
#[derive(Args, Debug)]
pub struct MakeArgs {
    /// Labels of the object: team=web,stage=prod
    #[arg(long, value_name = "KEY=VALUE", value_delimiter = ',', value_parser = equation)]
    labels: Vec<(String, String)>,
    /// Annotations of the object: key=value,…
    #[arg(long, value_name = "KEY=VALUE", value_delimiter = ',', value_parser = equation)]
    annotations: Vec<(String, String)>,
    /// Only print the object, as YAML or with -o json as JSON; create nothing
    #[arg(long)]
    pub dry_run: bool,
}

impl MakeArgs {
    /// Returns the object's metadata: name, namespace, labels and annotations.
    pub fn metadata(&self, name: &str, namespace: &str) -> Result<ObjectMeta, Failure> {
        let labels = mapping("labels", &self.labels)?;
        let annotations = mapping("annotations", &self.annotations)?;
        Ok(ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(namespace.to_string()),
            labels: (!labels.is_empty()).then_some(labels),
            annotations: (!annotations.is_empty()).then_some(annotations),
            ..ObjectMeta::default()
        })
    }
}

/// Parses a time for which something is kept. `never` becomes 100 years, as the API knows durations
/// only and this is the longest.
pub fn kept(text: &str) -> Result<api::Duration, String> {
    let text = if text.eq_ignore_ascii_case("never") { "100y" } else { text };
    text.parse().map_err(|error: InvalidDuration| format!("{error}; `never` keeps it for a hundred years"))
}

/// Parses the name of a new object. `true` and `false` are refused: they were meant as the value of
/// a switch before them.
pub fn new_name<N: FromStr<Err: ToString>>(text: &str) -> Result<N, String> {
    if ["true", "false"].contains(&text) {
        return Err(format!(
            "`{text}` would be the name; a switch takes its value behind an equals sign, as in --include-cluster-resources={text}"
        ));
    }
    text.parse().map_err(|error: N::Err| error.to_string())
}

/// Returns the time in UTC, which is or ends a name that was not given: `20261121030000`.
pub fn stamp() -> String {
    Utc::now().format("%Y%m%d%H%M%S").to_string()
}

/// Returns a name for a run that was given none: `prefix` and the time. Where the bucket has a run
/// of that name, by another command in the same second, a later time is taken.
pub async fn timed_name<N>(bucket: &Bucket, kind: RunKind, prefix: &str) -> Result<N, Failure>
where
    N: FromStr<Err: std::error::Error>,
{
    let mut name = format!("{prefix}{}", stamp());
    for _ in 0..TRIES {
        let Some(keys) = RunKeys::parse(kind, &name) else { break };
        if !bucket.has(keys.claim()).await? && !bucket.has(keys.document()).await? {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        name = format!("{prefix}{}", stamp());
    }
    name.parse().map_err(|error| Failure::failed(&format!("naming the {kind}"), &error))
}

/// Creates an object whose name is `prefix` and the time. Where another command of the same second
/// was faster, a later time is taken.
pub async fn create_timed<K: ArkResource>(
    client: &ArkClient,
    mut object: K,
    prefix: &str,
) -> Result<K, Failure> {
    for _ in 0..TRIES {
        if let Some(created) = client.create_if_free(&object).await? {
            return Ok(created);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        object.meta_mut().name = Some(format!("{prefix}{}", stamp()));
    }
    client.create(&object).await
}

/// Creates an object and waits until it has ended; `what` says what becomes of the object if no
/// server runs. With `prefix`, the name is the prefix and the time: where another cluster's run of
/// that second has the name in the bucket, the object is created again under a later name.
pub async fn create_and_wait<K: Worked>(
    client: &ArkClient,
    mut object: K,
    prefix: Option<&str>,
    what: &str,
    output: &Output,
) -> Result<K, Failure> {
    let noun = K::NOUN;
    for left in (0..TRIES).rev() {
        let created = match prefix {
            Some(prefix) => create_timed(client, object.clone(), prefix).await?,
            None => client.create(&object).await?,
        };
        let name = created.name_any();
        output.note(format!("{noun} {name} is requested; waiting for it"));
        let Waited::Done(ended) = wait::<K>(client, &name, what, output).await? else {
            return Err(Failure::because(format!("{noun} {name} was deleted while it was waited for")));
        };
        let Some(prefix) = prefix.filter(|_| left > 0 && ended.seen().lost_name) else { return Ok(*ended) };
        // A user who may not delete the refused object sees why it was refused.
        if client.delete_this(&*ended).await.is_err() {
            return Ok(*ended);
        }
        output.note(format!("another run has the name {name} in the bucket; trying a later one"));
        tokio::time::sleep(Duration::from_secs(1)).await;
        object.meta_mut().name = Some(format!("{prefix}{}", stamp()));
    }
    Err(Failure::because(format!("creating the {noun}: every name that was tried is another's")))
}

/// Prints an object that is not created, for `--dry-run`.
pub fn preview<K: ArkResource>(object: &K, output: &Output) -> Result<Done, Failure> {
    output.document(object)?;
    output.note(format!("{} {}: nothing was created", K::NOUN, object.name_any()));
    Ok(Done::Complete)
}

/// Prints that an object is created or changed, or the object itself; `then` says how to go on.
pub fn made<K: ArkResource>(object: &K, did: &str, then: &str, output: &Output) -> Result<Done, Failure> {
    match output.format() {
        Format::Json | Format::Yaml => output.document(&bare(object))?,
        Format::Name => output.line(object.name_any())?,
        Format::Table | Format::Wide => {
            output.line(format!("{} {} is {did}; {then}", K::NOUN, object.name_any()))?;
        }
    }
    Ok(Done::Complete)
}

/// Creates an object, or with `--dry-run` prints it, which needs no cluster.
pub async fn make<K: ArkResource>(
    global: &Global,
    object: &K,
    args: &MakeArgs,
    then: &str,
    output: &Output,
) -> Result<Done, Failure> {
    if args.dry_run {
        return preview(object, output);
    }
    made(&ArkClient::open(global).await?.create(object).await?, "created", then, output)
}

/// Fails with all that is wrong with a specification, by its flags.
pub fn check(spec: &BackupSpec) -> Result<(), Failure> {
    let wrong = spec.validate();
    if wrong.is_empty() { Ok(()) } else { Err(crate::cli::args::selection::refused(&wrong)) }
}

/// Prints why the server refused an object, a line for each reason, and returns the failure.
pub fn refused<K: ArkResource>(name: &str, reasons: &[String], output: &Output) -> Failure {
    for reason in reasons {
        output.error(reason);
    }
    let noun = K::NOUN;
    Failure::because(format!(
        "{noun} {name} was refused and never begun, as the lines above say; create another one, and delete this one with `ark {noun} delete {name}`"
    ))
}

/// Returns the failure that a run failed as a whole.
pub fn failed<K: ArkResource>(name: &str, reason: Option<&str>) -> Failure {
    let noun = K::NOUN;
    Failure::because(format!("{noun} {name} failed: {}", reason.unwrap_or("the server gives no reason")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::RestoreName;
    use crate::store::{Location, PutMode, open};

    #[test]
    fn what_is_kept_for_ever_is_kept_as_long_as_the_server_takes() {
        let never = kept("never").unwrap();
        assert!(never.length().is_ok() && never.as_str() == "100y", "the server takes it");
        assert_eq!(kept("30d").unwrap().as_str(), "30d");
        let zero = kept("0s").unwrap_err();
        assert!(
            zero.contains("it is zero") && zero.ends_with("`never` keeps it for a hundred years"),
            "{zero}"
        );
    }

    #[tokio::test]
    async fn runs_of_one_second_get_a_name_each() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("file://{}", folder.path().display());
        let bucket = Bucket::new(open(&Location::from_url(&url).unwrap()).await.unwrap());
        let mut names = BTreeSet::new();
        for claimed in [true, false, false] {
            let name: RestoreName = timed_name(&bucket, RunKind::Restore, "monday-").await.unwrap();
            assert!(name.as_str().starts_with("monday-20"), "{name}");
            let keys = RunKeys::restore(&name).unwrap();
            let key = if claimed { keys.claim() } else { keys.document() };
            bucket.store().put(key, "{}".into(), PutMode::Create).await.unwrap();
            names.insert(name.to_string());
        }
        assert_eq!(names.len(), 3);
    }
}
