//! Kinds in, pages of raw bytes out: several kinds are listed side by side, and handed on in the order of the plan.
//!
//! One of the few places that spawn: each kind is a task behind a queue of one page, so that memory is bounded by
//! [`KINDS_AHEAD`] and one pages however large the cluster is. Dropping the collection ends its tasks. Next: `filter`.

use std::collections::VecDeque;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::cluster::{Cluster, ClusterError, Drift, KindInfo, ListQuery, Page};

/// Kinds listed at once: two to eight made no difference to a probe on two cores; three hide the latency of small kinds.
const KINDS_AHEAD: usize = 3;

/// Pages a kind that wait or are on their way, besides the one that is handled.
const PAGES_WAITING: usize = 1;

/// What to list, the same for every kind.
#[derive(Clone, Debug)]
pub struct Query {
    /// The revision that every list asks for.
    pub cut: String,
    /// Namespaces to ask for one by one; None: all at once.
    pub namespaces: Option<Vec<String>>,
    /// The label selector for namespaced kinds, when one selector says it all.
    pub labels: Option<String>,
}

/// What comes out of the listing of one kind.
#[derive(Debug)]
pub enum Event {
    /// Some items.
    Page(Page),
    /// The kind is not, or not wholly, at the cut; items follow all the same.
    Drift(Drift),
    /// The listing broke off; nothing follows.
    Failed(ClusterError),
}

/// One kind whose listing is under way.
#[derive(Debug)]
pub struct Listing {
    /// The kind.
    pub info: KindInfo,
    events: mpsc::Receiver<Event>,
}

impl Listing {
    /// The next event; None when the kind is done.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }
}

/// The listings of all kinds.
#[derive(Debug)]
pub struct Collection {
    cluster: Cluster,
    query: Query,
    waiting: VecDeque<KindInfo>,
    started: VecDeque<Listing>,
    tasks: JoinSet<()>,
}

impl Collection {
    /// Will list `kinds` in this order.
    pub fn new(cluster: &Cluster, kinds: impl IntoIterator<Item = KindInfo>, query: Query) -> Self {
        Self {
            cluster: cluster.clone(),
            query,
            waiting: kinds.into_iter().collect(),
            started: VecDeque::new(),
            tasks: JoinSet::new(),
        }
    }

    /// The next kind, started already; None after the last.
    pub fn next(&mut self) -> Option<Listing> {
        while self.started.len() < KINDS_AHEAD {
            let Some(info) = self.waiting.pop_front() else { break };
            let (sender, events) = mpsc::channel(PAGES_WAITING);
            self.tasks.spawn(list(self.cluster.clone(), info.clone(), self.query.clone(), sender));
            self.started.push_back(Listing { info, events });
        }
        self.started.pop_front()
    }
}

/// Lists one kind until it is done, broken, or nobody listens any more.
async fn list(cluster: Cluster, info: KindInfo, query: Query, events: mpsc::Sender<Event>) {
    let namespaces: Vec<Option<&str>> = match &query.namespaces {
        Some(names) if info.namespaced => names.iter().map(|name| Some(name.as_str())).collect(),
        _ => vec![None],
    };
    let labels = query.labels.as_deref().filter(|_| info.namespaced);
    for namespace in namespaces {
        let mut lister = cluster.lister(ListQuery { kind: &info, namespace, labels, cut: Some(&query.cut) });
        let mut drifted = false;
        loop {
            // Room first: a page is not asked for before there is a place to put it.
            let Ok(mut room) = events.reserve().await else { return };
            let event = match lister.next().await {
                Ok(Some(page)) => Event::Page(page),
                Ok(None) => break,
                Err(error) => Event::Failed(error),
            };
            let last = matches!(event, Event::Failed(_));
            if let Some(drift) = lister.drifted().filter(|_| !drifted).cloned() {
                drifted = true;
                room.send(Event::Drift(drift));
                let Ok(more) = events.reserve().await else { return };
                room = more;
            }
            room.send(event);
            if last {
                return;
            }
        }
    }
}
