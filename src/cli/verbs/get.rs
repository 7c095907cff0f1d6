//! `get`: prints objects as a table, as documents or by name, and with `--watch` their changes.

use std::collections::HashMap;
use std::time::Duration;

use clap::Args;
use kube::ResourceExt;
use tokio::time::sleep;

use crate::api::Timestamp;
use crate::cli::args::selection::check_selector;
use crate::cli::client::bare;
use crate::cli::client::{ArkClient, ArkResource};
use crate::cli::exit::signal;
use crate::cli::exit::{Done, Failure};
use crate::cli::global::Global;
use crate::cli::output::{Format, Output, Table};
use crate::model::ObjectName;

/// Time between two lists with `--watch`: short enough for a person, long enough for the API
/// server.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The columns of a kind in a table.
pub trait Listed: ArkResource {
    /// The columns behind the name; from [`Listed::NARROW`] on only in a wide table.
    const COLUMNS: &'static [&'static str];
    /// Number of columns in a narrow table.
    const NARROW: usize;

    /// Returns one cell for each column.
    fn cells(&self) -> Vec<String>;

    /// Adds to objects what a table shows of them and only other objects know.
    fn complete(_: &ArkClient, objects: Vec<Self>) -> impl Future<Output = Vec<Self>> {
        std::future::ready(objects)
    }

    /// Returns notes on what a table of all objects lacks.
    fn lacking(_: &ArkClient) -> impl Future<Output = Vec<String>> {
        std::future::ready(Vec::new())
    }
}

/// Which objects to show.
#[derive(Args, Debug)]
pub struct GetArgs {
    /// The names of the objects [default: all objects]
    #[arg(value_name = "NAME")]
    names: Vec<ObjectName>,
    /// Only objects with these labels: 'app=web,tier in (a,b),!old'
    #[arg(short = 'l', long, value_name = "LABELS", conflicts_with = "names")]
    selector: Option<String>,
    /// Go on and show each object that is created or changes, until Ctrl-C
    #[arg(short, long)]
    watch: bool,
}

/// Which runs to show.
#[derive(Args, Debug)]
pub struct GetRunsArgs {
    #[command(flatten)]
    get: GetArgs,
    /// Only objects of this schedule
    #[arg(long, value_name = "SCHEDULE", conflicts_with = "names")]
    schedule: Option<ObjectName>,
}

/// A run that a Schedule may have made.
pub trait Scheduled {
    /// Returns whether this Schedule made the run, or made the backup that the run restores.
    fn is_of(&self, schedule: &str) -> bool;
}

/// Prints runs: all, or those of a Schedule.
pub async fn get_runs<K: Listed + Scheduled>(
    global: &Global,
    args: &GetRunsArgs,
    output: &Output,
) -> Result<Done, Failure> {
    let of = args.schedule.as_ref().map(|schedule| format!(" of schedule {schedule}")).unwrap_or_default();
    let is_wanted = |run: &K| args.schedule.as_ref().is_none_or(|schedule| run.is_of(schedule.as_str()));
    show(global, &args.get, &of, is_wanted, output).await
}

/// Prints objects; those that exist are printed even if others do not.
pub async fn get<K: Listed>(global: &Global, args: &GetArgs, output: &Output) -> Result<Done, Failure> {
    show(global, args, "", |_: &K| true, output).await
}

async fn show<K: Listed>(
    global: &Global,
    args: &GetArgs,
    of: &str,
    is_wanted: impl Fn(&K) -> bool,
    output: &Output,
) -> Result<Done, Failure> {
    if let Some(selector) = &args.selector {
        check_selector(selector)?;
    }
    let ended = signal::asked();
    let client = ArkClient::open(global).await?;
    let (found, missing) = find(&client, args, &is_wanted).await?;
    let single = args.names.len() == 1;
    let mut view = WatchView::new(output);
    if found.is_empty() && missing.is_empty() && view.is_table() {
        output.note(format!("there are no {}s{of} in namespace {}", K::NOUN, client.namespace()));
    } else if !found.is_empty() || missing.is_empty() {
        view.print(&client, found, single).await?;
    }
    if view.is_table() && args.names.is_empty() {
        K::lacking(&client).await.into_iter().for_each(|note| output.note(note));
    }
    if !missing.is_empty() {
        return Err(client.missing::<K>(&missing).await);
    }
    if !args.watch {
        return Ok(Done::Complete);
    }
    let watching = async {
        loop {
            sleep(LOOK_EVERY).await;
            let (found, _) = find(&client, args, &is_wanted).await?;
            view.follow(&client, found).await?;
        }
    };
    tokio::select! {
        failed = watching => failed,
        () = ended => Ok(Done::Complete),
    }
}

/// Returns the wanted objects that exist, and the names of those that do not.
async fn find<'a, K: Listed>(
    client: &ArkClient,
    args: &'a GetArgs,
    is_wanted: impl Fn(&K) -> bool,
) -> Result<(Vec<K>, Vec<&'a str>), Failure> {
    let (mut found, mut missing) = (Vec::<K>::new(), Vec::new());
    if args.names.is_empty() {
        found = client.list(args.selector.as_deref()).await?;
        found.retain(is_wanted);
    }
    for name in &args.names {
        match client.find(name.as_str()).await? {
            Some(object) => found.push(object),
            None => missing.push(name.as_str()),
        }
    }
    Ok((found, missing))
}

