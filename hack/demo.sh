#!/usr/bin/env bash
# The main job on real clusters: back one up, lose a namespace, bring it back, there and in a second cluster under another
# name, and compare object by object. Needs Rust, Go, openssl and curl; leaves nothing behind. Exit code 0 only when all is equal.
#   hack/demo.sh [OBJECTS]     how many objects beside the sample application; default 3000
set -euo pipefail
cd "$(dirname "$0")/.."
objects=${1:-3000}
namespace=shop copy=storefront
exec 5>&2 # also when a command of a step is interrupted, whose words go elsewhere
say() { echo "demo: $*" >&5; }
[[ $objects =~ ^[0-9]{1,6}$ ]] || { say "'$objects' is no number of objects"; exit 2; }
for tool in cargo go; do command -v $tool >/dev/null || { say "$tool is missing; install Rust (Cargo.toml says which version) and Go, and put them in PATH"; exit 1; }; done
. hack/rust.sh
command -v cc >/dev/null || { say "a C compiler is missing, Rust links with it; install it (Debian: gcc libc6-dev)"; exit 1; }
exec 7>"${TMPDIR:-/tmp}/ark-demo.lock"
flock -n 7 || { say "another hack/demo.sh is running on this machine; wait for its end"; exit 1; }

work=$(mktemp -d)
building=() pulse=
finish() {
  local status=$? name process
  trap '' INT TERM
  [ -z "$pulse" ] || quiet
  for process in ${building[@]+"${building[@]}"}; do kill -- "-$process" 2>/dev/null || true; done
  for name in demo-a demo-b; do hack/lab/down --name $name >/dev/null 2>&1 || true; done
  rm -rf "$work"
  [ $status = 0 ] || say "failed or stopped (exit code $status); the clusters are down and nothing is left behind"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# last FILE: its last line as a terminal would show it.
last() { tail -c 2000 "$1" | tr '\r' '\n' | sed 's/\x1b\[[0-9;?]*[A-Za-z]//g; s/^[[:space:]]*//; /^$/d' | tail -n 1 | cut -c1-110; }

# Every five seconds what the commands of a step said last, so that somebody who watches sees that it goes on.
beat() {
  local since=$SECONDS file line nothing
  while ! read -r -t 5 -u 6 && kill -0 $$ 2>/dev/null; do
    [ -e "$work/beaten" ] || { echo >&2; touch "$work/beaten"; }
    nothing=yes
    for file in "$work"/err*; do
      line=$(last "$file") || line=
      [ -n "$line" ] && printf '%6d s  %s\n' $((SECONDS - since)) "$line" >&2 && nothing=
    done
    [ -z "$nothing" ] || printf '%6d s\n' $((SECONDS - since)) >&2
  done
}
mkfifo "$work/beat"
exec 6<>"$work/beat"
# A line there ends it. Asked so, and not killed, it leaves no sleep behind that keeps the terminal.
quiet() { echo 1<>"$work/beat"; }

# step WHAT COMMAND…: one line with its time, before it the lines of `beat` if it takes long; when it fails, what it said.
step() {
  local what=$1 began=$EPOCHREALTIME failed='' file
  shift
  rm -f "$work"/err* "$work/beaten"
  printf '%-64s' "$what" >&2
  beat 7>&- & pulse=$!
  "$@" >"$work/out" 2>"$work/err" 6>&- 7>&- || failed=yes
  quiet
  wait $pulse || true
  pulse=
  [ ! -e "$work/beaten" ] || printf '%-64s' "$what" >&2
  if [ -n "$failed" ]; then
    printf 'failed\n' >&2
    # Of what was drawn over itself, only what was left.
    for file in "$work"/err* "$work/out"; do sed 's/.*\r//; s/\x1b\[[0-9;?]*[A-Za-z]//g; /^[[:space:]]*$/d' "$file" | uniq | tail -n 40 >&2; done
    exit 1
  fi
  printf '%7.2f s\n' "$(awk "BEGIN { print $EPOCHREALTIME - $began }")" >&2
}
said() { sed 's/^/    /' "$work/out" >&2; }

# shellcheck disable=SC1090 # the facts that the lab prints
up() { hack/lab/up --name "$1" >"$work/$1" 5>&- && . "$work/$1" && echo "$KUBECONFIG" >"$work/$1.path"; }
on() { local KUBECONFIG; KUBECONFIG=$(<"$work/demo-$1.path"); shift; KUBECONFIG=$KUBECONFIG "$@"; }

# build FILE COMMAND…: beside others, in a session of its own, so that it can be ended with all that it has started.
build() {
  local file=$1
  shift
  setsid "$@" 2>"$work/err.$file" &
  building+=($!)
}
# What cargo and Go cannot spread over two processors (the last crate, linking) the other one fills.
builds() {
  build servers hack/lab/build etcd kube-apiserver kube-controller-manager kube-scheduler
  CARGO_TERM_PROGRESS_WHEN=always CARGO_TERM_PROGRESS_WIDTH=100 CARGO_TERM_COLOR=never build ark cargo build --bin ark --example demo
  local process
  # The pulse does not end by itself, so that the next two that end are these.
  for process in "${building[@]}"; do wait -n || return; done
  building=()
}

# The profile is that of the tests, so that what is compiled here need not be compiled again there.
step "build Ark and the clusters' servers (minutes the first time)" builds
# What a power failure would lose does not matter here, and waiting for the disk is most of the time.
export ARK_LAB_ETCD_ARGS="${ARK_LAB_ETCD_ARGS:---unsafe-no-fsync}"
built=${CARGO_TARGET_DIR:-target}/debug
ark=$built/ark demo=$built/examples/demo
for name in demo-a demo-b; do hack/lab/down --name $name >/dev/null 2>&1 7>&- || true; done # the remains of a run that was killed
step "start cluster A" up demo-a
step "start cluster B" up demo-b
mkdir "$work/bucket"
export ARK_LOCATION=file://$work/bucket

step "load a sample application and $objects objects into A" on a "$demo" load "$objects"
snapshot() { on a "$demo" snapshot $namespace >"$work/snapshot"; }
step "write down what is in namespace $namespace" snapshot

backup() { on a "$demo" database "$work/hooks" "$ark" backup run nightly --hooks "$work/hooks"; }
step "ark backup run nightly, and a database locked for its instant" backup
said
locked() { "$ark" backup describe nightly | grep '^Locked:'; }
step "ark backup describe nightly (how long it was locked)" locked
said
step "ark bucket list" "$ark" bucket list
said
step "ark backup verify nightly" "$ark" backup verify nightly
said
contents() { "$ark" backup contents nightly --include-namespaces $namespace --exclude-resources configmaps,secrets | head -n 8; }
step "ark backup contents nightly (the first lines)" contents
said

step "change, add and remove an object in A" on a "$demo" change
diff() { on a "$ark" backup diff nightly --live | grep " $namespace/"; }
step "ark backup diff nightly --live" diff
said

step "delete namespace $namespace in A, and wait until it is gone" on a "$demo" delete $namespace
step "ark restore run --from-backup nightly, in place" on a "$ark" restore run --from-backup nightly --include-namespaces $namespace
said
step "compare with what was there, object by object" on a "$demo" compare "$work/snapshot" $namespace
said

plan() { on b "$ark" restore run --from-backup nightly --include-namespaces $namespace --namespace-mappings $namespace:$copy --dry-run 2>&1 >/dev/null | tail -n 1; }
step "ark restore run --dry-run, into B as $copy" plan
said
step "ark restore run, into B as $copy" on b "$ark" restore run --from-backup nightly --include-namespaces $namespace --namespace-mappings $namespace:$copy
said
step "compare with what was in A, object by object" on b "$demo" compare "$work/snapshot" $copy
said
say "all of it is back, in place and in another cluster under another name; $SECONDS s"
