//! `--location`: the bucket on which a command works; where it may be left out, the server is
//! asked.

use clap::Args;

use crate::bucket::Bucket;
use crate::cli::exit::Failure;
use crate::store::{self, Location};

/// The bucket that holds the backups.
#[derive(Args, Clone, Debug)]
pub struct LocationArgs {
    /// The bucket: s3://BUCKET/PREFIX?region=…&endpoint=… or file:///FOLDER
    #[arg(long, env = "ARK_LOCATION", value_name = "URL", hide_env_values = true)]
    location: String,
}

/// The bucket that holds the backup, or the server that knows it.
#[derive(Args, Debug)]
pub struct SourceArgs {
    /// Read from this bucket, without a server: s3://BUCKET/PREFIX?region=…&endpoint=… or
    /// file:///FOLDER
    #[arg(long, env = "ARK_LOCATION", value_name = "URL", hide_env_values = true)]
    location: Option<String>,
}

impl SourceArgs {
    /// Returns the bucket that was named, or `None`.
    pub fn bucket(&self) -> Option<LocationArgs> {
        self.location.clone().map(|location| LocationArgs { location })
    }
}

impl LocationArgs {
    /// Parses the URL without a request to the bucket. Clap does not do this, as it would print the
    /// URL, and with it a password that should not have been in it.
    pub fn check(&self) -> Result<Location, Failure> {
        Ok(Location::from_url(&self.location)?)
    }

    /// Opens the bucket.
    pub async fn bucket(&self) -> Result<Bucket, Failure> {
        Ok(Bucket::new(store::open(&self.check()?).await?))
    }
}
