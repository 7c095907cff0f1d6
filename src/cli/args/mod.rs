//! Groups of flags that several commands share, and the values that they yield.

pub mod backup_spec;
pub mod location;
pub mod pairs;
pub mod restore_spec;
pub mod selection;
pub mod storage_location_spec;
pub mod targets;
