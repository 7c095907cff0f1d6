//! Lists as pages of raw bytes, at the cut where the server can.
//!
//! A list that cannot be had at the cut is had at another revision and says so ([`Lister::drifted`]); it is never silently
//! another one, and never silently without its end. Where the items are in a page is found in [`super::page`].

mod ahead;
mod drift;

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::task::AbortOnDropHandle;
use url::form_urlencoded::Serializer;

pub use self::ahead::EarlyToken;
use self::ahead::RequestedPage;
pub use self::drift::Drift;
use super::request::{Call, Doing, ask_again};
use super::trouble::Trouble;
use super::{ApiFailure, Cluster, ClusterError, Page, ResourceInfo};

/// Items asked for before their size is known.
const FIRST_LIMIT: usize = 50;
/// What a page should weigh: large enough that round trips do not count, small enough to hold several.
const PAGE_AIM: usize = 512 << 10;
/// Bounds of what is asked for by size: kubectl asks for 500, and as many of the largest items fit into [`PAGE_MOST`] as the
/// lower one says.
const LIMITS: std::ops::RangeInclusive<usize> = 8..=2000;
/// After a page that was given up, the next ones grow by this much at most: large items seldom come alone.
const GROWTH: usize = 4;
/// Room for the first page, which has few items: a dozen of them are asked for at once.
const FIRST_EXPECTED: usize = PAGE_AIM / 2;
/// A page above this is given up and asked for again in smaller parts, for the sake of memory.
const PAGE_MOST: usize = 16 << 20;
/// One item alone may weigh this; etcd's own limit is 1.5 MiB by default.
const ITEM_MOST: usize = 64 << 20;
/// For one page; the API server itself gives up after 60 s.
const PAGE_DEADLINE: Duration = Duration::from_secs(65);
/// How often one page that takes too long or weighs too much is asked for again, each time a quarter of it: from the largest
/// to a single item.
const MAX_SHRINKS: u32 = 6;
/// How often a list may go on at a later revision; revisions live five minutes by default.
const MAX_RESUMES: u32 = 10;
/// Pages without an item that promise another one.
const MAX_EMPTY_PAGES: u32 = 100;

/// What to list.
#[derive(Clone, Copy, Debug)]
pub struct ListQuery<'a> {
    /// The kind.
    pub kind: &'a ResourceInfo,
    /// One namespace; None: all, or a cluster-scoped kind.
    pub namespace: Option<&'a str>,
    /// A label selector, as the API writes it.
    pub labels: Option<&'a str>,
    /// The revision to list at; None: the most recent one.
    pub cut: Option<&'a str>,
}

/// Where a list is.
#[derive(Clone, Debug)]
enum ListPosition {
    /// At its beginning, at the cut if there is one.
    Start,
    /// At its beginning, at the most recent revision whatever the cut.
    Recent,
    /// In the middle.
    Token(String),
    /// Behind its last page.
    End,
}

impl ListPosition {
    fn token(&self) -> Option<&str> {
        match self {
            Self::Token(token) => Some(token),
            Self::Start | Self::Recent | Self::End => None,
        }
    }
}

/// One list under way.
#[derive(Debug)]
pub struct Lister {
    cluster: Cluster,
    kind: String,
    namespace: Option<String>,
    path: String,
    labels: Option<String>,
    cut: Option<String>,
    position: ListPosition,
    limit: usize,
    /// Bytes of the page before.
    expected: usize,
    revision: Option<String>,
    /// The place of the last item seen.
    last: Option<String>,
    /// The list began anew: what was seen already is still to be left out.
    skipping: bool,
    tokens: HashSet<String>,
    empty_pages: u32,
    /// Of the page that is being asked for.
    shrinks: u32,
    /// Answers in a row that were no page.
    garbled: u32,
    /// A page was given up before.
    careful: bool,
    resumes: u32,
    /// The cut is not the first one.
    recut: bool,
    drift: Option<Drift>,
    /// Pages may be asked for ahead, and the one that was.
    runs_ahead: bool,
    ahead: Option<RequestedPage>,
}

impl Cluster {
    /// The cluster's revision now: every write before this call is at or before it.
    pub async fn current_revision(&self) -> Result<String, ClusterError> {
        let doing = Doing { verb: "read", what: "the current revision", namespace: None, name: None };
        // Without a resourceVersion the answer is as recent as etcd; every cluster has namespaces.
        let body = self.call(&Call::get("/api/v1/namespaces?limit=1", doing)).await?;
        let wrong = |cause: String| ClusterError::Answer { doing: doing.to_string(), cause };
        let (page, _) = Page::read(body).map_err(|error| wrong(error.to_string()))?;
        if page.revision.is_empty() {
            return Err(wrong("it has no metadata.resourceVersion".to_owned()));
        }
        Ok(page.revision.clone())
    }

