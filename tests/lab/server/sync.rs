//! The bucket as the source of truth, whatever is in it.
