//! Counts the calls to the API server in the metrics, the engine's and those of the client for
//! custom resources alike.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{BoxFuture, FutureExt as _};
use http::{Request, Response};
use tower::{Layer, Service};

use crate::telemetry::Metrics;

/// The code label of a call that got no answer.
const NO_ANSWER: &str = "none";

/// A layer that counts the calls of a client, if there are metrics.
pub(super) struct Counting(pub Option<Arc<Metrics>>);

/// A client whose calls are counted.
pub(super) struct Counted<S> {
    client: S,
    metrics: Option<Arc<Metrics>>,
}

impl<S> Layer<S> for Counting {
    type Service = Counted<S>;

    fn layer(&self, client: S) -> Counted<S> {
        Counted { client, metrics: self.0.clone() }
    }
}

impl<S, A, B> Service<Request<A>> for Counted<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Send,
    B: Send,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.client.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let Some(metrics) = self.metrics.clone() else { return self.client.call(request).boxed() };
        let verb = verb(&request);
        self.client
            .call(request)
            .inspect(move |answer| match answer {
                Ok(answer) => metrics.api_request(&verb, answer.status().as_str()),
                Err(_) => metrics.api_request(&verb, NO_ANSWER),
            })
            .boxed()
    }
}

/// Returns the verb label: the method, or `WATCH`, since a watch lasts for minutes and other reads
/// do not.
fn verb<A>(request: &Request<A>) -> String {
    let query = request.uri().query().unwrap_or_default();
    let watches = query.split('&').any(|pair| matches!(pair, "watch=true" | "watch=1"));
    if watches { "WATCH".to_owned() } else { request.method().as_str().to_owned() }
}

#[cfg(test)]
mod tests {
    use tower::ServiceExt as _;

    use super::*;

    async fn ask(metrics: &Arc<Metrics>, uri: &str, answer: Result<u16, &'static str>) {
        let server = tower::service_fn(move |_: Request<()>| async move {
            answer.map(|code| Response::builder().status(code).body(()).unwrap())
        });
        let client = Counting(Some(Arc::clone(metrics))).layer(server);
        let request = Request::builder().uri(uri).body(()).unwrap();
        let _ = client.oneshot(request).await;
    }

    #[tokio::test]
    async fn calls_are_counted_by_verb_and_code() {
        let metrics = Arc::new(Metrics::new());
        ask(&metrics, "/api/v1/pods?limit=500", Ok(200)).await;
        ask(&metrics, "/api/v1/pods?limit=500", Ok(200)).await;
        ask(&metrics, "/api/v1/pods?allowWatchBookmarks=true&watch=true", Ok(410)).await;
        ask(&metrics, "/api/v1/pods", Err("connection refused")).await;
        let text = metrics.exposition().unwrap();
        for line in [
            r#"ark_api_requests_total{verb="GET",code="200"} 2"#,
            r#"ark_api_requests_total{verb="WATCH",code="410"} 1"#,
            r#"ark_api_requests_total{verb="GET",code="none"} 1"#,
        ] {
            assert!(text.lines().any(|said| said == line), "{line} is not in {text}");
        }
    }
}
