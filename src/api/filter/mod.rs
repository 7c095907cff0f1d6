//! Selection of items: the fields that Backup and Restore share, and their compilation into the
//! model's selections. Pure.

mod scoped;
mod selection;

use selection::check_lists;
pub use selection::{CompiledSelection, Filter, check_terms, label_requirements};

pub use scoped::ScopedKinds;

#[cfg(test)]
mod tests;
