//! `ark location create`: turns a URL into a BackupStorageLocation.

use clap::{Args, ValueEnum};

use crate::api::{self, AccessMode, BackupStorageLocation, BackupStorageLocationSpec, Provider, SecretKey};
use crate::cli::args::pairs::pair;
use crate::cli::args::storage_location_spec::spec_from_location;
use crate::cli::exit::{Done, Failure};
use crate::cli::global::Global;
use crate::cli::output::Output;
use crate::cli::verbs::create::{MakeArgs, make};
use crate::model::ObjectName;
use crate::store::Location;

const EXAMPLE: &str = "\
Examples:
  # The bucket of all backups, opened by the server's own credentials (a role of its ServiceAccount)
  ark location create default --url 's3://backups/prod?region=eu-central-1' --default
  # MinIO, with a Secret whose key `cloud` holds an AWS credentials file
  kubectl -n heptio-ark create secret generic minio --from-file=cloud=credentials
  ark location create default --url 's3://backups?endpoint=https://minio.example.com' \\
    --credential minio:cloud --default
  # The bucket of another cluster, to restore from
  ark location create prod --url s3://backups/prod --access-mode read-only";

/// Create a location: a bucket or folder that the server writes to or reads from.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct CreateCommand {
    /// The name of the location
    name: ObjectName,
    /// The bucket: s3://BUCKET/PREFIX?region=…&endpoint=…, or file:///FOLDER for a folder that the
    /// server has mounted
    #[arg(long, value_name = "URL")]
    url: String,
    /// The Secret in Ark's namespace, and the key in it whose value is an AWS credentials
    /// file: minio:cloud [default: the server's own credentials]
    #[arg(long, value_name = "SECRET:KEY", value_parser = pair)]
    credential: Option<(String, String)>,
    /// Allow backups and deletions, or only restores [default: read-write]
    #[arg(long, value_name = "MODE", value_enum, ignore_case = true)]
    access_mode: Option<Mode>,
    /// Make this location the default, which is used by backups that name none
    #[arg(long)]
    default: bool,
    /// How often to look for backups of other clusters: 5m [default: the server's --sync-period,
    /// 1m]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    sync_period: Option<api::Duration>,
    /// How often to check whether the location can be used: 5m [default: 1m]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    validation_period: Option<api::Duration>,
    #[command(flatten)]
    make: MakeArgs,
}

/// The access to a location.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Mode {
    #[value(alias = "readwrite")]
    ReadWrite,
    #[value(alias = "readonly")]
    ReadOnly,
}

impl From<Mode> for AccessMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::ReadWrite => Self::ReadWrite,
            Mode::ReadOnly => Self::ReadOnly,
        }
    }
}

/// Creates the location.
pub async fn create(global: &Global, command: &CreateCommand, output: &Output) -> Result<Done, Failure> {
    let location = build(global, command)?;
    let then = "`ark location get` shows whether the server can use it";
    make(global, &location, &command.make, then, output).await
}

fn build(global: &Global, command: &CreateCommand) -> Result<BackupStorageLocation, Failure> {
    let CreateCommand { name, url, credential, access_mode, default, sync_period, validation_period, make } =
        command;
    let spec = spec_from_location(Location::from_url(url)?, "--url", "--credential SECRET:KEY")?;
    if spec.provider == Provider::Fs && credential.is_some() {
        return Err(Failure::usage("--credential goes only with an s3:// URL"));
    }
    let spec = BackupStorageLocationSpec {
        credential: credential.clone().map(|(name, key)| SecretKey { name, key }),
        access_mode: access_mode.map(AccessMode::from),
        default: default.then_some(true),
        sync_period: sync_period.clone(),
        validation_period: validation_period.clone(),
        ..spec
    };
    let wrong: Vec<String> = spec.validate().iter().map(ToString::to_string).collect();
    if !wrong.is_empty() {
        return Err(Failure::usage(wrong.join("; ")));
    }
    let mut object = BackupStorageLocation::new(name.as_str(), spec);
    object.metadata = make.metadata(name.as_str(), &global.namespace)?;
    Ok(object)
}
