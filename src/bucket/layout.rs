//! The keys of a location that follow from names, and the meaning of a listed key (format 2, and
//! the layouts that came before). Pure.
//!
//! The keys of claim and document follow from the name of a run alone, so that a claim on the name
//! is a claim on the document. The keys of its parts are known only from the document: see
//! [`PartKeys`](super::PartKeys). Objects `ark-probe-…`, which only try whether and how a location
//! can be written to, are named where they are written (`store::s3`, `controller::location`).

use std::fmt;

use crate::model::{BackupName, RestoreName};
use crate::store::{InvalidKey, ObjectKey};

use super::attempt_id::AttemptId;

/// The key of the location's identity.
pub const LOCATION: &str = "ark-location.json";

/// The folder of changes that must be undone if their holder dies.
pub const OBLIGATIONS: &str = "obligations/";

/// The kind of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RunKind {
    /// A backup, below `backups/`.
    Backup,
    /// A restore, below `restores/`.
    Restore,
}

impl RunKind {
    /// Returns the folder of all runs of the kind, ending in `/`.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Backup => "backups/",
            Self::Restore => "restores/",
        }
    }

    /// Returns the `kind` of the kind's documents.
    pub fn resource(self) -> &'static str {
        match self {
            Self::Backup => "Backup",
            Self::Restore => "Restore",
        }
    }

    /// Returns the file name of the document whose presence means that the run is complete.
    fn document(self) -> &'static str {
        match self {
            Self::Backup => "ark-backup.json",
            Self::Restore => "ark-restore.json",
        }
    }
}

impl fmt::Display for RunKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Backup => "backup",
            Self::Restore => "restore",
        })
    }
}

/// One of the objects of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// The claim: which process is making the run.
    Claim,
    /// The second key, held for the moment in which a dead claim changes hands.
    Takeover,
    /// The items; only of backups.
    Tarball,
    /// One line for each item.
    Index,
    /// Warnings and errors.
    Results,
    /// The run's log.
    Log,
    /// Volume snapshots and volume data; only of backups.
    Volumes,
    /// Database dumps or their manifest; only of backups.
    Dump,
    /// The commit: the run exists if this object does.
    Document,
}

/// The keys of one run that follow from its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunKeys {
    kind: RunKind,
    name: String,
    folder: String,
    claim: ObjectKey,
    takeover: ObjectKey,
    document: ObjectKey,
}

impl RunKeys {
    /// Returns the keys of a backup.
    ///
    /// # Errors
    /// If a key would be longer than the 1024 bytes that S3 takes.
    pub fn backup(name: &BackupName) -> Result<Self, InvalidKey> {
        Self::new(RunKind::Backup, name.as_str())
    }

    /// Returns the keys of a restore.
    ///
    /// # Errors
    /// If a key would be longer than the 1024 bytes that S3 takes.
    pub fn restore(name: &RestoreName) -> Result<Self, InvalidKey> {
        Self::new(RunKind::Restore, name.as_str())
    }

    /// Returns the keys of a run, or `None` if its name is not valid.
    pub fn parse(kind: RunKind, name: &str) -> Option<Self> {
        Self::is_name(kind, name).then(|| Self::new(kind, name).ok()).flatten()
    }

    /// Returns whether the name is valid for a run of that kind.
    pub fn is_name(kind: RunKind, name: &str) -> bool {
        match kind {
            RunKind::Backup => name.parse::<BackupName>().is_ok(),
            RunKind::Restore => name.parse::<RestoreName>().is_ok(),
        }
    }

    fn new(kind: RunKind, name: &str) -> Result<Self, InvalidKey> {
        let folder = format!("{}{name}/", kind.folder());
        let key = |file: &str| ObjectKey::new(format!("{folder}{file}"));
        Ok(Self {
            kind,
            name: name.to_owned(),
            claim: key("claim.json")?,
            takeover: key("takeover.json")?,
            document: key(kind.document())?,
            folder,
        })
    }

    /// Returns the kind: backup or restore.
    pub fn kind(&self) -> RunKind {
        self.kind
    }

    /// Returns the name of the run.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the prefix of all keys of the run, ending in `/`.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// Returns the key of the claim, which says who is making the run.
    pub fn claim(&self) -> &ObjectKey {
        &self.claim
    }

    /// Returns the key that is held for the moment in which a dead claim changes hands.
    pub fn takeover(&self) -> &ObjectKey {
        &self.takeover
    }

    /// Returns the key of the document, the commit: the run exists when the document does.
    pub fn document(&self) -> &ObjectKey {
        &self.document
    }

    /// Returns whether the key is `claim.json` or `takeover.json`, which are deleted last.
    pub fn is_claim(&self, key: &ObjectKey) -> bool {
        *key == self.claim || *key == self.takeover
    }
}

impl fmt::Display for RunKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.kind, self.name)
    }
}

/// The program that wrote a backup in another format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Writer {
    /// Ark 0.3 to 0.9: folders at the top of the location.
    Ark03,
    /// Ark 0.10 and 0.11.
    Ark010,
    /// Velero.
    Velero,
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ark03 => "Ark 0.3 to 0.9",
            Self::Ark010 => "Ark 0.10 or 0.11",
            Self::Velero => "Velero",
        })
    }
}

/// The meaning of a file inside the folder of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileMeaning {
    /// A part of a run in our format. [`Part::Document`] of a backup is also what Ark 0.10 wrote:
    /// only a `.tar.gz` beside it tells them apart.
    Ours(Part),
    /// The document of a Velero backup.
    VeleroDocument,
    /// A tarball compressed with gzip, as all earlier writers made it.
    GzipTarball,
    /// Anything else.
    Unknown,
}

