//! Identity of a run among all runs that had its name.

use std::fmt;

use super::record::RunDocument;
use crate::api::Timestamp;

/// The properties that tell a run from every other run of its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunIdentity {
    pub(super) run: Option<String>,
    pub(super) cluster: Option<String>,
    pub(super) began: Option<Timestamp>,
    pub(super) ended: Option<Timestamp>,
}

impl RunIdentity {
    /// Returns the identity of the run whose document this is.
    pub fn of_document<D: RunDocument>(document: &D) -> Self {
        Self {
            run: document.run_uid().map(str::to_owned),
            cluster: document.cluster().map(str::to_owned),
            began: document.began(),
            ended: document.ended(),
        }
    }

    /// Returns the identity of the run that an object of this cluster stands for: its own run, or
    /// the run of the document from which a server made it. Objects that an earlier version made do
    /// not name that run; their times identify it.
    pub fn of_object<D: RunDocument>(object: &D) -> Self {
        let own = Self::of_document(object);
        if !object.is_mirror() {
            return own;
        }
        Self { run: object.origin().and_then(|origin| origin.run.clone()), ..own }
    }

    /// Returns the uid of the run's object in the cluster that made it, or `None` if it is not
    /// known.
    pub fn run(&self) -> Option<&str> {
        self.run.as_deref()
    }

    /// Returns whether both are the same run, as far as both are known. Equal uids suffice; where
    /// one of the uids is unknown, the times of the work must be equal.
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
