# shellcheck shell=bash disable=SC2034
# What the lab's scripts share: where things are kept, how a server is started, known again and stopped. Sourced, never run.
set -euo pipefail
lab=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${ARK_LAB_CACHE:-$HOME/.cache/ark-lab}
states=${ARK_LAB_STATE:-${TMPDIR:-/tmp}/ark-lab}
kubernetes=v1.35.4 # the same as in modules/k8s/go.mod
export MINIO_ACCESS=ark-lab MINIO_SECRET=ark-lab-secret # of a server on the loopback device

fail() { echo "${0##*/}: $*" >&2; exit 1; }

need() { command -v "$1" >/dev/null 2>&1 || fail "$1 is missing; $2"; }

# check_name NAME: refuses what could leave the state folder.
check_name() { [[ $1 =~ ^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$ ]] || fail "'$1' is no name for a lab; use up to 32 of a-z, 0-9 and '-'"; }

# recipe PROGRAM: sets module, package, flags, tags and binary. A binary lives in a folder named by everything that went into it,
# so a changed pin is built anew and two checkouts with different pins share one cache.
recipe() {
  local part=k8s.io/component-base/version
  flags="-s -w" tags=''
  case $1 in
    kube-apiserver | kube-controller-manager | kube-scheduler | kubelet)
      module=k8s package=k8s.io/kubernetes/cmd/$1
      flags+=" -X $part.gitVersion=$kubernetes -X $part.gitMajor=1 -X $part.gitMinor=$(cut -d. -f2 <<<"$kubernetes")" ;;
    etcd) module=etcd package=go.etcd.io/etcd/server/v3 ;;
    etcdctl) module=etcd package=go.etcd.io/etcd/etcdctl/v3 ;;
    minio) module=minio package=github.com/minio/minio ;;
    helm) module=helm package=helm.sh/helm/v4/cmd/helm ;;
    ferretdb) module=ferretdb package=lab/ferretdb ;; # a main of our own
    promtool) # without what finds targets in each vendor's cloud
      module=prometheus package=github.com/prometheus/prometheus/cmd/promtool tags=remove_all_sd ;;
    *) fail "no such program: $1 (there are etcd, etcdctl, kube-apiserver, kube-controller-manager, kube-scheduler, kubelet, minio, helm, promtool, ferretdb)" ;;
  esac
  local pins
  pins=$({ cat "$lab/modules/$module"/*; echo "$flags${tags:+ $tags}"; } | sha256sum | cut -c1-12)
  binary=$cache/bin/$module-$pins/$1
}

binary_of() { recipe "$1"; echo "$binary"; }

# A process is known by its id and its start time, so that a recycled id is never taken for ours. A dead one that nobody
# has waited for yet has none.
started_at() { sed -n 's/^.*) \([^ZX]\)/\1/p' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# alive STATE SERVER: is the server that `start` recorded still the same running process?
alive() {
  local pid born
  [ -f "$1/pid/$2" ] && read -r pid born <"$1/pid/$2" && [ -n "$born" ] && [ "$(started_at "$pid")" = "$born" ]
}

# start STATE SERVER COMMAND…: in its own session, so that Ctrl-C in a terminal does not reach it.
start() {
  local state=$1 server=$2
  shift 2
  setsid nohup "$@" >"$state/log/$server.log" 2>&1 </dev/null 9>&- &
  echo "$! $(started_at $!)" >"$state/pid/$server"
}

# stop STATE SERVER…: asks all of them, waits ten seconds, then kills.
stop() {
  local state=$1 server pid born tries
  shift
  for server in "$@"; do
    if alive "$state" "$server"; then read -r pid born <"$state/pid/$server" && kill "$pid" 2>/dev/null || true; fi
  done
  for server in "$@"; do
    for tries in $(seq 100); do
      alive "$state" "$server" || break
      if [ "$tries" = 100 ]; then read -r pid born <"$state/pid/$server" && kill -9 "$pid" 2>/dev/null || true; fi
      sleep 0.1
    done
    rm -f "$state/pid/$server"
  done
}

# await STATE SERVER SECONDS COMMAND…: until the command succeeds; ends early, with the log's last lines, when the server died.
await() {
  local state=$1 server=$2 seconds=$3 deadline=$((SECONDS + $3 + 1))
  shift 3
  until "$@" >/dev/null 2>&1; do
    if ! alive "$state" "$server"; then
      tail -n 5 "$state/log/$server.log" | cut -c1-300 >&2
      fail "$server of lab '${state##*/}' ended by itself; its last words are above"
    elif [ $SECONDS -ge $deadline ]; then
      tail -n 5 "$state/log/$server.log" | cut -c1-300 >&2
      fail "$server of lab '${state##*/}' was not ready within $seconds s; its last words are above"
    fi
    sleep 0.1
  done
}

# ask STATE PATH [PORT]: one GET as the administrator.
ask() {
  curl -sf --max-time 5 --cacert "$1/pki/ca.crt" --cert "$1/pki/admin.crt" --key "$1/pki/admin.key" "https://127.0.0.1:${3:-$(cat "$1/port")}$2"
}
