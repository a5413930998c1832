"""What runs in a cluster: each component's command line and configuration file."""

import json
from collections.abc import Mapping
from pathlib import Path

from . import network

CONTAINERD_CONFIG = """\
version = 2
root = "{state}/containerd"
state = "/run/containerd"
[grpc]
  address = "{socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{state}/containerd-opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni}"
    conf_dir = "{state}/cni"
"""

# ptp, not bridge: each pod is routed, so Services work without the br_netfilter kernel module.
CNI = {
    "cniVersion": "0.4.0",
    "name": "testbed",
    "plugins": [
        {
            "type": "ptp",
            "ipMasq": False,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": network.POD_RANGE}]],
                "routes": [{"dst": "0.0.0.0/0"}],
                "dataDir": "/run/cni",
            },
        },
        {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True},
    ],
}


def kubelet_config(state: Path, cgroup: str) -> dict[str, object]:
    pki = state / "pki"
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": network.NODE_ADDRESS,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pki / "kubelet-server.crt"),
        "tlsPrivateKeyFile": str(pki / "kubelet-server.key"),
        "containerRuntimeEndpoint": f"unix://{network.CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        # Where CAP_SYS_RESOURCE is missing, no process may lower its score.
        "oomScoreAdj": 0,
        "clusterDNS": [network.DNS_SERVICE_ADDRESS],
        "clusterDomain": network.DNS_DOMAIN,
        "resolvConf": str(state / "resolv.conf"),
        "podLogsDir": str(state / "pod-logs"),
        "volumePluginDir": str(state / "volume-plugins"),
        "staticPodPath": "",
        # Tests fill disks and memory on purpose; only a machine about to stop may evict.
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%"},
        # Images come from this machine only: one that is collected can't be pulled again.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "syncFrequency": "20s",
        "nodeStatusUpdateFrequency": "5s",
    }


PROXY_CONFIG = {
    "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
    "kind": "KubeProxyConfiguration",
    "mode": "iptables",
    "hostnameOverride": network.NODE_NAME,
    "clusterCIDR": network.POD_RANGE,
    "oomScoreAdj": 0,
    # 0 leaves the machine's own limits alone; a network namespace may not change them.
    "conntrack": {"maxPerCore": 0},
    # Pods come up within a second of their Service in tests; do not batch for long.
    "iptables": {"minSyncPeriod": "100ms"},
    "bindAddress": network.NODE_ADDRESS,
}


def write_configs(state: Path, cgroup: str, cni_plugins: Path, pause: str) -> None:
    """Write every component's configuration below the state folder."""
    config = state / "config"
    config.mkdir()
    (state / "cni").mkdir()
    containerd = CONTAINERD_CONFIG.format(
        state=state, socket=network.CONTAINERD_SOCKET, cni=cni_plugins, pause=pause
    )
    (config / "containerd.toml").write_text(containerd)
    _json(state / "cni" / "10-testbed.conflist", CNI)
    _json(config / "kubelet.json", kubelet_config(state, cgroup))
    client = {"clientConnection": {"kubeconfig": str(state / "pki" / "kube-proxy.kubeconfig")}}
    _json(config / "kube-proxy.json", PROXY_CONFIG | client)
    # Pods with dnsPolicy Default have nobody to ask: the cluster has no way out.
    (state / "resolv.conf").write_text("")
    names = f"default.svc.{network.DNS_DOMAIN} svc.{network.DNS_DOMAIN} {network.DNS_DOMAIN}"
    (state / "node-resolv.conf").write_text(
        f"nameserver {network.DNS_SERVICE_ADDRESS}\nsearch {names}\noptions ndots:5\n"
    )


def _json(path: Path, value: Mapping[str, object]) -> None:
    path.write_text(json.dumps(value, indent=1))


def etcd(state: Path) -> list[str]:
    return [
        "etcd",
        f"--data-dir={state}/etcd",
        f"--listen-client-urls={network.ETCD_URL}",
        f"--advertise-client-urls={network.ETCD_URL}",
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--initial-advertise-peer-urls=http://127.0.0.1:2380",
        "--initial-cluster=default=http://127.0.0.1:2380",
        # The data is thrown away at the end: waiting for the disk buys nothing.
        "--unsafe-no-fsync",
    ]


def containerd(state: Path) -> list[str]:
    return ["containerd", f"--config={state}/config/containerd.toml"]


def apiserver(state: Path) -> list[str]:
    pki = state / "pki"
    return [
        "kube-apiserver",
        f"--etcd-servers={network.ETCD_URL}",
        f"--advertise-address={network.NODE_ADDRESS}",
        f"--bind-address={network.NODE_ADDRESS}",
        f"--secure-port={network.API_PORT}",
        f"--service-cluster-ip-range={network.SERVICE_RANGE}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--client-ca-file={pki}/ca.crt",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--service-account-issuer=https://kubernetes.default.svc.{network.DNS_DOMAIN}",
        f"--service-account-key-file={pki}/service-account.key",
        f"--service-account-signing-key-file={pki}/service-account.key",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        f"--kubelet-client-certificate={pki}/apiserver-kubelet-client.crt",
        f"--kubelet-client-key={pki}/apiserver-kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP",
    ]


def after_apiserver(state: Path) -> list[list[str]]:
    """The components that exit when there is no API server yet."""
    pki, config = state / "pki", state / "config"

    def with_kubeconfig(name: str) -> list[str]:
        kubeconfig = pki / f"{name}.kubeconfig"
        return [
            name,
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            "--bind-address=127.0.0.1",
            "--leader-elect=false",
        ]

    return [
        [
            *with_kubeconfig("kube-controller-manager"),
            f"--service-account-private-key-file={pki}/service-account.key",
            f"--root-ca-file={pki}/ca.crt",
            f"--cluster-cidr={network.POD_RANGE}",
            "--use-service-account-credentials=true",
        ],
        with_kubeconfig("kube-scheduler"),
        [
            "kubelet",
            f"--config={config}/kubelet.json",
            f"--kubeconfig={pki}/kubelet.kubeconfig",
            f"--root-dir={state}/kubelet",
            f"--cert-dir={pki}",
            f"--hostname-override={network.NODE_NAME}",
            f"--node-ip={network.NODE_ADDRESS}",
        ],
        ["kube-proxy", f"--config={config}/kube-proxy.json"],
    ]
