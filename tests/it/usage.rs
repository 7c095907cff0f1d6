//! Arguments that are typed wrongly, of any command: exit code 2 and a sentence that says how they
//! are typed rightly, before anything is touched.

use crate::support::{ark, run};

/// Where no command gets to.
pub const LOCATION: [&str; 2] = ["--location", "file:///nowhere/at/all"];

/// The first line of what each command says, and its exit code.
pub fn refusals<'a>(commands: impl IntoIterator<Item = Vec<&'a str>>) -> String {
    let lines = commands.into_iter().map(|arguments| {
        let run = run(&mut ark(&arguments));
        assert_eq!(run.stdout, "", "{arguments:?}");
        let code = run.code.expect("it ends by itself");
        format!("{}\n  {code} {}\n", arguments.join(" "), run.stderr.lines().next().unwrap_or_default())
    });
    lines.collect()
}

/// The arguments with `--location` behind them.
pub fn on_location<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    arguments.iter().copied().chain(LOCATION).collect()
}

#[test]
fn no_command_at_all_shows_the_help() {
    let run = run(&mut ark::<&str>([])).expect_code(2);
    assert_eq!(run.stdout, "");
    assert!(run.stderr.contains("Usage: ark") && run.stderr.contains("Exit codes:"), "{}", run.stderr);
}

#[test]
fn every_command_of_the_reference_has_help_with_an_example() {
    let reference = ark::cli::reference();
    let commands: Vec<&str> = reference.lines().filter_map(|line| line.strip_prefix("## ark")).collect();
    assert!(commands.len() > 10, "{commands:?}");
    for command in commands {
        let arguments: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let run = run(&mut ark(&arguments)).expect_code(0);
        assert_eq!(run.stderr, "");
        let groups = [
            "",
            " backup",
            " restore",
            " schedule",
            " location",
            " bucket",
            " hook",
            " obligation",
            " version",
        ];
        assert!(run.stdout.contains("Example") || groups.contains(&command), "{command}: {}", run.stdout);
    }
}

