//! All traffic with the API server: connection, catalog of kinds, raw lists at a cut, writes,
//! waits.
//!
//! Bodies are raw JSON bytes both ways; items are not parsed into trees here. A backup uses
//! [`Cluster::connect`], [`Cluster::catalog`], [`Cluster::current_revision`] and
//! [`Cluster::lister`]; a restore also [`Cluster::create`] and its neighbours, and the waits.
//! Every call has a deadline and a bounded number of tries. A server that answers nobody is waited
//! for, and [`Cluster::waiting`] tells of it.

mod apply;
mod buffers;
mod catalog;
mod connect;
mod count;
mod counted;
mod cuts;
mod discovery;
mod error;
mod exec;
mod failure;
mod fence;
mod health;
mod job_end;
mod list;
mod pace;
mod page;
mod pods;
mod policy;
mod proxy;
mod request;
#[cfg(test)]
pub(crate) mod script;
mod secrets;
mod tempo;
mod trouble;
mod wait;
mod waiting;
mod warnings;

pub use apply::{Patch, Propagation, Written};
pub use catalog::{Catalog, GroupFailure, ResourceInfo};
pub use connect::{Cluster, ClusterIdentity, ConnectOptions};
pub use error::{ApiFailure, ClusterError, category_of_status};
pub use exec::{ContainerCommand, ExecFailure, ExecOutput, StreamEnd};
pub use fence::{Fence, Moment};
pub use list::{Drift, ListQuery, Lister};
pub use pace::{Pace, Permit};
pub use page::Page;
pub use proxy::{Proxies, shown as proxy_shown, with_port};
pub use wait::{Bound, Lag, state_of};
pub use waiting::Waiting;