/// Returns the name of the run and the meaning of the file for a key that was listed below the
/// folder of its kind; `None` if the key lies in no run's folder. The name is as it stands in the
/// key and need not be valid.
pub fn parse_key(kind: RunKind, key: &str) -> Option<(&str, FileMeaning)> {
    let (name, file) = key.strip_prefix(kind.folder())?.split_once('/')?;
    Some((name, parse_file(kind, name, file)))
}

/// Returns the meaning of a file in the folder of the run `name`, wherever that folder is. `file`
/// is the rest of the key behind that folder.
pub fn parse_file(kind: RunKind, name: &str, file: &str) -> FileMeaning {
    if let Some((attempt, file)) = file.split_once('/')
        && AttemptId::is_one(attempt)
    {
        // The folder of an attempt holds parts only: claim and document lie beside it.
        return match parse_part(kind, name, file) {
            FileMeaning::Ours(Part::Claim | Part::Takeover | Part::Document) => FileMeaning::Unknown,
            FileMeaning::Ours(part) => FileMeaning::Ours(part),
            _ => FileMeaning::Unknown,
        };
    }
    parse_part(kind, name, file)
}

/// Returns the meaning of a file by its name alone, without the folder of an attempt.
fn parse_part(kind: RunKind, name: &str, file: &str) -> FileMeaning {
    let backup = kind == RunKind::Backup;
    let part = match file {
        "claim.json" => Part::Claim,
        "takeover.json" => Part::Takeover,
        "index.ndjson.zst" => Part::Index,
        "results.json.zst" => Part::Results,
        "logs.ndjson.zst" => Part::Log,
        "volumes.json.zst" if backup => Part::Volumes,
        "dumps.json.zst" if backup => Part::Dump,
        _ if backup && file.starts_with("dumps/") => Part::Dump,
        _ if file == kind.document() => Part::Document,
        _ if !backup => return FileMeaning::Unknown,
        "velero-backup.json" => return FileMeaning::VeleroDocument,
        _ => match file.strip_prefix(name) {
            Some(".tar.zst") => Part::Tarball,
            Some(".tar.gz") => return FileMeaning::GzipTarball,
            _ => return FileMeaning::Unknown,
        },
    };
    FileMeaning::Ours(part)
}

/// Returns whether a folder at the top of a location belongs to our format or to Velero's own
/// housekeeping, so that it cannot be a backup of Ark 0.3 to 0.9. `folder` ends in `/`.
pub fn is_reserved_folder(folder: &str) -> bool {
    let velero = ["restic/", "kopia/", "metadata/", "plugins/"];
    [RunKind::Backup.folder(), RunKind::Restore.folder(), OBLIGATIONS].contains(&folder)
        || velero.contains(&folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_a_run_is_read_back_as_what_it_is() {
        let keys = RunKeys::backup(&"nightly.1".parse().unwrap()).unwrap();
        for (key, part) in [
            (keys.claim(), Part::Claim),
            (keys.takeover(), Part::Takeover),
            (keys.document(), Part::Document),
        ] {
            assert!(key.as_str().starts_with(keys.folder()));
            let meaning = parse_key(RunKind::Backup, key.as_str());
            assert_eq!(meaning, Some(("nightly.1", FileMeaning::Ours(part))), "{key}");
        }
        let restore = RunKeys::restore(&"back".parse().unwrap()).unwrap();
        assert_eq!(restore.document().as_str(), "restores/back/ark-restore.json");
    }

    #[test]
    fn what_others_wrote_and_what_nobody_wrote_is_told_apart() {
        fn meaning(key: &str) -> Option<(&str, FileMeaning)> {
            parse_key(RunKind::Backup, key)
        }
        assert_eq!(meaning("backups/a/velero-backup.json"), Some(("a", FileMeaning::VeleroDocument)));
        assert_eq!(meaning("backups/a/a.tar.gz"), Some(("a", FileMeaning::GzipTarball)));
        assert_eq!(meaning("backups/a/b.tar.zst"), Some(("a", FileMeaning::Unknown)));
        assert_eq!(meaning("backups/a/a.tar.zst"), Some(("a", FileMeaning::Ours(Part::Tarball))));
        assert_eq!(
            meaning("backups/a/1-0123456789ab/a.tar.zst"),
            Some(("a", FileMeaning::Ours(Part::Tarball)))
        );
        for nothing in
            ["1-0123456789ab/claim.json", "1-0123456789ab/ark-backup.json", "1-0123456789ab/a.tar.gz"]
        {
            assert_eq!(
                meaning(&format!("backups/a/{nothing}")),
                Some(("a", FileMeaning::Unknown)),
                "{nothing}"
            );
        }
        for no_attempt in ["1", "x-0123456789ab", "1-0123456789AB", "1-01", "1-0123456789ab/2-0123456789ab"] {
            let key = format!("backups/a/{no_attempt}/index.ndjson.zst");
            assert_eq!(meaning(&key), Some(("a", FileMeaning::Unknown)), "{no_attempt}");
        }
        assert_eq!(meaning("backups/a/dumps/ns/d/m.zst"), Some(("a", FileMeaning::Ours(Part::Dump))));
        assert_eq!(meaning("backups/a/ark-restore.json"), Some(("a", FileMeaning::Unknown)));
        assert_eq!(meaning("backups/README"), None);
        assert_eq!(meaning("restores/a/claim.json"), None);
        assert!(is_reserved_folder("kopia/") && !is_reserved_folder("nightly/"));
    }
}
