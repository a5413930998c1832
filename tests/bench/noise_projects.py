"""Ten projects of different kinds, as their packages ship them, and what of them people wrote.

They come from the ordinary clients of the package managers, by name and version, into
`build/noise`. What is not written was judged by looking at the files, not by the rules that are
measured. A drawing, a key or a picture in letters counts as not written; so do pages that were
built from written ones (lxml) and recorded test data (k8s.io/api), of which no rule is sure.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chroma_sync.pipeline.fetch.git.globs import Globs

CACHE = Path(__file__).resolve().parent.parent.parent / "build" / "noise"


class Missing(Exception):
    """A package manager's client is not on this machine, or can't get a package."""


@dataclass(frozen=True)
class Project:
    """A package. `fetch` brings it into an empty folder and returns where its files begin."""

    name: str
    version: str
    kind: str
    fetch: Callable[[str, str, Path], Path]
    not_written: tuple[str, ...]

    def files(self) -> dict[str, bytes]:
        """All its files, by their path."""
        folder = CACHE / f"{self.name.replace('/', '-')}-{self.version}"
        done = folder / ".complete"
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            done.write_text(str(self.fetch(self.name, self.version, folder)))
        root = Path(done.read_text())
        paths = (path for path in sorted(root.rglob("*")) if path.is_file() and path != done)
        return {str(p.relative_to(root)): p.read_bytes() for p in paths if not p.is_symlink()}

    def written(self, path: str) -> bool:
        """Whether people wrote a file."""
        return Globs([], self.not_written).chosen(path)


def sdist(name: str, version: str, folder: Path) -> Path:
    """A source distribution of Python."""
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet")
    _run(*pip, "--no-deps", "--no-binary", ":all:", f"{name}=={version}", cwd=folder)
    return _unpacked(folder)


def wheel(name: str, version: str, folder: Path) -> Path:
    """A pure wheel of Python."""
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet")
    _run(*pip, "--no-deps", "--only-binary", ":all:", f"{name}=={version}", cwd=folder)
    (archive,) = folder.glob("*.whl")
    shutil.unpack_archive(archive, folder / "files", "zip")
    return folder / "files"


def npm(name: str, version: str, folder: Path) -> Path:
    """A package of npm."""
    _run("npm", "pack", "--silent", f"{name}@{version}", cwd=folder)
    return _unpacked(folder)


def go(name: str, version: str, folder: Path) -> Path:
    """A module of Go."""
    told = _run("go", "mod", "download", "-json", f"{name}@{version}", cwd=folder)
    return Path(json.loads(told)["Dir"])


def cargo(name: str, version: str, folder: Path) -> Path:
    """A crate of Rust, without what it depends on."""
    (folder / "src").mkdir()
    (folder / "src" / "lib.rs").touch()
    (folder / "Cargo.toml").write_text(
        f'[package]\nname = "x"\nversion = "0.0.0"\n[dependencies]\n{name} = "={version}"\n'
    )
    _run("cargo", "vendor", "--quiet", "crates", cwd=folder)
    return folder / "crates" / name


def _run(*command: str, cwd: Path) -> str:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{command[0]}: {error}") from None
    if done.returncode != 0:
        raise Missing(f"{' '.join(command)}: {done.stderr.strip()[-300:]}")
    return done.stdout


def _unpacked(folder: Path) -> Path:
    (archive,) = (*folder.glob("*.tar.gz"), *folder.glob("*.tgz"))
    with tarfile.open(archive) as tar:
        tar.extractall(folder / "files", filter="data")
    (root,) = (folder / "files").iterdir()
    return root


_METADATA = ("*.dist-info/RECORD", "*.dist-info/WHEEL", "*.egg-info/", "PKG-INFO")
PROJECTS = (
    Project(
        *("django", "5.1.4", "Python, web framework", wheel),
        (*_METADATA, "vendor/", "*.svg"),
    ),
    Project(
        *("lxml", "5.3.0", "Python and C, bindings", sdist),
        (*_METADATA, "doc/html/", "*.asc", "src/lxml/*.c", "src/lxml/*.h"),
    ),
    Project("pip", "24.3.1", "Python, bundles others", wheel, (*_METADATA, "pip/_vendor/")),
    Project(
        *("sphinx", "8.1.3", "Python, documentation", sdist),
        (
            *(*_METADATA, "sphinx/search/minified-js/", "sphinx/search/non-minified-js/"),
            *("sphinx/locale/*/LC_MESSAGES/*.js", "css3-mediaqueries*.js", "searchindex.js"),
            *("*.svg", "tests/certs/"),
        ),
    ),
    Project(
        *("uvloop", "0.21.0", "Cython, vendored C", sdist),
        (*_METADATA, "vendor/", "uvloop/*.c", "tests/certs/"),
    ),
    Project("bootstrap", "5.3.3", "SCSS and JavaScript", npm, ("dist/", "scss/vendor/")),
    Project("rxjs", "7.8.1", "TypeScript, built", npm, ("dist/",)),
    Project(
        *("helm.sh/helm/v3", "v3.16.3", "Go, a command", go),
        (
            *("go.sum", "*.lock", "*.prov", "*.pem", "*.crt", "*.key", "*.pub", "*.secret"),
            *("*.svg", "KEYS", "third_party/"),
        ),
    ),
    Project(
        *("k8s.io/api", "v0.31.3", "Go, generated types", go),
        ("go.mod", "go.sum", "*generated*", "testdata/"),
    ),
    Project("ripgrep", "14.1.1", "Rust, a command", cargo, ("Cargo.lock", "Cargo.toml", ".cargo*")),
)
