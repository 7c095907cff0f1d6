//! Leader election: `lease` wins and renews the Lease, `observer` (pure) judges its record, `term`
//! runs the controllers while the Lease is held, `timing` has the numbers.

pub mod lease;
mod observer;
pub mod term;
mod timing;
