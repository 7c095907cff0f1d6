//! Destination and level of log lines: stderr. A command logs text and only with `-v`; a server
//! always logs, and in JSON where stderr is no terminal.

use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Directives that silence libraries which say more about themselves than about backups. Kube's
/// client logs an error without saying what was requested; the caller logs that error itself.
const NOISY: &str = "kube_client::client::builder=off,aws_config=warn,aws_runtime=warn,aws_smithy_runtime=warn,h2=warn,hyper=warn,hyper_util=warn,rustls=warn,tower=warn";

/// Sets up the log of one command, with `-v` or `-vv`.
pub fn of_command(verbose: u8, color: bool) {
    let level = match verbose {
        0 => LevelFilter::OFF,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    // A second call in one process finds the subscriber of the first one, which serves as well.
    let _ = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(verbose > 1)
        .with_ansi(color)
        .with_writer(io::stderr)
        .try_init();
}

/// Sets up the log of the server: what RUST_LOG lets through, else the events of the server, more
/// with `-v` and all with `-vv`.
pub fn of_server(verbose: u8, color: bool, json: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(directives(verbose)));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(color).with_writer(io::stderr);
    let _ = if json {
        lines.json().flatten_event(true).with_span_list(false).try_init()
    } else {
        lines.try_init()
    };
}

fn directives(verbose: u8) -> String {
    match verbose {
        // The steps of each run are in its own log, in the bucket; here they would be fifty lines a
        // backup.
        0 => format!("info,ark::telemetry::run_log=warn,{NOISY}"),
        1 => format!("info,ark=debug,{NOISY}"),
        _ => "debug".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_of_a_server_s_log_can_be_read() {
        for verbose in 0..3 {
            EnvFilter::builder().parse(directives(verbose)).unwrap();
        }
        assert!(directives(1).contains("ark=debug"));
        // The client's own ERROR does not say what failed; the caller logs that.
        assert!((0..2).all(|verbose| directives(verbose).contains("kube_client::client::builder=off")));
    }
}
