//! HTTP/1.1 as it is on the wire, as much of it as a proxy must understand to know where a message
//! ends.

use std::io::{Error, ErrorKind, Result};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::Asked;

/// A request or an answer, byte by byte; a chunked body with its framing.
pub struct Message {
    /// The first line and the headers, with the empty line behind them.
    pub head: Vec<u8>,
    /// The body.
    pub body: Vec<u8>,
}

impl Message {
    fn lines(&self) -> impl Iterator<Item = &str> {
        std::str::from_utf8(&self.head).unwrap_or_default().split("\r\n")
    }

    fn word(&self, number: usize) -> &str {
        self.lines().next().and_then(|line| line.split(' ').nth(number)).unwrap_or_default()
    }

    /// The method of a request.
    pub fn method(&self) -> &str {
        self.word(0)
    }

    /// The path of a request, and what follows it.
    pub fn target(&self) -> &str {
        self.word(1)
    }

    /// The headers in order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines().skip(1).filter_map(|line| line.split_once(':')).map(|(name, value)| (name, value.trim()))
    }

    fn header(&self, wanted: &str) -> Option<&str> {
        self.headers().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
    }

    /// What a rule gets to see.
    pub fn asked(&self) -> Asked {
        let (path, query) = self.target().split_once('?').unwrap_or((self.target(), ""));
        let body = serde_json::from_slice(&self.body).unwrap_or(Value::Null);
        Asked {
            method: self.method().to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            body,
            side: 0,
        }
    }
}

/// The next request; none when the connection ended between two.
pub async fn read_request(client: &mut BufReader<TcpStream>) -> Result<Option<Message>> {
    let Some(head) = read_head(client).await? else { return Ok(None) };
    let mut request = Message { head, body: Vec::new() };
    if request.header("expect").is_some() {
        client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    request.body = read_body(client, &request, false).await?;
    Ok(Some(request))
}

/// The answer to a request, without the interim ones.
pub async fn read_answer(server: &mut BufReader<TcpStream>, method: &str) -> Result<Message> {
    loop {
        let head = read_head(server).await?.ok_or(ErrorKind::UnexpectedEof)?;
        let mut answer = Message { head, body: Vec::new() };
        let code = answer.word(1).to_owned();
        if code == "100" {
            continue;
        }
        if method != "HEAD" && !["204", "304"].contains(&code.as_str()) {
            answer.body = read_body(server, &answer, true).await?;
        }
        return Ok(answer);
    }
}

async fn read_head(stream: &mut BufReader<TcpStream>) -> Result<Option<Vec<u8>>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_until(b'\n', &mut head).await? == 0 {
            return if head.is_empty() { Ok(None) } else { Err(ErrorKind::UnexpectedEof.into()) };
        }
    }
    Ok(Some(head))
}

async fn read_body(stream: &mut BufReader<TcpStream>, of: &Message, until_end: bool) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    if let Some(length) = of.header("content-length") {
        body.resize(length.parse().map_err(Error::other)?, 0);
        stream.read_exact(&mut body).await?;
    } else if of.header("transfer-encoding").is_some() {
        loop {
            let start = body.len();
            stream.read_until(b'\n', &mut body).await?;
            let size = String::from_utf8_lossy(&body[start..]);
            let size = size.split(';').next().unwrap_or_default().trim().to_owned();
            let size = usize::from_str_radix(&size, 16).map_err(Error::other)?;
            let at = body.len();
            body.resize(at + size, 0);
            stream.read_exact(&mut body[at..]).await?;
            stream.read_until(b'\n', &mut body).await?;
            if size == 0 {
                break;
            }
        }
    } else if until_end {
        stream.read_to_end(&mut body).await?;
    }
    Ok(body)
}
