//! Tests of the answers to a probe, to Prometheus and to a person with a token.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::connections::{HEAD_WITHIN, MOST};
use super::download_tokens::TokenTarget;
use super::*;
use crate::bucket::Bucket;
use crate::store::{Location, ObjectKey, PutMode};

struct Served {
    address: SocketAddr,
    duty: watch::Sender<Duty>,
    tokens: Arc<DownloadTokens>,
    _running: AbortOnDropHandle<()>,
}

async fn serve() -> Served {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (duty, watched) = watch::channel(Duty::Starting);
    let tokens = Arc::<DownloadTokens>::default();
    let state = HttpState { duty: watched, metrics: Arc::new(Metrics::new()), tokens: Arc::clone(&tokens) };
    let running = open(free, state).await.unwrap();
    Served { address: free, duty, tokens, _running: running }
}

async fn ask(served: &Served, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test]
async fn who_stands_by_or_leads_is_ready_and_who_starts_is_not() {
    let served = serve().await;
    assert_eq!(ask(&served, "/healthz").await, (200, "ok\n".to_owned()));
    for (duty, code) in
        [(Duty::Starting, 503), (Duty::StandingBy, 200), (Duty::Filling, 503), (Duty::Leading, 200)]
    {
        served.duty.send_replace(duty);
        assert_eq!(ask(&served, "/readyz").await, (code, duty.words().to_owned()));
    }
}

#[tokio::test]
async fn metrics_are_told() {
    let (code, text) = ask(&serve().await, "/metrics").await;
    assert_eq!(code, 200);
    assert!(text.contains("ark_leader 0") && text.ends_with("# EOF\n"), "{text}");
}

#[tokio::test]
async fn a_token_gives_the_bytes_once_and_nothing_else_gives_any() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::from_url(&format!("file://{}", folder.path().display())).unwrap();
    let bucket = Bucket::new(crate::store::open(&location).await.unwrap());
    let key = ObjectKey::new("backups/a/logs.ndjson.zst").unwrap();
    bucket.store().put(&key, "a log".into(), PutMode::Create).await.unwrap();
    let served = serve().await;
    let token = served.tokens.offer(TokenTarget { bucket: bucket.clone(), key }, Instant::now()).unwrap();
    assert_eq!(ask(&served, "/download/0000").await.0, 404);
    assert_eq!(ask(&served, "/download/").await.0, 404);
    assert_eq!(ask(&served, &format!("/download/{token}")).await, (200, "a log".to_owned()));
    assert_eq!(ask(&served, &format!("/download/{token}")).await.0, 404);
    let gone = TokenTarget { bucket, key: ObjectKey::new("backups/b/logs.ndjson.zst").unwrap() };
    let token = served.tokens.offer(gone, Instant::now()).unwrap();
    assert_eq!(ask(&served, &format!("/download/{token}")).await.0, 404);
}

#[tokio::test]
async fn an_address_that_is_taken_is_named_with_the_flag() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (_, duty) = watch::channel(Duty::Starting);
    let state = HttpState { duty, metrics: Arc::new(Metrics::new()), tokens: Arc::default() };
    let error = open(address, state).await.unwrap_err();
    let text = causes(&error);
    assert!(
        text.contains(&address.to_string()) && text.contains("--listen") && text.contains("in use"),
        "{text}"
    );
}

/// Opens connections whose request never ends, and waits until the server has taken them.
async fn half_open(served: &Served, number: usize) -> Vec<TcpStream> {
    let mut all = Vec::new();
    for _ in 0..number {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ").await.unwrap();
        all.push(stream);
    }
    assert_eq!(ask(served, "/healthz").await.0, 200, "who is served comes after all who connected before");
    all
}

/// Returns what still comes: nothing if the server has closed the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut rest = Vec::new();
    // A connection that is closed before all of it was read is reset.
    let _ = stream.read_to_end(&mut rest).await;
    String::from_utf8(rest).unwrap()
}

#[tokio::test]
async fn one_connection_too_many_takes_the_place_of_the_oldest() {
    let served = serve().await;
    let mut all = half_open(&served, MOST + 20).await;
    for oldest in &mut all[..20] {
        assert_eq!(rest(oldest).await, "");
    }
    let newest = all.last_mut().unwrap();
    newest.write_all(b"x\r\n\r\n").await.unwrap();
    assert!(rest(newest).await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn a_download_goes_on_however_many_connect() {
    const SIZE: u64 = 32 << 20;
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("backups/a")).unwrap();
    let file = std::fs::File::create(folder.path().join("backups/a/a.tar.zst")).unwrap();
    file.set_len(SIZE).unwrap();
    let location = Location::from_url(&format!("file://{}", folder.path().display())).unwrap();
    let bucket = Bucket::new(crate::store::open(&location).await.unwrap());
    let served = serve().await;
    let key = ObjectKey::new("backups/a/a.tar.zst").unwrap();
    let token = served.tokens.offer(TokenTarget { bucket, key }, Instant::now()).unwrap();
    let mut download = TcpStream::connect(served.address).await.unwrap();
    download.write_all(format!("GET /download/{token} HTTP/1.0\r\n\r\n").as_bytes()).await.unwrap();
    assert_eq!(download.read_u8().await.unwrap(), b'H', "it has begun");
    let _others = half_open(&served, MOST + 20).await;
    let mut body = Vec::new();
    download.read_to_end(&mut body).await.unwrap();
    assert!(body.len() as u64 > SIZE, "{}", body.len());
}

#[tokio::test(start_paused = true)]
async fn who_does_not_finish_a_request_is_not_waited_for() {
    let served = serve().await;
    let mut silent = TcpStream::connect(served.address).await.unwrap();
    let mut slow = TcpStream::connect(served.address).await.unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
    let both = async { (rest(&mut silent).await, rest(&mut slow).await) };
    let ended = tokio::time::timeout(4 * HEAD_WITHIN, both).await;
    assert!(ended.is_ok(), "they are open still");
}

#[tokio::test]
async fn a_request_whose_head_is_longer_than_any_that_is_answered_is_refused() {
    let served = serve().await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let head = format!("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "x".repeat(64 << 10));
    // The server may close the connection while this is sent.
    let _ = stream.write_all(head.as_bytes()).await;
    let answer = rest(&mut stream).await;
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
}
