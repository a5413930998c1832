"""Build images with buildah from the machine's own base, and load them into a cluster."""

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import image_store, namespaces, toolchain
from .errors import TestbedError
from .paths import Cluster, cache_root, locked

BUILD_SECONDS = 1800
CA_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
CA_IN_BUILD = "/etc/ssl/certs/ca-certificates.crt"
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def build(name: str, context: Path, dockerfile: Path, arguments: dict[str, str]) -> str:
    """Build the image unless the same one is cached; returns its reference.

    The tag is the hash of all that goes in: the Dockerfile, the files it copies (those that git
    does not ignore), the build arguments and the base.
    """
    base = toolchain.base_archive()
    if "BASE" not in arguments:
        arguments = {**arguments, "BASE": _base_reference(base)}
    files = _copied_files(context, dockerfile)
    reference = f"{image_store.PREFIX}/{name}:{_key(context, dockerfile, files, arguments)}"
    with locked("images"):
        if not image_store.touch(reference):
            _import_base(base)
            with tempfile.TemporaryDirectory(dir=_work_folder()) as staged:
                _stage(context, files, Path(staged))
                for stage in _stages(dockerfile):
                    # With a name of its own the pruning spares it: it is there for the next build.
                    tag = f"{image_store.PREFIX}/{name}-{stage}:stage"
                    _build(tag, Path(staged), dockerfile, arguments, "--target", stage)
                _build(reference, Path(staged), dockerfile, arguments)
            with tempfile.TemporaryDirectory(dir=_work_folder()) as pushed:
                # Of buildah's transports only dir: heeds --disable-compression.
                _buildah("push", "--disable-compression", reference, f"dir:{pushed}")
                image_store.adopt(reference, Path(pushed))
            for old in image_store.prune():
                _buildah("rmi", "--force", old, may_fail=True)
            _buildah("rmi", "--prune", may_fail=True)
    return reference


def load(cluster: Cluster, names: list[str]) -> None:
    """Import images into the cluster's containerd; only blobs that it lacks are moved."""
    for name in names:
        reference = image_store.resolve(name)
        if reference in _ctr(cluster, "images", "ls", "-q"):
            continue
        already_there = set(_ctr(cluster, "content", "ls", "-q"))
        command = namespaces.inside(cluster, "ctr", "-n", "k8s.io", "images", "import", "-")
        with tempfile.TemporaryFile() as log:
            importing = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
            assert importing.stdin is not None
            try:
                with importing.stdin as pipe:
                    image_store.write_archive(pipe, reference, already_there)
            except BrokenPipeError:
                pass  # its own message says why
            if importing.wait(timeout=BUILD_SECONDS):
                log.seek(0)
                raise TestbedError(f"importing {reference}: {log.read().decode()[-2000:]}")


