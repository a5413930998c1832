"""Images in the cache, as one OCI image layout: what images share is stored once.

`index.json` names the images, the last one asked for last; the annotation
`org.opencontainers.image.ref.name` is the full reference. Layers are not compressed: they never
leave the machine.
"""

import hashlib
import io
import json
import platform
import tarfile
from pathlib import Path
from typing import IO, Any

from .errors import TestbedError
from .paths import cache_root

REF_NAME = "org.opencontainers.image.ref.name"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
KEPT_PER_NAME = 5
PREFIX = "localhost/chroma-sync"


def folder() -> Path:
    """The layout's folder, made when missing."""
    path = cache_root() / "images"
    (path / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
    if not (path / "index.json").exists():
        (path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        _write_index([])
    return path


def has(reference: str) -> bool:
    return any(entry["annotations"].get(REF_NAME) == reference for entry in _index())


def touch(reference: str) -> bool:
    """Make the image the last one asked for, which pruning spares; False when it is not here."""
    if not has(reference):
        return False
    _put_last(_descriptor(reference))
    return True


def resolve(name: str) -> str:
    """The full reference of `name`: itself, or the last build asked for under that bare name."""
    known = [str(entry["annotations"].get(REF_NAME)) for entry in _index()]
    if name in known:
        return name
    builds = [ref for ref in known if ref.startswith(f"{PREFIX}/{name}:")]
    if not builds:
        raise TestbedError(f"image {name}: not built; known are: {', '.join(known) or 'none'}")
    return builds[-1]


def blobs_of(reference: str) -> list[str]:
    """The digests of the image's manifest, configuration and layers."""
    descriptor = _descriptor(reference)
    manifest = json.loads(_blob(descriptor["digest"]).read_text())
    parts = [manifest["config"], *manifest["layers"]]
    return [descriptor["digest"], *(str(part["digest"]) for part in parts)]


def write_archive(stream: IO[bytes], reference: str, already_there: set[str]) -> None:
    """Write the image as an OCI archive without the blobs whose digests are already there."""
    descriptor = _descriptor(reference)
    descriptor["annotations"] = {REF_NAME: reference, "io.containerd.image.name": reference}
    index = json.dumps({"schemaVersion": 2, "manifests": [descriptor]}).encode()
    with tarfile.open(fileobj=stream, mode="w|", bufsize=1 << 20) as archive:
        _add(archive, "oci-layout", (folder() / "oci-layout").read_bytes())
        for digest in dict.fromkeys(blobs_of(reference)):
            if digest not in already_there:
                archive.add(_blob(digest), "blobs/" + digest.replace(":", "/"))
        _add(archive, "index.json", index)


def add_static_image(reference: str, program: Path) -> None:
    """Make an image of one static program, which is its entry point. Runs as nobody."""
    path = f"/{program.name}"
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        _add(archive, path.lstrip("/"), program.read_bytes(), mode=0o755)
    layer_digest, layer_size = _store(layer.getvalue())
    config = {
        "architecture": _architecture(),
        "os": "linux",
        "config": {"Entrypoint": [path], "User": "65534:65534"},
        "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
    }
    config_digest, config_size = _store(json.dumps(config).encode())
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _part("application/vnd.oci.image.config.v1+json", config_digest, config_size),
        "layers": [_part("application/vnd.oci.image.layer.v1.tar", layer_digest, layer_size)],
    }
    _add_image(reference, json.dumps(manifest).encode())


def adopt(reference: str, pushed: Path) -> None:
    """Move in an image from a folder that the `dir:` transport wrote."""
    manifest = (pushed / "manifest.json").read_bytes()
    parts = json.loads(manifest)
    for part in [parts["config"], *parts["layers"]]:
        (pushed / part["digest"].removeprefix("sha256:")).replace(_blob(part["digest"]))
    _add_image(reference, manifest)


def prune() -> list[str]:
    """Forget all but the last builds of each name, and blobs of none; returns the references."""
    kept: list[dict[str, Any]] = []
    dropped: list[str] = []
    counts: dict[str, int] = {}
    for entry in reversed(_index()):
        reference = str(entry["annotations"].get(REF_NAME))
        name = reference.rpartition(":")[0]
        counts[name] = counts.get(name, 0) + 1
        if counts[name] > KEPT_PER_NAME:
            dropped.append(reference)
        else:
            kept.append(entry)
    _write_index(kept[::-1])
    used = {digest for e in kept for digest in blobs_of(e["annotations"][REF_NAME])}
    for path in (folder() / "blobs" / "sha256").iterdir():
        if f"sha256:{path.name}" not in used:
            path.unlink()
    return dropped


def _part(media_type: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest, "size": size}


def _add_image(reference: str, manifest: bytes) -> None:
    digest, size = _store(manifest)
    entry = _part(MANIFEST, digest, size) | {"annotations": {REF_NAME: reference}}
    _put_last(entry)


def _put_last(entry: dict[str, Any]) -> None:
    reference = entry["annotations"][REF_NAME]
    _write_index([*(e for e in _index() if e["annotations"].get(REF_NAME) != reference), entry])


def _store(content: bytes) -> tuple[str, int]:
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    folder()
    partial = _blob(digest).with_suffix(".partial")
    partial.write_bytes(content)
    partial.rename(_blob(digest))
    return digest, len(content)


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))


def _blob(digest: str) -> Path:
    return cache_root() / "images" / "blobs" / digest.replace(":", "/")


def _descriptor(reference: str) -> dict[str, Any]:
    for entry in _index():
        if entry["annotations"].get(REF_NAME) == reference:
            return entry
    raise TestbedError(f"image {reference}: not in the cache; build it first")


def _index() -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((folder() / "index.json").read_text())["manifests"]
    return entries


def _write_index(entries: list[dict[str, Any]]) -> None:
    path = cache_root() / "images" / "index.json"
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
    partial.rename(path)


def _architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
