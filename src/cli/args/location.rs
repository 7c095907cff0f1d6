//! `--location`: which bucket a command works on; without it, where that may be, the server's.

use clap::Args;

use crate::bucket::Bucket;
use crate::cli::exit::Failure;
use crate::store::{self, Location};

/// Where the backups are.
#[derive(Args, Clone, Debug)]
pub struct LocationArgs {
    /// The bucket: s3://BUCKET/PREFIX?region=…&endpoint=… or file:///FOLDER
    #[arg(long, env = "ARK_LOCATION", value_name = "URL", hide_env_values = true)]
    location: String,
}

/// Where the backup is.
#[derive(Args, Debug)]
pub struct SourceArgs {
    /// Read from this bucket, without a server: s3://BUCKET/PREFIX?region=…&endpoint=… or
    /// file:///FOLDER
    #[arg(long, env = "ARK_LOCATION", value_name = "URL", hide_env_values = true)]
    location: Option<String>,
}

impl SourceArgs {
    /// The bucket, if one was named.
    pub fn bucket(&self) -> Option<LocationArgs> {
        self.location.clone().map(|location| LocationArgs { location })
    }
}

impl LocationArgs {
    /// Makes sure that the URL can be meant, without touching the bucket. Not clap's business: it would repeat the
    /// URL, and with it a password that should not have been in it.
    pub fn check(&self) -> Result<Location, Failure> {
        Ok(Location::from_url(&self.location)?)
    }

    /// Opens the bucket.
    pub async fn bucket(&self) -> Result<Bucket, Failure> {
        Ok(Bucket::new(store::open(&self.check()?).await?))
    }
}