def _ctr(cluster: Cluster, *arguments: str) -> list[str]:
    command = namespaces.inside(cluster, "ctr", "-n", "k8s.io", *arguments)
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise TestbedError(f"ctr {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.split()


def _copied_files(context: Path, dockerfile: Path) -> list[Path]:
    """The files below `context`, relative to it, that a COPY or ADD of the Dockerfile names."""
    sources = [source.strip("/").removeprefix("./") for source in _copy_sources(dockerfile)]
    everything = any(source in ("", ".") or set(source) & set("$*?[") for source in sources)
    wanted = [Path(source) for source in sources]
    return [
        path
        for path in _versioned_files(context)
        if everything or any(path.is_relative_to(source) for source in wanted)
    ]


def _copy_sources(dockerfile: Path) -> list[str]:
    """What COPY and ADD take from the context. A form that is not understood means all of it."""
    text = dockerfile.read_text().replace("\\\n", " ")
    sources: list[str] = []
    for line in text.splitlines():
        instruction, _, rest = line.strip().partition(" ")
        if instruction.upper() not in ("COPY", "ADD"):
            continue
        words = shlex.split(rest)
        options = [word for word in words if word.startswith("--")]
        if not any(option.startswith("--from=") for option in options):
            sources += [word for word in words if word not in options][:-1] or ["."]
    return ["."] if any(source.startswith(("[", "<<")) for source in sources) else sources


def _versioned_files(context: Path) -> list[Path]:
    """What git knows or would add; outside of a repository, everything."""
    command = ["git", "-C", str(context), "ls-files", "-z", "-co", "--exclude-standard"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode == 0:
        found = [Path(name) for name in done.stdout.split("\0") if name]
    else:
        found = [path.relative_to(context) for path in context.rglob("*")]
    files = {path for path in found if (context / path).is_file() or (context / path).is_symlink()}
    return sorted(files)


def _key(context: Path, dockerfile: Path, files: list[Path], arguments: dict[str, str]) -> str:
    digest = hashlib.sha256(dockerfile.read_bytes())
    digest.update(json.dumps(arguments, sort_keys=True).encode())
    for path in files:
        source = context / path
        content = str(source.readlink()).encode() if source.is_symlink() else source.read_bytes()
        executable = bool(source.lstat().st_mode & 0o100)
        digest.update(f"\0{path}\0{executable}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def _stage(context: Path, files: list[Path], target: Path) -> None:
    """Copy the files with fixed times and modes, so that an unchanged layer is taken again."""
    target.chmod(0o755)
    for path in files:
        copy = target / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(context / path, copy, follow_symlinks=False)
        if not copy.is_symlink():
            copy.chmod(0o755 if (context / path).stat().st_mode & 0o100 else 0o644)
    for entry in [*target.rglob("*"), target]:
        os.utime(entry, (0, 0), follow_symlinks=False)


def _base_reference(base: Path) -> str:
    """The base's name holds its size and time: another tar is another base."""
    stat = base.stat()
    made = hashlib.sha256(f"{base.name} {stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()
    return f"{image_store.PREFIX}/base:{made[:12]}"


def _import_base(base: Path) -> None:
    reference = _base_reference(base)
    if _buildah("inspect", "--type", "image", reference, may_fail=True):
        return
    container = _buildah("from", "scratch").strip()
    _buildah("add", container, str(base), "/")
    _buildah("config", "--cmd", "bash", "--env", "PATH=" + DEFAULT_PATH, container)
    _buildah("commit", "--rm", container, reference)


def _stages(dockerfile: Path) -> list[str]:
    """The names of the stages that others copy from."""
    return re.findall(r"(?im)^FROM\s+\S+\s+AS\s+(\S+)\s*$", dockerfile.read_text())


def _build(
    reference: str, context: Path, dockerfile: Path, arguments: dict[str, str], *options: str
) -> None:
    command = [
        "bud", "--isolation", "chroot", "--network", "host", "--layers", "--pull-never",
        "--format", "oci", "--file", str(dockerfile.resolve()), "--tag", reference, *options,
    ]  # fmt: skip
    for name, value in sorted(arguments.items()):
        command += ["--build-arg", f"{name}={value}"]
    bundle = next((os.environ[name] for name in CA_VARIABLES if os.environ.get(name)), None)
    if bundle:
        # In the build only: neither the file nor the variables end up in the image.
        command += ["--volume", f"{Path(bundle).resolve()}:{CA_IN_BUILD}:ro"]
        for name in ("PIP_CERT", "SSL_CERT_FILE"):
            command += ["--env", f"{name}={CA_IN_BUILD}", "--unsetenv", name]
    _buildah(*command, str(context))


def _buildah(*arguments: str, may_fail: bool = False) -> str:
    """Run buildah with its storage in the cache; its mounts end with it."""
    work = _work_folder()
    command = [
        "unshare", "-m", "buildah", "--root", str(cache_root() / "buildah"),
        "--runroot", str(work / "buildah-run"), "--storage-driver", "overlay", *arguments,
    ]  # fmt: skip
    environment = {**os.environ, "TMPDIR": str(work)}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=BUILD_SECONDS, env=environment
    )
    if done.returncode and not may_fail:
        output = (done.stdout + done.stderr)[-4000:]
        raise TestbedError(f"buildah {arguments[0]} failed:\n{output}")
    return done.stdout if done.returncode == 0 else ""


def _work_folder() -> Path:
    folder = cache_root() / "work"
    folder.mkdir(exist_ok=True)
    return folder
