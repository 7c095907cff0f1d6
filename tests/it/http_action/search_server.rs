//! A server that plays Elasticsearch and OpenSearch: it gives the answers that a test lays out for
//! it, one after the other, and notes what it was asked.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::spawn;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// One answer.
#[derive(Clone, Copy)]
pub enum Play {
    /// A reply of `replies/`.
    Reply(&'static str),
    /// The same with its last byte missing.
    Truncated(&'static str),
    /// The same with the request's own head behind it.
    Echo(&'static str),
    /// Status and body.
    Text(&'static str, &'static str),
    /// A redirect to there.
    Redirect(&'static str),
    /// More than is read of one answer.
    Flood,
    /// The connection ends.
    Hangup,
    /// No answer for as long as the client waits.
    Silence,
}

/// The server; it answers for as long as the test's process lives.
pub struct SearchServer {
    /// Its URL.
    pub url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl SearchServer {
    /// Starts it with its answers; behind the last one there is status 418.
    pub fn start(plays: &[Play]) -> Self {
        Self::serve(plays, "http", |stream, answer| answer(&mut { stream }))
    }

    /// Starts it behind TLS.
    pub fn start_tls(plays: &[Play], config: Arc<ServerConfig>) -> Self {
        Self::serve(plays, "https", move |stream, answer| {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("a good configuration");
            answer(&mut StreamOwned::new(connection, stream));
        })
    }

    fn serve(
        plays: &[Play],
        scheme: &str,
        wrap: impl Fn(TcpStream, &mut dyn FnMut(&mut dyn Channel)) + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let url = format!("{scheme}://{}", listener.local_addr().expect("it is bound"));
        let (asked, mut plays) = (Arc::<Mutex<Vec<String>>>::default(), Vec::from(plays).into_iter());
        let noted = Arc::clone(&asked);
        spawn(move || {
            for stream in listener.incoming().flatten() {
                wrap(stream, &mut |stream| {
                    let Some(request) = read(stream) else { return };
                    noted.lock().expect("no test panics here").push(request.clone());
                    // A client that is gone is none to tell.
                    let _ = answer(stream, plays.next(), &request);
                });
            }
        });
        Self { url, asked }
    }

    /// The requests so far, head and body.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no test panics here").clone()
    }

    /// The first lines of the requests so far, without the protocol.
    pub fn lines(&self) -> Vec<String> {
        let line = |request: &String| request.lines().next().unwrap_or_default().replace(" HTTP/1.1", "");
        self.asked().iter().map(line).collect()
    }
}

trait Channel: Read + Write {}

impl<C: Read + Write> Channel for C {}

/// Reads a request with its body.
fn read(stream: &mut dyn Channel) -> Option<String> {
    let (mut received, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let size = stream.read(&mut chunk).ok().filter(|size| *size > 0)?;
        received.extend_from_slice(&chunk[..size]);
        let text = String::from_utf8_lossy(&received).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().expect("a number")) {
            return Some(text);
        }
    }
}

fn answer(stream: &mut dyn Channel, play: Option<Play>, request: &str) -> std::io::Result<()> {
    match play {
        Some(Play::Reply(name)) => {
            let (status, body) = recorded(name);
            reply(stream, &status, "", &body, body.len())
        }
        Some(Play::Truncated(name)) => {
            let (status, body) = recorded(name);
            reply(stream, &status, "", &body[..body.len() - 1], body.len())
        }
        Some(Play::Echo(name)) => {
            let (status, mut body) = recorded(name);
            body.push_str(request);
            reply(stream, &status, "", &body, body.len())
        }
        Some(Play::Text(status, body)) => reply(stream, status, "", body, body.len()),
        Some(Play::Redirect(to)) => {
            reply(stream, "307 Temporary Redirect", &format!("location: {to}\r\n"), "", 0)
        }
        Some(Play::Flood) => {
            let body = "x".repeat(2 << 20);
            reply(stream, "200 OK", "", &body, body.len())
        }
        Some(Play::Hangup) => Ok(()),
        Some(Play::Silence) => {
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).map(drop)
        }
        None => reply(stream, "418 Nobody expected this", "", "", 0),
    }
}

fn reply(
    stream: &mut dyn Channel,
    status: &str,
    more: &str,
    body: &str,
    length: usize,
) -> std::io::Result<()> {
    let kind = "content-type: application/json; charset=UTF-8\r\nconnection: close\r\n";
    write!(stream, "HTTP/1.1 {status}\r\n{kind}{more}content-length: {length}\r\n\r\n{body}")?;
    stream.flush()
}

/// Status and body of a reply of `replies/`, whose first lines say where its form is from.
fn recorded(name: &str) -> (String, String) {
    let path = format!("{}/tests/it/http_action/replies/{name}.http", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut lines = text.lines().skip_while(|line| line.starts_with('#'));
    let status = lines.next().expect("a status").to_owned();
    (status, lines.collect::<Vec<_>>().join("\n"))
}
