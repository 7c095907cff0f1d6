//! The server's HTTP port: liveness, readiness, metrics and downloads.

mod connections;
pub mod download_tokens;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use connections::{HandingOut, serve};

use super::error::ControllerError;
use crate::model::causes;
use crate::telemetry::{EXPOSITION_TYPE, Metrics};
use download_tokens::DownloadTokens;

/// State of the server, for `/readyz`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// The server checks whether the cluster has what it needs.
    Starting,
    /// Another server acts, and this one stands by.
    StandingBy,
    /// The server leads and fills its caches.
    Filling,
    /// The server leads.
    Leading,
}

impl Duty {
    /// Returns true if the server does what it should. A standby does: a rollout must not wait for
    /// the lease to change hands.
    fn is_ready(self) -> bool {
        matches!(self, Self::StandingBy | Self::Leading)
    }

    fn words(self) -> &'static str {
        match self {
            Self::Starting => "starting\n",
            Self::StandingBy => "standing by\n",
            Self::Filling => "leading, and reading what the cluster has\n",
            Self::Leading => "leading\n",
        }
    }
}

/// State that the answers are made from.
pub struct HttpState {
    /// State of the server.
    pub duty: watch::Receiver<Duty>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The tokens of open downloads.
    pub tokens: Arc<DownloadTokens>,
}

/// Listens at the address and answers until the returned handle is dropped.
///
/// # Errors
/// [`ControllerError::Listen`] if the address cannot be listened on.
pub async fn open(address: SocketAddr, state: HttpState) -> Result<AbortOnDropHandle<()>, ControllerError> {
    let unheard = |source| ControllerError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(unheard)?;
    let bound = listener.local_addr().map_err(unheard)?;
    tracing::info!(address = %bound, "listening for health, metrics and downloads");
    Ok(AbortOnDropHandle::new(tokio::spawn(serve(listener, routes(state)))))
}

fn routes(state: HttpState) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/download/{token}", get(download))
        .with_state(Arc::new(state))
}

async fn ready(State(state): State<Arc<HttpState>>) -> Response {
    let duty = *state.duty.borrow();
    let code = if duty.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, duty.words()).into_response()
}

async fn metrics(State(state): State<Arc<HttpState>>) -> Response {
    match state.metrics.exposition() {
        Ok(text) => ([(CONTENT_TYPE, EXPOSITION_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

/// Serves the part of a bucket that a token is valid for.
async fn download(
    State(state): State<Arc<HttpState>>,
    Extension(handing_out): Extension<HandingOut>,
    Path(token): Path<String>,
) -> Response {
    let Some(target) = state.tokens.redeem(&token, Instant::now()) else {
        let why =
            "this address is not valid, or no longer: each is valid once, for ten minutes; ask for another\n";
        return (StatusCode::NOT_FOUND, why).into_response();
    };
    handing_out.begin();
    let body = match target.bucket.store().get(&target.key, None).await {
        Ok(body) => body,
        Err(error) => {
            tracing::warn!(key = %target.key, "cannot hand out a part of a bucket: {}", causes(&error));
            let code = if error.is_not_found() { StatusCode::NOT_FOUND } else { StatusCode::BAD_GATEWAY };
            return (code, format!("{}\n", causes(&error))).into_response();
        }
    };
    let file = target.key.as_str().rsplit('/').next().unwrap_or_default().to_owned();
    let head = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{file}\"")),
        (CACHE_CONTROL, "no-store".to_owned()),
    ];
    (head, Body::from_stream(body)).into_response()
}

#[cfg(test)]
mod tests;
