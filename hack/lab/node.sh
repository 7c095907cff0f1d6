# shellcheck shell=bash disable=SC2154
# A real node for one lab: containerd, runc, a bridge and a kubelet. Sourced by `up` and `down`, which set state, name and port.
# No image is pulled: two are made here from the machine's own static busybox.
#   ark.lab/busybox:1   for tests and samples (imagePullPolicy IfNotPresent)      ark.lab/pause:1   what holds a pod together
# shellcheck source=../image.sh
source "$(dirname "${BASH_SOURCE[0]}")/../image.sh"
node_packages=(containerd runc containernetworking-plugins busybox-static iproute2)

missing_node_packages() {
  command -v containerd >/dev/null && command -v ctr >/dev/null || echo containerd
  command -v runc >/dev/null || echo runc
  [ -x /usr/lib/cni/bridge ] || echo containernetworking-plugins
  { [ -x /bin/busybox ] && /bin/busybox true; } 2>/dev/null || echo busybox-static
  command -v ip >/dev/null || echo iproute2
}

check_node_packages() {
  local missing
  [ "$(id -u)" = 0 ] || fail "a node needs root (containerd, network bridges); run as root, or leave out --node"
  mapfile -t missing < <(missing_node_packages)
  [ ${#missing[@]} = 0 ] && return
  command -v apt-get >/dev/null || fail "a node needs containerd, runc, the CNI plugins in /usr/lib/cni, a static /bin/busybox and ip; install them, or leave out --node"
  echo "up: installing ${missing[*]}" >&2
  # Without their services: the lab runs a containerd of its own, and a policy of 101 keeps Debian's from starting.
  local policy=/usr/sbin/policy-rc.d made=no
  [ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy && made=yes; }
  { apt-get install -y -qq --no-install-recommends "${missing[@]}" || { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; }; } >/dev/null 2>&1 || true
  [ $made = no ] || rm -f $policy
  mapfile -t missing < <(missing_node_packages)
  [ ${#missing[@]} = 0 ] || fail "could not install ${missing[*]}; install ${node_packages[*]} by hand, or leave out --node"
}

# Every lab has addresses and names of its own, decided by its port, so that nodes live side by side.
node_names() {
  local slot=$((($(cat "$state/port") / 10) % 2000))
  node=$state/node run=/run/ark-lab/$slot
  socket=$run/containerd.sock
  pods_bridge=arkpods$slot node_bridge=arknode$slot
  node_address=10.89.$((slot / 250)).$((slot % 250 + 1))
  pods_network=10.$((96 + slot / 250)).$((slot % 250)).0/24
  cgroup=ark-lab-$slot
}

# cgroup_folders: where the control groups of this lab are: one with version 2, one a controller with version 1.
cgroup_folders() { awk -v name="/$cgroup" '$3 ~ /^cgroup2?$/ {print $2 name}' /proc/mounts; }

# Control groups of the node's own: a kubelet ends what it does not know below its root, and so the pods of another lab's kubelet.
make_cgroups() {
  local folder file controller
  for folder in $(cgroup_folders); do
    [ ! -e "${folder%/*}/cgroup.subtree_control" ] || for controller in $(cat "${folder%/*}/cgroup.controllers"); do
      echo "+$controller" >"${folder%/*}/cgroup.subtree_control" 2>/dev/null || true
    done
    mkdir -p "$folder"
    # With version 1, a new group has no processors and no memory before it is told which.
    for file in cpuset.cpus cpuset.mems; do [ ! -e "$folder/$file" ] || cat "$folder/../$file" >"$folder/$file"; done
  done
}

write_node_files() {
  local applet
  mkdir -p "$node"/{cni,root/bin,root/tmp,root/etc,volume-plugins} "$run"
  cp /bin/busybox "$node/root/bin/busybox"
  for applet in $(/bin/busybox --list); do [ -e "$node/root/bin/$applet" ] || ln -s busybox "$node/root/bin/$applet"; done
  chmod 1777 "$node/root/tmp"
  echo 'root:x:0:0::/:/bin/sh' >"$node/root/etc/passwd"
  make_image ark.lab/busybox:1 "$node/root" "$node/busybox.tar"
  make_image ark.lab/pause:1 "$node/root" "$node/pause.tar"
  cat >"$node/containerd.toml" <<T
version = 2
root = "$node/containerd"
state = "$run"
[grpc]
  address = "$socket"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true   # where CAP_SYS_RESOURCE is missing, runc dies on a negative score
  sandbox_image = "ark.lab/pause:1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$node/cni"
T
  cat >"$node/cni/10-lab.conflist" <<T
{"cniVersion":"1.0.0","name":"ark-lab-$name","plugins":[{"type":"bridge","bridge":"$pods_bridge","isGateway":true,"ipam":{"type":"host-local","dataDir":"$node/addresses","subnet":"$pods_network","routes":[{"dst":"0.0.0.0/0"}]}}]}
T
  cat >"$node/kubelet.yaml" <<T
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $node_address
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: "$state/pki/ca.crt"}}
authorization: {mode: Webhook}
cgroupDriver: cgroupfs
cgroupRoot: /$cgroup
failCgroupV1: false
failSwapOn: false
containerRuntimeEndpoint: unix://$socket
resolvConf: ""
enforceNodeAllocatable: []
evictionHard: {}
imageGCHighThresholdPercent: 100
healthzPort: 0
volumePluginDir: $node/volume-plugins
T
}

node_is_ready() {
  local object
  object=$(ask "$state" "/api/v1/nodes/$name") && [[ $object == *'"KubeletReady"'* && $object != *node.kubernetes.io/not-ready* ]]
}

start_node() {
  local node run socket pods_bridge node_bridge node_address pods_network cgroup image
  node_names
  if ! alive "$state" containerd; then
    write_node_files
    launch containerd containerd -c "$node/containerd.toml"
    await "$state" containerd 30 ctr -a "$socket" version
    for image in busybox pause; do ctr -a "$socket" -n k8s.io images import "$node/$image.tar" >/dev/null; done
  fi
  # The node's address must not be a loopback one; a bridge without ports carries it, which works where dummy devices do not.
  ip link show "$node_bridge" >/dev/null 2>&1 || { ip link add "$node_bridge" type bridge && ip addr add "$node_address/32" dev "$node_bridge" && ip link set "$node_bridge" up; }
  make_cgroups
  alive "$state" kubelet || launch kubelet "$(binary_of kubelet)" --config "$node/kubelet.yaml" --kubeconfig "$state/kubeconfig" \
    --root-dir "$node/kubelet" --hostname-override "$name" --node-ip "$node_address"
  await "$state" kubelet 60 node_is_ready
}

# stop_node: pods first, by way of this lab's own containerd, then mounts and network devices that bear this lab's number.
stop_node() {
  local node run socket pods_bridge node_bridge node_address pods_network cgroup id note folder
  [ -f "$state/port" ] && [ -d "$state/node" ] || return 0
  node_names
  stop "$state" kubelet
  if alive "$state" containerd; then
    local ctr=(ctr -a "$socket" -n k8s.io)
    for id in $("${ctr[@]}" tasks ls -q 2>/dev/null); do "${ctr[@]}" tasks kill -s KILL "$id" >/dev/null 2>&1 || true; done
    for id in $("${ctr[@]}" containers ls -q 2>/dev/null); do
      "${ctr[@]}" tasks rm -f "$id" >/dev/null 2>&1 || true
      "${ctr[@]}" containers rm "$id" >/dev/null 2>&1 || true
    done
  fi
  stop "$state" containerd
  # libcni's notes say which network namespaces were this lab's.
  for note in /var/lib/cni/results/"ark-lab-$name"-*-eth0; do
    id=${note#*"/ark-lab-$name-"} id=${id%-eth0}
    [[ $id =~ ^[0-9a-f]{64}$ ]] || continue
    ip netns del "$(grep -o '"sandbox":"[^"]*' "$note" | sed 's|.*/||')" 2>/dev/null || true
    rm -f "$note" "/var/lib/cni/results/cni-loopback-$id-lo"
  done
  awk -v a="$node/" -v b="$run/" 'index($2, a) == 1 || index($2, b) == 1 {print $2}' /proc/mounts | sort -r | xargs -r umount 2>/dev/null || true
  for folder in $(cgroup_folders); do find "$folder" -depth -type d -exec rmdir {} + 2>/dev/null || true; done
  ip link del "$pods_bridge" 2>/dev/null || true
  ip link del "$node_bridge" 2>/dev/null || true
  rm -rf "$run"
}
