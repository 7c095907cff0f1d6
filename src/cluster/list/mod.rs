//! Lists kinds as pages of raw bytes, at the cut where the server can.
//!
//! A list that cannot be had at the cut is read at another revision and says so
//! ([`Lister::drifted`]). A list is never silently of another revision, and never silently without
//! its end. [`super::page`] finds the items in a page.

mod ahead;
mod drift;

pub use self::ahead::EarlyToken;
pub use self::drift::Drift;

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::task::AbortOnDropHandle;
use url::form_urlencoded::Serializer;

use self::ahead::RequestedPage;
use super::request::{Call, Doing, ask_again};
use super::trouble::Trouble;
use super::{ApiFailure, Cluster, ClusterError, Page, ResourceInfo};
use crate::model::Cause;

/// The limit of the first page, while the size of the items is unknown.
const FIRST_LIMIT: usize = 50;
/// The desired size of a page in bytes: large enough that round trips do not count, small enough
/// to hold several.
const PAGE_AIM: usize = 512 << 10;
/// Bounds of the limit that follows from the size of items. kubectl asks for 500; the lower bound
/// is such that as many of the largest items fit into [`PAGE_MOST`].
const LIMITS: std::ops::RangeInclusive<usize> = 8..=2000;
/// The most by which the limit grows from page to page after a page that was too large: large
/// items seldom come alone.
const GROWTH: usize = 4;
/// Bytes expected of the first page, which has few items: a dozen kinds are listed at once.
const FIRST_EXPECTED: usize = PAGE_AIM / 2;
/// The largest page in bytes; a larger one is abandoned and requested again in smaller parts, to
/// bound memory.
const PAGE_MOST: usize = 16 << 20;
/// The largest page of one item; etcd's own limit is 1.5 MiB by default.
const ITEM_MOST: usize = 64 << 20;
/// The deadline of one page; the API server itself gives up after 60 s.
const PAGE_DEADLINE: Duration = Duration::from_secs(65);
/// The most repetitions of a page that takes too long or is too large, each time with a quarter of
/// the limit: from the largest limit to a single item.
const MAX_SHRINKS: u32 = 6;
/// The most times that a list may continue at a later revision. Revisions live five minutes by
/// default.
const MAX_RESUMES: u32 = 10;
/// Pages without an item that promise another page, before the list counts as endless.
const MAX_EMPTY_PAGES: u32 = 100;

/// The parameters of a list.
#[derive(Clone, Copy, Debug)]
pub struct ListQuery<'a> {
    /// The kind.
    pub kind: &'a ResourceInfo,
    /// One namespace; `None` means all, or a cluster-scoped kind.
    pub namespace: Option<&'a str>,
    /// A label selector in the API's syntax.
    pub labels: Option<&'a str>,
    /// The revision to list at; `None` means the most recent one.
    pub cut: Option<&'a str>,
}

/// The position in a list.
#[derive(Clone, Debug)]
enum ListPosition {
    /// The beginning, at the cut if there is one.
    Start,
    /// The beginning, at the most recent revision whatever the cut.
    Recent,
    /// A continue token.
    Token(String),
    /// The end of the list.
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
    accept: &'static str,
    labels: Option<String>,
    cut: Option<String>,
    position: ListPosition,
    limit: usize,
    /// The size of the page before, in bytes.
    expected: usize,
    revision: Option<String>,
    /// The place of the last item seen, as [`Page::place`] has it.
    last: Option<String>,
    /// Whether the list began again: items that were seen before are to be left out.
    skipping: bool,
    tokens: HashSet<String>,
    empty_pages: u32,
    /// The number of times that the current page was made smaller.
    shrinks: u32,
    /// Answers in a row that could not be parsed.
    garbled: u32,
    /// Whether a page was too large before.
    careful: bool,
    resumes: u32,
    /// Whether the first cut was replaced by another.
    recut: bool,
    drift: Option<Drift>,
    /// Whether pages may be requested ahead, and the one that was.
    runs_ahead: bool,
    ahead: Option<RequestedPage>,
}

impl Cluster {
    /// Returns the cluster's current revision: every write that ended before this call is at or
    /// before it.
    ///
    /// # Errors
    /// If namespaces may not be listed, or the API server does not say its revision.
    pub async fn current_revision(&self) -> Result<String, ClusterError> {
        let doing = Doing { verb: "read", what: "the current revision", namespace: None, name: None };
        // Without a resourceVersion the answer is as recent as etcd. Namespaces are listed because
        // every cluster has them.
        let body = self.call(&Call::get("/api/v1/namespaces?limit=1", doing)).await?;
        let wrong = |source: Cause| ClusterError::Answer { doing: doing.to_string(), source };
        match Page::read(body).map_err(|error| wrong(error.into()))?.0.revision.as_str() {
            "" => Err(wrong("it has no metadata.resourceVersion".into())),
            revision => Ok(revision.to_owned()),
        }
    }

