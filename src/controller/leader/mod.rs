//! Which of several servers acts: the Lease, who holds it, and one term of leadership.

pub mod lease;
mod observer;
pub mod term;
mod timing;
