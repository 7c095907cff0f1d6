//! Runs a command in a container and tells how it ended, and what it printed last.
//!
//! A command has succeeded only if the server says so in a status frame: a connection that ends
//! without one tells nothing. Nothing is sent twice, since the first command may have begun.

use std::collections::VecDeque;
use std::time::Duration;

use futures::FutureExt as _;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::{Api, AttachParams};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{Cluster, category_of_status};
use crate::model::Category;

/// The bytes that are kept of each stream: its end, which usually tells why a command failed.
const KEPT: usize = 4 << 10;
/// The bytes of a stream that may wait to be read.
const PIPE: usize = 16 << 10;

/// A command to run in a container.
#[derive(Clone, Copy, Debug)]
pub struct ContainerCommand<'a> {
    /// The namespace of the pod.
    pub namespace: &'a str,
    /// The name of the pod.
    pub pod: &'a str,
    /// The name of the container.
    pub container: &'a str,
    /// Program and arguments; no shell.
    pub command: &'a [String],
}

/// The last bytes of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamEnd {
    kept: VecDeque<u8>,
    total: u64,
}

/// What a command printed last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecOutput {
    /// Its standard output.
    pub stdout: StreamEnd,
    /// Its standard error.
    pub stderr: StreamEnd,
}

/// The reason why a command did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecFailure {
    /// The command ended with another exit code than 0.
    #[error("it ended with exit code {0}")]
    ExitCode(i32),
    /// The command had not ended in its time.
    #[error(
        "it had not ended after {}, and may still run in the container; look there, or give it a longer timeout",
        humantime::format_duration(*.0)
    )]
    TimedOut(Duration),
    /// The API server or the node refused or failed to run it.
    #[error("it could not be run: {message}")]
    Refused {
        /// The text of the API server or the node.
        message: String,
        /// The category of the refusal.
        category: Category,
    },
    /// The connection could not be made, or ended before the status frame.
    #[error(
        "the connection to it ended before anybody said how it went ({0}): it counts as failed, and may still run in the container"
    )]
    Lost(String),
}

impl ExecFailure {
    /// Returns the category of the failure.
    pub fn category(&self) -> Category {
        match self {
            Self::ExitCode(_) => Category::Other,
            Self::TimedOut(_) => Category::Timeout,
            Self::Refused { category, .. } => *category,
            Self::Lost(_) => Category::Unavailable,
        }
    }
}

impl StreamEnd {
    fn add(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        self.kept.extend(&bytes[bytes.len().saturating_sub(KEPT)..]);
        self.kept.drain(..self.kept.len().saturating_sub(KEPT));
    }

    /// For tests: a stream that ended with this text.
    #[cfg(test)]
    pub(crate) fn of(text: &str) -> Self {
        let mut end = Self::default();
        end.add(text.as_bytes());
        end
    }

    /// Returns the number of bytes before those that were kept.
    pub fn left_out(&self) -> u64 {
        self.total - self.kept.len() as u64
    }

    /// Returns the last bytes as text.
    pub fn text(&self) -> String {
        let (front, back) = self.kept.as_slices();
        String::from_utf8_lossy(&[front, back].concat()).into_owned()
    }
}

impl Cluster {
    /// Runs a command and keeps the end of what it prints in `output`. Whoever drops the future
    /// cuts the connection; the command may go on.
    ///
    /// # Errors
    /// If the command did not succeed, or nobody knows whether it did.
    pub async fn exec(
        &self,
        command: &ContainerCommand<'_>,
        output: &mut ExecOutput,
    ) -> Result<(), ExecFailure> {
        let ContainerCommand { namespace, pod, container, command } = command;
        let pods = Api::<Pod>::namespaced(self.client.clone(), namespace);
        let parameters = AttachParams {
            container: Some((*container).to_owned()),
            max_stdout_buf_size: Some(PIPE),
            max_stderr_buf_size: Some(PIPE),
            ..AttachParams::default()
        };
        let mut process = pods.exec(pod, command.to_vec(), &parameters).await.map_err(refused)?;
        let status = process.take_status();
        let (mut stdout, mut stderr) = (process.stdout(), process.stderr());
        let ended = async move {
            // Joined only then: joining ends standard input, and for an old server the connection.
            let status = match status {
                Some(status) => status.await,
                None => None,
            };
            (status, process.join().await)
        };
        let printing = async {
            tokio::join!(keep(&mut stdout, &mut output.stdout), keep(&mut stderr, &mut output.stderr));
            std::future::pending::<std::convert::Infallible>().await
        };
        let (status, connection) = tokio::select! {
            biased;
            never = printing => match never {},
            ended = ended => ended,
        };
        rest(&mut stdout, &mut output.stdout);
        rest(&mut stderr, &mut output.stderr);
        judge(status, connection.err().map(|error| innermost(&error)))
    }
}

