//! The arguments that are typed: ways to call the program, groups of flags that several commands
//! share with the values that they yield, and the reference of all of them.

pub mod backup_spec;
pub mod invocation;
pub mod location;
pub mod pairs;
pub mod reference;
pub mod restore_spec;
pub mod selection;
pub mod storage_location_spec;
pub mod targets;
