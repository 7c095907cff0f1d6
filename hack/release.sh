#!/usr/bin/env bash
# Makes what a release consists of, into a folder: binaries, definitions, chart, bill of materials, image, checksums.
#   hack/release.sh [--from FOLDER] [--out FOLDER]
# --from takes programs that are built already: FOLDER/ark for this machine, FOLDER/linux-amd64/ark and FOLDER/linux-arm64/ark for
# either; else cargo builds them. --out is target/release-<version> unless it is said. What cannot be done on this machine is named
# at the end, and fails nothing; docs/release.md says who does it where.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=image.sh
source hack/image.sh
cyclonedx=0.5.9
say() { echo "release: $*" >&2; }
fail() { say "$@"; exit 1; }
usage="usage: hack/release.sh [--from FOLDER] [--out FOLDER]"

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
from='' out=${CARGO_TARGET_DIR:-target}/release-$version
while [ $# -gt 0 ]; do
  case $1 in
    --from | --out) [ $# -ge 2 ] || fail "$usage" ;;&
    --from) from=$2; shift 2 ;;
    --out) out=$2; shift 2 ;;
    *) fail "$usage" ;;
  esac
done
command -v cargo >/dev/null || fail "cargo is missing; install Rust (rust-toolchain.toml says which version) and put it in PATH"
[ -z "$from" ] || [ -d "$from" ] || fail "there is no folder $from; $usage"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"
out=$(cd "$out" && pwd)
[ -z "$(ls -A "$out")" ] || fail "$out is not empty; a release is made into a folder of its own"
not_done=()
skip() { not_done+=("$*"); }
triple() { case $1 in amd64) echo x86_64-unknown-linux-gnu ;; arm64) echo aarch64-unknown-linux-gnu ;; esac }
here=$(rustc -vV | sed -n 's/^host: //p')
# The commit says when: the same commit gives the same archives.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

# One version everywhere, or nothing is made.
check_versions() {
  local place found wrong=
  while read -r place found; do
    [ "$found" = "$version" ] || { say "$place says $found, Cargo.toml says $version"; wrong=yes; }
  done < <(
    sed -n 's/^version: /config\/chart\/Chart.yaml:version /p; s/^appVersion: /config\/chart\/Chart.yaml:appVersion /p' charts/ark/Chart.yaml
    sed -n 's/^ARG VERSION=/config\/Dockerfile:VERSION /p' config/Dockerfile
  )
  [ -z "$wrong" ] || fail "let all of them say the same version"
  grep -q "^## $version" CHANGELOG.md || skip "changelog: CHANGELOG.md has no section '## $version' (name the section Unreleased so)"
  git diff --quiet HEAD || skip "clean checkout: there are changes that are not committed"
  [ "$(git tag --points-at HEAD --list "v$version")" ] || skip "tag: HEAD is not tagged v$version (git tag --sign v$version)"
}

# program ARCHITECTURE: the path of its program, built if need be; nothing if it cannot be had.
program() {
  local target built
  target=$(triple "$1")
  if [ -n "$from" ]; then
    if [ -x "$from/linux-$1/ark" ]; then echo "$from/linux-$1/ark"
    elif [ "$target" = "$here" ] && [ -x "$from/ark" ]; then echo "$from/ark"; fi
    return 0
  fi
  built=${CARGO_TARGET_DIR:-target}
  if [ "$target" = "$here" ]; then
    cargo build --quiet --release --locked --bin ark >&2 && echo "$built/release/ark"
  elif can_cross "$target"; then
    cargo build --quiet --release --locked --bin ark --target "$target" >&2 && echo "$built/$target/release/ark"
  fi
}

# A cross build takes the target's standard library (rustup) and a C compiler and linker for it (zstd and ring are C).
can_cross() {
  local tools=${1%%-*}-linux-gnu
  [ -d "$(rustc --print sysroot)/lib/rustlib/$1/lib" ] && command -v "$tools-gcc" >/dev/null || return
  local name=${1^^}
  export "CARGO_TARGET_${name//-/_}_LINKER=$tools-gcc"
}

