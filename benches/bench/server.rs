//! `ark server` as a process of its own: its memory, its time, and what it has counted.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::lab::Lab;
use crate::program::memory_field;
use crate::{Outcome, text};

/// Nothing here takes as long.
const LONGEST: Duration = Duration::from_secs(1200);

/// A server in its namespace; killed when it is dropped.
pub struct Server {
    child: Child,
    address: SocketAddr,
}

/// What it has counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counted {
    /// Passes of sync that have ended, and the seconds that they took in all.
    pub passes: f64,
    pub seconds: f64,
    /// Requests to the bucket, by what they ask.
    pub gets: f64,
    pub lists: f64,
    pub others: f64,
}

impl Server {
    /// Starts it in a namespace.
    pub fn start(lab: &Lab, home: &str, flags: &[&str]) -> Outcome<Self> {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.map_err(text)?;
        let child = Command::new(env!("CARGO_BIN_EXE_ark"))
            .args(["server", "--namespace", home, "--listen", &address.to_string()])
            .args(flags)
            .env("KUBECONFIG", lab.kubeconfig()?)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Ok(Self { child: child.map_err(text)?, address })
    }

    /// Waits until it has made so many passes, and says what it has counted then.
    pub async fn passes(&self, passes: f64, what: &str) -> Outcome<Counted> {
        let deadline = Instant::now() + LONGEST;
        while Instant::now() < deadline {
            let counted = self.counted().unwrap_or_default();
            if counted.passes >= passes {
                return Ok(counted);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(format!("{what}: not within {} s", LONGEST.as_secs()))
    }

    fn counted(&self) -> Option<Counted> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let mut counted = Counted::default();
        for line in text.lines() {
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse::<f64>() else { continue };
            match name {
                _ if name.starts_with("ark_sync_duration_seconds_count") => counted.passes = value,
                _ if name.starts_with("ark_sync_duration_seconds_sum") => counted.seconds = value,
                _ if !name.starts_with("ark_store_requests_total") => {}
                _ if name.contains("op=\"get\"") => counted.gets += value,
                _ if name.contains("op=\"list\"") => counted.lists += value,
                _ => counted.others += value,
            }
        }
        Some(counted)
    }

    /// The processor time that it has used so far.
    pub fn processor(&self) -> Outcome<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).map_err(text)?;
        // Behind the name, which may hold anything: user and system time are the 12th and 13th
        // field, in hundredths.
        let fields = stat.rsplit_once(") ").map(|(_, fields)| fields.split(' ')).into_iter().flatten();
        let ticks: Vec<u64> = fields.skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
        match ticks[..] {
            [user, system] => Ok(Duration::from_millis((user + system) * 10)),
            _ => Err("the kernel does not tell the server's time".to_owned()),
        }
    }

    /// Most bytes in memory at once, and bytes now.
    pub fn memory(&self) -> Outcome<(f64, f64)> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).map_err(text)?;
        let figure = |field| memory_field(&status, field).map(|bytes| bytes as f64);
        figure("VmHWM:")
            .zip(figure("VmRSS:"))
            .ok_or_else(|| "the kernel does not tell the server's memory".to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
