//! A network between Ark and a server that a test slows down or cuts. It passes bytes, so that TLS
//! and signatures hold.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// Bytes passed on at once.
const CHUNK: usize = 16 << 10;

/// A listener on the loopback device whose connections lead to one server.
pub struct Proxy {
    address: SocketAddr,
    pause: Arc<AtomicU64>,
    /// Ends the connections that were made since the last [`Proxy::mend`].
    cut: Arc<Mutex<CancellationToken>>,
}

impl Proxy {
    /// A way to `server` (`127.0.0.1:1234`) without obstacles.
    pub async fn to(server: &str) -> Self {
        Self::at("127.0.0.1", server).await
    }

    /// The same, for those who come by another address of this machine.
    pub async fn at(host: &str, server: &str) -> Self {
        let listener = TcpListener::bind((host, 0)).await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let cut = Arc::<Mutex<CancellationToken>>::default();
        let pause = Arc::<AtomicU64>::default();
        let (server, slowness, current) = (server.to_owned(), Arc::clone(&pause), Arc::clone(&cut));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, slowness) = (server.clone(), Arc::clone(&slowness));
                let is_cut = current.lock().expect("nobody panics with it").clone();
                tokio::spawn(async move {
                    tokio::select! {
                        biased;
                        () = is_cut.cancelled() => {}
                        () = connect(client, &server, &slowness) => {}
                    }
                });
            }
        });
        Self { address, pause, cut }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on, what goes to the server waits so long for every 16 KiB.
    pub fn slow_down(&self, pause: Duration) {
        self.pause.store(u64::try_from(pause.as_micros()).expect("short"), Ordering::Relaxed);
    }

    /// Breaks all connections, and every new one until [`Proxy::mend`].
    pub fn cut(&self) {
        self.cut.lock().expect("nobody panics with it").cancel();
    }

    /// Lets new connections through again.
    pub fn mend(&self) {
        *self.cut.lock().expect("nobody panics with it") = CancellationToken::new();
    }
}

async fn connect(client: TcpStream, server: &str, pause: &AtomicU64) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let forth = async {
        let mut chunk = vec![0; CHUNK];
        while let Ok(size @ 1..) = from_client.read(&mut chunk).await {
            let pause = pause.load(Ordering::Relaxed);
            if pause > 0 {
                tokio::time::sleep(Duration::from_micros(pause)).await;
            }
            if to_server.write_all(&chunk[..size]).await.is_err() {
                break;
            }
        }
    };
    let back = tokio::io::copy(&mut from_server, &mut to_client);
    tokio::select! { () = forth => {}, _ = back => {} }
}
