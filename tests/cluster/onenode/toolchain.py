"""What the machine must have: Debian packages, the Go programs, the base and system images."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import image_store
from .errors import TestbedError
from .paths import SOURCE, cache_root, locked

KUBERNETES = "1.34.4"
BASE_SUITE = "trixie"
# As in the slim image of the world outside: no manuals, no translations, also in what comes later.
BASE_OPTIONS = (
    "--variant=minbase",
    "--include=ca-certificates",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/info/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/lintian/*",
)

# Debian package: files or programs that show it, or something like it, is there. What is there
# is left alone: Debian's containerd would push out another vendor's.
PACKAGES = {
    "containerd": ("containerd", "containerd-shim-runc-v2", "ctr"),
    "runc": ("runc",),
    "buildah": ("buildah",),
    "containernetworking-plugins": ("/usr/lib/cni/ptp|/opt/cni/bin/ptp",),
    "etcd-server": ("etcd",),
    "iptables": ("iptables",),
    "conntrack": ("conntrack",),
    "mmdebstrap": ("mmdebstrap",),
    "iproute2": ("ip",),
    "openssl": ("openssl",),
    "debian-archive-keyring": ("/usr/share/keyrings/debian-archive-keyring.gpg",),
}
SERVICES = {"containerd": "containerd.service", "etcd-server": "etcd.service"}
POLICY = Path("/usr/sbin/policy-rc.d")

_VERSION = "k8s.io/component-base/version"
_MAJOR, _MINOR = KUBERNETES.split(".")[:2]
_KUBERNETES_FLAGS = (
    f"-X {_VERSION}.gitVersion=v{KUBERNETES} -X {_VERSION}.gitMajor={_MAJOR}"
    f" -X {_VERSION}.gitMinor={_MINOR}"
)
# Folder of the Go module: (program, package, linker flags).
PROGRAMS = {
    "kube": [
        ("kube", ".", _KUBERNETES_FLAGS),
        ("kubectl", "k8s.io/kubernetes/cmd/kubectl", _KUBERNETES_FLAGS),
    ],
    "helm": [
        (
            "helm",
            "helm.sh/helm/v4/cmd/helm",
            "-X helm.sh/helm/v4/internal/version.version=v4.3.1",
        )
    ],
    "coredns": [("coredns", ".", "")],
    "pause": [("pause", ".", "")],
    # No part of the cluster: an S3 server, for tests.
    "versitygw": [("versitygw", "github.com/versity/versitygw/cmd/versitygw", "")],
}
COMPONENTS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
)


def why_not() -> str | None:
    """One line on why this machine can't run a cluster, or None when it can."""
    if sys.platform != "linux":
        return f"the test cluster needs Linux, this is {sys.platform}"
    if os.geteuid() != 0:
        return "the test cluster needs root (namespaces, mounts and cgroups of its own)"
    if shutil.which("unshare") is None:
        return "the test cluster needs the program unshare (package util-linux)"
    probe = ["unshare", "-n", "-m", "-p", "-f", "--mount-proc", "true"]
    done = subprocess.run(probe, capture_output=True, text=True, timeout=60)
    if done.returncode:
        return f"the test cluster needs namespaces of its own: {done.stderr.strip()}"
    if shutil.which("apt-get") is None and (missing := missing_packages()):
        return f"the test cluster needs Debian's packages {', '.join(missing)}, or their like"
    if shutil.which("go") is None:
        return "the test cluster needs Go 1.24 or newer on PATH to build Kubernetes"
    return None


def prepare() -> None:
    """Install and build all that is missing. Safe to repeat; quick when nothing is missing."""
    with locked("prepare"):
        install_packages()
        for module in PROGRAMS:
            build(module)
        system_images()
        base_archive()


def install_packages(packages: dict[str, tuple[str, ...]] = PACKAGES) -> None:
    """Install the missing Debian packages without starting or enabling their services."""
    missing = missing_packages(packages)
    if not missing:
        return
    print(f"installing {' '.join(missing)}", flush=True)
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
    with _no_services():
        if _apt(install).returncode:
            _apt(["apt-get", "update", "-qq"])
            done = _apt(install)
            if done.returncode:
                raise TestbedError(f"apt-get install failed:\n{done.stderr[-2000:]}")
    if Path("/run/systemd/system").exists():
        units = [unit for package, unit in SERVICES.items() if package in missing]
        subprocess.run(["systemctl", "disable", "--quiet", *units], check=False, timeout=60)


