//! The process `ark server`: started, asked, stopped, killed; what it said is kept.

use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::{Cluster, eventually};

/// An answer that takes longer counts as none.
const ANSWER: Duration = Duration::from_secs(60);
/// Most bytes of the log that a failed test shows.
const TAIL: usize = 40_000;

/// The options of a server beyond what every test wants: a sync and a collection every two
/// seconds.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// `--restore-only`.
    pub restore_only: bool,
    /// `--sync-period`.
    pub sync_period: &'static str,
    /// `--gc-period`.
    pub gc_period: &'static str,
    /// Another way to the API server than the cluster's own.
    pub kubeconfig: Option<std::path::PathBuf>,
    /// Any other flags.
    pub flags: Vec<String>,
    /// Environment, beyond what the server needs; it has no credentials of its own.
    pub environment: Vec<(String, String)>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            restore_only: false,
            sync_period: "2s",
            gc_period: "2s",
            kubeconfig: None,
            flags: Vec::new(),
            environment: Vec::new(),
        }
    }
}

/// A running server. It is killed when it is dropped.
pub struct Server {
    child: Arc<Mutex<Child>>,
    id: u32,
    address: SocketAddr,
    /// Bound to the address and not listening, so that no other process of the machine is given it
    /// before the server listens.
    _reserved: TcpSocket,
    log: NamedTempFile,
}

/// Kills a server from wherever it is at hand.
#[derive(Clone)]
pub struct Killer(Arc<Mutex<Child>>);

impl Killer {
    /// kill -9, now; a server that has ended already stays so.
    pub fn kill(&self) {
        let mut child = self.0.lock().expect("nobody panics with it");
        if child.try_wait().expect("a child can be asked").is_none() {
            child.kill().expect("a child can be killed");
        }
        child.wait().expect("a child can be waited for");
    }
}

impl Server {
    /// Starts it in a namespace; it may take a moment to be ready.
    pub fn spawn(cluster: &Cluster, namespace: &str, options: ServerOptions) -> Self {
        let ServerOptions { restore_only, sync_period, gc_period, kubeconfig, flags, environment } = options;
        let (address, reserved) = reserve_address();
        let log = NamedTempFile::new().expect("a file for the log");
        let to_log = || Stdio::from(log.reopen().expect("the log can be written"));
        let listen = address.to_string();
        let mut command = cluster.ark(["server", "--namespace", namespace, "--listen", &listen]);
        command.args(["--sync-period", sync_period, "--gc-period", gc_period]).args(flags);
        if restore_only {
            command.arg("--restore-only");
        }
        // Its credentials are those of the locations' Secrets, and nothing else.
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"] {
            command.env_remove(name);
        }
        command.env("AWS_EC2_METADATA_DISABLED", "true").env("NO_COLOR", "1").envs(environment);
        if let Some(kubeconfig) = kubeconfig {
            command.env("KUBECONFIG", kubeconfig);
        }
        let child = command.stdout(to_log()).stderr(to_log()).spawn().expect("ark can be started");
        let id = child.id();
        Self { child: Arc::new(Mutex::new(child)), id, address, _reserved: reserved, log }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Whether a Lease names it as its holder: `host/process/random`.
    pub fn is_holder(&self, holder: &str) -> bool {
        holder.split('/').nth(1) == Some(&*self.id.to_string())
    }

    /// Returns the address at which the server serves health, metrics and downloads.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.log.path()).expect("the log can be read");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// How it ended; none while it runs.
    pub fn ended(&self) -> Option<ExitStatus> {
        self.child.lock().expect("nobody panics with it").try_wait().expect("a child can be asked")
    }

    /// Fails the test when it has ended by itself.
    #[track_caller]
    pub fn must_run(&self) {
        if let Some(status) = self.ended() {
            panic!("the server ended with {status}");
        }
    }

    /// Waits until it says that it is ready.
    pub async fn ready(&self) {
        eventually("the server is ready", async || {
            self.must_run();
            self.get("/readyz").await.filter(|(code, _)| *code == 200)
        })
        .await;
    }

    /// Asks it over HTTP: the code and the body; none when it does not answer.
    pub async fn get(&self, path: &str) -> Option<(u16, String)> {
        let ask = async {
            let mut stream = TcpStream::connect(self.address).await.ok()?;
            // HTTP 1.0: the answer ends with the connection and is not chunked.
            let request = format!("GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address);
            stream.write_all(request.as_bytes()).await.ok()?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.ok()?;
            let answer = String::from_utf8_lossy(&answer).into_owned();
            let (head, body) = answer.split_once("\r\n\r\n")?;
            let code = head.split(' ').nth(1)?.parse().ok()?;
            Some((code, body.to_owned()))
        };
        tokio::time::timeout(ANSWER, ask).await.ok()?
    }

    /// A hand on it that can be given away.
    pub fn killer(&self) -> Killer {
        Killer(Arc::clone(&self.child))
    }

    /// The end without a word.
    pub fn kill(&self) {
        self.killer().kill();
    }

    /// Asks it to end, as Kubernetes does, and waits for that: its exit code, none after a signal.
    pub async fn stop(&self) -> Option<i32> {
        let id = self.id.to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status();
        assert!(sent.expect("kill can be started").success(), "the server had ended before it was stopped");
        eventually("the server ends", async || self.ended()).await.code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        Killer(Arc::clone(&self.child)).kill();
        if std::thread::panicking() {
            let log = self.log();
            let start = log.floor_char_boundary(log.len().saturating_sub(TAIL));
            println!("--- log of server {} at {}\n{}---", self.id, self.address, &log[start..]);
        }
    }
}

/// Reserves an address of the loopback device: only a listener that reuses addresses, as the server
/// does, can have it too.
fn reserve_address() -> (SocketAddr, TcpSocket) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("it can be shared");
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port is free");
    (socket.local_addr().expect("it is bound"), socket)
}
