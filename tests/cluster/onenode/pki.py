"""The cluster's certificates and kubeconfigs, made anew at each start."""

import base64
import json
import subprocess
from pathlib import Path

from . import network
from .errors import TestbedError

DAYS = "365"
API_NAMES = (
    "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,"
    f"DNS:kubernetes.default.svc.{network.DNS_DOMAIN},DNS:localhost,"
    f"IP:127.0.0.1,IP:{network.NODE_ADDRESS},IP:{network.API_SERVICE_ADDRESS}"
)
# File name: common name, organisation (the RBAC group).
CLIENTS = {
    "admin": ("testbed-admin", "system:masters"),
    "kube-controller-manager": ("system:kube-controller-manager", ""),
    "kube-scheduler": ("system:kube-scheduler", ""),
    "kube-proxy": ("system:kube-proxy", ""),
    "kubelet": (f"system:node:{network.NODE_NAME}", "system:nodes"),
    "apiserver-kubelet-client": ("apiserver-kubelet-client", "system:masters"),
}


def make(folder: Path) -> None:
    """Write the CA, all certificates, the service account key and a kubeconfig per client."""
    folder.mkdir(mode=0o700)
    # Python 3.13 refuses a CA without keyUsage and certificates without key identifiers.
    ca = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
    _key(folder / "ca.key")
    _sign(folder, "ca", "/CN=testbed-ca", ca, self_signed=True)
    _server(folder, "apiserver", API_NAMES)
    _server(folder, "kubelet-server", f"DNS:{network.NODE_NAME},IP:{network.NODE_ADDRESS}")
    for name, (common_name, organisation) in CLIENTS.items():
        subject = (f"/O={organisation}" if organisation else "") + f"/CN={common_name}"
        _key(folder / f"{name}.key")
        _sign(folder, name, subject, "extendedKeyUsage=clientAuth\n")
        kubeconfig = folder / f"{name}.kubeconfig"
        kubeconfig.write_text(json.dumps(_kubeconfig(folder, name), indent=1))
    _openssl("genrsa", "-out", str(folder / "service-account.key"), "2048")


def _server(folder: Path, name: str, names: str) -> None:
    _key(folder / f"{name}.key")
    extensions = f"extendedKeyUsage=serverAuth\nsubjectAltName={names}\n"
    _sign(folder, name, f"/CN={name}", extensions)


def _key(path: Path) -> None:
    _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(path))


def _sign(
    folder: Path, name: str, subject: str, extensions: str, *, self_signed: bool = False
) -> None:
    request, settings = folder / f"{name}.csr", folder / f"{name}.ext"
    settings.write_text(
        "subjectKeyIdentifier=hash\n"
        + ("" if self_signed else "authorityKeyIdentifier=keyid\nbasicConstraints=CA:FALSE\n")
        + ("" if self_signed else "keyUsage=critical,digitalSignature\n")
        + extensions
    )
    _openssl("req", "-new", "-key", str(folder / f"{name}.key"), "-subj", subject, "-out",
             str(request))  # fmt: skip
    ca_key = str(folder / "ca.key")
    signer = ["-CA", str(folder / "ca.crt"), "-CAkey", ca_key, "-CAcreateserial"]
    if self_signed:
        signer = ["-signkey", ca_key]
    _openssl("x509", "-req", "-in", str(request), "-days", DAYS, "-extfile", str(settings), *signer,
             "-out", str(folder / f"{name}.crt"))  # fmt: skip
    request.unlink()
    settings.unlink()


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise TestbedError(f"openssl {arguments[0]} failed: {done.stderr.strip()}")


def _kubeconfig(folder: Path, name: str) -> dict[str, object]:
    """A kubeconfig that holds its keys itself, so that the one file can be copied. JSON is YAML."""

    def data(file: str) -> str:
        return base64.b64encode((folder / file).read_bytes()).decode()

    cluster = {"server": network.API_URL, "certificate-authority-data": data("ca.crt")}
    user = {
        "client-certificate-data": data(f"{name}.crt"),
        "client-key-data": data(f"{name}.key"),
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "testbed", "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": name}}],
        "current-context": "testbed",
    }
