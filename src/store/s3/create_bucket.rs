//! Creates the bucket of a location whose URL or specification says so (`createBucket`).

use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};

use super::Service;
use super::error::{self, S3Target};
use crate::store::{Action, StoreError};

impl Service {
    /// Creates the bucket unless it exists.
    pub(super) async fn create_bucket(&self, action: Action) -> Result<(), StoreError> {
        let S3Target { bucket, region, .. } = &self.place;
        match self.client.head_bucket().bucket(bucket).send().await {
            Ok(_) => return Ok(()),
            Err(error) if error::status(&error) == Some(404) => {}
            Err(error) => return Err(error::explain(&self.place, action, &error)),
        }
        // us-east-1 is the one region that a request must not name.
        let elsewhere = (region != "us-east-1").then(|| {
            let region = BucketLocationConstraint::from(region.as_str());
            CreateBucketConfiguration::builder().location_constraint(region).build()
        });
        let created = self
            .client
            .create_bucket()
            .bucket(bucket)
            .set_create_bucket_configuration(elsewhere)
            .send()
            .await;
        match created {
            Ok(_) => Ok(()),
            // Another process was faster; the first use tells whose bucket it is.
            Err(error) if matches!(error.code(), Some("BucketAlreadyOwnedByYou" | "BucketAlreadyExists")) => {
                Ok(())
            }
            Err(error) => Err(error::explain(&self.place, action, &error)),
        }
    }
}