#[test]
fn an_unknown_command_or_option_is_answered_with_the_nearest_one() {
    says!(ark(["bakcup"]), @r"
        exit 2
        --- stdout
        --- stderr
        error: unrecognized subcommand 'bakcup'

          tip: a similar subcommand exists: 'backup'

        Usage: ark [OPTIONS] <COMMAND>

        For more information, try '--help'.
    ");
    says!(ark(["backup", "contnets"]), @r"
        exit 2
        --- stdout
        --- stderr
        error: unrecognized subcommand 'contnets'

          tip: a similar subcommand exists: 'contents'

        Usage: ark backup [OPTIONS] <COMMAND>

        For more information, try '--help'.
    ");
    says!(ark(["backup", "run", "--include-namespace", "shop"]), @r"
        exit 2
        --- stdout
        --- stderr
        error: unexpected argument '--include-namespace' found

          tip: a similar argument exists: '--include-namespaces'

        Usage: ark backup run --location <URL> --include-namespaces <NAMES> [NAME]

        For more information, try '--help'.
    ");
    says!(ark(["bucket", "list", "-o", "xml"]), @r"
        exit 2
        --- stdout
        --- stderr
        error: invalid value 'xml' for '--output <FORMAT>'
          [possible values: table, wide, json, yaml, name]

          tip: a similar value exists: 'yaml'

        For more information, try '--help'.
    ");
}

/// A misspelt flag is answered with a similar one only where the command has it.
#[test]
fn advice_does_not_lead_astray() {
    says!(ark(["backup", "get", "--annotaitons", "a=b"]), @r"
        exit 2
        --- stdout
        --- stderr
        error: unexpected argument '--annotaitons' found

        Usage: ark backup get [OPTIONS] [NAME]...

        For more information, try '--help'.
    ");
    says!(ark(["location", "create", "x", "--bucket", "b"]), @r"
        exit 2
        --- stdout
        --- stderr
        error: unexpected argument '--bucket' found

        Usage: ark location create --url <URL> --quiet <NAME>

        For more information, try '--help'.
    ");
    says!(ark(["backup", "create", "--annotation", "a=b"]), @r"
        exit 2
        --- stdout
        --- stderr
        error: unexpected argument '--annotation' found

          tip: a similar argument exists: '--annotations'

        Usage: ark backup create --annotations <KEY=VALUE> [NAME]

        For more information, try '--help'.
    ");
}

/// Required arguments that are missing, arguments that exclude each other, and a value that is not
/// in its list.
#[test]
fn what_is_missing_or_contradicts_itself_is_named() {
    says!(ark(["backup", "run", "nightly"]), @r"
        exit 2
        --- stdout
        --- stderr
        error: the following required arguments were not provided:
          --location <URL>

        Usage: ark backup run --location <URL> <NAME>

        For more information, try '--help'.
    ");
    says!(ark(["backup", "diff", "monday", "--location", "file:///backups"]), @r"
        exit 2
        --- stdout
        --- stderr
        error: the following required arguments were not provided:
          <SECOND>

        Usage: ark backup diff --location <URL> <FIRST> <SECOND>

        For more information, try '--help'.
    ");
    says!(ark(["backup", "diff", "monday", "tuesday", "--live", "--location", "file:///backups"]), @r"
        exit 2
        --- stdout
        --- stderr
        error: the argument '[SECOND]' cannot be used with '--live'

        Usage: ark backup diff --location <URL> <FIRST> <SECOND>

        For more information, try '--help'.
    ");
    says!(ark(["restore", "run", "--location", "file:///backups"]), @r"
        exit 2
        --- stdout
        --- stderr
        error: the following required arguments were not provided:
          --from-backup <BACKUP>

        Usage: ark restore run --from-backup <BACKUP> --location <URL> [NAME]

        For more information, try '--help'.
    ");
    says!(ark(["-q", "-v", "version"]), @r"
        exit 2
        --- stdout
        --- stderr
        error: the argument '--quiet' cannot be used with '--verbose...'

        Usage: ark --quiet <COMMAND>

        For more information, try '--help'.
    ");
    says!(ark(["completion", "tcsh"]), @r"
        exit 2
        --- stdout
        --- stderr
        error: invalid value 'tcsh' for '<SHELL>'
          [possible values: bash, elvish, fish, powershell, zsh]

          tip: a similar value exists: 'zsh'

        For more information, try '--help'.
    ");
}

/// Malformed URLs of locations; a password in one is not printed.
#[test]
fn a_location_that_cannot_be_meant_is_refused_without_repeating_it() {
    let refused = [
        "/backups",
        "backups",
        "file://backups",
        "file:///",
        "file:///backups?region=x",
        "gs://backups",
        "s3://user:password@backups",
        "s3://b",
        "s3://backups/../other",
        "s3://backups?regoin=eu-central-1",
        "s3://backups?region=a&region=b",
        "s3://backups?endpoint=minio:9000",
        "s3://backups:9000/prefix",
        "s3://backups?serverSideEncryption=yes",
    ];
    let commands = refused.map(|location| vec!["bucket", "list", "--location", location]);
    insta::assert_snapshot!(refusals(commands), @r"
        bucket list --location /backups
          2 ark: not a usable location: it is not a URL; write s3://bucket/prefix, or file:/// and the absolute path for a folder of this machine
        bucket list --location backups
          2 ark: not a usable location: it is not a URL; write s3://bucket/prefix, or file:/// and the absolute path for a folder of this machine
        bucket list --location file://backups
          2 ark: not a usable location: the folder is not absolute; write file:/// (three slashes) and the path from the root
        bucket list --location file:///
          2 ark: not a usable location: it names no folder; write file:///folder
        bucket list --location file:///backups?region=x
          2 ark: not a usable location: unknown parameter `region`; known are createBucket
        bucket list --location gs://backups
          2 ark: not a usable location: the scheme is neither `s3` nor `file`; write s3://bucket/prefix or file:///folder
        bucket list --location s3://user:password@backups
          2 ark: not a usable location: it holds a user or password; credentials come from the environment, a profile or credentialsFile=FILE
        bucket list --location s3://b
          2 ark: not a usable location: `b` is not the name of a bucket: it is shorter than 3 characters; write s3://bucket/prefix
        bucket list --location s3://backups/../other
          2 ark: not a usable location: `.` and `..` are not allowed in its path
        bucket list --location s3://backups?regoin=eu-central-1
          2 ark: not a usable location: unknown parameter `regoin`; known are endpoint, publicUrl, region, forcePathStyle, serverSideEncryption, kmsKeyId, caCert, profile, credentialsFile, checksums, createBucket
        bucket list --location s3://backups?region=a&region=b
          2 ark: not a usable location: parameter `region` is given twice
        bucket list --location s3://backups?endpoint=minio:9000
          2 ark: not a usable location: endpoint is not a URL such as https://host:port, without user, path or parameters
        bucket list --location s3://backups:9000/prefix
          2 ark: not a usable location: the bucket is followed by a port; the service goes into endpoint=http://host:port
        bucket list --location s3://backups?serverSideEncryption=yes
          2 ark: not a usable location: serverSideEncryption is either AES256 or aws:kms
    ");
    let run = run(&mut ark(["bucket", "list", "--location", "s3://user:hunter2@backups"]));
    assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
}

/// Names of backups that are no DNS subdomains.
#[test]
fn a_name_that_cannot_be_one_is_refused() {
    let commands =
        ["Nightly", "../x", "a/b", "-a", "a_b"].map(|name| on_location(&["backup", "describe", name]));
    insta::assert_snapshot!(refusals(commands), @r"
        backup describe Nightly --location file:///nowhere/at/all
          2 error: invalid value 'Nightly' for '<NAME>...': `Nightly` is not a valid name: use at most 253 lower-case letters, digits, `-` and `.`, beginning and ending with a letter or digit
        backup describe ../x --location file:///nowhere/at/all
          2 error: invalid value '../x' for '<NAME>...': `../x` is not a valid name: use at most 253 lower-case letters, digits, `-` and `.`, beginning and ending with a letter or digit
        backup describe a/b --location file:///nowhere/at/all
          2 error: invalid value 'a/b' for '<NAME>...': `a/b` is not a valid name: use at most 253 lower-case letters, digits, `-` and `.`, beginning and ending with a letter or digit
        backup describe -a --location file:///nowhere/at/all
          2 error: unexpected argument '-a' found
        backup describe a_b --location file:///nowhere/at/all
          2 error: invalid value 'a_b' for '<NAME>...': `a_b` is not a valid name: use at most 253 lower-case letters, digits, `-` and `.`, beginning and ending with a letter or digit
    ");
}

/// A blank instead of `=` before the value of a switch: `true` would become the name of the run.
#[test]
fn the_value_of_a_switch_is_not_taken_for_a_name() {
    for command in [
        "backup run --include-cluster-resources true",
        "backup create --include-cluster-resources false",
        "restore run --from-backup monday --restore-volumes true",
        "restore create --from-backup monday --restore-volumes false",
    ] {
        let run = run(&mut ark(command.split(' '))).expect_code(2);
        assert!(run.stderr.contains("would be the name"), "{command}: {}", run.stderr);
    }
}

/// Patterns, selectors and durations that cannot be parsed or leave nothing: the message names the
/// flag.
#[test]
fn a_selection_that_cannot_be_meant_is_refused_by_its_flag() {
    let commands = [
        vec!["--exclude-namespaces", "*"],
        vec!["--include-namespaces", "shop", "--exclude-namespaces", "shop"],
        vec!["--include-namespaces", "Shop!"],
        vec!["--include-namespaces", "a**"],
        vec!["--include-resources", "pods/log"],
        vec!["--selector", "app of (a)"],
        vec!["--selector", "app=a b"],
        vec!["--or-selector", "app=web or "],
        vec!["--selector", "a=b", "--or-selector", "a=c"],
        vec!["--include-cluster-resources=maybe"],
    ];
    let contents =
        commands.iter().map(|flags| on_location(&[&["backup", "contents", "a"], &flags[..]].concat()));
    insta::assert_snapshot!(refusals(contents), @r#"
        backup contents a --exclude-namespaces * --location file:///nowhere/at/all
          2 ark: --exclude-namespaces: `*` would leave nothing; name what to leave out
        backup contents a --include-namespaces shop --exclude-namespaces shop --location file:///nowhere/at/all
          2 ark: --exclude-namespaces: `shop` is also in --include-namespaces; keep one of them
        backup contents a --include-namespaces Shop! --location file:///nowhere/at/all
          2 ark: --include-namespaces: `Shop!` is not a pattern: use a name with `*`, `?` or `[a-z]`; `**`, `{}`, `!`, `|`, `()`, `,`, `/` and `\` are not supported
        backup contents a --include-namespaces a** --location file:///nowhere/at/all
          2 ark: --include-namespaces: `a**` is not a pattern: use a name with `*`, `?` or `[a-z]`; `**`, `{}`, `!`, `|`, `()`, `,`, `/` and `\` are not supported
        backup contents a --include-resources pods/log --location file:///nowhere/at/all
          2 ark: --include-resources: `pods/log` cannot name a kind: write for example `pods`, `deployments.apps`, `*.apps` or `*`
        backup contents a --selector app of (a) --location file:///nowhere/at/all
          2 ark: `app of (a)` in the selector `app of (a)` is not understood; write it as `app=web`, `app!=web`, `tier in (a,b)`, `tier notin (a,b)`, `app` or `!app`
        backup contents a --selector app=a b --location file:///nowhere/at/all
          2 ark: `app=a b` in the selector `app=a b` is not understood; write it as `app=web`, `app!=web`, `tier in (a,b)`, `tier notin (a,b)`, `app` or `!app`
        backup contents a --or-selector app=web or  --location file:///nowhere/at/all
          2 ark: a label selector is empty; write it as `app=web`
        backup contents a --selector a=b --or-selector a=c --location file:///nowhere/at/all
          2 error: the argument '--selector <LABELS>' cannot be used with '--or-selector <SELECTORS>'
        backup contents a --include-cluster-resources=maybe --location file:///nowhere/at/all
          2 error: invalid value 'maybe' for '--include-cluster-resources[=<BOOL>]'
    "#);
    let run = [
        vec!["--exclude-namespaces", "*", "--exclude-resources", "*"],
        vec!["--ttl", "soon"],
        vec!["--ttl", "0s"],
        vec!["--ttl", "-1h"],
    ];
    let run = run.iter().map(|flags| on_location(&[&["backup", "run", "a"], &flags[..]].concat()));
    insta::assert_snapshot!(refusals(run), @r"
        backup run a --exclude-namespaces * --exclude-resources * --location file:///nowhere/at/all
          2 ark: --exclude-namespaces: `*` would leave nothing; name what to leave out; --exclude-resources: `*` would leave nothing; name what to leave out
        backup run a --ttl soon --location file:///nowhere/at/all
          2 error: invalid value 'soon' for '--ttl <DURATION>': `soon` is not a duration: expected number at 0; write for example `30d`, `12h` or `1h30m`; `never` keeps it for a hundred years
        backup run a --ttl 0s --location file:///nowhere/at/all
          2 error: invalid value '0s' for '--ttl <DURATION>': `0s` is not a duration: it is zero; write for example `30d`, `12h` or `1h30m`; `never` keeps it for a hundred years
        backup run a --ttl -1h --location file:///nowhere/at/all
          2 error: invalid value '-1h' for '--ttl <DURATION>': `-1h` is not a duration: it is negative; write for example `30d`, `12h` or `1h30m`; `never` keeps it for a hundred years
    ");
}
