//! A listener between the server and what it talks to, S3 or API server, that sees each request and
//! may act on one: kill the server before or after it, answer it, lose it, cut or delay its answer.
//!
//! The server speaks plain HTTP to it. Requests to S3 go on byte by byte, since their signature
//! covers the headers; those to an API server go on through the lab's own client, which has the
//! certificates.

mod wire;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use http_body_util::BodyExt as _;
use kube::Client;
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{Cluster, Lab};
use wire::{Message, read_answer, read_request};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `PUT`.
    pub method: String,
    /// The path, without what follows `?`.
    pub path: String,
    /// What follows `?`.
    pub query: String,
    /// The body, decoded from JSON; null when it is none.
    pub body: Value,
    /// Which of several servers behind a balancer it reached: 0, 1, …
    pub side: usize,
}

/// What becomes of a request.
#[derive(Clone)]
pub enum Act {
    /// It goes on, and its answer comes back.
    Pass,
    /// It never arrives; the connection ends, after this.
    Before(Arc<dyn Fn() + Send + Sync>),
    /// It arrives and is answered; the connection ends before the answer is passed on, after this.
    After(Arc<dyn Fn() + Send + Sync>),
    /// It is answered with this code, and nothing more.
    Answer(u16),
    /// It is answered with this code and this document.
    Reply(u16, Value),
    /// It arrives and is carried out, and is answered with this code instead.
    Instead(u16),
    /// Half of the answer's body comes back.
    Cut,
    /// It waits.
    Late(Duration),
    /// It waits until this is cancelled.
    Held(CancellationToken),
}

type Rule = Box<dyn FnMut(&Asked) -> Act + Send>;

/// A listener on the loopback device whose requests go on to one server.
pub struct Interceptor {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    way: Way,
    rule: Mutex<Rule>,
    seen: Mutex<Vec<Asked>>,
}

/// Where requests go.
enum Way {
    /// Plain HTTP, byte by byte.
    Plain(String),
    /// Through the clients of a cluster's API servers, in turn: what balances them gives each new
    /// connection to the next one.
    Cluster(Vec<Client>, AtomicUsize),
}

impl Interceptor {
    /// Before the lab's S3 server.
    pub async fn of_s3(lab: &Lab) -> Self {
        Self::open(Way::Plain(lab.s3.trim_start_matches("http://").to_owned())).await
    }

    /// Before the API server of a cluster.
    pub async fn of_cluster(cluster: &Cluster) -> Self {
        Self::open(Way::Cluster(vec![cluster.client.clone()], AtomicUsize::default())).await
    }

    /// Before several API servers of one cluster, as a load balancer.
    pub async fn of_servers(servers: &[&Cluster]) -> Self {
        let clients = servers.iter().map(|server| server.client.clone()).collect();
        Self::open(Way::Cluster(clients, AtomicUsize::default())).await
    }

    async fn open(way: Way) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let state =
            Arc::new(State { way, rule: Mutex::new(Box::new(|_| Act::Pass)), seen: Mutex::default() });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                // A connection that breaks is the client's to notice.
                tokio::spawn(async move { state.serve(client).await.ok() });
            }
        });
        Self { address, state }
    }

    /// Its own URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The URL of a bucket, through it.
    pub fn through(&self, lab: &Lab, bucket: &str) -> String {
        bucket.replace(&lab.s3, &self.url())
    }

    /// A kubeconfig that leads through it, for as long as the file lives.
    pub fn kubeconfig(&self) -> NamedTempFile {
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "lab",
            "clusters": [{"name": "lab", "cluster": {"server": self.url()}}],
            "users": [{"name": "lab", "user": {}}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
        });
        let file = NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), config.to_string()).expect("writable");
        file
    }

    /// From now on, `rule` decides.
    pub fn set(&self, rule: impl FnMut(&Asked) -> Act + Send + 'static) {
        *self.state.rule.lock().expect("no rule panics") = Box::new(rule);
    }

    /// From now on, `rule` decides first; what it lets pass is decided as before.
    pub fn precede(&self, mut rule: impl FnMut(&Asked) -> Act + Send + 'static) {
        let mut current = self.state.rule.lock().expect("no rule panics");
        let mut before = std::mem::replace(&mut *current, Box::new(|_| Act::Pass));
        *current = Box::new(move |asked| match rule(asked) {
            Act::Pass => before(asked),
            act => act,
        });
    }

    /// From now on, everything passes.
    pub fn clear(&self) {
        self.set(|_| Act::Pass);
    }

    /// What was asked since the last call.
    pub fn take_seen(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state.seen.lock().expect("nobody panics with it"))
    }
}

