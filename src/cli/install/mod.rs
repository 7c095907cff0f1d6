//! `ark install`: prints every manifest that the server needs; nothing is applied.

mod location;
mod rbac;
mod workload;

pub use rbac::{chart_rules, rules_table};

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value};

use super::exit::{Done, Failure};
use super::global::Global;
use super::output::{Format, Output};
use crate::api;
use workload::{Manifest, Workload};

/// The name of the Secret that `--credentials-file` yields.
const CREDENTIALS: &str = "ark-credentials";
/// The name of the location that `--location` yields; `ark server` uses it, too, where none is
/// named.
const LOCATION: &str = "default";

const EXAMPLE: &str = "\
Examples:
  # The CRDs first, since the location needs its own; then look at the manifests and apply them
  ark crd | kubectl apply --server-side -f - && ark crd | kubectl wait --for condition=Established -f -
  ark install --image registry.example/ark:0.1.0 --location 's3://backups?region=eu-central-1' \\
    --credentials-file aws.ini > ark.yaml
  kubectl apply --server-side -f ark.yaml
  # With a role of the cloud instead of a Secret
  ark install --image registry.example/ark:0.1.0 --location 's3://backups?region=eu-central-1' \\
    --service-account-annotations eks.amazonaws.com/role-arn=arn:aws:iam::123456789012:role/ark
  # In the cluster that stands by for a disaster
  ark install --image registry.example/ark:0.1.0 --location 's3://backups?region=eu-central-1' \\
    --restore-only";

/// Print the manifests of the server: namespace, kinds, roles with their reasons, workload. Nothing
/// is applied.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct InstallCommand {
    /// The image of the server, where your cluster finds it (config/Dockerfile makes one)
    #[arg(long, value_name = "IMAGE")]
    image: String,
    /// How many servers run: one acts, the others stand by
    #[arg(long, value_name = "NUMBER", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=9))]
    replicas: u32,
    /// Only sync and restore: make no backups and remove none
    #[arg(long)]
    restore_only: bool,
    /// Make no backups for schedules
    #[arg(long)]
    disable_schedules: bool,
    /// Refuse every restore; the server gets no right to write into the cluster
    #[arg(long, conflicts_with = "restore_only")]
    disable_restores: bool,
    /// Run no hooks; the server gets no right to run commands in pods
    #[arg(long)]
    disable_hooks: bool,
    /// Set no user and group ids in the pods, for OpenShift, which assigns them by namespace
    #[arg(long)]
    openshift: bool,
    /// Also print a BackupStorageLocation `default` for this
    /// bucket: s3://BUCKET/PREFIX?region=…&endpoint=…
    #[arg(long, value_name = "URL")]
    location: Option<String>,
    /// Give that location the access mode ReadOnly: nothing is written there
    #[arg(long, requires = "location")]
    read_only: bool,
    /// An AWS credentials file, printed as a Secret for the location
    #[arg(long, value_name = "FILE", requires = "location", conflicts_with = "credentials_secret")]
    credentials_file: Option<PathBuf>,
    /// An existing Secret with an AWS credentials file under the key `cloud`
    #[arg(long, value_name = "NAME", requires = "location")]
    credentials_secret: Option<String>,
    /// Annotations of the ServiceAccount, for example the cloud role that it may
    /// take: eks.amazonaws.com/role-arn=ARN
    #[arg(long, value_name = "KEY=VALUE", value_delimiter = ',', value_parser = annotation)]
    service_account_annotations: Vec<(String, String)>,
    /// Annotations of the pods: key=value,…
    #[arg(long, value_name = "KEY=VALUE", value_delimiter = ',', value_parser = annotation)]
    pod_annotations: Vec<(String, String)>,
}

fn annotation(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE".to_owned()),
    }
}

/// Prints the manifests: YAML documents, a JSON list, or their names.
pub fn run(global: &Global, command: &InstallCommand, output: &Output) -> Result<Done, Failure> {
    let manifests = manifests(&global.namespace, command)?;
    if command.credentials_file.is_some() {
        output.warning("what is printed holds the credentials; keep it as you keep them");
    }
    if command.location.is_some() {
        output.note("the location is of a kind that the cluster may not know yet: `ark crd | kubectl apply --server-side -f -` comes first");
    }
    match output.format() {
        Format::Json => {
            let items: Vec<Value> = manifests.into_iter().map(Manifest::whole).collect();
            output.document(&serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": items }))?;
        }
        Format::Name => {
            for Manifest { object, role: _ } in &manifests {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                output.line(format!(
                    "{}/{}",
                    text(&object["kind"]).to_lowercase(),
                    text(&object["metadata"]["name"])
                ))?;
            }
        }
        Format::Table | Format::Wide | Format::Yaml => {
            for manifest in &manifests {
                output.bytes(format!("---\n{}", manifest.yaml()?).as_bytes())?;
            }
        }
    }
    Ok(Done::Complete)
}

/// Returns all manifests, in the order in which a cluster accepts them.
fn manifests(namespace: &str, command: &InstallCommand) -> Result<Vec<Manifest>, Failure> {
    let InstallCommand {
        image,
        replicas,
        restore_only,
        disable_schedules,
        disable_restores,
        disable_hooks,
        openshift,
        location: url,
        read_only,
        credentials_file,
        credentials_secret,
        service_account_annotations,
        pod_annotations,
    } = command;
    let annotations = |pairs: &[(String, String)]| {
        pairs.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect::<Map<_, _>>()
    };
    let workload = Workload {
        namespace: namespace.to_owned(),
        image: image.clone(),
        replicas: *replicas,
        restore_only: *restore_only,
        disable_schedules: *disable_schedules,
        disable_restores: *disable_restores,
        disable_hooks: *disable_hooks,
        openshift: *openshift,
        service_account_annotations: annotations(service_account_annotations),
        pod_annotations: annotations(pod_annotations),
    };
    let mut all = vec![workload.home()];
    for definition in api::crds() {
        let object = serde_json::to_value(definition);
        all.push(object.map_err(|error| Failure::failed("writing a definition as JSON", &error))?.into());
    }
    all.extend(workload.access());
    let mut secret = credentials_secret.as_deref();
    if let Some(file) = credentials_file {
        all.push(location::credentials(file, (CREDENTIALS, namespace))?.into());
        secret = Some(CREDENTIALS);
    }
    if let Some(url) = url {
        all.push(location::location(url, (LOCATION, namespace), secret, *read_only)?.into());
    }
    all.extend(workload.server());
    Ok(all)
}

impl Manifest {
    /// Returns the object, with the rules of its role.
    fn whole(self) -> Value {
        let Self { mut object, role } = self;
        if let Some(role) = role {
            object["rules"] = role.rules();
        }
        object
    }

    /// Returns the manifest as YAML; each rule follows its reason.
    fn yaml(&self) -> Result<String, Failure> {
        let Self { object, role } = self;
        let text = serde_saphyr::to_string(object);
        let text = text.map_err(|error| Failure::failed("writing a manifest as YAML", &error))?;
        Ok(match role {
            Some(role) => format!("# {}\n{text}rules:\n{}", role.purpose, role.yaml()),
            None => text,
        })
    }
}

#[cfg(test)]
mod tests;
