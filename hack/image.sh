# shellcheck shell=bash
# Images without a container daemon: files in, an archive out that `docker load` and `ctr images import` take. Sourced, never run.

# make_image NAME ROOT ARCHIVE [CONFIG]: a one-layer image that `ctr images import` takes; without a configuration it runs for ever.
make_image() {
  local work=$3.parts config run
  run=${4:-'{"Cmd":["/bin/sleep","infinity"],"Env":["PATH=/bin:/sbin:/usr/bin:/usr/sbin"]}'}
  mkdir -p "$work"
  tar -C "$2" --sort=name --owner=0 --group=0 --numeric-owner -cf "$work/layer.tar" .
  printf '{"architecture":"%s","os":"linux","config":%s,"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
    "$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')" "$run" "$(sha256sum "$work/layer.tar" | cut -d' ' -f1)" >"$work/config"
  config=$(sha256sum "$work/config" | cut -d' ' -f1).json
  mv "$work/config" "$work/$config"
  printf '[{"Config":"%s","RepoTags":["%s"],"Layers":["layer.tar"]}]' "$config" "$1" >"$work/manifest.json"
  tar -C "$work" -cf "$3" "$config" layer.tar manifest.json
  rm -rf "$work"
}

# lay_out PROGRAM ROOT: the files of the server's image, as config/Dockerfile puts them there: the program as /ark, what it is
# linked with, the certificates of the public authorities.
lay_out() {
  local library
  mkdir -p "$2"
  cp "$1" "$2/ark"
  if command -v strip >/dev/null; then strip --strip-debug "$2/ark"; fi
  chmod 755 "$2" "$2/ark"
  for library in $(ldd "$1" | grep -oE '/[^ ]+'); do install -D "$library" "$2$library"; done
  [ ! -f /etc/ssl/certs/ca-certificates.crt ] || install -D -m 644 /etc/ssl/certs/ca-certificates.crt "$2/etc/ssl/certs/ca-certificates.crt"
}