binaries() {
  local architecture path folder
  for architecture in amd64 arm64; do
    say "program for linux/$architecture"
    path=$(program "$architecture") || fail "the program for linux/$architecture could not be built"
    if [ -z "$path" ]; then
      skip "program for linux/$architecture: $(lacks "$architecture")"
      continue
    fi
    if [ "$(triple "$architecture")" = "$here" ]; then
      [[ $("$path" version) == "ark $version,"* ]] || fail "$path is $("$path" version), not ark $version"
      own=$path
    fi
    folder=ark-$version-linux-$architecture
    mkdir -p "$work/$folder"
    cp "$path" "$work/$folder/ark"
    cp LICENSE README.md CHANGELOG.md "$work/$folder/"
    tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -cf - "$folder" | gzip -n >"$out/$folder.tar.gz"
  done
}

lacks() {
  if [ -n "$from" ]; then echo "$from/linux-$1/ark is not there"
  else echo "needs a machine of that architecture, or 'rustup target add $(triple "$1")' and its C compiler (Debian: gcc-$(triple "$1" | cut -d- -f1 | tr _ -)-linux-gnu)"; fi
}

definitions() {
  if [ -z "$own" ]; then skip "definitions: they are printed by a program for this machine"; return; fi
  say "definitions"
  "$own" crd >"$out/ark-$version-crds.yaml"
  documents() { cat "$@" | grep -v '^---$' | sort; } # the order is another one
  diff -q <(documents crds/[!k]*.yaml) <(documents "$out/ark-$version-crds.yaml") >/dev/null ||
    fail "the program prints other definitions than crds/ has: it was built from another commit"
}

chart() {
  say "chart"
  hack/helm package charts/ark --destination "$out" >/dev/null || skip "chart: helm could not be built (it needs Go and a way to the Go module proxy)"
}

# As hack/check.sh has cargo-deny: built once into the cache, outside the checkout.
materials() {
  local cache=${ARK_LAB_CACHE:-$HOME/.cache/ark-lab}/cargo-cyclonedx-$cyclonedx
  if [ ! -x "$cache/bin/cargo-cyclonedx" ]; then
    say "building cargo-cyclonedx (once, some minutes)"
    CARGO_TARGET_DIR=$cache/target cargo install --quiet --locked cargo-cyclonedx --version "$cyclonedx" --root "$cache" && rm -rf "$cache/target" ||
      { skip "bill of materials (SBOM): cargo-cyclonedx $cyclonedx could not be built"; return; }
  fi
  say "bill of materials"
  # It writes beside Cargo.toml: so beside that of a copy. Of all targets: no program has a crate that is not in it.
  mkdir "$work/ark"
  git archive HEAD | tar -x -C "$work/ark"
  (cd "$work/ark" && "$cache/bin/cargo-cyclonedx" cyclonedx --quiet --format json --all --target all --override-filename sbom) || fail "cargo-cyclonedx failed"
  sed "s|$work/ark|/ark|g" "$work/ark/sbom.json" >"$out/ark-$version.cdx.json"
}

image() {
  local archive
  if [ -z "$own" ]; then skip "image: there is no program for this machine"; return; fi
  if docker info >/dev/null 2>&1; then
    say "image, by config/Dockerfile"
    docker build --quiet -f config/Dockerfile --build-arg REVISION="$(git rev-parse HEAD)" -t "ark:$version" . >&2 || fail "docker build failed"
    return
  fi
  skip "image by config/Dockerfile: there is no container daemon (docs/release.md has the recipe for both architectures)"
  say "image, laid out without a daemon, to try out"
  archive=ark-$version-image-trial.tar
  lay_out "$own" "$work/image"
  make_image "ark:$version" "$work/image" "$out/$archive" '{"Entrypoint":["/ark"],"User":"65532:65532"}'
  gzip -n "$out/$archive"
}

own=
check_versions
binaries
definitions
chart
materials
image
skip "signatures of image and checksums: they take the maintainers' key (cosign sign, cosign sign-blob)"
skip "upload: where releases and images are published is not decided"
(cd "$out" && sha256sum -- * >SHA256SUMS)

echo >&2
say "in $out:"
(cd "$out" && stat -c '  %12s  %n' -- * >&2)
for what in "${not_done[@]}"; do say "not done: $what"; done
