"""A fixed history of 30 commits: edits, renames, deletes, reverts, changes of mode."""

from __future__ import annotations

import random
import sys
from pathlib import Path

from fakes import repository
from fakes.repository import GeneratedFile

Files = dict[str, GeneratedFile]
COMMITS = 30
EDITS_EACH = 3


def edited(files: Files, states: list[Files], chance: random.Random) -> Files:
    """The next state: some edits, renames, deletes, new files, changes of mode, and reverts."""
    new = dict(files)
    for _ in range(EDITS_EACH):
        path = chance.choice(sorted(new))
        file = new[path]
        kind = chance.choice(("edit", "append", "shorten", "rename", "delete", "mode", "revert"))
        lines = file.data.splitlines(keepends=True)
        if kind == "edit":
            lines[chance.randrange(len(lines))] = b"edited %d\n" % chance.randrange(1000)
            new[path] = GeneratedFile(b"".join(lines), file.mode)
        elif kind == "append":
            new[path] = GeneratedFile(file.data + b"\n# more %d\n" % chance.randrange(9), file.mode)
        elif kind == "shorten":
            new[path] = GeneratedFile(b"".join(lines[: len(lines) // 2 + 1]), file.mode)
        elif kind == "rename":
            new[f"moved/{chance.randrange(1000)}-{path.rpartition('/')[2]}"] = new.pop(path)
        elif kind == "delete" and len(new) > 8:
            del new[path]
        elif kind == "mode":
            new[path] = GeneratedFile(file.data, "100755")
        elif kind == "revert":
            old = chance.choice(states)
            new |= {p: f for p, f in old.items() if p == path or p not in new}
    return new


def history() -> list[Files]:
    """The fixed states of the repository, one a commit."""
    chance = random.Random(30)
    everything = repository.text_files()
    states = [{path: everything[path] for path in sorted(everything)[::25]}]
    while len(states) < COMMITS:
        states.append(edited(states[-1], states, chance))
    return states


if __name__ == "__main__":
    # In the test cluster's Git pod: OWNER/NAME under a folder.
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    repository.write(target, history())
