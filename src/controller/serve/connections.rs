//! Connections of the server's HTTP port, which anybody in the cluster reaches: few, short, and
//! with little memory each.
//!
//! A client that opens many connections and sends nothing must neither fill the server's memory nor
//! keep a probe from its answer: one connection too many replaces the oldest.

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

/// Largest number of open connections: more than probes, Prometheus and people with downloads need.
pub const MOST: usize = 256;
/// Time within which the head of a request must arrive.
pub const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// Bytes of a request that are buffered; no request that is answered here comes near.
const BUFFER: usize = 16 << 10;
/// Pause before the next accept after the machine had no room for a connection.
const PAUSE: Duration = Duration::from_secs(1);

/// Whether a connection serves a download, and so is the last to be replaced. Part of each
/// request's extensions.
#[derive(Clone, Debug, Default)]
pub struct HandingOut(Arc<AtomicBool>);

impl HandingOut {
    /// Marks the connection as serving a download.
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

/// The open connections, oldest first.
#[derive(Default)]
struct Connections {
    tasks: JoinSet<()>,
    open: VecDeque<ClientConnection>,
}

/// Answers all connections until the future is dropped, and the connections with it.
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

/// Returns true if the client has gone already.
fn is_over(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

impl Connections {
    /// Takes a connection. If there are too many, the oldest that serves no download is closed, or
    /// the oldest of all.
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

/// Answers one request of a connection.
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
