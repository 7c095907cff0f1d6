//! What a probe, Prometheus and a person with a token get.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::super::handouts::Handout;
use super::*;
use crate::bucket::Bucket;
use crate::store::{Location, ObjectKey, PutMode};

struct Served {
    address: SocketAddr,
    duty: watch::Sender<Duty>,
    handouts: Arc<Handouts>,
    _running: AbortOnDropHandle<()>,
}

async fn serve() -> Served {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (duty, watched) = watch::channel(Duty::Starting);
    let handouts = Arc::<Handouts>::default();
    let door = Door { duty: watched, metrics: Arc::new(Metrics::new()), handouts: Arc::clone(&handouts) };
    let running = open(free, door).await.unwrap();
    Served { address: free, duty, handouts, _running: running }
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
    let token = served.handouts.offer(Handout { bucket: bucket.clone(), key }, Instant::now()).unwrap();
    assert_eq!(ask(&served, "/download/0000").await.0, 404);
    assert_eq!(ask(&served, "/download/").await.0, 404);
    assert_eq!(ask(&served, &format!("/download/{token}")).await, (200, "a log".to_owned()));
    assert_eq!(ask(&served, &format!("/download/{token}")).await.0, 404);
    let gone = Handout { bucket, key: ObjectKey::new("backups/b/logs.ndjson.zst").unwrap() };
    let token = served.handouts.offer(gone, Instant::now()).unwrap();
    assert_eq!(ask(&served, &format!("/download/{token}")).await.0, 404);
}

#[tokio::test]
async fn an_address_that_is_taken_is_named_with_the_flag() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (_, duty) = watch::channel(Duty::Starting);
    let door = Door { duty, metrics: Arc::new(Metrics::new()), handouts: Arc::default() };
    let error = open(address, door).await.unwrap_err();
    let text = causes(&error);
    assert!(
        text.contains(&address.to_string()) && text.contains("--listen") && text.contains("in use"),
        "{text}"
    );
}
