//! Lists several kinds side by side and yields their pages of raw bytes in the order of the plan.
//!
//! One of the few places that spawn: each kind is a task behind a queue that is bounded by bytes.
//! The kind that is being read may hold [`KIND_BYTES`], the kinds ahead of it [`FIRST_BYTES`]
//! each: their first pages, so that the round trips of small kinds cost no time. Dropping the
//! collection ends its tasks. Next: `filter`.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::cluster::{Cluster, ClusterError, Drift, ListQuery, Page, ResourceInfo};
use crate::model::GroupResource;

/// Kinds listed ahead of the one that is being read: most are small, and their round trips then
/// overlap.
const KINDS_AHEAD: usize = 12;

/// Bytes of pages that the kind being read may hold: a page that is packed, one that arrives, and
/// one that is requested meanwhile.
const KIND_BYTES: usize = 3 << 19;

/// Bytes of pages that a kind ahead of need may hold: the weight of one page of a large kind.
const FIRST_BYTES: usize = 1 << 19;

/// Bytes reserved for a page before it is requested: the first page of a list, which is small, and
/// a later page.
const FIRST_PAGE: usize = FIRST_BYTES / 2;
const LATER_PAGE: usize = FIRST_BYTES;

/// The unit of the semaphore, in bytes.
const UNIT: usize = 1 << 10;

/// Events of one kind that may wait; pages of few bytes do not use up their room in bytes.
const EVENTS_WAITING: usize = 64;

/// Parameters of the lists, the same for every kind.
#[derive(Clone, Debug)]
pub struct Query {
    /// The revision that every list asks for.
    pub cut: String,
    /// The namespaces to list one by one; `None` if all are listed at once.
    pub namespaces: Option<Vec<String>>,
    /// The label selector for namespaced kinds; `None` if no single selector expresses the whole
    /// selection.
    pub labels: Option<String>,
    /// The kind that is listed without the label selector, because selected items refer to others
    /// of this kind that lack the labels (PVCs).
    pub whole: Option<GroupResource>,
}

/// An event in the listing of one kind.
#[derive(Debug)]
pub enum Event {
    /// A page of items.
    Page(Page),
    /// The items are not, or not all, of the cut; pages follow all the same.
    Drift(Drift),
    /// The listing failed; no event follows.
    Failed(ClusterError),
}

/// The listing of one kind, under way in a task.
#[derive(Debug)]
pub struct ResourceListing {
    /// The kind.
    pub info: ResourceInfo,
    events: mpsc::Receiver<(Event, Option<OwnedSemaphorePermit>)>,
    /// The bytes that its pages may take.
    room: Arc<Semaphore>,
    /// The reservation of the page that was returned last.
    held: Option<OwnedSemaphorePermit>,
}

impl ResourceListing {
    /// Returns the next event, or `None` if the kind is done. Frees the room of the page before,
    /// which the caller must have finished with.
    pub async fn next(&mut self) -> Option<Event> {
        self.held = None;
        let (event, held) = self.events.recv().await?;
        self.held = held;
        Some(event)
    }

    /// Gives the listing the room of the kind that is being read.
    fn widen(&self) {
        self.room.add_permits((KIND_BYTES - FIRST_BYTES) / UNIT);
    }
}

/// The listings of all kinds, begun in order.
#[derive(Debug)]
pub struct Collection {
    cluster: Cluster,
    query: Query,
    waiting: VecDeque<ResourceInfo>,
    started: VecDeque<ResourceListing>,
    tasks: JoinSet<()>,
}

impl Collection {
    /// Creates a collection that lists `kinds` in this order; nothing is requested yet.
    pub fn new(cluster: &Cluster, kinds: impl IntoIterator<Item = ResourceInfo>, query: Query) -> Self {
        Self {
            cluster: cluster.clone(),
            query,
            waiting: kinds.into_iter().collect(),
            started: VecDeque::new(),
            tasks: JoinSet::new(),
        }
    }

    /// Returns the next kind, whose listing has begun, or `None` after the last. Begins the
    /// listings of the kinds behind it.
    pub fn next(&mut self) -> Option<ResourceListing> {
        while self.started.len() <= KINDS_AHEAD {
            let Some(info) = self.waiting.pop_front() else { break };
            let (sender, events) = mpsc::channel(EVENTS_WAITING);
            let room = Arc::new(Semaphore::new(FIRST_BYTES / UNIT));
            let way = EventSink { events: sender, room: Arc::clone(&room) };
            self.tasks.spawn(list(self.cluster.clone(), info.clone(), self.query.clone(), way));
            self.started.push_back(ResourceListing { info, events, room, held: None });
        }
        let listing = self.started.pop_front()?;
        listing.widen();
        Some(listing)
    }
}

/// The sending side of one kind's events.
struct EventSink {
    events: mpsc::Sender<(Event, Option<OwnedSemaphorePermit>)>,
    room: Arc<Semaphore>,
}

