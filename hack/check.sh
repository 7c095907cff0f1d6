#!/usr/bin/env bash
# Everything that is checked without a cluster: form, lints, documentation, architecture and generated files, dependencies.
# Goes through all of it and names at the end what failed and what could not be checked on this machine.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo_deny=0.20.2
cache=${ARK_LAB_CACHE:-$HOME/.cache/ark-lab}/cargo-deny-$cargo_deny
say() { echo "check: $*" >&2; }
command -v cargo >/dev/null || { say "cargo is missing; install Rust (Cargo.toml says which version) and put it in PATH"; exit 1; }
. hack/rust.sh

passed=0 failed=() not_checked=()
check() {
  local what=$1
  shift
  say "$what"
  if "$@"; then passed=$((passed + 1)); else failed+=("$what"); fi
}

# have WHAT COMMAND…: is the tool there? Otherwise the check is named as not done.
have() {
  local what=$1
  shift
  "$@" >/dev/null 2>&1 || { not_checked+=("$what"); return 1; }
}

shell_scripts() { git ls-files -z hack benches fuzz .ci | xargs -0 grep -lE '^#!.*bash|^# shellcheck shell=bash' | grep -v '\.md$'; }

check_scripts() { shell_scripts | xargs shellcheck; }

# Every file of values in charts/ark/ci is taken, and nothing is installed without an image.
check_chart() {
  local values
  for values in charts/ark/ci/*.yaml; do
    hack/helm lint --strict --quiet charts/ark --values "$values" || return
    hack/helm template ark charts/ark --namespace heptio-ark --values "$values" >/dev/null || return
  done
  ! hack/helm template ark charts/ark --namespace heptio-ark >/dev/null 2>&1 || { say "the chart does without image.repository"; return 1; }
}

# kubectl has Kustomize in it; an overlay as docs/install.md says names the image.
check_kustomization() {
  local objects
  objects=$(kubectl kustomize config/default) || return
  grep -q '^kind: Deployment$' <<<"$objects" && grep -q 'name: schedules.ark.heptio.com$' <<<"$objects" || { say "config/default lacks the server or its kinds"; return 1; }
}

check_dashboard() { (cd hack/rules && GOFLAGS='' go run . ../../config/grafana/ark.json); }

# Time series in, alerts out: alerts.test.yaml has a case for each rule in which it fires and one in which it does not.
check_rules() { hack/promtool check rules config/prometheus/alerts.yaml && hack/promtool test rules config/prometheus/alerts.test.yaml; }

# Built into the cache, outside the checkout; that it cannot be built is named and fails nothing.
install_cargo_deny() {
  [ -x "$cache/bin/cargo-deny" ] && return
  say "building cargo-deny (once, some minutes)"
  CARGO_TARGET_DIR=$cache/target cargo install --quiet --locked cargo-deny --version "$cargo_deny" --root "$cache" && rm -rf "$cache/target"
}

if have "form (rustfmt is missing: rustup component add rustfmt)" cargo fmt --version; then
  check "form" cargo fmt --check
fi
if have "lints (clippy is missing: rustup component add clippy)" cargo clippy --version; then
  check "lints" cargo clippy --quiet --all-targets -- -D warnings
fi
check "documentation" env RUSTDOCFLAGS=-Dwarnings cargo doc --quiet --no-deps
check "architecture and generated files" cargo test --quiet --test architecture
if have "shell scripts (shellcheck is missing; Debian: shellcheck)" command -v shellcheck; then
  check "shell scripts" check_scripts
fi
if have "Helm chart (helm could not be built: it needs Go and a way to the Go module proxy)" hack/helm version; then
  check "Helm chart" check_chart
fi
if have "kustomization (kubectl is missing)" command -v kubectl; then
  check "kustomization" check_kustomization
fi
if have "alert rules (promtool could not be built: it needs Go and a way to the Go module proxy)" hack/promtool --version; then
  check "alert rules" check_rules
fi
if have "dashboard (Go or a way to the Go module proxy is missing)" go -C hack/rules mod download; then
  check "dashboard" check_dashboard
fi
if have "book (mdbook is missing: cargo install mdbook)" command -v mdbook; then
  check "book" mdbook build docs
fi
if ! install_cargo_deny; then
  not_checked+=("dependencies (cargo-deny $cargo_deny could not be built)")
else
  check "dependencies" "$cache/bin/cargo-deny" --locked --config .deny.toml check --hide-inclusion-graph bans licenses sources
fi
not_checked+=("security advisories (they need the network: cargo deny --config .deny.toml check advisories)")

echo >&2
for what in "${not_checked[@]}"; do say "not checked: $what"; done
for what in ${failed[@]+"${failed[@]}"}; do say "failed: $what"; done
say "$passed passed, ${#failed[@]} failed, ${#not_checked[@]} not checked; $SECONDS s"
[ ${#failed[@]} = 0 ]