impl State {
    async fn serve(&self, client: TcpStream) -> std::io::Result<()> {
        let mut client = BufReader::new(client);
        let side = match &self.way {
            Way::Cluster(servers, turn) => turn.fetch_add(1, Ordering::Relaxed) % servers.len(),
            Way::Plain(_) => 0,
        };
        while let Some(request) = read_request(&mut client).await? {
            let asked = Asked { side, ..request.asked() };
            self.seen.lock().expect("nobody panics with it").push(asked.clone());
            let act = (self.rule.lock().expect("no rule panics"))(&asked);
            match &act {
                Act::Before(deed) => {
                    deed();
                    return Ok(());
                }
                Act::Answer(code) => {
                    // Amazon gives each answer a name of its own, which must not look like news.
                    let id = uuid::Uuid::new_v4();
                    let answer = format!(
                        "HTTP/1.1 {code} Scripted\r\nx-amz-request-id: {id}\r\nContent-Length: 0\r\n\r\n"
                    );
                    client.write_all(answer.as_bytes()).await?;
                    continue;
                }
                Act::Reply(code, document) => {
                    client.write_all(&json_answer(*code, document)).await?;
                    continue;
                }
                Act::Late(time) => tokio::time::sleep(*time).await,
                Act::Held(until) => until.cancelled().await,
                Act::Pass | Act::After(_) | Act::Cut | Act::Instead(_) => {}
            }
            match &self.way {
                Way::Plain(server) => plain(&mut client, server, &request, &act).await?,
                Way::Cluster(servers, _) => {
                    through_client(&mut client, &servers[side], request, &act).await?;
                }
            }
            if matches!(act, Act::After(_) | Act::Cut) {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn json_answer(code: u16, document: &Value) -> Vec<u8> {
    let body = document.to_string();
    let head = format!(
        "HTTP/1.1 {code} Scripted\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    format!("{head}{body}").into_bytes()
}

async fn plain(
    client: &mut BufReader<TcpStream>,
    server: &str,
    request: &Message,
    act: &Act,
) -> std::io::Result<()> {
    // A connection of its own: one that was kept might have been closed by the other side.
    let mut server = BufReader::new(TcpStream::connect(server).await?);
    server.write_all(&request.head).await?;
    server.write_all(&request.body).await?;
    let answer = read_answer(&mut server, request.method()).await?;
    if let Act::After(deed) = act {
        deed();
        return Ok(());
    }
    let length = if matches!(act, Act::Cut) { answer.body.len() / 2 } else { answer.body.len() };
    client.write_all(&answer.head).await?;
    client.write_all(&answer.body[..length]).await
}

async fn through_client(
    client: &mut BufReader<TcpStream>,
    way: &Client,
    request: Message,
    act: &Act,
) -> std::io::Result<()> {
    let head_only = request.method() == "HEAD";
    let mut onward = http::Request::builder().method(request.method()).uri(request.target());
    for (name, value) in request.headers() {
        if !["host", "connection", "content-length"].contains(&name.to_ascii_lowercase().as_str()) {
            onward = onward.header(name, value);
        }
    }
    let onward = onward.body(kube::client::Body::from(request.body)).map_err(std::io::Error::other)?;
    let answer = way.send(onward).await.map_err(std::io::Error::other)?;
    if let Act::After(deed) = act {
        deed();
        return Ok(());
    }
    if let Act::Instead(code) = act {
        answer.into_body().collect().await.map_err(std::io::Error::other)?;
        return client
            .write_all(format!("HTTP/1.1 {code} Scripted\r\nContent-Length: 0\r\n\r\n").as_bytes())
            .await;
    }
    let mut head = format!("HTTP/1.1 {} Relayed\r\nTransfer-Encoding: chunked\r\n", answer.status().as_u16());
    for (name, value) in answer.headers() {
        if !["connection", "content-length", "transfer-encoding"].contains(&name.as_str()) {
            head += &format!("{name}: {}\r\n", value.to_str().unwrap_or_default());
        }
    }
    client.write_all(format!("{head}\r\n").as_bytes()).await?;
    if head_only {
        return Ok(());
    }
    let mut body = answer.into_body().into_data_stream();
    loop {
        let next = tokio::select! {
            next = body.next() => next,
            // Nothing more is sent before the answer is whole: readable means closed.
            _ = client.fill_buf() => return Err(std::io::ErrorKind::ConnectionReset.into()),
        };
        let Some(chunk) = next.transpose().map_err(std::io::Error::other)? else { break };
        client.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).await?;
        if matches!(act, Act::Cut) {
            return client.write_all(&chunk[..chunk.len() / 2]).await;
        }
        client.write_all(&chunk).await?;
        client.write_all(b"\r\n").await?;
    }
    client.write_all(b"0\r\n\r\n").await
}