impl EventSink {
    /// Waits for room for a page of about `bytes` bytes. Returns `None` if the receiver is gone.
    async fn reserve(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.clamp(UNIT, KIND_BYTES) / UNIT).unwrap_or(1);
        tokio::select! {
            () = self.events.closed() => None,
            held = Arc::clone(&self.room).acquire_many_owned(units) => held.ok(),
        }
    }

    /// Reserves room for a page of about `bytes` bytes, if it is free now.
    fn try_reserve(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.room).try_acquire_many_owned(u32::try_from(bytes / UNIT).ok()?).ok()
    }

    /// Sends an event. Returns false if the receiver is gone.
    async fn send(&self, event: Event, held: Option<OwnedSemaphorePermit>) -> bool {
        self.events.send((event, held)).await.is_ok()
    }
}

/// Lists one kind until its end, a failure, or the loss of the receiver.
async fn list(cluster: Cluster, info: ResourceInfo, query: Query, way: EventSink) {
    let namespaces: Vec<Option<&str>> = match &query.namespaces {
        Some(names) if info.namespaced => names.iter().map(|name| Some(name.as_str())).collect(),
        _ => vec![None],
    };
    let whole = query.whole.as_ref() == Some(&info.resource);
    let labels = query.labels.as_deref().filter(|_| info.namespaced && !whole);
    for namespace in namespaces {
        let mut lister = cluster.lister(ListQuery { kind: &info, namespace, labels, cut: Some(&query.cut) });
        let (mut drifted, mut expected, mut ahead) = (false, FIRST_PAGE, None);
        loop {
            // Room is reserved first: a page is requested only when memory for it is granted.
            let Some(mut held) = (match ahead.take() {
                Some(held) => Some(held),
                None => way.reserve(expected).await,
            }) else {
                return;
            };
            // The page after that is requested early only if room for it is free now.
            ahead = way.try_reserve(LATER_PAGE);
            lister.run_ahead(ahead.is_some());
            let page = lister.next().await;
            if let Some(drift) = lister.drifted().filter(|_| !drifted).cloned() {
                drifted = true;
                if !way.send(Event::Drift(drift), None).await {
                    return;
                }
            }
            match page {
                Ok(Some(page)) => {
                    let bytes = weight(&page);
                    expected = bytes.max(LATER_PAGE);
                    // A page that is smaller than its reservation gives the rest back.
                    drop(held.num_permits().checked_sub(bytes / UNIT + 1).and_then(|rest| held.split(rest)));
                    if !way.send(Event::Page(page), Some(held)).await {
                        return;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    way.send(Event::Failed(error), None).await;
                    return;
                }
            }
        }
    }
}

/// Returns about how many bytes a page holds.
fn weight(page: &Page) -> usize {
    page.items.last().map_or(0, |item| item.end)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::cluster::script::{answer, kind, serve};

    /// Returns a page with one item of `bytes` bytes, and with a token if another page follows.
    fn page(bytes: usize, token: &str) -> String {
        let filler = "x".repeat(bytes);
        format!(
            r#"{{"metadata":{{"resourceVersion":"7","continue":"{token}"}},"items":[{{"metadata":{{"name":"a"}},"data":"{filler}"}}]}}"#
        )
    }

    fn query() -> Query {
        Query { cut: "7".into(), namespaces: None, labels: None, whole: None }
    }

    async fn settled() {
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn first_pages_of_many_kinds_are_asked_for_ahead_and_large_kinds_wait_for_their_turn() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let (cluster, _) = serve(move |_, _| {
            let number = counted.fetch_add(1, Ordering::Relaxed);
            answer(200, page(900 << 10, &format!("t{number}")))
        });
        let kinds = (0..40).map(|number| kind(&format!("kind{number}s.example.com")));
        let mut collection = Collection::new(&cluster, kinds, query());
        let mut first = collection.next().unwrap();
        settled().await;
        // Pages larger than expected: two or three of the kind that is read, and one page each of
        // twelve others.
        let ahead = asked.load(Ordering::Relaxed);
        assert!((2 + 12..=3 + 12).contains(&ahead), "{ahead}");
        for _ in 0..20 {
            assert!(matches!(first.next().await, Some(Event::Page(_))));
        }
        settled().await;
        let more = asked.load(Ordering::Relaxed) - ahead;
        assert!((18..=20).contains(&more), "what is read makes room for as much: {more}");
    }

    #[tokio::test]
    async fn every_page_comes_in_the_order_of_the_kinds_whatever_it_weighs() {
        let (cluster, _) = serve(|_, asked| {
            let last = asked.uri.contains("continue=t3");
            let next = asked
                .uri
                .split_once("continue=t")
                .map_or(1, |(_, number)| number.parse::<usize>().unwrap_or_default() + 1);
            let bytes = if asked.uri.contains("kind1s") { 7 << 20 } else { 10 };
            answer(200, page(bytes, &if last { String::new() } else { format!("t{next}") }))
        });
        let kinds = (0..30).map(|number| kind(&format!("kind{number}s.example.com")));
        let mut collection = Collection::new(&cluster, kinds, query());
        let mut order = Vec::new();
        while let Some(mut listing) = collection.next() {
            let mut pages = 0;
            while let Some(event) = listing.next().await {
                assert!(matches!(event, Event::Page(_)), "{event:?}");
                pages += 1;
            }
            order.push((listing.info.resource.to_string(), pages));
        }
        let expected: Vec<_> = (0..30).map(|number| (format!("kind{number}s.example.com"), 4)).collect();
        assert_eq!(order, expected);
    }
}
