//! A way to the API server that takes its time: a TCP proxy that delivers each byte so much later
//! than it came, in both directions, and as many of them as come.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tempfile::NamedTempFile;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::{Outcome, text};

/// What is read at once.
const CHUNK: usize = 64 * 1024;
/// Chunks of one direction that are on their way: at 10 ms and a full chunk each, 6 GB a second.
const UNDER_WAY: usize = 1024;

/// The proxy, until it is dropped, and a kubeconfig that leads through it.
#[derive(Debug)]
pub struct Proxy {
    kubeconfig: NamedTempFile,
    listening: JoinHandle<()>,
}

impl Proxy {
    /// Listens for whoever uses the kubeconfig, and delays each direction by so much.
    pub async fn start(kubeconfig: &Path, delay: Duration) -> Outcome<Self> {
        let config = std::fs::read_to_string(kubeconfig).map_err(text)?;
        let target = server(&config).ok_or("the lab's kubeconfig names no server on 127.0.0.1")?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(text)?;
        let own = listener.local_addr().map_err(text)?;
        let mut file = NamedTempFile::new().map_err(text)?;
        file.write_all(config.replace(&target.to_string(), &own.to_string()).as_bytes()).map_err(text)?;
        let listening = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(connection(near, target, delay));
            }
        });
        Ok(Self { kubeconfig: file, listening })
    }

    /// The kubeconfig of the way through the proxy; its file goes with the proxy.
    pub fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig.path().to_owned()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// The address of the API server: the certificate holds for all ports of it.
fn server(config: &str) -> Option<SocketAddr> {
    let (_, rest) = config.split_once("https://127.0.0.1:")?;
    let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some(SocketAddr::from(([127, 0, 0, 1], port.parse().ok()?)))
}

/// Both directions of one connection. An error ends it for both sides, as a broken line would.
async fn connection(near: TcpStream, target: SocketAddr, delay: Duration) -> io::Result<()> {
    let far = TcpStream::connect(target).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    tokio::try_join!(direction(near_in, far_out, delay), direction(far_in, near_out, delay))?;
    Ok(())
}

/// Reading goes on while earlier bytes wait for their time, so that the delay costs no bandwidth.
async fn direction(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    delay: Duration,
) -> io::Result<()> {
    let (sender, mut receiver) = mpsc::channel::<(Instant, Bytes)>(UNDER_WAY);
    let reading = async move {
        let mut buffer = BytesMut::new();
        loop {
            buffer.reserve(CHUNK);
            if from.read_buf(&mut buffer).await? == 0 || !send(&sender, &mut buffer, delay).await {
                return Ok(());
            }
        }
    };
    let writing = async move {
        while let Some((due, bytes)) = receiver.recv().await {
            sleep_until(due).await;
            to.write_all(&bytes).await?;
        }
        to.shutdown().await
    };
    tokio::try_join!(reading, writing)?;
    Ok(())
}

/// Puts what was read on its way; false when nobody takes it any more.
async fn send(sender: &mpsc::Sender<(Instant, Bytes)>, buffer: &mut BytesMut, delay: Duration) -> bool {
    sender.send((Instant::now() + delay, buffer.split().freeze())).await.is_ok()
}
