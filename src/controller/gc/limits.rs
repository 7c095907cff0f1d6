//! How much is done at once.

use futures::StreamExt as _;
use kube::ResourceExt as _;

use crate::bucket::RunDocument as _;

/// Requests that are made at once.
pub const CONCURRENT: usize = 4;
