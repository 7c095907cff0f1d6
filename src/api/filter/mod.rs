//! Selection of items: the fields that Backup and Restore share, and their compilation into the
//! model's selections. Pure.

mod scoped;
mod selection;

pub use scoped::ScopedKinds;
pub use selection::{CompiledSelection, Filter, check_terms, label_requirements};

use selection::check_lists;

#[cfg(test)]
mod tests;
