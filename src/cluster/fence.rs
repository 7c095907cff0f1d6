//! The fence: keeps a server whose lease has ended from writing, to the API server and to buckets
//! alike.
//!
//! A process that was stopped, or whose machine was suspended, would send on waking what it was
//! about to send, before any timer of its own tells it that another server leads by now.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _, TryFutureExt as _, err};
use http::header::UPGRADE;
use http::{Method, Request, Response};
use rustix::time::{ClockId, clock_gettime};
use tower::{BoxError, Layer, Service};

/// A moment of the clock that goes on while the machine is suspended (CLOCK_BOOTTIME).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// Returns the current moment.
    pub fn now() -> Self {
        let time = clock_gettime(ClockId::Boottime);
        let (seconds, nanoseconds) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
        Self(Duration::new(seconds.unwrap_or_default(), nanoseconds.unwrap_or_default()))
    }
}

/// The time until which this process may write; unlimited until [`Fence::open_until`] is called.
/// Clones share it.
#[derive(Clone, Debug)]
pub struct Fence(Arc<FenceState>);

#[derive(Debug)]
struct FenceState {
    end: AtomicU64,
    /// The path of the Lease. Requests to it always pass, since they keep the fence open.
    lease: OnceLock<String>,
}

impl Default for Fence {
    fn default() -> Self {
        Self(Arc::new(FenceState { end: AtomicU64::new(u64::MAX), lease: OnceLock::new() }))
    }
}

impl Fence {
    /// Sets the path of the Lease that keeps the fence open; the first call counts.
    pub fn is_kept_by(&self, lease: impl Into<String>) {
        let _ = self.0.lease.set(lease.into());
    }

    /// Allows writes until `length` after `since`, and none later.
    pub fn open_until(&self, since: Moment, length: Duration) {
        let end = u64::try_from((since.0 + length).as_nanos()).unwrap_or(u64::MAX);
        self.0.end.store(end, Ordering::Release);
    }

    /// Returns true if this process may write now, to the API server or to a bucket.
    pub fn is_open(&self) -> bool {
        Moment::now().0.as_nanos() < u128::from(self.0.end.load(Ordering::Acquire))
    }

    fn lets_through<B>(&self, request: &Request<B>) -> bool {
        let is_lease = || self.0.lease.get().is_some_and(|lease| request.uri().path() == lease);
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        // A GET that asks for another protocol runs a command in a container.
        reads && !request.headers().contains_key(UPGRADE) || self.is_open() || is_lease()
    }
}

/// The reason why a request was not sent.
#[derive(Debug, thiserror::Error)]
#[error("not sent: the lease of this server has ended, and another may lead by now")]
struct FenceClosed;

/// A layer that puts the fence in front of a client.
pub(super) struct Fencing(pub Fence);

/// A client behind a fence.
pub(super) struct Fenced<S> {
    client: S,
    fence: Fence,
}

impl<S> Layer<S> for Fencing {
    type Service = Fenced<S>;

    fn layer(&self, client: S) -> Fenced<S> {
        Fenced { client, fence: self.0.clone() }
    }
}

impl<S, A, B> Service<Request<A>> for Fenced<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + Send + 'static,
    B: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.client.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        if !self.fence.lets_through(&request) {
            return err(FenceClosed.into()).boxed();
        }
        self.client.call(request).map_err(Into::into).boxed()
    }
}

#[cfg(test)]
mod tests {
    use tower::ServiceExt as _;

    use super::*;

    /// Returns true if a request reaches the server.
    async fn arrives(fence: &Fence, method: &str, path: &str) -> bool {
        let server = tower::service_fn(|_: Request<()>| async { Ok::<_, BoxError>(Response::new(())) });
        let request = Request::builder().method(method).uri(path).body(()).unwrap();
        Fencing(fence.clone()).layer(server).oneshot(request).await.is_ok()
    }

    #[tokio::test]
    async fn nothing_is_written_behind_a_closed_fence_but_the_lease_that_opens_it_again() {
        let fence = Fence::default();
        let leases = "/apis/coordination.k8s.io/v1/namespaces/ark/leases";
        fence.is_kept_by(format!("{leases}/ark-server"));
        assert!(arrives(&fence, "POST", "/api/v1/namespaces").await, "open until somebody closes it");
        fence.clone().open_until(Moment::now(), Duration::from_secs(60));
        assert!(arrives(&fence, "POST", "/api/v1/namespaces").await);
        fence.open_until(Moment::now(), Duration::ZERO);
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            assert!(!arrives(&fence, method, "/api/v1/namespaces").await, "{method}");
            assert!(arrives(&fence, method, &format!("{leases}/ark-server")).await);
            // A restore may bring back Leases of others.
            for other in [leases, &format!("{leases}/ark-server-2"), &leases.replace("/ark/", "/shop/")] {
                assert!(!arrives(&fence, method, other).await, "{method} {other}");
            }
        }
        assert!(arrives(&fence, "GET", "/api/v1/namespaces").await, "who only looks does no harm");
        let exec = Request::get("/api/v1/namespaces/shop/pods/db-0/exec").header(UPGRADE, "websocket");
        assert!(!fence.lets_through(&exec.body(()).unwrap()), "who runs a command does more than look");
        fence.open_until(Moment::now(), Duration::from_secs(60));
        assert!(arrives(&fence, "POST", "/api/v1/namespaces").await);
    }
}
