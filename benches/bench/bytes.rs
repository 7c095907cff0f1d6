//! How much of a tarball is read to restore one namespace of fifty.

use std::collections::HashSet;
use std::sync::Arc;

use ark::archive::{IndexFrame, IndexLine};
use ark::bucket::Bucket;
use ark::store::{Meter, ObjectStore};
use futures::TryStreamExt as _;

use crate::Outcome;
use crate::backup::{self, Original};
use crate::objects;
use crate::report::Report;

/// Reads what a restore of one namespace needs, through the library, and counts.
pub async fn measure(original: &Original, report: &mut Report) -> Outcome<()> {
    let meter = Meter::new(backup::store(&original.place).await?);
    let store: Arc<dyn ObjectStore> = Arc::new(meter.clone());
    let backup = Bucket::new(store).open_backup(&original.name).await.map_err(text)?;
    let namespace = objects::namespace_name(7);
    let mut lines = backup.index().await.map_err(text)?;
    let (mut wanted, mut needed, mut items, mut size) = (Vec::<IndexFrame>::new(), HashSet::new(), 0, 0);
    while let Some(line) = lines.try_next().await.map_err(text)? {
        match line {
            IndexLine::Header(_) => {}
            IndexLine::Item(item) => {
                let key = item.key().map_err(text)?;
                if key.namespace.as_deref() == Some(&*namespace) {
                    items += 1;
                    needed.insert(item.frame);
                }
            }
            IndexLine::Frame(frame) => {
                size = size.max(frame.at + frame.len);
                if needed.contains(&frame.frame) {
                    wanted.push(frame);
                }
            }
        }
    }
    let frames = wanted.len();
    let mut reader = backup.frames(wanted).map_err(text)?;
    while let Some((_, frame)) = reader.next().await.map_err(text)? {
        frame.map_err(text)?;
    }
    let share = |bytes: u64| bytes as f64 / size as f64 * 100.0;
    report.note("tarball, one namespace", format!("{size} bytes, {items} items in {frames} frames"));
    report.at_most("one namespace of fifty: read of the tarball", share(reader.fetched()), 10.0, " %");
    report.note(
        "the same with document and index, beside the tarball",
        format!("{:.2} %", share(meter.bytes_read())),
    );
    Ok(())
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
