//! `get`: objects as a table, as documents, or by name.

use clap::Args;
use kube::ResourceExt;

use super::Global;
use super::door::{Door, Noun};
use super::failure::{Done, Failure};
use super::output::{Format, Output, Table};
use super::selection::check_selector;
use crate::api::Timestamp;
use crate::model::ObjectName;

/// What a table shows of a kind.
pub trait Listed: Noun {
    /// The columns behind the name; from [`Listed::NARROW`] on only in a wide table.
    const COLUMNS: &'static [&'static str];
    /// How many of them a narrow table has.
    const NARROW: usize;

    /// A cell a column.
    fn cells(&self) -> Vec<String>;
}

/// Which objects to show.
#[derive(Args, Debug)]
pub struct GetArgs {
    /// Their names [default: all of them]
    #[arg(value_name = "NAME")]
    names: Vec<ObjectName>,
    /// Only those with these labels: 'app=web,tier in (a,b),!old'
    #[arg(short = 'l', long, value_name = "LABELS", conflicts_with = "names")]
    selector: Option<String>,
}

/// Shows objects; what is there is shown even when some are not.
pub async fn get<K: Listed>(global: &Global, args: &GetArgs, output: &Output) -> Result<Done, Failure> {
    let GetArgs { names, selector } = args;
    if let Some(selector) = selector {
        check_selector(selector)?;
    }
    let door = Door::open(global).await?;
    if names.is_empty() {
        let objects: Vec<K> = door.list(selector.as_deref()).await?;
        if objects.is_empty() && matches!(output.format(), Format::Table | Format::Wide) {
            output.note(format!("there are no {}s in namespace {}", K::NOUN, door.namespace()));
            return Ok(Done::Complete);
        }
        print(&objects, false, output)?;
        return Ok(Done::Complete);
    }
    let (mut found, mut missing) = (Vec::<K>::new(), Vec::new());
    for name in names {
        match door.find(name.as_str()).await? {
            Some(object) => found.push(object),
            None => missing.push(name.as_str()),
        }
    }
    if !found.is_empty() {
        print(&found, names.len() == 1, output)?;
    }
    if missing.is_empty() { Ok(Done::Complete) } else { Err(door.missing::<K>(&missing).await) }
}

fn print<K: Listed>(objects: &[K], single: bool, output: &Output) -> Result<(), Failure> {
    match output.format() {
        Format::Name => objects.iter().try_for_each(|object| output.line(object.name_any())),
        Format::Json | Format::Yaml => {
            let objects: Vec<K> = objects.iter().map(bare).collect();
            match objects.first() {
                Some(object) if single => output.document(object),
                _ => output
                    .document(&serde_json::json!({"apiVersion": "v1", "kind": "List", "items": objects})),
            }
        }
        Format::Table => output.line(table(objects, K::NARROW)),
        Format::Wide => output.line(table(objects, K::COLUMNS.len())),
    }
}

/// An object as somebody would write it: who manages which field is nobody's concern here.
pub fn bare<K: Noun>(object: &K) -> K {
    let mut object = object.clone();
    object.meta_mut().managed_fields = None;
    object
}

fn table<K: Listed>(objects: &[K], columns: usize) -> Table {
    let header: Vec<&str> = std::iter::once("name").chain(K::COLUMNS.iter().copied().take(columns)).collect();
    let mut table = Table::new(&header);
    for object in objects {
        table.row(std::iter::once(object.name_any()).chain(object.cells().into_iter().take(columns)));
    }
    table
}

/// A time in a cell.
pub fn time(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| time.time().format("%Y-%m-%d %H:%M:%S").to_string())
}

/// Anything else in a cell.
pub fn cell(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}