    /// Begins a list; nothing is sent before the first [`Lister::next`].
    pub fn lister(&self, query: ListQuery<'_>) -> Lister {
        let ListQuery { kind, namespace, labels, cut } = query;
        Lister {
            cluster: self.clone(),
            kind: kind.resource.to_string(),
            namespace: namespace.map(str::to_owned),
            path: kind.path(namespace, None),
            labels: labels.map(str::to_owned),
            cut: cut.map(str::to_owned),
            position: ListPosition::Start,
            limit: FIRST_LIMIT,
            expected: FIRST_EXPECTED,
            revision: None,
            last: None,
            skipping: false,
            tokens: HashSet::new(),
            empty_pages: 0,
            shrinks: 0,
            garbled: 0,
            careful: false,
            resumes: 0,
            recut: false,
            drift: None,
            runs_ahead: false,
            ahead: None,
        }
    }
}

impl Lister {
    /// The next page, which may be without items; None when the list is at its end.
    pub async fn next(&mut self) -> Result<Option<Page>, ClusterError> {
        while !matches!(self.position, ListPosition::End) {
            match self.fetch().await {
                Ok(body) => match Page::read(body) {
                    Ok((page, token)) => return self.accept(page, token).map(Some),
                    Err(_) if ask_again(&mut self.garbled).await => {}
                    Err(error) => {
                        let (doing, cause) = (self.doing().to_string(), error.to_string());
                        return Err(ClusterError::Answer { doing, cause });
                    }
                },
                Err(error) => self.recover(error).await?,
            }
        }
        Ok(None)
    }

    /// Why what was listed is not the cluster at the cut, as far as is known.
    pub fn drifted(&self) -> Option<&Drift> {
        self.drift.as_ref()
    }

    /// Whether the page behind the next one may be asked for while the next one comes, which takes room for both.
    pub fn run_ahead(&mut self, may: bool) {
        self.runs_ahead = may;
    }

    /// The page at the position, which may be on its way already.
    async fn fetch(&mut self) -> Result<Bytes, ClusterError> {
        let wanted = self.position.token();
        let ahead = self.ahead.take().filter(|ahead| ahead.token.as_deref() == wanted);
        let mut coming = ahead.unwrap_or_else(|| self.ask(&self.position));
        // How many items fit into a page is known from the first one.
        let mut next =
            coming.next.take().filter(|_| self.runs_ahead && wanted.is_some() && self.shrinks == 0);
        loop {
            tokio::select! {
                biased;
                body = &mut coming.body => return body.unwrap_or_else(|error| {
                    Err(ClusterError::Answer { doing: self.doing().to_string(), cause: error.to_string() })
                }),
                token = async { next.as_mut()?.await.ok() }, if next.is_some() => {
                    next = None;
                    self.ahead = token.map(|token| self.ask(&ListPosition::Token(token)));
                }
            }
        }
    }

    /// Asks for a page.
    fn ask(&self, position: &ListPosition) -> RequestedPage {
        let (cluster, kind, namespace) = (self.cluster.clone(), self.kind.clone(), self.namespace.clone());
        let (path, (limit, expected)) = (self.request_path(position), (self.limit, self.expected));
        let asks_for_less = limit > 1 && self.shrinks < MAX_SHRINKS;
        let (early, next) = EarlyToken::new();
        let body = async move {
            let (what, namespace) = (&*kind, namespace.as_deref());
            let call = Call {
                deadline: PAGE_DEADLINE,
                expected: expected + expected / 8,
                most: if limit > 1 { PAGE_MOST } else { ITEM_MOST },
                asks_for_less,
                early: Some(&early),
                ..Call::get(&path, Doing { verb: "list", what, namespace, name: None })
            };
            cluster.call(&call).await
        };
        let body = AbortOnDropHandle::new(tokio::spawn(body));
        RequestedPage { token: position.token().map(str::to_owned), next: Some(next), body }
    }

    fn request_path(&self, position: &ListPosition) -> String {
        let path = format!("{}?", self.path);
        let start = path.len();
        let mut query = Serializer::for_suffix(path, start);
        query.append_pair("limit", &self.limit.to_string());
        if let Some(labels) = &self.labels {
            query.append_pair("labelSelector", labels);
        }
        match (position, &self.cut) {
            (ListPosition::Start, Some(cut)) => {
                query.append_pair("resourceVersion", cut).append_pair("resourceVersionMatch", "Exact");
            }
            (ListPosition::Token(token), _) => {
                query.append_pair("continue", token);
            }
            _ => {}
        }
        query.finish()
    }