    /// Begins a list; nothing is sent before the first [`Lister::next`].
    pub fn lister(&self, query: ListQuery<'_>) -> Lister {
        let ListQuery { kind, namespace, labels, cut } = query;
        Lister {
            cluster: self.clone(),
            kind: kind.resource.to_string(),
            namespace: namespace.map(str::to_owned),
            path: kind.path(namespace, None),
            accept: "application/json",
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
    /// Returns the next page, which may be without items, or `None` at the end of the list.
    ///
    /// # Errors
    /// If the kind may not be listed, or the list cannot be continued at any revision.
    pub async fn next(&mut self) -> Result<Option<Page>, ClusterError> {
        while !matches!(self.position, ListPosition::End) {
            match self.fetch().await {
                Ok(body) => match Page::read(body) {
                    Ok((page, token)) => return self.accept(page, token).map(Some),
                    Err(_) if ask_again(&mut self.garbled).await => {}
                    Err(error) => {
                        let (doing, source) = (self.doing().to_string(), error.into());
                        return Err(ClusterError::Answer { doing, source });
                    }
                },
                Err(error) => self.recover(error).await?,
            }
        }
        Ok(None)
    }

    /// Returns why the pages so far are not the cluster at the cut, or `None` if they are.
    pub fn drifted(&self) -> Option<&Drift> {
        self.drift.as_ref()
    }

    /// Sets the form in which pages are requested.
    pub(super) fn accepting(self, accept: &'static str) -> Self {
        Self { accept, ..self }
    }

    /// Sets whether the page after the next one may be requested while the next one arrives, which
    /// takes room for both.
    pub fn run_ahead(&mut self, may: bool) {
        self.runs_ahead = may;
    }

    /// Returns the body of the page at the current position, which may be on its way already.
    async fn fetch(&mut self) -> Result<Bytes, ClusterError> {
        let wanted = self.position.token();
        let ahead = self.ahead.take().filter(|ahead| ahead.token.as_deref() == wanted);
        let RequestedPage { next, mut body, .. } = ahead.unwrap_or_else(|| self.ask(&self.position));
        // The first page tells how many items fit into a page, so that nothing is requested ahead
        // of it.
        let mut next = (self.runs_ahead && wanted.is_some() && self.shrinks == 0).then_some(next);
        loop {
            tokio::select! {
                biased;
                body = &mut body => return body.unwrap_or_else(|error| {
                    Err(ClusterError::Answer { doing: self.doing().to_string(), source: error.into() })
                }),
                token = async { next.as_mut()?.await.ok() }, if next.is_some() => {
                    next = None;
                    self.ahead = token.map(|token| self.ask(&ListPosition::Token(token)));
                }
            }
        }
    }

    /// Requests a page in a task of its own.
    fn ask(&self, position: &ListPosition) -> RequestedPage {
        let (cluster, kind, namespace) = (self.cluster.clone(), self.kind.clone(), self.namespace.clone());
        let (path, accept) = (self.request_path(position), self.accept);
        let (limit, expected) = (self.limit, self.expected);
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
                accept,
                ..Call::get(&path, Doing { verb: "list", what, namespace, name: None })
            };
            cluster.call(&call).await
        };
        let body = AbortOnDropHandle::new(tokio::spawn(body));
        RequestedPage { token: position.token().map(str::to_owned), next, body }
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

    /// Accepts a page and moves the position behind it.
    fn accept(&mut self, mut page: Page, token: Option<String>) -> Result<Page, ClusterError> {
        let doing = self.doing().to_string();
        let wrong =
            |error: serde_json::Error| ClusterError::Answer { doing: doing.clone(), source: error.into() };
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

    /// Returns the position behind a page.
    ///
    /// # Errors
    /// If the list promises ever more pages.
    fn follow(&mut self, token: Option<String>, found: usize) -> Result<ListPosition, ClusterError> {
        let Some(token) = token else { return Ok(ListPosition::End) };
        let endless = |why: String| Err(ClusterError::Endless { doing: self.doing().to_string(), why });
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

    /// Finds another way to continue after an error, or returns the error.
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
            // Once for a list: a server to which the second cut is gone as well has revisions of
            // its own.
            (ListPosition::Start, Some(cut)) if failure.code == 410 && !self.recut => {
                let revision = self.cluster.next_cut(cut).await?;
                self.drift = Some(Drift::Compacted { revision: revision.clone() });
                self.cut = Some(revision);
                self.recut = true;
                Ok(())
            }
            (ListPosition::Start, Some(_)) => self.leave_cut(failure),
            (ListPosition::Token(_), _) if failure.code == 410 => self.resume(failure),
            _ => Err(failure.into()),
        }
    }

    /// Continues without a cut: the first page cannot be had at any cut, so the most recent
    /// revision is listed.
    fn leave_cut(&mut self, failure: Box<ApiFailure>) -> Result<(), ClusterError> {
        self.drift = Some(match failure.code {
            // A revision of this moment is gone only for a server that has revisions of its own.
            400 | 410 | 422 | 501 => Drift::Unsupported { why: failure.message },
            _ if failure.trouble == Trouble::Ahead => Drift::Unsupported { why: failure.message },
            _ => return Err(failure.into()),
        });
        self.position = ListPosition::Recent;
        Ok(())
    }

    /// Continues at a later revision after the list's was compacted, by the server's token or from
    /// the beginning.
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