/// Keeps the end of a stream until that ends.
async fn keep(stream: &mut Option<impl AsyncRead + Unpin>, end: &mut StreamEnd) {
    let mut chunk = vec![0; PIPE];
    while let Some(Ok(read @ 1..)) = read(stream, &mut chunk).await {
        end.add(&chunk[..read]);
    }
}

/// Keeps what is there already: a stream whose connection broke does not end.
fn rest(stream: &mut Option<impl AsyncRead + Unpin>, end: &mut StreamEnd) {
    let mut chunk = vec![0; PIPE];
    while let Some(Some(Ok(read @ 1..))) = tokio::task::unconstrained(read(stream, &mut chunk)).now_or_never()
    {
        end.add(&chunk[..read]);
    }
}

async fn read(
    stream: &mut Option<impl AsyncRead + Unpin>,
    chunk: &mut [u8],
) -> Option<std::io::Result<usize>> {
    Some(stream.as_mut()?.read(chunk).await)
}

/// Returns the outcome that a status frame tells; `broken` is why the connection ended early.
fn judge(status: Option<Status>, broken: Option<String>) -> Result<(), ExecFailure> {
    let Some(Status { status, reason, message, details, .. }) = status else {
        return Err(ExecFailure::Lost(broken.unwrap_or_else(|| "it was closed".to_owned())));
    };
    if status.as_deref() == Some("Success") {
        return Ok(());
    }
    let mut causes = details.and_then(|details| details.causes).unwrap_or_default().into_iter();
    let code = causes.find(|cause| cause.reason.as_deref() == Some("ExitCode"));
    match code.and_then(|cause| cause.message?.parse().ok()) {
        Some(code) if reason.as_deref() == Some("NonZeroExitCode") => Err(ExecFailure::ExitCode(code)),
        _ => {
            let message = message.unwrap_or_else(|| "the node does not say why".to_owned());
            Err(ExecFailure::Refused { message, category: Category::Other })
        }
    }
}

fn refused(error: kube::Error) -> ExecFailure {
    match error {
        kube::Error::Api(status) => ExecFailure::Refused {
            category: category_of_status(status.code, &status.reason, &status.message),
            message: status.message.clone(),
        },
        error => ExecFailure::Lost(innermost(&error)),
    }
}

fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.last().map_or_else(String::new, ToString::to_string)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judged(status: serde_json::Value) -> Result<(), ExecFailure> {
        judge(Some(serde_json::from_value(status).unwrap()), None)
    }

    #[test]
    fn a_command_has_succeeded_only_if_the_status_frame_says_so() {
        assert_eq!(judged(json!({"status": "Success"})), Ok(()));
        let causes = json!([{"reason": "Other"}, {"reason": "ExitCode", "message": "137"}]);
        let failed = json!({"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": causes}});
        assert_eq!(judged(failed), Err(ExecFailure::ExitCode(137)));
        for (status, says) in [
            (json!({"status": "Failure", "message": "no such program"}), "no such program"),
            (json!({"status": "Failure", "reason": "NonZeroExitCode"}), "does not say why"),
            (json!({}), "does not say why"),
        ] {
            let failure = judged(status.clone()).unwrap_err();
            assert!(failure.to_string().contains(says), "{status}: {failure}");
        }
        let lost = judge(None, None).unwrap_err();
        assert_eq!(lost.category(), Category::Unavailable);
        assert!(lost.to_string().contains("counts as failed"), "{lost}");
        let broken = judge(None, Some("reset by peer".into())).unwrap_err();
        assert!(broken.to_string().contains("(reset by peer)"), "{broken}");
    }

    #[test]
    fn the_end_of_a_flood_is_kept_and_its_length_known() {
        let mut end = StreamEnd::default();
        for _ in 0..100 {
            end.add(&[b'y'; KEPT / 3]);
        }
        end.add(&vec![b'n'; 2 * KEPT]);
        end.add("Grüße\u{fffd}".as_bytes());
        assert!(end.kept.len() == KEPT && end.text().ends_with("nnnGrüße\u{fffd}"));
        assert_eq!(end.left_out() + KEPT as u64, (100 * (KEPT / 3) + 2 * KEPT + 10) as u64);
    }
}
