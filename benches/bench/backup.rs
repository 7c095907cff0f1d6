//! Backups beside a paged LIST of the same kinds: the two alternate, so that whatever else the
//! machine does meets both.

use std::sync::Arc;
use std::time::Duration;

use ark::archive::{IndexLine, IndexedResource};
use ark::bucket::{Bucket, StoredBackup};
use ark::model::BackupName;
use ark::store::{self, Location};
use futures::TryStreamExt as _;

use crate::Outcome;
use crate::client::{Client, Creation};
use crate::lab::{Lab, Place};
use crate::objects;
use crate::program::{Program, Ran};
use crate::report::{Report, median, median_time, say};
use crate::setting::Setting;

/// What a backup of a new cluster may take besides its LIST: starting, connecting, claiming and
/// committing.
const CONSTANT: f64 = 0.2;

/// What a backup may take at most.
#[derive(Clone, Copy, Debug)]
pub struct Bar {
    /// Seconds of it that do not count: what does not grow with the cluster.
    pub aside: f64,
    /// The rest, as a multiple of its LIST.
    pub times: f64,
}

/// A cluster whose LIST takes a second or two.
pub const FEW: Bar = Bar { aside: 0.1, times: 1.3 };
/// One in which what does not grow is lost in the rest.
pub const MANY: Bar = Bar { aside: 0.0, times: 1.1 };

/// The cluster that is backed up.
pub struct Backups<'a> {
    setting: &'a Setting,
    place: &'a Place,
    program: Program,
    client: Client,
    kinds: Vec<IndexedResource>,
}

/// A backup to read from.
#[derive(Clone, Debug)]
pub struct Original {
    /// What it is called.
    pub name: BackupName,
    /// Where it is.
    pub place: Place,
    /// The kinds that it lists.
    pub kinds: Vec<IndexedResource>,
}

impl<'a> Backups<'a> {
    /// Defines the custom resource, and finds out which kinds a backup lists.
    pub async fn prepare(setting: &'a Setting, lab: &Lab, place: &'a Place) -> Outcome<Self> {
        let client = Client::new(&lab.kubeconfig()?).await?;
        client.load(vec![objects::definition()]).await?;
        client.served(objects::WIDGETS).await?;
        let mut backups =
            Self { setting, place, program: Program::new(lab, place)?, client, kinds: Vec::new() };
        let name = backups.make("first").await?.0;
        backups.kinds = kinds(&open(place, &name).await?).await?;
        Ok(backups)
    }

    /// What does not grow: a backup of a new cluster, less its LIST.
    pub async fn empty(&self, report: &mut Report) -> Outcome<()> {
        let pairs = self.alternate("empty").await?;
        let constant = median(pairs.iter().map(|(floor, ran)| seconds(ran.time) - seconds(*floor)).collect());
        report.at_most("backup of a new cluster, less its LIST", constant, CONSTANT, " s");
        Ok(())
    }

    /// Brings the cluster to so many objects.
    pub async fn load(&self, objects: usize) -> Outcome<()> {
        say(&format!("loading the cluster up to {objects} objects"));
        self.client.load(objects::namespaces()).await?;
        let took = self.client.load((0..objects).map(objects::object).collect()).await?;
        say(&format!("loaded in {:.1} s", took.as_secs_f64()));
        Ok(())
    }

    /// Loads, and makes the backup that restores are made from.
    pub async fn load_and_keep(&self, objects: usize) -> Outcome<Original> {
        self.load(objects).await?;
        let (name, _) = self.make("original").await?;
        Ok(Original { name, place: self.place.clone(), kinds: self.kinds.clone() })
    }

    /// Time and memory of backups now; returns the memory of the run in the middle.
    pub async fn measure(&self, objects: usize, bar: Bar, report: &mut Report) -> Outcome<f64> {
        let pairs = self.alternate(&objects.to_string()).await?;
        let floor = median_time(pairs.iter().map(|(floor, _)| *floor));
        let ark = median_time(pairs.iter().map(|(_, ran)| ran.time));
        let ratio = |aside: f64| {
            median(pairs.iter().map(|(floor, ran)| (seconds(ran.time) - aside) / seconds(*floor)).collect())
        };
        report.note(format!("{objects} objects: LIST, backup"), format!("{floor:.2} s, {ark:.2} s"));
        let what = format!("backup of {objects} objects, times its LIST");
        if bar.aside > 0.0 {
            report.note(what.clone(), format!("{:.2}", ratio(0.0)));
            report.at_most(format!("{what}, {} s aside", bar.aside), ratio(bar.aside), bar.times, "");
        } else {
            report.at_most(what, ratio(0.0), bar.times, "");
        }
        let peaks = pairs.iter().map(|(_, ran)| ran.peak);
        report.memory(objects, peaks.clone().max().unwrap_or_default());
        Ok(median(peaks.map(|peak| peak as f64).collect()))
    }

    /// Floor and Ark in turns; who begins alternates too.
    async fn alternate(&self, label: &str) -> Outcome<Vec<(Duration, Ran)>> {
        let mut pairs = Vec::new();
        for round in 0..self.setting.rounds {
            let name = format!("{label}-{round}");
            let (floor, ran) = if round % 2 == 0 {
                let floor = self.floor().await?;
                (floor, self.make(&name).await?.1)
            } else {
                let ran = self.make(&name).await?.1;
                (self.floor().await?, ran)
            };
            say(&format!(
                "{label}: LIST {:.2} s, backup {:.2} s, {} MiB",
                seconds(floor),
                seconds(ran.time),
                ran.peak >> 20
            ));
            pairs.push((floor, ran));
        }
        Ok(pairs)
    }

    async fn floor(&self) -> Outcome<Duration> {
        // Connections die with the client, as they do with the process on the other side.
        Ok(self.client.list(&self.kinds).await?.0)
    }

    /// Creates one more object.
    pub async fn create(&self, creation: Creation) -> Outcome<()> {
        self.client.load(vec![creation]).await.map(drop)
    }

    /// Returns where the backups are.
    pub fn place(&self) -> &Place {
        self.place
    }

    async fn make(&self, label: &str) -> Outcome<(BackupName, Ran)> {
        self.make_with(label, &[]).await
    }

    /// Makes a backup with these further arguments.
    pub async fn make_with(&self, label: &str, more: &[&str]) -> Outcome<(BackupName, Ran)> {
        let name = format!("{label}-{}", uuid::Uuid::new_v4().simple());
        let arguments = [&["backup", "run", &name, "-q"], more].concat();
        let ran = tokio::task::block_in_place(|| self.program.run(&arguments))?;
        Ok((name.parse().map_err(|error| format!("naming a backup: {error}"))?, ran))
    }
}

/// Opens a backup through the library, its store wrapped by nothing.
pub async fn open(place: &Place, name: &BackupName) -> Outcome<StoredBackup> {
    Bucket::new(store(place).await?).open_backup(name).await.map_err(|error| error.to_string())
}

/// The store of a place.
pub async fn store(place: &Place) -> Outcome<Arc<dyn store::ObjectStore>> {
    let location = Location::from_url(&place.url).map_err(|error| error.to_string())?;
    store::open(&location).await.map_err(|error| error.to_string())
}

async fn kinds(backup: &StoredBackup) -> Outcome<Vec<IndexedResource>> {
    let mut lines = backup.index().await.map_err(|error| error.to_string())?;
    match lines.try_next().await.map_err(|error| error.to_string())? {
        Some(IndexLine::Header(header)) => Ok(header.kinds),
        _ => Err("the index of the first backup has no header".to_owned()),
    }
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}
