//! The port that anybody in the cluster reaches, of a real server: a client that opens many
//! connections and ends no request neither fills the server's memory nor keeps a probe from its
//! answer.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::fake_engine_cluster::kubeconfig;
use crate::support::ark;

/// Connections whose requests never end.
const HALF_OPEN: usize = 1200;
/// What they may cost, in KiB.
const ALLOWED: u64 = 10 << 10;
/// A server listens by then.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(10);

/// A server whose API server takes connections and never answers. It is killed when it is dropped.
struct Server {
    child: Child,
    address: SocketAddr,
    _api_server: TcpListener,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let api_server = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("kubeconfig");
        std::fs::write(&path, kubeconfig(api_server.local_addr().expect("it is bound"))).expect("writable");
        let (child, address) = spawn(&path);
        let mut server = Self { child, address, _api_server: api_server, _folder: folder };
        let deadline = Instant::now() + PATIENCE;
        while !server.lives() {
            assert!(Instant::now() < deadline, "the server does not answer");
            sleep(PAUSE);
            // Somebody else was faster to take the port.
            if server.child.try_wait().expect("a child can be asked").is_some() {
                (server.child, server.address) = spawn(&path);
            }
        }
        server
    }

    /// Whether it answers a probe.
    fn lives(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.address) else { return false };
        let mut answer = String::new();
        let asked = stream.write_all(b"GET /healthz HTTP/1.0\r\n\r\n");
        asked.and_then(|()| stream.read_to_string(&mut answer)).is_ok() && answer.contains("200 OK")
    }

    /// Its memory, in KiB.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// A connection that begins a request of this size and does not end it. Bytes that the server
    /// does not take are not sent.
    fn half_open(&self, size: usize) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_nonblocking(true).expect("a socket can be told");
        let mut request = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ".to_vec();
        request.resize(size, b'x');
        // It may be full, or closed already.
        let _ = stream.write_all(&request);
        stream
    }
}

/// A server at a port that was free a moment ago.
fn spawn(kubeconfig: &Path) -> (Child, SocketAddr) {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = free.local_addr().expect("it is bound");
    drop(free);
    let mut command = ark(["server", "--listen", &address.to_string()]);
    command.env("KUBECONFIG", kubeconfig).stdout(Stdio::null()).stderr(Stdio::null());
    (command.spawn().expect("ark can be started"), address)
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// 1200 clients begin a request and never end it: the server grows by at most 10 MiB, and
/// `/healthz` answers all the while.
#[test]
#[cfg(target_os = "linux")]
fn half_open_connections_cost_no_memory_and_a_probe_is_answered() {
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    setrlimit(Resource::Nofile, files).expect("a process may use all that it is allowed");
    let server = Server::start();
    drop(server.half_open(100));
    assert!(server.lives());
    let before = server.memory();
    let mut open = Vec::new();
    for number in 0..HALF_OPEN {
        // As much as is kept, and as much as anybody would keep.
        open.push(server.half_open(if number % 2 == 0 { 15 << 10 } else { 400 << 10 }));
        if number % 100 == 0 {
            assert!(server.lives(), "after {number}");
        }
    }
    assert!(server.lives());
    let after = server.memory();
    assert!(after <= before + ALLOWED, "from {before} KiB to {after} KiB");
    assert_eq!(open.len(), HALF_OPEN, "they were open all the while");
}
