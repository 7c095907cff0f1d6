//! Which run of a name something belongs to.

use std::fmt;

use super::record::RunDocument;
use crate::api::Timestamp;

/// What tells a run from every other of its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunIdentity {
    pub(super) run: Option<String>,
    pub(super) cluster: Option<String>,
    pub(super) began: Option<Timestamp>,
    pub(super) ended: Option<Timestamp>,
}

impl RunIdentity {
    /// Returns the run that a document of a bucket is of.
    pub fn of_document<D: RunDocument>(document: &D) -> Self {
        Self {
            run: document.run_uid().map(str::to_owned),
            cluster: document.cluster().map(str::to_owned),
            began: document.began(),
            ended: document.ended(),
        }
    }

    /// Returns the run that an object of this cluster stands for: its own, or the one of the document that a server made it
    /// from. Objects that an earlier version made do not say which; their times do.
    pub fn of_object<D: RunDocument>(object: &D) -> Self {
        let own = Self::of_document(object);
        if !object.is_mirror() {
            return own;
        }
        Self { run: object.origin().and_then(|origin| origin.run.clone()), ..own }
    }

    /// Returns the uid that its object had in the cluster that made it, where that is known.
    pub fn run(&self) -> Option<&str> {
        self.run.as_deref()
    }

    /// Returns whether both are the same run, as far as both say who they are. A uid tells by itself; where one of them does
    /// not know it, the times of the work must be the same.
    pub fn is_same(&self, other: &Self) -> bool {
        let runs = self.run.as_ref().zip(other.run.as_ref());
        let differs = |both: Option<(&String, &String)>| both.is_some_and(|(one, other)| one != other);
        if differs(runs) || differs(self.cluster.as_ref().zip(other.cluster.as_ref())) {
            return false;
        }
        runs.is_some() || (self.began, self.ended) == (other.began, other.ended)
    }
}

impl fmt::Display for RunIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cluster = self.cluster.as_ref().map(|cluster| cluster.escape_debug().to_string());
        write!(f, "made in cluster {}", cluster.as_deref().unwrap_or("unknown"))?;
        match self.began.or(self.ended) {
            Some(time) => write!(f, " at {time}"),
            None => f.write_str(" at an unknown time"),
        }
    }
}
