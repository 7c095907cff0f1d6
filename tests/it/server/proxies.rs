//! Behind a proxy: the API server and the bucket are reached through the proxy, unless NO_PROXY
//! names them or they are on this machine.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread::spawn;

use serde_json::json;

use super::FakeCluster;
use crate::support::run;

/// A proxy that tunnels (CONNECT), whatever the host that is asked for, to one address.
struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = Arc::clone(&asked);
        spawn(move || {
            for client in listener.incoming().flatten() {
                let noted = Arc::clone(&noted);
                spawn(move || tunnel(client, target, &noted));
            }
        });
        Self { address, asked }
    }

    /// Which hosts were asked for, each once.
    fn asked(&self) -> Vec<String> {
        let mut asked = self.asked.lock().expect("no test panics here").clone();
        asked.sort_unstable();
        asked.dedup();
        asked
    }
}

fn tunnel(mut client: TcpStream, target: SocketAddr, noted: &Mutex<Vec<String>>) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && matches!(client.read(&mut byte), Ok(1)) {
        head.extend_from_slice(&byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let host = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).unwrap_or("no tunnel");
    noted.lock().expect("no test panics here").push(host.to_owned());
    // Nobody has a certificate for it: whoever wants TLS is only noted.
    if host.ends_with(":443") {
        return;
    }
    let server = TcpStream::connect(target).expect("the target is there");
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").expect("the client waits for it");
    let pairs = [(&client, &server), (&server, &client)];
    let copies = pairs.map(|(from, to)| {
        let (mut from, mut to) = (from.try_clone().expect("a handle"), to.try_clone().expect("a handle"));
        spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Write);
        })
    });
    copies.into_iter().for_each(|copy| copy.join().expect("a copy ends"));
}

/// A cluster with the backup `monday`, whose log is in a bucket at an address that only the proxy
/// knows.
fn cluster() -> FakeCluster {
    let cluster = FakeCluster::start();
    cluster.put("backups", "monday", json!({"spec": {}, "status": {"phase": "Completed"}}));
    cluster.serve_part("BackupLog", Vec::new());
    cluster.move_bucket("http://bucket.test");
    cluster
}

fn with(mut command: Command, variables: &[(&str, &str)]) -> Command {
    command.envs(variables.iter().copied());
    command
}

/// HTTP_PROXY and http_proxy, with hosts that only the proxy can resolve.
#[test]
fn cluster_and_bucket_are_reached_through_the_proxy_of_the_environment() {
    let cluster = cluster();
    let proxy = Proxy::start(cluster.address());
    let (address, way) = (format!("http://{}", proxy.address), json!({"server": "http://api.test"}));
    let get = cluster.ark_at(&way, &["backup", "get", "-o", "name"]);
    let found = run(&mut with(get, &[("HTTP_PROXY", &address)])).expect_code(0);
    assert_eq!(found.stdout, "monday\n");
    assert_eq!(proxy.asked(), ["api.test:80"]);
    run(&mut with(cluster.ark_at(&way, &["backup", "logs", "monday"]), &[("http_proxy", &address)]));
    assert_eq!(proxy.asked(), ["api.test:80", "bucket.test:80"]);
    assert_eq!(cluster.leaked(), 0);
}

/// `proxy-url` of the kubeconfig wins over NO_PROXY and HTTP_PROXY.
#[test]
fn the_proxy_of_a_kubeconfig_holds_whatever_the_environment_says() {
    let cluster = cluster();
    let proxy = Proxy::start(cluster.address());
    let way = json!({"server": "http://api.test:8080", "proxy-url": format!("http://{}", proxy.address)});
    let get = cluster.ark_at(&way, &["backup", "get", "-o", "name"]);
    let found =
        run(&mut with(get, &[("NO_PROXY", "*"), ("HTTP_PROXY", "http://127.0.0.1:9")])).expect_code(0);
    assert_eq!((found.stdout.as_str(), proxy.asked()), ("monday\n", vec!["api.test:8080".to_owned()]));
}

/// Loopback addresses and hosts in NO_PROXY are asked directly, all others through the proxy.
#[test]
fn no_proxy_and_this_machine_are_asked_directly() {
    let cluster = cluster();
    let proxy = Proxy::start(cluster.address());
    let address = format!("http://{}", proxy.address);
    let both = [("HTTP_PROXY", address.as_str()), ("HTTPS_PROXY", &address)];
    let found = run(&mut with(cluster.ark(&["backup", "get", "-o", "name"]), &both)).expect_code(0);
    assert_eq!(found.stdout, "monday\n", "a cluster of this machine needs no proxy");
    let way = json!({"server": "https://api.test"});
    let get = || with(cluster.ark_at(&way, &["backup", "get"]), &both);
    run(&mut with(get(), &[("NO_PROXY", "other,.test,")])).expect_code(5);
    assert_eq!(proxy.asked(), Vec::<String>::new());
    let refused = run(&mut get()).expect_code(5);
    assert!(refused.stderr.contains("https://api.test, through the proxy http://"), "{}", refused.stderr);
    assert_eq!(proxy.asked(), ["api.test:443"]);
}

/// The proxy does not answer and its URL holds a password: the message names HTTP_PROXY, and no
/// password.
#[test]
fn a_bucket_that_is_not_reached_through_a_proxy_is_told_with_the_variable_and_not_its_password() {
    let list = crate::support::ark(["bucket", "list", "--location", "s3://bucket?endpoint=http://s3.test"]);
    let keys = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")];
    let proxy = format!("http://me:hunter2@{}", crate::fake_engine_cluster::nobody());
    let told = run(&mut with(with(list, &keys), &[("HTTP_PROXY", &proxy)])).expect_code(6).stderr;
    assert!(told.contains("HTTP_PROXY names a proxy") && !told.contains("hunter2"), "{told}");
}
