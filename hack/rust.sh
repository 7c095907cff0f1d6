# Sourced from the repository's root. Where rustup has no toolchain of the name that rust-toolchain.toml says, and cannot fetch
# it, the default one serves: Cargo.toml says from which version on.
if command -v rustup >/dev/null && ! cargo --version >/dev/null 2>&1; then
  export RUSTUP_TOOLCHAIN
  RUSTUP_TOOLCHAIN=$(cd / && rustup default 2>/dev/null | cut -d' ' -f1)
  echo "rust: the toolchain of rust-toolchain.toml is not there; uses $RUSTUP_TOOLCHAIN" >&2
fi
