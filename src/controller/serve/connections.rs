//! The connections of the port that anybody in the cluster reaches: few, short, and each with little memory.
//!
//! Who opens many and sends nothing must neither fill the server's memory nor keep a probe from its answer: a connection that
//! is one too many takes the place of the oldest.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tower::Service as _;

/// Connections at once: more than probes, Prometheus and people with downloads need.
pub const MOST: usize = 256;
/// Who has not sent the head of a request by then does not mean to.
pub const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// Bytes that are kept of what somebody sends; no request that is answered here comes near.
const BUFFER: usize = 16 << 10;
/// Before the next connection is waited for when the machine has no room for another.
const PAUSE: Duration = Duration::from_secs(1);

/// Whether a connection hands out a part of a bucket, and so is the last to make room; in each request's extensions.
#[derive(Clone, Debug, Default)]
pub struct HandingOut(Arc<AtomicBool>);

impl HandingOut {
    /// It does.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

struct ClientConnection {
    task: AbortHandle,
    handing_out: HandingOut,
}

/// Those that are open, the oldest first.
#[derive(Default)]
struct Connections {
    tasks: JoinSet<()>,
    open: VecDeque<ClientConnection>,
}

/// Answers all who connect, until it is dropped, and all of them with it.
pub async fn serve(listener: TcpListener, routes: Router) {
    let mut connections = Connections::default();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => connections.take(stream, &routes),
            Err(error) if is_over(&error) => {}
            Err(error) => {
                tracing::warn!("cannot take a connection for health, metrics and downloads: {error}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Whether whoever connected is gone already.
fn is_over(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

impl Connections {
    fn take(&mut self, stream: TcpStream, routes: &Router) {
        while self.tasks.try_join_next().is_some() {}
        self.open.retain(|connection| !connection.task.is_finished());
        if self.open.len() >= MOST {
            let idle = self.open.iter().position(|connection| !connection.handing_out.is());
            if let Some(oldest) = self.open.remove(idle.unwrap_or_default()) {
                oldest.task.abort();
            }
        }
        let handing_out = HandingOut::default();
        let task = self.tasks.spawn(answer(stream, routes.clone(), handing_out.clone()));
        self.open.push_back(ClientConnection { task, handing_out });
    }
}

/// Answers one request.
async fn answer(stream: TcpStream, routes: Router, handing_out: HandingOut) {
    let service = service_fn(move |mut request: Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(handing_out.clone());
        routes.clone().call(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(BUFFER)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        tracing::debug!("a connection for health, metrics and downloads broke off: {error}");
    }
}
