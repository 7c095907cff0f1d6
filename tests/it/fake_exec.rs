//! The node of the fake engine cluster: runs a command by its name, over a WebSocket as API servers
//! speak it (`v5.channel.k8s.io`), and ends it in all the ways in which commands end.

use std::io::{Read, Write};
use std::net::TcpStream;

use k8s_openapi::ByteString;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde_json::{Value, json};

const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;

/// Lines of a flood: more than any pipe holds.
const FLOOD: usize = 100_000;

/// Answers a request to run a command; the connection is of no use afterwards.
pub fn serve(mut stream: TcpStream, head: &str, target: &str) {
    // A client that is gone is none to tell.
    let _ = run(&mut stream, head, target);
}

fn run(stream: &mut TcpStream, head: &str, target: &str) -> std::io::Result<()> {
    let query = target.split_once('?').map(|(_, query)| query).unwrap_or_default();
    let program = query.split('&').find_map(|pair| pair.strip_prefix("command=")).unwrap_or_default();
    if program == "forbidden" {
        let body = json!({"kind": "Status", "code": 403, "reason": "Forbidden", "status": "Failure",
            "message": "pods \"db\" is forbidden: User \"me\" cannot create resource \"pods/exec\""})
        .to_string();
        return write!(
            stream,
            "HTTP/1.1 403 x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
    }
    upgrade(stream, head)?;
    match program {
        "fail" => {
            send(stream, STDERR, b"the disk is full\n\n")?;
            let causes = json!([{"reason": "ExitCode", "message": "3"}]);
            status(
                stream,
                json!({"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": causes}}),
            )
        }
        "missing" => status(
            stream,
            json!({"status": "Failure", "reason": "InternalError", "message": "executable file not found"}),
        ),
        "hang" => {
            send(stream, STDOUT, b"waiting for ever\n")?;
            until_gone(stream)
        }
        "vanish" => send(stream, STDOUT, b"half of it\n"),
        "close" => {
            send(stream, STDOUT, b"half of it\n")?;
            stream.write_all(&[0x88, 0])?;
            // The answer to it; then the server ends the connection.
            stream.read(&mut [0; 1024]).map(drop)
        }
        "flood" => {
            let line = b"yes, and once more\n".repeat(100);
            (0..FLOOD / 100).try_for_each(|_| send(stream, STDOUT, &line))?;
            send(stream, STDOUT, b"the end of the flood\n")?;
            status(stream, json!({"status": "Success"}))
        }
        _ => {
            send(stream, STDOUT, b"all is well\n")?;
            status(stream, json!({"status": "Success"}))
        }
    }
}

fn upgrade(stream: &mut TcpStream, head: &str) -> std::io::Result<()> {
    let header = |wanted: &str| {
        head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned())
        })
    };
    let key = header("sec-websocket-key").expect("a client that upgrades sends a key");
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    let accept = json!(ByteString(hash.as_ref().to_vec()));
    write!(
        stream,
        "HTTP/1.1 101 x\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: {}\r\nsec-websocket-protocol: v5.channel.k8s.io\r\n\r\n",
        accept.as_str().expect("base64")
    )
}

/// Sends a frame of a channel.
fn send(stream: &mut TcpStream, channel: u8, bytes: &[u8]) -> std::io::Result<()> {
    let length = bytes.len() + 1;
    let mut frame = vec![0x82];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ ..126), _) => frame.push(short),
        (_, Ok(medium)) => {
            frame.push(126);
            frame.extend(medium.to_be_bytes());
        }
        _ => panic!("no test sends as much in one frame"),
    }
    frame.push(channel);
    frame.extend(bytes);
    stream.write_all(&frame)
}

fn status(stream: &mut TcpStream, status: Value) -> std::io::Result<()> {
    send(stream, STATUS, status.to_string().as_bytes())?;
    until_gone(stream)
}

/// Reads until the client has closed the connection.
fn until_gone(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut chunk = [0; 1024];
    while stream.read(&mut chunk)? > 0 {}
    Ok(())
}
