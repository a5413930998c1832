"""A real Git host for all commands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from e2e.kit import FILES
from fakes import repository
from fakes.git_host import serving


@pytest.fixture(scope="session")
def git_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("host")
    (root / "acme").mkdir()
    repository.write(root / "acme" / "shop", [FILES])
    many = {f"f{i:03}.py": f for i in range(500) for f in [FILES["src/bake.py"]]}
    different = {k: repository.GeneratedFile(v.data + k.encode()) for k, v in many.items()}
    repository.write(root / "acme" / "many", [different])
    with serving(root) as url:
        yield url
