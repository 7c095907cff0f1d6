//! Runs the `ark` binary as a person does and keeps all that it said. Shared by `tests/it` and
//! `tests/lab`.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

/// No command of the tests takes as long, on a slow machine either; one that does hangs.
const LONGEST: Duration = Duration::from_secs(600);
/// How often a child is asked whether it has ended.
const PAUSE: Duration = Duration::from_millis(10);

/// A finished run: exit code and both streams.
#[derive(Debug)]
pub struct Run {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// All of standard output.
    pub stdout: String,
    /// All of standard error.
    pub stderr: String,
}

impl Run {
    /// Code and streams as one text, for a snapshot.
    pub fn transcript(&self) -> String {
        let code = self.code.map_or("signal".to_owned(), |code| code.to_string());
        format!("exit {code}\n--- stdout\n{}--- stderr\n{}", self.stdout, self.stderr)
    }

    /// Itself, having ended with this code; otherwise the test fails and shows what was said.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.transcript());
        self
    }
}

/// The command `ark ARGUMENTS…`, without the caller's cluster, credentials and terminal settings.
/// Tests add what they mean to.
pub fn ark<A: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ark"));
    command.args(arguments).stdin(Stdio::null()).env("COLUMNS", "100").env("HOME", "/nonexistent");
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let ours =
            ["ARK_", "AWS_", "KUBE", "RUST_LOG", "NO_COLOR"].iter().any(|prefix| text.starts_with(prefix));
        if ours || text.to_ascii_uppercase().ends_with("_PROXY") {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs to the end.
#[track_caller]
pub fn run(command: &mut Command) -> Run {
    Running::start(command).wait()
}

/// A command under way.
pub struct Running {
    child: Child,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
}

impl Running {
    /// Starts it and collects what it says.
    pub fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("ark can be started");
        let stdout = collect(child.stdout.take().expect("standard output is piped"));
        let stderr = collect(child.stderr.take().expect("standard error is piped"));
        Self { child, stdout, stderr }
    }

    /// Its process id, to send signals to.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end; a command that hangs is killed and fails the test.
    #[track_caller]
    pub fn wait(self) -> Run {
        self.wait_with_peak().0
    }

    /// Waits likewise, and returns the most memory besides that the command had, in bytes.
    #[track_caller]
    pub fn wait_with_peak(mut self) -> (Run, u64) {
        let deadline = Instant::now() + LONGEST;
        let mut peak = 0;
        let status = loop {
            peak = resident_peak(self.id()).unwrap_or(peak);
            match self.child.try_wait().expect("a child can be waited for") {
                Some(status) => break status,
                None if Instant::now() > deadline => {
                    self.child.kill().expect("a child can be killed");
                    panic!("ark did not end within {LONGEST:?}");
                }
                None => sleep(PAUSE),
            }
        };
        let [stdout, stderr] =
            [self.stdout, self.stderr].map(|stream| stream.join().expect("the stream is read"));
        (Run { code: status.code(), stdout, stderr }, peak)
    }
}

/// The most memory that a process has had so far, or `None` once it has ended.
fn resident_peak(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let field = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(field.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

fn collect(mut stream: impl Read + Send + 'static) -> JoinHandle<String> {
    spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("a pipe can be read");
        String::from_utf8(bytes).expect("ark speaks UTF-8")
    })
}
