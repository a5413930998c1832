"""`make demo`: serve this checkout from a local Git host, index parts of it, ask two questions."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from fakes.git_host import serving

ROOT = Path(__file__).resolve().parent.parent
CHROMA_SYNC = [sys.executable, "-m", "chroma_sync.cli.main"]
SAMPLE = ROOT / "crds" / "samples" / "demo.yaml"
SAMPLE_URL = "http://127.0.0.1:8418"  # for people; here any free port does
QUESTIONS = (
    ("bounded queue between two stages that stops when the run stops", "pipeline/queues.py"),
    ("translate gitignore include and exclude patterns", "pipeline/fetch/git/globs.py"),
)


def main() -> int:
    """Index and ask. Returns 0 when the right file comes first each time."""
    with tempfile.TemporaryDirectory(prefix="chroma-sync-demo-") as folder:
        owner = Path(folder) / "repositories" / "local"
        owner.mkdir(parents=True)
        (owner / "chroma-sync").symlink_to(ROOT, target_is_directory=True)
        chroma, objects = Path(folder) / "chroma", Path(folder) / SAMPLE.name
        with serving(owner.parent) as url:
            objects.write_text(SAMPLE.read_text().replace(SAMPLE_URL, url))
            shown(["run", "-f", str(objects), "--path", str(chroma)])
        answers = [asked(*question, chroma) for question in QUESTIONS]
        return 0 if all(answers) else 1


def asked(text: str, expected: str, chroma: Path) -> bool:
    """Ask one question. True when the expected file comes first."""
    answer = shown(["query", text, "--collection", "demo", "--path", str(chroma), "--limit", "3"])
    first = answer.splitlines()[0]
    right = expected in first
    print(f"   {'the right file came first' if right else f'expected {expected} to come first'}\n")
    return right


def shown(arguments: list[str]) -> str:
    """Run one command of chroma-sync and show it with its output."""
    words = [f'"{a}"' if " " in a else a for a in arguments]
    print("$ chroma-sync", *words, flush=True)
    command = [*CHROMA_SYNC, *arguments]
    if arguments[0] == "run" and sys.stdout.isatty():
        subprocess.run(command, check=True, cwd=ROOT)
        print()
        return ""
    done = subprocess.run(command, check=True, cwd=ROOT, text=True, stdout=subprocess.PIPE)
    print(done.stdout, flush=True)
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
