# The tasks of this repository, as an index: `just` lists them. Each is one command that works without just, too.

# List the tasks
[private]
default:
    @just --list --unsorted

# Two real clusters: backup, loss of a namespace, restore in place and elsewhere, compared object by object
demo *OBJECTS:
    hack/demo.sh {{ OBJECTS }}

# All tests, unit to lab; with words only those whose names contain one of them
test *WORDS:
    hack/test.sh {{ WORDS }}

# Unit tests alone
unit *WORDS:
    cargo test --lib {{ WORDS }}

# The command line against a scripted API server
it *WORDS:
    cargo test --test it {{ WORDS }}

# Everything that is checked without a cluster: form, lints, documentation, architecture, chart, rules, licences
check:
    hack/check.sh

# What CI runs: test and check
ci:
    .ci/run

# Write generated files anew: crds/, docs/cli.md, rules and tables of documents and chart
generate:
    ARK_UPDATE=1 cargo test --test architecture

# Write inline snapshots of tests/it anew; read the diff
snapshots *WORDS:
    INSTA_UPDATE=always cargo test --test it {{ WORDS }}

# Bring a cluster with an S3 server up: eval "$(just lab-up)"
lab-up *FLAGS="--s3":
    @hack/lab/up {{ FLAGS }}

# Take it down again
lab-down *FLAGS="--name lab":
    hack/lab/down {{ FLAGS }}

# Times and memory beside bare clients
bench *FLAGS:
    benches/bench/run {{ FLAGS }}

# Fuzz the archive's readers: [tarball|index|path] [SECONDS]
fuzz *ARGUMENTS:
    fuzz/run {{ ARGUMENTS }}

# Kill a working server again and again, at random moments under load
kill-rounds ROUNDS="200":
    hack/kill-rounds {{ ROUNDS }}

# What a release consists of, into a folder; docs/release.md
release *FLAGS:
    hack/release.sh {{ FLAGS }}

# The documentation as a site, in target/book (cargo install mdbook)
book:
    mdbook build docs
