//! Series of objects that come and go: the series of deleted objects are dropped.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::EncodeMetric;
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::{Metric, Registry};

/// Labels of a series.
pub type SeriesLabels<const N: usize> = [(&'static str, String); N];

/// A metric with one label: a series for each value.
#[derive(Debug)]
pub struct LabelledSeries<M> {
    label: &'static str,
    family: Family<SeriesLabels<1>, M>,
    seen: Mutex<BTreeSet<String>>,
}

impl<M> LabelledSeries<M>
where
    M: EncodeMetric + TypedMetric + Clone + Debug + Send + Sync + 'static,
{
    /// Registers a metric that has no series yet.
    pub fn register(
        registry: &mut Registry,
        (name, help): (impl Into<String>, impl Into<String>),
        label: &'static str,
        new: fn() -> M,
    ) -> Self {
        let family = Family::new_with_constructor(new);
        registry.register(name, help, family.clone());
        Self { label, family, seen: Mutex::default() }
    }

    /// Returns the series of a label value, which is created if it is missing.
    pub fn of(&self, name: &str) -> M {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        self.family.get_or_create_owned(&[(self.label, name.to_owned())])
    }

    /// Drops the series whose label values are not in `there`.
    pub fn drop_all_but(&self, there: &BTreeSet<&str>) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).retain(|name| {
            let kept = there.contains(name.as_str());
            if !kept {
                self.family.remove(&[(self.label, name.clone())]);
            }
            kept
        });
    }

    /// Has the series of these label values and no others: a series that begins at zero shows its
    /// first event as an increase.
    pub fn keep(&self, there: &BTreeSet<&str>) {
        self.drop_all_but(there);
        for name in there {
            self.of(name);
        }
    }
}

/// Registers a metric that begins empty or at zero.
pub fn registered<M: Metric + Clone + Default>(
    registry: &mut Registry,
    name: impl Into<String>,
    help: impl Into<String>,
) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}