def _apt(command: list[str]) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, capture_output=True, text=True, timeout=900, env=environment)


def missing_packages(packages: dict[str, tuple[str, ...]] = PACKAGES) -> list[str]:
    """Those of them whose signs are not there."""
    return [
        package
        for package, signs in packages.items()
        if not all(any(_there(option) for option in sign.split("|")) for sign in signs)
    ]


def _there(sign: str) -> bool:
    if sign.startswith("/"):
        return Path(sign).exists()
    return shutil.which(sign, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is not None


@contextmanager
def _no_services() -> Iterator[None]:
    """Debian's way to say that an installation starts no service; an own policy is kept."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)


def cni_plugins() -> Path:
    debian = Path("/usr/lib/cni")
    return debian if (debian / "ptp").exists() else Path("/opt/cni/bin")


def build(module: str) -> Path:
    """Build the programs of one Go module into the cache, unless they are there."""
    source = SOURCE / "go" / module
    folder = cache_root() / "programs" / f"{module}-{_module_key(source, module)}"
    if folder.exists():
        return folder
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for program, package, flags in PROGRAMS[module]:
        print(f"building {program} (minutes when Go's own cache is empty)", flush=True)
        done = subprocess.run(
            ["go", "build", "-trimpath", "-buildvcs=false", f"-ldflags=-s -w {flags}",
             "-o", str(partial / program), package],
            cwd=source,
            env={**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"},
            capture_output=True,
            text=True,
            timeout=2400,
        )  # fmt: skip
        if done.returncode:
            raise TestbedError(f"go build {package} failed:\n{done.stderr[-3000:]}")
    partial.rename(folder)
    return folder


def _module_key(source: Path, module: str) -> str:
    digest = hashlib.sha256(_go_version(source).encode())
    digest.update(repr(PROGRAMS[module]).encode())
    for path in sorted(source.iterdir()):
        digest.update(f"{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _go_version(source: Path) -> str:
    command = ["go", "env", "GOVERSION", "GOOS", "GOARCH"]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise TestbedError(f"go env failed in {source}: {done.stderr.strip()}")
    return done.stdout


def link_programs(folder: Path) -> None:
    """Fill `folder` with links to every program and, by name, to each Kubernetes component."""
    folder.mkdir()
    for module, programs in PROGRAMS.items():
        built = build(module)
        for program, _, _ in programs:
            (folder / program).symlink_to(built / program)
    for component in COMPONENTS:
        (folder / component).symlink_to(build("kube") / "kube")


def system_images() -> dict[str, str]:
    """The references of the images that the cluster itself needs, made when missing."""
    return {name: program_image(name) for name in ("pause", "coredns")}


def program_image(name: str) -> str:
    """The reference of an image of one Go program alone, made when missing."""
    program = build(name) / name
    tag = program.parent.name.rpartition("-")[2]
    reference = f"{image_store.PREFIX}/{name}:{tag}"
    with locked("images"):
        if not image_store.has(reference):
            image_store.add_static_image(reference, program)
    return reference


def base_archive() -> Path:
    """A tar of the smallest Debian, as the base of images where no registry is reached."""
    options = hashlib.sha256(repr(BASE_OPTIONS).encode()).hexdigest()[:8]
    path = cache_root() / "base" / f"{BASE_SUITE}-{options}.tar"
    if path.exists():
        return path
    print(f"making the base image: Debian {BASE_SUITE}", flush=True)
    path.parent.mkdir(exist_ok=True)
    partial = path.with_suffix(".partial.tar")
    command = ["unshare", "-m", "mmdebstrap", "--quiet", *BASE_OPTIONS, BASE_SUITE, str(partial)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    if done.returncode:
        raise TestbedError(f"mmdebstrap failed:\n{done.stderr[-2000:]}")
    partial.rename(path)
    return path
