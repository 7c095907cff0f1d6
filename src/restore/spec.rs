//! Checks and compiles the specification of a restore, without cluster and bucket. Pure.

use super::rewrite::CompiledModifiers;
use crate::api::{CompiledSelection, InvalidSpec, RestoreSpec};

/// A specification, checked and compiled.
#[derive(Debug)]
pub struct CompiledSpec {
    /// Which items are selected.
    pub selection: CompiledSelection,
    /// A person's own rules for the rewriting.
    pub modifiers: CompiledModifiers,
}

impl CompiledSpec {
    /// Compiles a specification.
    ///
    /// # Errors
    /// With everything that is wrong with it.
    pub fn compile(spec: &RestoreSpec) -> Result<Self, Vec<InvalidSpec>> {
        let mut wrong = spec.validate();
        let modifiers = CompiledModifiers::compile(&spec.resource_modifiers);
        let selection = spec.selection();
        if let (true, Err(errors)) = (wrong.is_empty(), &modifiers) {
            wrong.extend(errors.iter().map(|error| InvalidSpec {
                field: format!("resourceModifiers[{}].{}", error.rule - 1, error.field),
                why: error.why.clone(),
            }));
        }
        match (selection, modifiers) {
            (Ok(selection), Ok(modifiers)) if wrong.is_empty() => Ok(Self { selection, modifiers }),
            _ => Err(wrong),
        }
    }
}
