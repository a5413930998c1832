"""A small web project with what people commit beside their code: 780 kB, of which five files are
written. The same call makes the same bytes everywhere."""

from __future__ import annotations

import base64
import json
import random

from fakes.repository import GeneratedFile

README = """# Weather board

Shows the weather of a few towns.

## Install

    npm ci
    npm start
"""

POLLING = """// Asks the weather service again and again, and slows down when it fails.
const FIRST = 1000;
const LAST = 60000;

export function startPolling(ask, show) {
  let pause = FIRST;
  async function round() {
    try {
      show(await ask());
      pause = FIRST;
    } catch (error) {
      pause = Math.min(pause * 2, LAST);
    }
    setTimeout(round, pause);
  }
  round();
}
"""

AUTH = '''"""Logins."""

import hashlib
import hmac
import secrets


def hash_password(password: str) -> str:
    """A salted hash of a password, to be stored."""
    salt = secrets.token_bytes(16)
    digest = hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)
    return f"{salt.hex()}${digest.hex()}"


def check_password(password: str, stored: str) -> bool:
    """Whether a password is the one that was stored."""
    salt, digest = (bytes.fromhex(part) for part in stored.split("$"))
    again = hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)
    return hmac.compare_digest(again, digest)
'''

PACKAGE = {"name": "weather-board", "version": "1.0.0", "dependencies": {"ws": "^8.17.0"}}
WORDS = ("poll", "timer", "retry", "auth", "login", "token", "weather", "cloud", "rain", "cache")

WRITTEN = frozenset(
    {"README.md", "package.json", "src/polling.js", "src/auth.py", "notebooks/rain.ipynb"}
)


def files() -> dict[str, GeneratedFile]:
    """All files, by path. `WRITTEN` are those that people wrote."""
    dice = random.Random(7)
    texts = {
        "README.md": README,
        "package.json": json.dumps(PACKAGE, indent=2) + "\n",
        "src/polling.js": POLLING,
        "src/auth.py": AUTH,
        "notebooks/rain.ipynb": _notebook(dice),
        "package-lock.json": _lock_file(dice),
        "public/app.min.js": _bundle(dice),
        "public/vendor.js": _bundle(dice)[:60_000],
        "public/app.min.js.map": _source_map(dice),
        "public/logo.svg": _drawing(dice),
        "fixtures/picture.txt": _base64(dice, 60_000),
    }
    return {path: GeneratedFile(text.encode()) for path, text in texts.items()}


def _base64(dice: random.Random, size: int) -> str:
    return base64.b64encode(dice.randbytes(size)).decode()


def _lock_file(dice: random.Random) -> str:
    packages = {}
    for number in range(600):
        name = f"{dice.choice(WORDS)}-{dice.choice(WORDS)}-{number}"
        packages[f"node_modules/{name}"] = {
            "version": f"{dice.randrange(10)}.{dice.randrange(20)}.0",
            "resolved": f"https://packages.example/{name}.tgz",
            "integrity": "sha512-" + _base64(dice, 64),
            "engines": {"node": ">=18"},
        }
    return json.dumps({"lockfileVersion": 3, "packages": packages}, indent=2) + "\n"


def _bundle(dice: random.Random) -> str:
    names = [f"{dice.choice('abcdefgh')}{number}" for number in range(60)]
    functions = (
        f"var {dice.choice(names)}={dice.randrange(10)};function {name}({dice.choice(names)},e)"
        f"{{for(var t=0;t<e.length;t++)if(e[t]==={dice.randrange(100)})return {dice.choice(names)}"
        f"(t,e);return setTimeout(function(){{{dice.choice(names)}()}},{dice.randrange(9)}e3)}}"
        for name in names * 25
    )
    return "!function(){" + "".join(functions) + "}();\n"


def _source_map(dice: random.Random) -> str:
    lines = ("".join(dice.choices("ACEGIKMOQSUWYacegikmoqsuwy", k=300)) for _ in range(200))
    return json.dumps({"version": 3, "sources": ["polling.js"], "mappings": ";".join(lines)})


def _drawing(dice: random.Random) -> str:
    def path() -> str:
        lines = "".join(f"l{dice.uniform(0, 9):.3f} {dice.uniform(0, 9):.3f}" for _ in range(400))
        return f'<path d="M{dice.uniform(0, 99):.3f} {dice.uniform(0, 99):.3f}{lines}z"/>\n'

    paths = "".join(path() for _ in range(10))
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100">{paths}</svg>\n'


def _notebook(dice: random.Random) -> str:
    fit = "import numpy as np\nyears = np.arange(1990, 2020)\nslope = np.polyfit(years, rain, 1)"
    outliers = (
        'def outliers(rain):\n    """Years that are too wet to be true."""\n'
        "    return rain[abs(rain - rain.mean()) > 3 * rain.std()]"
    )
    picture = {"image/png": _base64(dice, 120_000), "text/plain": ["<Figure size 640x480>"]}
    cells = [
        {"cell_type": "markdown", "source": ["# Rainfall of the towns\n", "A line through it."]},
        {
            "cell_type": "code",
            "source": fit.splitlines(keepends=True),
            "outputs": [{"output_type": "display_data", "data": picture}],
        },
        {"cell_type": "code", "source": outliers.splitlines(keepends=True), "outputs": []},
    ]
    return json.dumps({"cells": cells, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"
