#!/usr/bin/env bash
# All tests, unit to lab: brings up three real clusters and a real S3 server, runs everything once, takes the lab down again.
#   hack/test.sh [WORD…]     only tests whose names contain one of the words
# Where ARK_LAB_KUBECONFIG_A is set, the clusters and the S3 server that the environment names are used (hack/lab/README.md).
set -euo pipefail
cd "$(dirname "$0")/.."
say() { echo "test: $*" >&2; }
command -v cargo >/dev/null || { say "cargo is missing; install Rust (Cargo.toml says which version) and put it in PATH"; exit 1; }
. hack/rust.sh
command -v cc >/dev/null || { say "a C compiler is missing, Rust links with it; install it (Debian: gcc libc6-dev)"; exit 1; }
exec 7>"${TMPDIR:-/tmp}/ark-test.lock"
flock -n 7 || { say "another hack/test.sh is running on this machine; wait for its end"; exit 1; }

work=$(mktemp -d)
clusters=()
finish() {
  local name
  trap '' INT TERM
  for name in ${clusters[@]+"${clusters[@]}"}; do hack/lab/down --name "$name" || true; done
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# bring_up NAME LETTER FLAGS…: its facts, under the names by which the tests know them.
bring_up() {
  local name=$1 letter=$2 facts
  shift 2
  if [ ! -e "$work/$name" ]; then
    hack/lab/down --name "$name" 2>/dev/null # the remains of a run that was killed
    clusters+=("$name")
    touch "$work/$name"
  fi
  facts=$(hack/lab/up --name "$name" "$@" 7>&-) || return
  eval "$facts"
  export "ARK_LAB_KUBECONFIG_$letter=$KUBECONFIG" "ARK_LAB_ETCD_$letter=$ETCD_ENDPOINT"
  unset KUBECONFIG
}

say "compiling"
cargo test --all-targets --no-run 7>&-
# needing NAME [TARGET]: the tests whose names begin so; what they need is not everywhere.
needing() { cargo test --quiet --test "${2:-lab}" -- --list --include-ignored "$1::" 2>/dev/null 7>&- | sed -n "s/^\($1::.*\): test\$/\1/p" >"$work/$1"; }
needing on_node
needing rough
needing balanced
needing clocks
needing real_deployment mongo

hack/lab/build helm ferretdb 7>&- # tests install the chart, and lock databases

leave_out=()
touch "$work/not_run"
# without NAME REASON: leaves those tests out, and names them at the end.
without() {
  [ -s "$work/$1" ] || return 0
  leave_out+=(--skip "$1::")
  sed "s/\$/ ($2)/" "$work/$1" >>"$work/not_run"
}

[ -n "${MONGO_URI:-}" ] || without real_deployment "MONGO_URI names no MongoDB deployment that may be locked"
faketime=$(hack/lab/faketime 2>"$work/reason") && export ARK_LAB_FAKETIME=$faketime || without clocks "$(tail -n 1 "$work/reason")"
if [ -n "${ARK_LAB_KUBECONFIG_A:-}" ]; then
  without on_node "the clusters are given, and whether pods run there is not known"
  without rough "the clusters are given, and their servers are not ours to stop"
  [ -n "${ARK_LAB_KUBECONFIG_B2:-}" ] || without balanced "the clusters are given, and ARK_LAB_KUBECONFIG_B2 names no second API server of B"
else
  say "bringing the lab up"
  # What a power failure would lose does not matter here, and waiting for the disk is half of the time.
  export ARK_LAB_ETCD_ARGS="${ARK_LAB_ETCD_ARGS:---unsafe-no-fsync}"
  # Policies that change what is created are off by default in this version, and on in the next one.
  mutating="--runtime-config=admissionregistration.k8s.io/v1beta1=true --feature-gates=MutatingAdmissionPolicy=true"
  ARK_LAB_APISERVER_ARGS=$mutating bring_up ark-test-a A --s3 --s3-tls
  export ARK_LAB_S3_ENDPOINT=$S3_ENDPOINT ARK_LAB_S3_TLS_ENDPOINT=$S3_TLS_ENDPOINT ARK_LAB_S3_TLS_CA=$S3_TLS_CA
  # B answers lists of the past from etcd, as all API servers before 1.34 did; A from its cache, as newer ones do. B has two of them.
  ARK_LAB_APISERVER_ARGS="$mutating,ListFromCacheSnapshot=false" bring_up ark-test-b B --apiserver2
  export ARK_LAB_KUBECONFIG_B2=$KUBECONFIG_2
  # C is for tests that stop its servers and fill its etcd: small, so that it is soon full.
  ARK_LAB_ETCD_ARGS="$ARK_LAB_ETCD_ARGS --quota-backend-bytes 67108864" bring_up ark-test-c C
  export ARK_LAB_NAME_C=ark-test-c
  export ARK_LAB_NAME_A=ark-test-a
  bring_up ark-test-a A --node 2>"$work/reason" || without on_node "$(grep '^up: ' "$work/reason" | tail -n 1)"
fi

status=0
cargo test --all-targets --no-fail-fast -- --include-ignored ${leave_out[@]+"${leave_out[@]}"} "$@" 7>&- 2>&1 | tee "$work/log" || status=$?
[ $# -gt 0 ] || cargo test --doc 7>&- 2>&1 | tee -a "$work/log" || status=$?

sum() { grep -oE "[0-9]+ $1;" "$work/log" | awk '{ total += $1 } END { print total + 0 }'; }
sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' "$work/log" >"$work/failed"
{
  echo
  while read -r name; do say "failed: $name"; done <"$work/failed"
  while read -r name; do say "not run: $name"; done <"$work/not_run"
  say "$(sum passed) passed, $(sum failed) failed, $(wc -l <"$work/not_run") could not be run on this machine; $SECONDS s"
} 2>&1
[ $status = 0 ] || exit 1
