//! The end of a command: its outcome with the exit code, and the signals that end it early. Only
//! `output` ends the program otherwise: after help or wrong usage, and when nobody reads the answer
//! any more.

mod failure;
pub mod signal;

pub use failure::{Done, Failure};