/// The objects as they were last printed: only changes are printed, in columns as wide as those
/// above them.
struct WatchView<'a> {
    output: &'a Output,
    table: Option<Table>,
    seen: HashMap<String, Option<String>>,
}

impl<'a> WatchView<'a> {
    fn new(output: &'a Output) -> Self {
        Self { output, table: None, seen: HashMap::new() }
    }

    fn is_table(&self) -> bool {
        matches!(self.output.format(), Format::Table | Format::Wide)
    }

    async fn print<K: Listed>(
        &mut self,
        client: &ArkClient,
        objects: Vec<K>,
        single: bool,
    ) -> Result<(), Failure> {
        self.news(&objects);
        match self.output.format() {
            Format::Name => objects.iter().try_for_each(|object| self.output.line(object.name_any())),
            Format::Json | Format::Yaml => documents(&objects, single, self.output),
            Format::Table | Format::Wide => self.rows(&K::complete(client, objects).await, true),
        }
    }

    /// Prints the objects that have changed since they were printed.
    async fn follow<K: Listed>(&mut self, client: &ArkClient, mut objects: Vec<K>) -> Result<(), Failure> {
        let news = self.news(&objects);
        objects.retain(|object| news.contains(&object.name_any()));
        match self.output.format() {
            _ if objects.is_empty() => Ok(()),
            Format::Json | Format::Yaml => objects
                .iter()
                .try_for_each(|object| documents(std::slice::from_ref(object), true, self.output)),
            Format::Name => objects.iter().try_for_each(|object| self.output.line(object.name_any())),
            Format::Table | Format::Wide => self.rows(&K::complete(client, objects).await, false),
        }
    }

    /// Returns the names of objects that are new or have another resourceVersion than before;
    /// forgets those that are gone.
    fn news<K: Listed>(&mut self, objects: &[K]) -> Vec<String> {
        let now: HashMap<_, _> =
            objects.iter().map(|object| (object.name_any(), object.resource_version())).collect();
        let is_news = |(name, version): &(&String, &Option<String>)| self.seen.get(*name) != Some(*version);
        let news = now.iter().filter(is_news).map(|(name, _)| name.clone()).collect();
        self.seen = now;
        news
    }

    /// Prints rows of the table; unless `all`, only those of `objects`, below what is on the
    /// screen.
    fn rows<K: Listed>(&mut self, objects: &[K], all: bool) -> Result<(), Failure> {
        let wide = self.output.format() == Format::Wide;
        let columns = if wide { K::COLUMNS.len() } else { K::NARROW };
        let header =
            || std::iter::once("name").chain(K::COLUMNS.iter().copied().take(columns)).collect::<Vec<_>>();
        let is_first = self.table.is_none();
        let table = self.table.get_or_insert_with(|| Table::new(&header()));
        for object in objects {
            table.row(std::iter::once(object.name_any()).chain(object.cells().into_iter().take(columns)));
        }
        let text = table.to_string();
        let shown = if all || is_first { usize::MAX } else { objects.len() };
        let lines: Vec<&str> = text.lines().collect();
        self.output.line(lines[lines.len().saturating_sub(shown)..].join("\n"))
    }
}

/// Prints objects as a document: a List, or one object if `single`.
pub fn documents<K: ArkResource>(objects: &[K], single: bool, output: &Output) -> Result<(), Failure> {
    let objects: Vec<K> = objects.iter().map(bare).collect();
    match objects.first() {
        Some(object) if single => output.document(object),
        _ => output.document(&serde_json::json!({"apiVersion": "v1", "kind": "List", "items": objects})),
    }
}

/// Returns a time for a cell; `-` if there is none.
pub fn time(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| time.time().format("%Y-%m-%d %H:%M:%S").to_string())
}

/// Returns any other value for a cell; `-` if there is none.
pub fn cell(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Schedule, ScheduleSpec};
    use crate::cli::output::Color;

    #[test]
    fn of_what_is_watched_only_what_changed_or_came_is_news() {
        let output = Output::new(Format::Table, true, 0, Color::Never, false);
        let mut view = WatchView::new(&output);
        let schedule = |name: &str, version: &str| {
            let mut schedule = Schedule::new(name, ScheduleSpec::default());
            schedule.metadata.resource_version = Some(version.to_owned());
            schedule
        };
        assert_eq!(view.news(&[schedule("a", "1"), schedule("b", "1")]).len(), 2);
        assert_eq!(view.news(&[schedule("a", "1"), schedule("b", "2")]), ["b"]);
        assert!(view.news(&[schedule("a", "1")]).is_empty(), "what went is not shown");
        assert_eq!(view.news(&[schedule("a", "1"), schedule("b", "2")]), ["b"], "it came back");
    }
}
