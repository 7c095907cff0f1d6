//! Destination and level of log lines: stderr. A command logs text and only with `-v`; a server
//! always logs, and in JSON where stderr is no terminal.

use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// The directive that silences the requests of kube's client, at every level: their addresses hold
/// the commands of hooks, with their passwords. It logs an error without saying what was requested;
/// the caller logs that error itself.
const REQUESTS: &str = "kube_client::client::builder=off";

/// Directives that silence libraries which say more about themselves than about backups.
const NOISY: &str = "aws_config=warn,aws_runtime=warn,aws_smithy_runtime=warn,h2=warn,hyper=warn,hyper_util=warn,rustls=warn,tower=warn";

/// Sets up the log of one command, with `-v` or `-vv`.
pub fn of_command(verbose: u8, color: bool) {
    let level = match verbose {
        0 => LevelFilter::OFF,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    // A second call in one process finds the subscriber of the first one, which serves as well.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(format!("{level},{REQUESTS}")))
        .with_target(verbose > 1)
        .with_ansi(color)
        .with_writer(io::stderr)
        .try_init();
}

/// Sets up the log of the server: what RUST_LOG lets through, else the events of the server, more
/// with `-v` and all with `-vv`.
pub fn of_server(verbose: u8, color: bool, json: bool) {
    let is_filter = |given: &String| !given.is_empty() && EnvFilter::try_new(given).is_ok();
    let given = std::env::var(EnvFilter::DEFAULT_ENV).ok().filter(is_filter);
    let filter = EnvFilter::new(directives(given.as_deref(), verbose));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(color).with_writer(io::stderr);
    let _ = if json {
        lines.json().flatten_event(true).with_span_list(false).try_init()
    } else {
        lines.try_init()
    };
}

/// Returns the directives of a server's log; `given` is RUST_LOG.
fn directives(given: Option<&str>, verbose: u8) -> String {
    let chosen = match (given, verbose) {
        (Some(given), _) => given.to_owned(),
        // The steps of each run are in its own log, in the bucket; here they would be fifty lines a
        // backup.
        (None, 0) => format!("info,ark::telemetry::run_log=warn,{NOISY}"),
        (None, 1) => format!("info,ark=debug,{NOISY}"),
        (None, _) => "debug".to_owned(),
    };
    format!("{chosen},{REQUESTS}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_of_a_server_s_log_can_be_read() {
        for verbose in 0..3 {
            EnvFilter::builder().parse(directives(None, verbose)).unwrap();
        }
        assert!(directives(None, 1).contains("ark=debug"));
    }

    #[test]
    fn requests_of_the_client_are_logged_at_no_level_since_they_hold_the_arguments_of_commands() {
        let given = [None, Some("debug"), Some("trace,kube_client::client::builder=trace")];
        for (verbose, given) in (0..3).flat_map(|verbose| given.map(|given| (verbose, given))) {
            let filter = EnvFilter::new(directives(given, verbose)).to_string();
            let about: Vec<&str> = filter.split(',').filter(|part| part.contains("builder")).collect();
            assert_eq!(about, [REQUESTS], "{filter}");
        }
    }
}
