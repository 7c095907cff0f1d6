//! How a command ends: its outcome with the exit code, and the signals that end it early. No other
//! folder knows the number of a code.

mod failure;
pub mod signal;

pub use failure::{Done, Failure};