    fn doing(&self) -> Doing<'_> {
        Doing { verb: "list", what: &self.kind, namespace: self.namespace.as_deref(), name: None }
    }

    /// Takes a page and moves on behind it.
    fn accept(&mut self, mut page: Page, token: Option<String>) -> Result<Page, ClusterError> {
        let doing = self.doing().to_string();
        let wrong = |error: serde_json::Error| ClusterError::Answer {
            doing: doing.clone(),
            cause: error.to_string(),
        };
        page.recycle_into(&self.cluster.buffers);
        self.check_revision(&page.revision);
        self.expected = page.size();
        if let Some(mean) = page.size().checked_div(page.items.len()) {
            let most = if self.careful { self.limit * GROWTH } else { *LIMITS.end() };
            self.limit = (PAGE_AIM / mean.max(1)).clamp(*LIMITS.start(), *LIMITS.end()).min(most);
        }
        self.shrinks = 0;
        self.garbled = 0;
        let found = page.items.len();
        let last = found.checked_sub(1).map(|index| page.place(index)).transpose().map_err(wrong)?;
        if let (true, Some(seen)) = (self.skipping, &self.last) {
            page.skip_to(seen).map_err(wrong)?;
            self.skipping = page.items.is_empty();
        }
        if !self.skipping {
            self.last = last.or(self.last.take());
        }
        self.position = self.follow(token, found)?;
        Ok(page)
    }

    fn check_revision(&mut self, revision: &str) {
        let wanted = match (&self.position, &self.cut) {
            (ListPosition::Start, Some(cut)) => Some(cut),
            _ => self.revision.as_ref(),
        };
        if wanted.is_some_and(|wanted| wanted != revision) {
            self.drift.get_or_insert(Drift::OtherRevision { revision: revision.to_owned() });
        }
        self.revision = Some(revision.to_owned());
    }

    /// The position behind a page; a list that promises ever more is an error.
    fn follow(&mut self, token: Option<String>, found: usize) -> Result<ListPosition, ClusterError> {
        let Some(token) = token else { return Ok(ListPosition::End) };
        let endless = |cause: String| Err(ClusterError::Endless { doing: self.doing().to_string(), cause });
        if self.tokens.contains(&token) {
            return endless("the server gave the same continue token twice".to_owned());
        }
        if found == 0 && self.empty_pages >= MAX_EMPTY_PAGES {
            return endless(format!("the server sent {MAX_EMPTY_PAGES} pages without an item"));
        }
        self.empty_pages += u32::from(found == 0);
        self.tokens.insert(token.clone());
        Ok(ListPosition::Token(token))
    }

    /// Makes another way to go on, or gives the error back.
    async fn recover(&mut self, error: ClusterError) -> Result<(), ClusterError> {
        let too_much = matches!(error, ClusterError::Oversized { .. }) || error.is_timeout();
        if too_much && self.limit > 1 && self.shrinks < MAX_SHRINKS {
            self.shrinks += 1;
            self.careful = true;
            self.limit = (self.limit / 4).max(1);
            return Ok(());
        }
        let ClusterError::Api(failure) = error else { return Err(error) };
        match (&self.position, &self.cut) {
            (ListPosition::Start, Some(cut)) if failure.code == 410 && !self.recut => {
                let next = self.cluster.next_cut(cut).await?;
                if next.first {
                    self.drift = Some(Drift::Compacted { revision: next.revision.clone() });
                }
                self.cut = Some(next.revision);
                self.recut = true;
                Ok(())
            }
            (ListPosition::Start, Some(_)) => self.leave_cut(failure),
            (ListPosition::Token(_), _) if failure.code == 410 => self.resume(failure),
            _ => Err(failure.into()),
        }
    }

    /// The first page cannot be had at any cut: takes the most recent revision.
    fn leave_cut(&mut self, failure: Box<ApiFailure>) -> Result<(), ClusterError> {
        self.drift = Some(match failure.code {
            // A revision of this moment is gone already only where revisions are others'.
            400 | 410 | 422 | 501 => Drift::Unsupported { why: failure.message },
            _ if failure.trouble == Trouble::Ahead => Drift::Unsupported { why: failure.message },
            _ => return Err(failure.into()),
        });
        self.position = ListPosition::Recent;
        Ok(())
    }

    /// The revision went away in the middle: goes on at a later one, with the server's help or from the beginning.
    fn resume(&mut self, failure: Box<ApiFailure>) -> Result<(), ClusterError> {
        if self.resumes >= MAX_RESUMES {
            return Err(failure.into());
        }
        self.resumes += 1;
        self.drift.get_or_insert(Drift::Expired);
        self.revision = None;
        match failure.continue_token {
            Some(token) => self.position = ListPosition::Token(token),
            None => {
                self.position = ListPosition::Recent;
                self.skipping = self.last.is_some();
                self.tokens.clear();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
